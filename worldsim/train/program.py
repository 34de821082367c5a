"""``worldsim train recipe=nano data=…``: codec, latents, transformer, checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch

from worldsim.checkpoint import Checkpoint, RolloutConfig, load_codec, save_codec
from worldsim.codec import Codec, make_codec
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.grammar import every_phrase
from worldsim.hindsight import Hindsight
from worldsim.model import WorldTransformer
from worldsim.objective import ObjectiveConfig
from worldsim.text import TextTokenizer
from worldsim.train import afterwards, beforehand
from worldsim.train.batch_config import BatchConfig
from worldsim.train.batches import Batches
from worldsim.train.codec_stage import CodecConfig, fit_codec, sample_frames
from worldsim.train.latents import encode_dataset, read_tracks
from worldsim.train.prose import keep_prose
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
    painter_width: int = 96
    plan_width: int = 32
    match_width: int = 32
    momentum_width: int = 0
    gait_width: int = 0
    stem_width: int = 32
    split: bool = True
    may_rest: bool = True
    may_appear: bool = False
    may_invent: bool = False
    beyond_width: int = 0
    hears: bool = True
    glance_width: int = 0
    deed_width: int = 0


@dataclass
class TrainConfig:
    """Everything a run can be told; a recipe holds differences only.

    Attributes:
        data: Folder of the dataset to learn from; several, with commas, for several worlds.
        heldout: The same of what is never learnt from: sample sheets and start clips.
        out: Folder of the run; an interrupted run continues there.
        seed: Of weights, batches and noise.
        device: ``auto``, ``cpu`` or ``cuda``.
        codec: ``patch`` or ``conv``.
        codec_options: Arguments of the codec, such as ``codec_options={keep: 32}``.
        codec_from: Checkpoint folder to take a trained codec from.
        init_from: Checkpoint folder to take the transformer's first weights and the words from;
            the sizes in `model` are then those of that checkpoint, but for `OPTIONAL` parts that it
            lacks: they are added, untrained.
        num_steps: Denoising passes a frame, in play and in the dreams shown while training.
        num_starts: Start clips to put into the checkpoint.
        glance_steps: Updates in which who glances at frames learns what there is to see, before
            anything is asked in words, see `train.glances`; 0: none.
        asking_steps: Updates in which questions in words then come to look for what they looked for
            when they were numbers, see `train.askings`; 0: none.
        deed_steps: Updates in which it is learnt to tell what was done from how things moved around
            it, before that is asked in words, see `train.deeds`; 0: none.
        gait_steps: Updates in which it is learnt how whole pictures go on moving, without looking
            at them, see `train.gaits`; 0: none.
        momentum_steps: Updates in which it is learnt how things go on moving, by itself and before
            anything is drawn, see `train.momenta`; 0: none.
        edge_steps: Updates in which it is learnt what lies beyond the edges of pictures, when all
            else is learnt, see `train.edges`; 0: none.
        meaning_steps: Updates after which it is known what sentences mean, when all else is learnt,
            see `train.meanings`; 0: each is heard as the sum of its words.
        end_dreams: Dreams along play to which the chance of an end is fitted when all else is
            learnt, see `train.ends`; 0: none. With ``stage.steps=0`` nothing else is learnt.
    """

    data: str = ""
    heldout: str = ""
    out: str = "runs/train"
    seed: int = 0
    device: str = "auto"
    codec: str = "patch"
    codec_from: str = ""
    init_from: str = ""
    num_steps: int = 1
    num_starts: int = 24
    glance_steps: int = 0
    asking_steps: int = 0
    deed_steps: int = 0
    gait_steps: int = 0
    momentum_steps: int = 0
    edge_steps: int = 0
    meaning_steps: int = 0
    end_dreams: int = 0
    codec_options: dict[str, float] = field(default_factory=dict)
    codec_stage: CodecConfig = field(default_factory=CodecConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    stage: WorldStageConfig = field(default_factory=WorldStageConfig)


# What made the codec, the words and the latents in a run's folder, and what a run is besides.
PREPARED = ["data", "seed", "codec", "codec_from", "codec_options", "init_from", "model.vocab_size"]
IDENTITY = [*PREPARED, "num_steps", "glance_steps", "asking_steps"]
IDENTITY += ["deed_steps", "gait_steps", "momentum_steps", "model", "objective", "batch"]
# Parts of a model; each says nothing before it is trained.
OPTIONAL = ["match_width", "momentum_width", "gait_width", "stem_width", "glance_width"]
OPTIONAL += ["may_rest", "may_appear", "may_invent", "beyond_width", "hears", "deed_width"]
HELDOUT_REMEDY = "collect both with the same version"
INIT_REMEDY = "collect data= with the version that model learned from, or leave out init_from="


def train(config: TrainConfig) -> None:
    """Run or continue both stages; the checkpoint is ``<out>/model``."""
    if not config.data:
        raise WorldsimError(
            "nothing to learn from: name a dataset with data=…, "
            "made by `worldsim collect world=doom path=…`"
        )
    dataset, heldout = _open(config)
    run = RunFolder(config.out, config, IDENTITY, PREPARED)
    torch.manual_seed(config.seed)
    device = _device(config.device)
    codec = _codec(config, dataset, run, device)
    tokenizer = _tokenizer(config, dataset, run)
    latents = encode_dataset(dataset, codec, run.path / "latents.npy")
    tracks = read_tracks(dataset, tokenizer)
    things = {name: spec.things for name, spec in dataset.worlds.items()}
    texts = keep_prose(run.path) if config.batch.prose_share else []
    prose = [sentence for package in texts for sentence in package.sentences]
    torch.manual_seed(config.seed)  # whether the codec was made now or by a run that was killed
    network = _network(config, codec, tokenizer)
    if config.edge_steps and network.beyond is None:
        raise WorldsimError(
            f"edge_steps={config.edge_steps}: nobody looks there, set model.beyond_width=48"
        )
    weights, hindsight = config.objective, None
    if network.momentum or network.painter and (weights.hindsight_weight or weights.pace_weight):
        hindsight = Hindsight(load_codec(run.path / "codec").sketch)
    batches = Batches(
        latents, tracks, tokenizer, config.batch, config.seed, things, prose, hindsight
    )
    if not config.init_from or (config.stage.steps and not config.stage.only):
        network.fit_surprise(batches.sample_latents(num=128))
    network.canvas.fit(*codec.canvas())
    shares = config.batch.shares
    looking = config.glance_steps, config.asking_steps
    network.to(device)
    beforehand.look(network, run, batches, things, looking, shares, config.seed)
    asked = bool(config.stage.steps and config.batch.talk_rows)
    beforehand.tell_deeds(network, run, batches, config.deed_steps, shares, config.seed, asked)
    moving = config.gait_steps, config.momentum_steps
    beforehand.go_on_moving(network, run, batches, moving, shares, config.seed)
    checkpoint = Checkpoint(
        network=network,
        codec=codec,
        tokenizer=tokenizer,
        worlds=dataset.worlds,
        rollout=RolloutConfig(
            window=config.batch.window,
            base_level=config.batch.base_level,
            num_steps=config.num_steps,
        ),
    )
    stage = WorldStage(checkpoint, batches, config.objective, config.stage, run, device)
    stage.run(heldout or dataset, num_starts=config.num_starts if heldout else 0)
    if not stage.done:
        return
    if config.edge_steps:
        afterwards.look_beyond(run, batches, config.edge_steps, shares, config.seed)
    if config.meaning_steps:
        afterwards.understand(run, batches, config.meaning_steps, config.seed)
    if config.end_dreams:
        afterwards.end(run, batches, config.end_dreams)


def _open(config: TrainConfig) -> tuple[Collection, Collection | None]:
    """Open what is learnt from and what is not; both and `init_from` mean the same by a number.

    But for how long a step is: a model that begins as another may learn to take longer ones.
    """
    dataset = Collection(config.data)
    heldout = Collection(config.heldout) if config.heldout else None
    if heldout and heldout.image_size != dataset.image_size:
        raise WorldsimError(
            f"heldout={config.heldout} has {heldout.image_size} pixels, data={config.data} has "
            f"{dataset.image_size}: collect both with the same image_size"
        )
    mine = f"data={config.data}"
    for name, spec in (heldout.worlds if heldout else {}).items():
        if name in dataset.worlds:
            where = f"heldout={config.heldout}"
            dataset.worlds[name].check_same(spec, mine, where, HELDOUT_REMEDY)
    learnt = Checkpoint.load(config.init_from).worlds if config.init_from else {}
    for name, spec in learnt.items():
        if name in dataset.worlds:
            own, where = dataset.worlds[name].in_own_steps(), f"init_from={config.init_from}"
            own.check_same(spec.in_own_steps(), mine, where, INIT_REMEDY)
    return dataset, heldout


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise WorldsimError(f"unknown device={name}: use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise WorldsimError("device=cuda, but torch sees no CUDA device: use device=cpu")
    return torch.device(name)


def _codec(config: TrainConfig, dataset: Collection, run: RunFolder, device: torch.device) -> Codec:
    """Load the run's codec, take another's, or make one."""
    folder = run.path / "codec"
    if not folder.exists():
        if config.codec_from:
            codec = Checkpoint.load(config.codec_from).codec.to(device)
        else:
            codec = _new_codec(config, dataset.image_size).to(device)
            frames = sample_frames(dataset, config.codec_stage.frames, config.seed)
            logs = fit_codec(codec, frames, config.codec_stage, config.seed, device)
            run.log(0, {f"codec/{name}": value for name, value in logs.items()})
        partial = folder.with_name("codec.partial")
        save_codec(partial, codec)
        partial.rename(folder)
    codec = load_codec(folder)
    if codec.config.image_size != dataset.image_size:
        raise WorldsimError(
            f"the codec in {config.codec_from or folder} is made for {codec.config.image_size} "
            f"pixels, the dataset has {dataset.image_size}: choose another codec_from= or data="
        )
    return codec.to(device)


def _new_codec(config: TrainConfig, image_size: int) -> Codec:
    options = {k: int(v) if v == int(v) else v for k, v in config.codec_options.items()}
    try:
        return make_codec(config.codec, image_size, **options)
    except (TypeError, ValueError) as error:
        raise WorldsimError(
            f"codec_options={options} do not fit codec={config.codec} ({error}): "
            "see `worldsim.codec` for what there is"
        ) from error


def _tokenizer(config: TrainConfig, dataset: Collection, run: RunFolder) -> TextTokenizer:
    """Load the run's tokenizer, take another's, or learn one from what the dataset says."""
    if not (run.path / "tokenizer.json").exists():
        if config.init_from:
            tokenizer = Checkpoint.load(config.init_from).tokenizer
        else:
            specs = dataset.worlds.values()
            places = [text for spec in specs for text in (spec.description, *spec.places.values())]
            tokenizer = TextTokenizer.train(
                [*dataset.sentences, *every_phrase(), *places], config.model.vocab_size
            )
        tokenizer.save(run.path)
    return TextTokenizer.load(run.path)


def _network(config: TrainConfig, codec: Codec, tokenizer: TextTokenizer) -> WorldTransformer:
    channels, side, _ = codec.latent_shape
    if config.init_from:
        trained = Checkpoint.load(config.init_from).network
        size = trained.config
        if (size.latent_channels, size.latent_size) != (channels, side):
            raise WorldsimError(
                f"the model in init_from={config.init_from} does not fit the codec's latents "
                f"({channels}, {side}, {side}): add codec_from={config.init_from}"
            )
        parts = {name: size[name] or getattr(config.model, name) for name in OPTIONAL}
        # Not from_config, which would set parts younger than the checkpoint back to their defaults.
        sizes = {name: value for name, value in size.items() if not name.startswith("_")}
        network = WorldTransformer(**sizes | parts)
        network.load_state_dict(network.state_dict() | trained.state_dict())
        return network
    sizes = asdict(config.model) | {"vocab_size": len(tokenizer), "cell": codec.cell}
    try:
        return WorldTransformer(latent_channels=channels, latent_size=side, **sizes)
    except ValueError as error:
        raise WorldsimError(
            f"model={asdict(config.model)}: {error}; width is a multiple of 64, and patch "
            f"divides the codec's {side} cells"
        ) from error
