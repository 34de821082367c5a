"""``worldsim train recipe=nano data=…``: codec, latents, transformer, checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch

from worldsim.checkpoint import Checkpoint, RolloutConfig
from worldsim.codec import CODECS, Codec, make_codec
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.model import WorldTransformer
from worldsim.objective import ObjectiveConfig
from worldsim.text import TextTokenizer
from worldsim.train.batches import BatchConfig, Batches
from worldsim.train.codec_stage import CodecConfig, fit_codec, sample_frames
from worldsim.train.latents import encode_dataset, read_tracks
from worldsim.train.run import RunFolder
from worldsim.train.world_stage import WorldStage, WorldStageConfig


@dataclass
class ModelConfig:
    """Size of the transformer; see `WorldTransformer`."""

    vocab_size: int = 512
    width: int = 256
    depth: int = 6
    text_hidden: int = 256
    image_hidden: int = 704
    patch: int = 2
    surprise: float = 0.5


@dataclass
class TrainConfig:
    """Everything a run can be told; a recipe holds differences only.

    Attributes:
        data: Folder of the dataset to learn from.
        heldout: Folder of a dataset never learnt from: sample sheets and start clips.
        out: Folder of the run; an interrupted run continues there.
        seed: Of weights, batches and noise.
        device: ``auto``, ``cpu`` or ``cuda``.
        codec: ``patch`` or ``conv``.
        codec_options: Arguments of the codec.
        codec_from: Checkpoint folder to take a trained codec from.
        init_from: Checkpoint folder to take the transformer's first weights from.
        num_starts: Start clips to put into the checkpoint.
    """

    data: str = ""
    heldout: str = ""
    out: str = "runs/train"
    seed: int = 0
    device: str = "auto"
    codec: str = "patch"
    codec_from: str = ""
    init_from: str = ""
    num_starts: int = 24
    codec_options: dict[str, float] = field(default_factory=dict)
    codec_stage: CodecConfig = field(default_factory=CodecConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    stage: WorldStageConfig = field(default_factory=WorldStageConfig)


IDENTITY = ["data", "seed", "codec", "codec_from", "model", "objective", "batch"]


def train(config: TrainConfig) -> None:
    """Run or continue both stages; the checkpoint is ``<out>/model``."""
    if not config.data:
        raise WorldsimError(
            "nothing to learn from: name a dataset with data=…, "
            "made by `worldsim collect world=doom path=…`"
        )
    dataset = Dataset(config.data)
    run = RunFolder(config.out, config, IDENTITY)
    torch.manual_seed(config.seed)
    device = _device(config.device)
    codec = _codec(config, dataset, run, device)
    tokenizer = _tokenizer(dataset, run, config.model.vocab_size)
    latents = encode_dataset(dataset, codec, run.path / "latents.npy")
    tracks = read_tracks(dataset, tokenizer)
    batches = Batches(
        latents, tracks, tokenizer, dataset.spec.description, config.batch, config.seed
    )
    checkpoint = Checkpoint(
        network=_network(config, codec, tokenizer),
        codec=codec,
        tokenizer=tokenizer,
        worlds={dataset.spec.name: dataset.spec},
        rollout=RolloutConfig(window=config.batch.window, base_level=config.batch.base_level),
    )
    heldout = Dataset(config.heldout) if config.heldout else None
    stage = WorldStage(checkpoint, batches, config.objective, config.stage, run, device)
    stage.run(heldout or dataset, num_starts=config.num_starts if heldout else 0)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise WorldsimError("device=cuda, but torch sees no CUDA device: use device=cpu")
    return torch.device(name)


def _codec(config: TrainConfig, dataset: Dataset, run: RunFolder, device: torch.device) -> Codec:
    """Load the run's codec, take another's, or make one."""
    folder = run.path / "codec"
    if folder.exists():
        return CODECS[config.codec].from_pretrained(folder).to(device).requires_grad_(False)
    if config.codec_from:
        codec = Checkpoint.load(config.codec_from).codec.to(device)
    else:
        codec = make_codec(config.codec, dataset.image_size, **config.codec_options).to(device)
        frames = sample_frames(dataset, config.codec_stage.frames, config.seed)
        logs = fit_codec(codec, frames, config.codec_stage, config.seed, device)
        run.log(0, {f"codec/{name}": value for name, value in logs.items()})
    partial = folder.with_name("codec.partial")
    codec.save_pretrained(partial)
    partial.rename(folder)
    return codec.eval().requires_grad_(False)


def _tokenizer(dataset: Dataset, run: RunFolder, vocab_size: int) -> TextTokenizer:
    """Load the run's tokenizer or learn one from what the dataset says."""
    if not (run.path / "tokenizer.json").exists():
        corpus = [*dataset.spec.actions, *dataset.tasks, dataset.spec.description]
        TextTokenizer.train(corpus, vocab_size).save(run.path)
    return TextTokenizer.load(run.path)


def _network(config: TrainConfig, codec: Codec, tokenizer: TextTokenizer) -> WorldTransformer:
    if config.init_from:
        return Checkpoint.load(config.init_from).network.requires_grad_(True).train()
    channels, side, _ = codec.latent_shape
    sizes = asdict(config.model) | {"vocab_size": len(tokenizer)}
    return WorldTransformer(latent_channels=channels, latent_size=side, **sizes)
