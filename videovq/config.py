"""Every dataclass that a YAML file or the command line can fill, and the parser that fills it.

Imports neither torch nor the rest of videovq, so that ``videovq COMMAND --help`` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

C = TypeVar("C")


# ---------------------------------------------------------------- record


@dataclass(frozen=True)
class SourceConfig:
    """An environment that episodes can be recorded from."""


@dataclass(frozen=True)
class GymnasiumSource(SourceConfig):
    """Any Gymnasium environment with a discrete action space and an RGB picture: an RGB observation, an
    observation dictionary with a ``screen``, ``rgb``, ``pixels`` or ``image`` entry, or ``render_mode="rgb_array"``.
    """

    env: str = "VizdoomMyWayHome-v1"
    """Environment id; ``package.module:Id`` imports the module first. ViZDoom's ids need no import."""
    action_repeat: int = 4
    """Engine steps that one recorded action lasts. ViZDoom repeats inside the engine, others by calling ``step``."""
    engine_fps: int = 35
    """Engine steps a second (ViZDoom: 35). The recording's frame rate is ``engine_fps / action_repeat``."""
    action_names: list[str] = field(default_factory=list)
    """Names of the actions in order; empty: ViZDoom's button names, ``action_0`` ... elsewhere."""


@dataclass(frozen=True)
class DeepMindLabSource(SourceConfig):
    """DeepMind Lab through its own ``deepmind_lab`` Python module, which you build from its repository."""

    level: str = "contributed/dmlab30/explore_goal_locations_small"
    """Level path as DeepMind Lab names it."""
    engine_fps: int = 60
    """Engine frames a second."""
    action_repeat: int = 4
    """Engine frames that one recorded action lasts. The recording's frame rate is ``engine_fps / action_repeat``."""
    look_pixels_per_frame: int = 20
    """Size of a look action, in the engine's pixels per frame."""


@dataclass(frozen=True)
class RecordConfig:
    """Record episodes with a seeded, sticky random policy that turns away when it is blocked."""

    out: str = "episodes"
    """Folder that receives ``episode_000000.mp4`` + ``.json`` and so on. Episodes already there are kept."""
    source: SourceConfig = field(default_factory=GymnasiumSource)
    """The environment: GymnasiumSource (ViZDoom unless told otherwise) or DeepMindLabSource."""
    episodes: int = 20
    """Number of episodes."""
    frames: int = 300
    """Frames in an episode."""
    frame_size: int = 84
    """Height and width of the recorded frames, in pixels: centre crop, then area resize."""
    seed: int = 0
    """Seed of the first episode; episode i uses seed + i for the level and for the policy."""
    stick: int = 12
    """An action is held for 1 to this many steps."""
    lossless: bool = False
    """Write lossless RGB H.264 (about three times larger) in place of visually lossless 4:4:4."""
    workers: int = 2
    """Processes that record at the same time."""


# ---------------------------------------------------------------- prep


@dataclass(frozen=True)
class PrepConfig:
    """Turn a folder of ``NAME.mp4`` + ``NAME.json`` episodes into an EpisodeStore."""

    source: str = "episodes"
    """Folder searched, with its subfolders, for ``NAME.mp4`` beside ``NAME.json``."""
    out: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    frame_size: int = 84
    """Height and width of the stored frames, in pixels: centre crop, then area resize."""
    frame_step: int = 1
    """Keep every n-th frame. Larger than 1 merges n actions into one: see ``merge_actions``."""
    merge_actions: Literal["refuse", "stack"] = "refuse"
    """What becomes of merged actions: ``stack`` keeps all n as one multi-discrete action; ``refuse`` stops."""
    validation_fraction: float = 0.05
    """Part of the episodes that goes to the split ``val``, chosen by a hash of the episode's id."""
    test_fraction: float = 0.05
    """Part that goes to ``test``, likewise. Not used when the recordings name their own test episodes."""
    shard_episodes: int = 8
    """Episodes in a shard, the unit of work and of resumption."""
    workers: int = 2
    """Processes that decode at the same time."""


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class VQVAEConfig:
    """The per-frame VQ-VAE of van den Oord et al. 2017, section 4.1."""

    hidden: int = 128
    """Channels of the convolutions (256 in the paper)."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    downsamplings: int = 2
    """Stride-2 convolutions: 2 turns 84x84 pixels into 21x21 codes."""
    codebook_size: int = 512
    """K, the number of codes."""
    code_dim: int = 64
    """D, the width of a code's vector."""
    quantizer: Literal["ema", "codebook_loss"] = "ema"
    """How the codebook learns: moving averages (paper, appendix A.1) or the codebook loss (equation 3)."""
    commitment: float = 0.25
    """beta, the weight of the commitment loss (equation 3)."""
    ema_decay: float = 0.99
    """gamma of the moving averages of code usage, and with ``ema`` of the codebook."""
    restart_below: float = 0.02
    """A code used less than this fraction of an even share (moving average) restarts at a random encoder output;
    0: never."""


