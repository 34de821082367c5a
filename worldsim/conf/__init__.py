"""Hydra configs; a recipe holds only what differs from the defaults in code."""
