"""From recorded play to a checkpoint: codec first, then the transformer on its latents."""