@dataclass(frozen=True)
class PredictorConfig:
    """A predictor of code grids."""


@dataclass(frozen=True)
class PatchPredictorConfig(PredictorConfig):
    """Lookups and convolutions at code resolution around a block-causal transformer over 3x3 patches and time, and a
    decoder that draws the nine codes of every patch in nine steps.
    """

    width: int = 128
    """Channels of the convolutions at code resolution."""
    embedding: int = 48
    """Width of a code's embedding."""
    history: int = 3
    """Previous frames (and actions) that the convolutions look at directly."""
    blocks: int = 2
    """Lookups and residual blocks before the transformer, and as many residual blocks after it."""
    lookup_heads: int = 2
    """Attention heads of a lookup."""
    decoder_blocks: int = 2
    """Residual blocks in the within-frame decoder."""
    transformer_width: int = 192
    """Width of the transformer over patches and time."""
    transformer_layers: int = 2
    """Layers of the transformer."""
    heads: int = 3
    """Attention heads of the transformer."""
    window: int = 16
    """Frames that the transformer attends to, the current one included."""
    latent_loss: float = 0.5
    """Weight of the auxiliary regression of the next frame's code vectors."""


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW with a linear warm-up and a cosine schedule."""

    learning_rate: float = 1e-3
    """Peak learning rate."""
    final_fraction: float = 0.02
    """Learning rate at the end, as a fraction of the peak."""
    warmup_steps: int = 100
    """Steps of the linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay; 0 is plain Adam."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's moment decays."""
    gradient_clip: float = 1.0
    """Largest gradient norm; 0: no clipping."""
    weight_average: float = 0.0
    """Decay of an exponential moving average of the weights, used for validation and kept at the end; 0: none."""


@dataclass(frozen=True)
class TrainingConfig:
    """What both trainings share."""

    steps: int = 4000
    """Optimiser steps."""
    batch_size: int = 64
    """Samples in a step, over all devices."""
    seed: int = 0
    """Seed of the initial weights, of the batches and of every random draw in training."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """``auto``: bf16-mixed where the processor or GPU computes it natively, else 32-true."""
    accelerator: str = "auto"
    """Lightning accelerator: cpu, gpu, mps or auto."""
    devices: int = 1
    """Number of devices."""
    validate_every: int = 500
    """Steps between validations, each with a curve plot (and, for a VQ-VAE, a reconstruction grid)."""
    checkpoint_every: int = 500
    """Steps between checkpoints to resume from."""
    logger: Literal["csv", "wandb", "tensorboard"] = "csv"
    """Where metrics go beside the plots in the run folder. wandb runs offline when it has no key."""


@dataclass(frozen=True)
class TrainVQVAEConfig:
    """Train a VQ-VAE on the frames of an EpisodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/vqvae"
    """Run folder; an interrupted run continues there."""
    model: VQVAEConfig = field(default_factory=VQVAEConfig)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batch, precision, logging."""


@dataclass(frozen=True)
class EncodeConfig:
    """Encode every frame of an EpisodeStore with a trained VQ-VAE into a CodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE."""
    out: str = "stores/codes"
    """Folder of the CodeStore."""
    batch_size: int = 64
    """Frames encoded at once."""


@dataclass(frozen=True)
class TrainPredictorConfig:
    """Train a predictor on windows of a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/predictor"
    """Run folder; an interrupted run continues there."""
    model: PredictorConfig = field(default_factory=PatchPredictorConfig)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(batch_size=4))
    """Length, batch, precision, logging."""
    window: int = 16
    """Frames in a training window."""
    context_noise: float = 0.05
    """Part of the context codes replaced by a code of similar look, against drift in rollouts."""


# ---------------------------------------------------------------- rollout


@dataclass(frozen=True)
class RolloutConfig:
    """Predict frames as codes, then decode the predicted codes, and write GIF, MP4, PNG strip and npz."""

    predictor: str = "runs/predictor"
    """Run folder of the predictor."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE that wrote the predictor's codes."""
    context: str = "stores/episodes"
    """Where the context frames come from: an EpisodeStore, or a video file."""
    episode: str = ""
    """Episode of the store (a wrong name lists them); empty: the first of ``split``."""
    split: Literal["train", "val", "test"] = "test"
    """Split whose first episode is taken when ``episode`` is empty."""
    start: int = 0
    """Index of the first context frame."""
    context_frames: int = 6
    """Number of context frames."""
    frames: int = 10
    """Number of frames to predict."""
    actions: str = "recorded"
    """``recorded``; an action's name or number, held throughout; several, separated by commas; or a JSON file with
    a list. Each leads to one predicted frame."""
    context_actions: str = ""
    """Actions between the context frames when the context is a video file without ``NAME.json`` beside it:
    written as ``actions`` is, one fewer than ``context_frames``."""
    samples: int = 1
    """Rollouts from the same context."""
    temperature: float = 1.0
    """Sampling temperature; 0 takes the most likely code each time."""
    seed: int = 0
    """Seed of the sampling noise."""
    out: str = "rollouts/rollout"
    """Path of the files without their endings."""
    decode: bool = True
    """False (or ``--no-decode``) writes the predicted codes only."""
    scale: int = 3
    """Enlargement of the pictures."""


@dataclass(frozen=True)
class DemoConfig:
    """Record ViZDoom episodes and run every stage, small, in about twelve minutes on two cores."""

    out: str = "demo"
    """Folder of everything the demo makes. Run it again to continue, or remove it to start over."""
    episodes: int = 40
    """Episodes to record."""
    frames: int = 200
    """Frames in an episode."""
    vqvae_steps: int = 1600
    """Optimiser steps of the VQ-VAE."""
    predictor_steps: int = 640
    """Optimiser steps of the predictor."""


# ---------------------------------------------------------------- parsing


def make_parser(config: type, prog: str) -> ArgumentParser:
    """One flat parser that fills ``config`` from ``--config FILE.yaml`` and from options, later ones winning."""
    import jsonargparse

    jsonargparse.set_parsing_settings(
        subclasses_enabled=[SourceConfig, PredictorConfig],
        docstring_parse_attribute_docstrings=True,
    )
    parser = jsonargparse.ArgumentParser(prog=prog, exit_on_error=False, description=config.__doc__)
    parser.add_argument("--config", action="config", help="YAML file with any of the options below.")
    parser.add_class_arguments(config)
    return parser


def parse(config: type[C], arguments: list[str], prog: str = "videovq") -> C:
    """Fill a config dataclass from command-line arguments.

    Raises:
        ValueError: an unknown or missing key, or a value of the wrong type; the message names it.
    """
    import jsonargparse

    parser = make_parser(config, prog)
    words = spell_out(config, arguments)
    try:
        values = parser.instantiate(parser.parse_args(words))
        chosen = {name: v for name, v in vars(values).items() if isinstance(v, (SourceConfig, PredictorConfig))}
        # jsonargparse gives a chosen class the values of the default class's fields of the same name, so parse again
        # with each chosen class's own defaults.
        parser.set_defaults({name: to_plain(type(value)()) for name, value in chosen.items()})
        values = parser.instantiate(parser.parse_args(words))
    except (jsonargparse.ArgumentError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return config(**{name: values[name] for name in config.__dataclass_fields__})  # type: ignore[attr-defined]


def spell_out(config: type, arguments: list[str]) -> list[str]:
    """What the parser understands: ``--no-decode`` is ``--decode=false``, ``--frame-size`` is ``--frame_size``."""
    switches = {name for name, f in config.__dataclass_fields__.items() if f.type in (bool, "bool")}  # type: ignore[attr-defined]
    spelt = []
    for i, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
            bare = not equals and (i + 1 == len(arguments) or arguments[i + 1].startswith("--"))
            if bare and name[2:] in switches:
                equals, value = "=", "true"
            elif bare and name.startswith("--no_") and name[5:] in switches:
                name, equals, value = "--" + name[5:], "=", "false"
        spelt.append(name + equals + value)
    return spelt


def read_config(config: type[C], path: str | Path) -> C:
    """Read a config dataclass from a YAML file.

    Raises:
        ValueError: the file is missing, or holds an unknown key or a value of the wrong type.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file")
    return parse(config, ["--config", str(path)])


def to_yaml(config: Any) -> str:
    """The YAML text from which :func:`read_config` rebuilds ``config``."""
    import yaml

    return yaml.safe_dump(to_plain(config), sort_keys=False)


def to_plain(config: Any) -> Any:
    """A config as plain dictionaries, lists and scalars; a chosen subclass as ``class_path`` + ``init_args``."""
    if hasattr(config, "__dataclass_fields__"):
        fields = {name: to_plain(getattr(config, name)) for name in config.__dataclass_fields__}
        if isinstance(config, (SourceConfig, PredictorConfig)):
            kind = type(config)
            return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": fields}
        return fields
    if isinstance(config, (list, tuple)):
        return [to_plain(value) for value in config]
    return config
