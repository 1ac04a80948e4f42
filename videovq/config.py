"""Every dataclass that a YAML file or the command line can fill.

Imports no torch, so that ``videovq COMMAND --help`` answers at once. What cannot be used is refused as soon as a
command's settings are made, see videovq.checks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import prod
from pathlib import PurePath
from typing import Any, Literal

from videovq.checks import (
    SEEDS,
    CommandSettings,
    Settings,
    above,
    at_least,
    convolutional,
    device,
    divides,
    named,
    part,
    sampling,
    shared,
    within,
    without_effect,
)

MOST_CODES = 2**20
Precision = Literal["auto", "32-true", "bf16", "bf16-mixed"]
"""What networks compute in. ``bf16`` and ``bf16-mixed`` are two names of one thing, in every command."""

# ---------------------------------------------------------------- record


@dataclass(frozen=True)
class SourceConfig(Settings):
    """An environment that episodes can be recorded from."""


@dataclass(frozen=True)
class GymnasiumSource(SourceConfig):
    """Any Gymnasium environment with a Discrete, MultiDiscrete, MultiBinary or Box action space and an RGB picture: an
    RGB observation, an observation dictionary with a ``screen``, ``rgb``, ``pixels`` or ``image`` entry, or
    ``render_mode="rgb_array"``.
    """

    env: str = "VizdoomMyWayHome-v1"
    """Environment id, of those Gymnasium knows and ViZDoom's; ``package.module:Id`` imports the module first,
    ``package.module:Class`` makes an environment of the class. The working folder is searched for modules, too."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environment, as JSON: ``'{"size": 8, "continuous": true}'``."""
    action_repeat: int | Literal["auto"] = "auto"
    """Engine steps that one recorded action lasts; ``auto``: 4 in ViZDoom, which repeats inside the engine, and 1 in
    all others, which are stepped so often."""
    engine_fps: int | float | Literal["auto"] = "auto"
    """Engine steps a second; ``auto``: 35 in ViZDoom, elsewhere the environment's ``render_fps``, or 30, as Gymnasium
    has it, where it states none. The recording's frame rate is ``engine_fps / action_repeat``."""
    action_names: list[str] = field(default_factory=list)
    """Names of the numbered actions in order; empty: ViZDoom's buttons, or the names an environment gives itself (its
    ``get_action_meanings()``, ``actions`` or ``action_names``), else ``action_0`` ..."""

    def __post_init__(self) -> None:
        try:  # one spelling, whether the values come from Python, a command line or a file
            texts = {name: json.dumps(from_text(value)) for name, value in self.kwargs.items()}
        except TypeError as error:
            raise ValueError(f"source.kwargs: must hold what JSON can write ({error})") from None
        object.__setattr__(self, "kwargs", texts)

    @property
    def keywords(self) -> dict[str, Any]:
        """``kwargs`` as they are given to the environment."""
        return {name: json.loads(text) for name, text in self.kwargs.items()}

    def check(self) -> None:
        named(self, "env", "action_names")
        at_least(self, 1, *(name for name in ("action_repeat", "engine_fps") if getattr(self, name) != "auto"))


def from_text(value: Any) -> Any:
    """A value in which texts that are JSON, or Python's ``True``, ``False`` and ``None``, became what they mean."""
    if isinstance(value, dict):
        return {key: from_text(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [from_text(one) for one in value]
    if not isinstance(value, str):
        return value
    if value in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[value]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


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

    def check(self) -> None:
        named(self, "level")
        at_least(self, 1, "engine_fps", "action_repeat", "look_pixels_per_frame")


@dataclass(frozen=True)
class RecordConfig(CommandSettings):
    """Record episodes from any Gymnasium environment or from DeepMind Lab, with a policy of yours or a seeded, sticky
    random one that turns away when it is blocked.
    """

    out: str = "episodes"
    """Folder that receives ``episode_000000.mp4`` + ``.json`` and so on. Episodes already there are kept."""
    source: SourceConfig = field(default_factory=GymnasiumSource)
    """The environment: GymnasiumSource, with ``--source.env ID`` (ViZDoom's My Way Home unless told otherwise),
    ``--source.kwargs '{"size": 8}'`` for gymnasium.make, ``--source.action_repeat``, ``--source.engine_fps``,
    ``--source.action_names``; or DeepMindLabSource, with ``--source.level``."""
    policy: str = ""
    """Who acts: ``module:function`` or ``file.py:function``, called as ``function(observation, info, rng)``, with what
    the environment gave last and numpy's generator of this episode, returns an action of the environment's action space
    (or a numbered action's name); or ``PPO:agent.zip``, an agent that stable-baselines3 saved, after its algorithm.
    Empty: sticky random."""
    episodes: int = 20
    """Number of episodes."""
    frames: int = 300
    """Frames in an episode."""
    frame_size: int = 84
    """Height and width of the recorded frames, in pixels: centre crop, then area resize."""
    seed: int = 0
    """Seed of the first episode; episode i uses seed + i for the level and for the policy."""
    stick: int = 12
    """A random action is held for 1 to this many steps."""
    lossless: bool = False
    """Write lossless RGB H.264 (about three times larger) in place of visually lossless 4:4:4."""
    workers: int = 2
    """Processes that record at the same time."""

    def check(self) -> None:
        named(self, "out")
        at_least(self, 1, "episodes", "frames", "frame_size", "stick", "workers")
        within(self, 0, SEEDS, "seed")
        if self.policy:
            without_effect(self, "beside a policy, which chooses every action", "stick")
        if type(self.source) is SourceConfig:
            raise ValueError("source: SourceConfig names no environment; use GymnasiumSource or DeepMindLabSource")


# ---------------------------------------------------------------- prep


@dataclass(frozen=True)
class DeclareActionsConfig(Settings):
    """What the file beside a video leaves open of its actions. Empty: as it says itself, or as is usual."""

    actions_at: Literal["", "after", "before"] = ""
    """Which action is stored beside a frame: the one taken ``after`` it was seen, or the one taken ``before``, which
    led to it."""
    actions_key: str = ""
    """Name of the array or column of actions; several columns: separated by commas."""


@dataclass(frozen=True)
class DeclareConfig(DeclareActionsConfig):
    """What recordings leave open. Empty: as they say themselves, or as their format always has it."""

    fps: float = 0.0
    """Frames a second."""
    action_names: list[str] = field(default_factory=list)
    """What the numbers 0, 1, ... of a discrete action mean."""
    action_sizes: list[int] = field(default_factory=list)
    """Number of choices of each number in an action; one: discrete; several: multi-discrete."""
    colours: Literal["", "rgb", "bgr"] = ""
    """Order of the colour channels."""
    frames_key: str = ""
    """Name of the array of frames in files that hold several arrays."""
    rewards_key: str = ""
    """Name of the array or column of rewards."""
    ends_key: str = ""
    """Name of the array or column that is 1 (or true) where the world ended with the action, else 0."""
    breaks_key: str = ""
    """Name of the array or column that is 1 (or true) where the next frame does not follow, else 0: time-outs."""
    frames_range: Literal["", "0..1", "0..255"] = ""
    """Smallest and largest value of frames that are not stored as bytes."""
    channels: Literal["", "first", "last"] = ""
    """Where the colour channels of a frame are: ``last`` (height, width, 3) or ``first`` (3, height, width)."""

    def check(self) -> None:
        named(self, "action_names")
        at_least(self, 0, "fps")
        at_least(self, 1, "action_sizes")
        if self.action_names:
            without_effect(self, "beside action_names", "action_sizes")


@dataclass(frozen=True)
class PrepConfig(CommandSettings):
    """Turn recorded episodes into an EpisodeStore."""

    source: str = "episodes"
    """Folder searched, with its subfolders, for episodes."""
    out: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    format: str = "auto"
    """Format of the recordings (a wrong name lists them); ``auto``: recognised by looking."""
    declare: DeclareConfig = DeclareConfig()
    frame_size: int = 84
    """Height and width of the stored frames, in pixels."""
    fit: Literal["crop", "letterbox", "stretch"] = "crop"
    """How other shapes become square before they are resized by area: ``crop`` keeps the centre, ``letterbox`` adds
    black bars, ``stretch`` distorts."""
    frame_step: int = 1
    """Keep every n-th frame. Larger than 1 merges n actions into one: see ``merge_actions``."""
    merge_actions: Literal["refuse", "stack", "majority", "sum"] = "refuse"
    """What becomes of merged actions: ``stack`` keeps all n as one action of n parts; ``majority`` keeps the most
    frequent (discrete); ``sum`` adds them up (continuous); ``refuse`` stops."""
    rename_actions: dict[str, str] = field(default_factory=dict)
    """Discrete actions to call something else; those that get the same name become one."""
    discretise: int = 0
    """Cut each number of a continuous action into that many steps, from two standard deviations below its mean to two
    above; 0: no."""
    levels: list[str] = field(default_factory=list)
    """Keep episodes of these levels only; ``*`` stands for anything."""
    episodes: int = 0
    """Prepare that many of the episodes only, spread evenly over all; 0: every one."""
    cut: bool = False
    """Cut episodes at their discontinuities into several."""
    cut_every: int = 0
    """Cut episodes into several of that many stored frames; 0: no."""
    shortest: int = 1
    """Leave out episodes, or pieces of them, of fewer frames."""
    split_by: Literal["episode", "level"] = "episode"
    """What ``val`` and ``test`` are chosen from: ``level`` puts whole levels aside: places never seen."""
    validation_fraction: float = 0.05
    """Part of the episodes that goes to the split ``val``, chosen by a hash of the episode's id (or level). Where there
    are too few: of each one's frames, from its end."""
    test_fraction: float = 0.05
    """Part that goes to ``test``, likewise. Not used when the recordings name their own test episodes."""
    shard_episodes: int = 8
    """Episodes in a shard, the unit of work and of resumption."""
    engine: Literal["local", "ray"] = "local"
    """What decodes: processes of this machine, or a Ray cluster; the shards are the same."""
    workers: int = 2
    """Processes that decode at the same time; with ``ray`` at most that many, over the whole cluster."""
    address: str = ""
    """Address of a running Ray cluster; empty: the one of this machine's environment, or one started for the run."""

    def check(self) -> None:
        named(self, "source", "out", "format", "rename_actions")
        at_least(self, 1, "frame_size", "frame_step", "shortest", "shard_episodes", "workers")
        at_least(self, 0, "discretise", "episodes", "cut_every")
        within(self, 0, 1, "validation_fraction", "test_fraction")
        if self.validation_fraction + self.test_fraction > 1:
            raise ValueError("validation_fraction + test_fraction: must be 1 at most")
        if self.discretise == 1:
            raise ValueError("discretise: needs at least 2 steps, or 0 for none")
        if self.frame_step == 1:
            without_effect(self, "while frame_step is 1", "merge_actions")
        if self.engine == "local":
            without_effect(self, "while engine is local", "address")


@dataclass(frozen=True)
class ImportTokensConfig(CommandSettings):
    """Turn a 1X World Model token dump into a CodeStore: frames that another tokenizer encoded."""

    source: str = "train_v1.1"
    """Folder with ``metadata.json``, ``video.bin``, ``segment_ids.bin`` and ``actions/``."""
    out: str = "stores/tokens"
    """Folder of the CodeStore."""
    actions: str = "joint_pos,driving_command"
    """Files of ``actions/`` that make an action, without their ending; empty: none."""
    validation_fraction: float = 0.05
    """Part of the recordings that goes to ``val``, chosen by a hash."""
    test_fraction: float = 0.05
    """Part that goes to ``test``, likewise."""
    shard_episodes: int = 64
    """Recordings in a shard."""

    def check(self) -> None:
        named(self, "source", "out")
        at_least(self, 1, "shard_episodes")
        within(self, 0, 1, "validation_fraction", "test_fraction")
        if self.validation_fraction + self.test_fraction > 1:
            raise ValueError("validation_fraction + test_fraction: must be 1 at most")


@dataclass(frozen=True)
class InspectConfig(CommandSettings):
    """Say what is in a store or in recordings, what is odd about it, and whether its actions fit its frames."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    source: str = ""
    """Folder of recordings to look at in place of a store."""
    format: str = "auto"
    """Format of the recordings, as for ``videovq prep``."""
    declare: DeclareConfig = DeclareConfig()
    episodes: int = 60
    """Recordings to look at, spread evenly over all."""
    out: str = "reports/inspect"
    """Folder of ``findings.json`` and ``report.html``."""

    def check(self) -> None:
        named(self, "store", "format", "out")
        at_least(self, 1, "episodes")
        if self.source:
            without_effect(self, "beside source", "store")
        else:
            without_effect(self, "without source", "format", "declare", "episodes")


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class QuantizerConfig(Settings):
    """How vectors become codes."""


@dataclass(frozen=True)
class LearnedCodebookConfig(QuantizerConfig):
    """What the learned codebooks share."""

    codebook_size: int = 512
    """K, the number of codes."""
    commitment: float = 1.0
    """beta, the weight of the commitment loss (van den Oord et al. 2017, equation 3: 0.25)."""
    decay: float = 0.99
    """gamma of the moving averages of code usage and, where they make the codebook, of its vectors."""
    restart_below: float = 0.3
    """A code used less than this fraction of an even share (moving average) restarts at an encoder output: the higher,
    the more even is the usage of codes; 0: never."""
    restart_at: Literal["random", "far"] = "random"
    """Where it restarts: at an output drawn evenly, which splits the codes that are used most; or drawn by squared
    distance to its code, which gives codes to what is rare and makes usage less even."""
    start_after: int = 0
    """Steps that train encoder and decoder alone, before k-means places the codes."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "restart_below", "start_after")
        part(self, "decay")
        if not self.restart_below:
            without_effect(self, "while restart_below is 0", "restart_at")


@dataclass(frozen=True)
class EMAConfig(LearnedCodebookConfig):
    """Every code is the moving average of the vectors that chose it (van den Oord et al. 2017, appendix A.1)."""


@dataclass(frozen=True)
class CodebookLossConfig(LearnedCodebookConfig):
    """Codes are pulled to the vectors that chose them by gradient (van den Oord et al. 2017, equation 3)."""


@dataclass(frozen=True)
class CosineConfig(LearnedCodebookConfig):
    """EMA codes and vectors of length 1: the nearest code is the one at the smallest angle (arXiv 2110.04627)."""


@dataclass(frozen=True)
class FSQConfig(QuantizerConfig):
    """Finite scalar quantization: a few numbers, each rounded to one of its levels (arXiv 2309.15505)."""

    levels: list[int] = field(default_factory=lambda: [8, 8, 8])
    """Levels of each number, 3 or more; their product is the number of codes."""

    def check(self) -> None:
        at_least(self, 3, "levels")
        if not 0 < len(self.levels) <= 12 or prod(self.levels) > MOST_CODES:
            raise ValueError(f"levels: {self.levels}; needs 1 to 12 numbers whose product is at most {MOST_CODES}")


@dataclass(frozen=True)
class LFQConfig(QuantizerConfig):
    """Lookup-free quantization: the signs of log2(K) numbers (arXiv 2310.05737)."""

    codebook_size: int = 512
    """K, the number of codes, a power of two."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    entropy: float = 0.1
    """Weight of the entropy loss, which makes every vector sure of its code and all codes equally frequent."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "entropy")
        if self.codebook_size & (self.codebook_size - 1):
            raise ValueError(f"codebook_size: {self.codebook_size} is not a power of two")


@dataclass(frozen=True)
class RotationConfig(QuantizerConfig):
    """EMA codes with the rotation trick's gradient (arXiv 2410.06424)."""

    codebook_size: int = 512
    """K, the number of codes."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    decay: float = 0.99
    """Of the moving averages."""
    restart_below: float = 1.0
    """A code chosen less often than this in a batch (moving average) restarts at a random encoder output; 0: never."""

    def check(self) -> None:
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 0, "commitment", "restart_below")
        part(self, "decay")


@dataclass(frozen=True)
class ResidualConfig(QuantizerConfig):
    """Residual quantization: every layer's code refines the ones before (arXiv 2107.03312). The digits of a code."""

    codebook_size: int = 32
    """Codes in a layer; ``codebook_size ** layers`` is K."""
    layers: int = 2
    """Number of layers."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    decay: float = 0.99
    """Of the moving averages."""
    restart_below: float = 1.0
    """A code chosen less often than this in a batch (moving average) restarts at a random encoder output; 0: never."""

    def check(self) -> None:
        within(self, 2, 65536, "codebook_size")
        within(self, 1, 16, "layers")
        at_least(self, 0, "commitment", "restart_below")
        part(self, "decay")
        if self.codebook_size**self.layers > 65536:
            raise ValueError(
                f"layers: {self.layers} of {self.codebook_size} codes make {self.codebook_size**self.layers} codes,"
                " but 65536 is the most; use fewer layers or a smaller codebook_size"
            )


@dataclass(frozen=True)
class VQVAEConfig(Settings):
    """The per-frame VQ-VAE of van den Oord et al. 2017, section 4.1."""

    hidden: int = 128
    """Channels of the convolutions (256 in the paper)."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    downsamplings: int = 2
    """Stride-2 convolutions: 2 turns 84x84 pixels into 21x21 codes."""
    code_dim: int = 16
    """D, the width of a code's vector (64 in the paper)."""
    quantizer: QuantizerConfig = field(default_factory=EMAConfig)
    """EMAConfig, CodebookLossConfig, CosineConfig, FSQConfig, LFQConfig, RotationConfig or ResidualConfig."""

    def check(self) -> None:
        convolutional(self)


@dataclass(frozen=True)
class PredictorConfig(Settings):
    """A predictor of code grids."""

    width: int = 128
    """Channels at code resolution."""
    embedding: int = 48
    """Width of a code's embedding, and of an action's."""
    latent_loss: float = 0.5
    """Weight of the auxiliary regression of the next frame's code vectors."""
    outcome_loss: float = 0.0
    """Weight of the loss of rewards and episode ends, which the store must have; 0: predict neither."""

    def check(self) -> None:
        at_least(self, 1, "width", "embedding")
        at_least(self, 0, "latent_loss", "outcome_loss")


@dataclass(frozen=True)
class LookupContextConfig(PredictorConfig):
    """Lookups and convolutions at code resolution around a block-causal transformer over 3x3 patches and time."""

    history: int = 3
    """Previous frames (and actions) that the convolutions look at directly."""
    blocks: int = 4
    """Residual blocks at code resolution."""
    lookups: int = 2
    """Lookups, one before each of the first blocks."""
    lookup_heads: int = 2
    """Attention heads of a lookup."""
    transformer_width: int = 192
    """Width of the transformer over patches and time."""
    transformer_layers: int = 2
    """Layers of the transformer."""
    heads: int = 3
    """Attention heads of the transformer."""
    window: int = 16
    """Frames that the transformer attends to, the current one included."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "history", "lookup_heads", "transformer_width", "heads")
        at_least(self, 0, "blocks", "transformer_layers")
        at_least(self, 2, "window")
        within(self, 0, self.blocks, "lookups")
        divides(self, "transformer_width", 2, "heads")
        divides(self, "width", 4, "lookup_heads")


@dataclass(frozen=True)
class PatchPredictorConfig(LookupContextConfig):
    """The default: the nine codes of every 3x3 patch are drawn in nine steps, all patches at once."""

    decoder_blocks: int = 2
    """Residual blocks of the decoder."""

    def check(self) -> None:
        super().check()
        at_least(self, 0, "decoder_blocks")


@dataclass(frozen=True)
class RasterPredictorConfig(LookupContextConfig):
    """The yardstick: the same context, and one code after the other by a causal transformer."""

    decoder_layers: int = 2
    """Layers of the decoder."""
    decoder_heads: int = 2
    """Attention heads of the decoder."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "decoder_layers", "decoder_heads")
        divides(self, "width", 4, "decoder_heads")


@dataclass(frozen=True)
class PixelCNNPredictorConfig(PredictorConfig):
    """The VQ-VAE paper's kind of prior: gated PixelCNN, conditioned on the last frames by convolutions."""

    history: int = 6
    """Previous frames (and actions) that the context network looks at; it remembers nothing older."""
    context_blocks: int = 4
    """Residual blocks of the context network."""
    decoder_layers: int = 6
    """Gated layers."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "history", "decoder_layers")
        at_least(self, 0, "context_blocks")


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class OptimizerConfig(Settings):
    """AdamW or Muon with a linear warm-up and a cosine schedule."""

    method: Literal["adamw", "muon"] = "adamw"
    """``muon``: orthogonalised momentum for the weights of linear and convolutional layers, AdamW for the rest."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    final_fraction: float = 0.02
    """Learning rate at the end, as a fraction of the peak."""
    warmup_steps: int = 100
    """Steps of the linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the weights of linear and convolutional layers; 0: none."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's moment decays."""
    gradient_clip: float = 1.0
    """Largest gradient norm; 0: no clipping."""
    weight_average: float = 0.0
    """Decay of an exponential moving average of the weights, used for validation and kept at the end; 0: none."""

    def check(self) -> None:
        within(self, 0, 1, "final_fraction")
        at_least(self, 0, "learning_rate", "warmup_steps", "weight_decay", "gradient_clip")
        part(self, "betas", "weight_average")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """What both trainings share."""

    steps: int = 4000
    """Optimiser steps; a run, also a finished one, continues with more of them."""
    batch_size: int = 64
    """Samples in a step, over all devices."""
    seed: int = 0
    """Seed of the initial weights, of the batches and of every random draw in training."""
    precision: Precision = "auto"
    """``32-true``: float32; ``bf16`` (or ``bf16-mixed``): most in bf16, weights in float32; ``auto``: bf16 where the
    processor or GPU computes it natively."""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    """What computes; ``auto``: a GPU where there is one. ``gpu`` is CUDA or MPS, whatever there is."""
    devices: int = 1
    """Number of devices in each node."""
    nodes: int = 1
    """Number of machines; start the same command on each through torchrun or SLURM."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """How several devices share the work: ``ddp`` copies the network, ``fsdp`` spreads it over GPUs."""
    validate_every: int = 500
    """Steps between validations, each with a curve plot (and, for a VQ-VAE, a reconstruction grid)."""
    checkpoint_every: int = 500
    """Steps between checkpoints to resume from."""
    logger: Literal["csv", "wandb", "tensorboard"] = "csv"
    """Where metrics go beside the plots in the run folder. wandb runs offline when it has no key or no network."""

    def __post_init__(self) -> None:
        if self.precision == "bf16":  # one name in a run's config.yaml: it continues whichever was given
            object.__setattr__(self, "precision", "bf16-mixed")

    def check(self) -> None:
        at_least(self, 1, "steps", "batch_size", "devices", "nodes", "validate_every", "checkpoint_every")
        within(self, 0, 2**24 - 1, "seed")  # which the generators' 64 bits share with step, part and rank
        shared(self, self.devices * self.nodes)


@dataclass(frozen=True)
class PredictorTrainingConfig(TrainingConfig):
    """What a predictor's training has beside."""

    steps: int = 3000
    batch_size: int = 8
    """Windows in a step, over all devices."""
    validate_every: int = 1000
    checkpoint_every: int = 200
    accumulate: int = 1
    """Parts in which a step's batch is computed, one after the other: less memory for the same step."""
    recompute: bool = False
    """Activation checkpointing: compute each layer twice, and keep only what lies between the layers."""
    compile: bool = False
    """Compile the network (torch.compile): slow to start, faster afterwards."""

    def check(self) -> None:
        super().check()
        at_least(self, 1, "accumulate")
        shared(self, self.devices * self.nodes * self.accumulate)


MAY_CHANGE = (
    "run",
    "training.steps",
    "training.accelerator",
    "training.devices",
    "training.nodes",
    "training.strategy",
    "training.validate_every",
    "training.checkpoint_every",
    "training.logger",
    "training.recompute",
    "training.compile",
)
"""Settings with other values of which a run continues: where it lies, how long it trains, what computes the same
batches, and what it writes on the way. Anything else makes another result, and is refused in the folder of a run."""


@dataclass(frozen=True)
class LossConfig(Settings):
    """What a VQ-VAE minimises besides its quantizer's loss."""

    pixels: Literal["mse", "l1"] = "mse"
    """Squared error over the variance of the training frames, or absolute error over their standard deviation."""
    ssim: float = 0.0
    """Weight of 1 - multi-scale SSIM."""
    lpips: float = 0.0
    """Weight of LPIPS, a distance of ImageNet features; needs their weights (``lpips_network``) on this machine."""
    lpips_network: Literal["vgg", "alex", "squeeze"] = "vgg"
    """Network of LPIPS."""
    gradients: float = 0.0
    """Weight of the squared difference in the strength of edges and textures, window by window at several scales, over
    the variance of the training frames: keeps them where the squared error wipes out what the codes do not tell."""
    adversarial: float = 0.0
    """Weight of a patch discriminator's judgement, relative to the other losses' pull at the decoder's last layer."""
    adversarial_after: int = 0
    """Steps before the discriminator joins."""
    discriminator_width: int = 64
    """Channels of the discriminator's first convolution."""

    def check(self) -> None:
        at_least(self, 0, "ssim", "lpips", "gradients", "adversarial", "adversarial_after")
        at_least(self, 1, "discriminator_width")
        if not self.lpips:
            without_effect(self, "while lpips is 0", "lpips_network")
        if not self.adversarial:
            without_effect(self, "while adversarial is 0", "adversarial_after", "discriminator_width")


@dataclass(frozen=True)
class TrainVQVAEConfig(CommandSettings):
    """Train a VQ-VAE on the frames of an EpisodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/vqvae"
    """Run folder; an interrupted run continues there."""
    init: str = ""
    """Start from the weights of this VQ-VAE: a model that ships with videovq, by name, a run folder, or a packed world;
    ``model`` must be its architecture. Empty: from weights drawn at random."""
    decoder_only: bool = False
    """Train the decoder alone: encoder and codebook stay those of ``init``, so that its codes, the stores of them and
    the predictors of them are this one's, too."""
    code_swaps: float = 0.0
    """With ``decoder_only``: the largest part of a frame's codes that are swapped in training, for similar ones and for
    any, so that wrong codes of a rollout do less harm."""
    model: VQVAEConfig = field(default_factory=VQVAEConfig)
    """The network."""
    loss: LossConfig = field(default_factory=LossConfig)
    """What it minimises."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=2e-3))
    """The optimiser."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(steps=3000, batch_size=32, validate_every=1000)
    )
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "store", "run")
        if self.loss.adversarial and self.training.devices * self.training.nodes > 1:
            raise ValueError("loss.adversarial: trains on one device; set training.devices and training.nodes to 1")
        within(self, 0, 1, "code_swaps")
        if not self.decoder_only:
            without_effect(self, "without decoder_only", "code_swaps")
        elif not self.init:
            raise ValueError("decoder_only: needs init, the VQ-VAE whose encoder and codebook stay")


LEARNING_ALONE = (
    "commitment",
    "decay",
    "restart_below",
    "restart_at",
    "start_after",
    "entropy",
    "latent_loss",
    "outcome_loss",
)
"""Settings of a model that say how it learns, not what it computes: where a training starts from the weights of another
model, they may differ from its."""


@dataclass(frozen=True)
class EncodeConfig(CommandSettings):
    """Encode every frame of an EpisodeStore with a trained VQ-VAE into a CodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE."""
    pretrained: str = ""
    """Name of a VQ-VAE that ships with videovq, in place of ``vqvae``."""
    out: str = "stores/codes"
    """Folder of the CodeStore."""
    batch_size: int = 64
    """Frames encoded at once."""
    mirror: bool = False
    """Encode every training episode a second time, mirrored, with left and right swapped in the names of its actions:
    twice as many scenes to learn from."""

    def check(self) -> None:
        named(self, "store", "vqvae", "out")
        at_least(self, 1, "batch_size")


@dataclass(frozen=True)
class TrainPredictorConfig(CommandSettings):
    """Train a predictor on windows of a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/predictor"
    """Run folder; an interrupted run continues there."""
    init: str = ""
    """Start from the weights of this predictor of the same VQ-VAE's codes and of the same actions: a model that ships
    with videovq, by name, a run folder, or a packed world; ``model`` must be its architecture. Empty: from weights
    drawn at random."""
    model: PredictorConfig = field(default_factory=PatchPredictorConfig)
    """The network."""
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig("muon", learning_rate=4e-3, warmup_steps=200, weight_decay=0.01)
    )
    """The optimiser."""
    training: PredictorTrainingConfig = field(default_factory=PredictorTrainingConfig)
    """Length, batch, precision, logging."""
    window: int = 16
    """Frames in a training window."""
    context_noise: float = 0.05
    """Part of the context codes replaced by a code of similar look, against drift in rollouts."""
    targets: int = 4
    """Frames of each window, drawn anew each time, whose codes are learnt; the others serve as context only."""
    action_dropout: float = 0.0
    """Part of the windows that are trained without their actions; guidance in a rollout needs some."""

    def check(self) -> None:
        named(self, "store", "run")
        at_least(self, 2, "window")
        within(self, 0, 0.5, "context_noise")
        within(self, 1, self.window, "targets")
        within(self, 0, 1, "action_dropout")


@dataclass(frozen=True)
class PixelCNNConfig(Settings):
    """Gated PixelCNN of the codes of single frames."""

    width: int = 96
    """Channels."""
    embedding: int = 64
    """Width of a code's vector at the input."""
    decoder_layers: int = 8
    """Gated layers."""
    attention_every: int = 0
    """A layer of causal attention after every that many gated ones (VQ-VAE-2); 0: none."""
    heads: int = 4
    """Heads of that attention."""

    def check(self) -> None:
        at_least(self, 1, "width", "embedding", "decoder_layers", "heads")
        within(self, 0, self.decoder_layers, "attention_every")
        if self.attention_every:
            divides(self, "width", 4, "heads")


@dataclass(frozen=True)
class SecondStageConfig(Settings):
    """A VQ-VAE on top of the first one's codes (van den Oord et al. 2017, section 4.2)."""

    latents: int = 3
    """Codes of a frame."""
    code_dim: int = 64
    """D, width of their vectors."""
    quantizer: QuantizerConfig = field(default_factory=lambda: EMAConfig(commitment=0.25, restart_below=0.1))
    """How each vector becomes a code; every latent has a codebook of its own."""
    decoder: PixelCNNConfig = field(default_factory=lambda: PixelCNNConfig(width=64, decoder_layers=6))
    """The PixelCNN that decodes."""
    code_dropout: float = 0.3
    """Part of the earlier codes that the decoder is not shown in training, so that it needs the latents."""

    def check(self) -> None:
        at_least(self, 1, "latents", "code_dim")
        part(self, "code_dropout")


@dataclass(frozen=True)
class TrainSecondStageConfig(CommandSettings):
    """Train a second-stage VQ-VAE on the single frames of a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/second_stage"
    """Run folder; an interrupted run continues there."""
    model: SecondStageConfig = field(default_factory=SecondStageConfig)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=32))
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "store", "run")


@dataclass(frozen=True)
class TrainPriorConfig(CommandSettings):
    """Train a prior of single frames on a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/prior"
    """Run folder; an interrupted run continues there."""
    model: PixelCNNConfig = field(default_factory=PixelCNNConfig)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=32))
    """Length, batch, precision, logging."""
    level_dropout: float = 0.1
    """Part of the frames that are learnt without their level, so that frames of any level can be drawn, and guidance
    used."""

    def check(self) -> None:
        named(self, "store", "run")
        within(self, 0, 1, "level_dropout")


# ---------------------------------------------------------------- sound


@dataclass(frozen=True)
class MakeSyllablesConfig(CommandSettings):
    """Make speech-like sound to learn from: made-up speakers say made-up words."""

    out: str = "sounds"
    """Folder that receives ``speaker_0_0000.wav`` and so on. Files already there are kept."""
    files: int = 200
    """Number of files."""
    seconds: float = 6.0
    """Length of a file."""
    speakers: int = 8
    """Number of speakers, who differ in pitch and in the length of their throat."""
    rate: int = 8000
    """Samples a second."""
    seed: int = 0
    """Seed of speakers and words."""

    def check(self) -> None:
        named(self, "out")
        at_least(self, 1, "files", "speakers")
        at_least(self, 0.5, "seconds")
        at_least(self, 4000, "rate")
        within(self, 0, SEEDS, "seed")


@dataclass(frozen=True)
class DilatedConfig(Settings):
    """Dilated, gated, causal convolutions of two taps (WaveNet, arXiv 1609.03499)."""

    width: int = 64
    """Channels."""
    skip: int = 128
    """Channels of what every layer adds to the output."""
    layers: int = 10
    """Number of layers."""
    cycle: int = 10
    """Dilations are 1, 2, 4 ... over that many layers, then 1 again: ten reach 1,024 symbols back."""
    hidden_part: float = 0.0
    """Largest part of the earlier symbols that training hides; each sequence draws its own."""

    def check(self) -> None:
        at_least(self, 1, "width", "skip", "layers", "cycle")
        part(self, "hidden_part")


@dataclass(frozen=True)
class SoundConfig(Settings):
    """The VQ-VAE of raw sound of van den Oord et al. 2017, section 4.3: 64 samples a code."""

    hidden: int = 64
    """Channels of the encoder's six convolutions."""
    code_dim: int = 64
    """D, the width of a code's vector."""
    context: int = 64
    """Channels of what the decoder is told of a code and its neighbours."""
    quantizer: QuantizerConfig = field(default_factory=lambda: EMAConfig(commitment=0.25, restart_below=0.02))
    """EMAConfig, CodebookLossConfig, CosineConfig, FSQConfig, LFQConfig, RotationConfig or ResidualConfig."""
    decoder: DilatedConfig = field(default_factory=lambda: DilatedConfig(hidden_part=0.5))
    """The decoder, which draws one sample after the other."""

    def check(self) -> None:
        at_least(self, 1, "hidden", "code_dim", "context")


@dataclass(frozen=True)
class TrainSoundConfig(CommandSettings):
    """Train a VQ-VAE on the sound of a folder of wav files or videos."""

    source: str = "sounds"
    """Folder searched, with its subfolders, for sound and video files."""
    run: str = "runs/sound"
    """Run folder; an interrupted run continues there."""
    rate: int = 8000
    """Samples a second that sound is resampled to."""
    window: int = 2048
    """Samples in a training window; a multiple of 64."""
    model: SoundConfig = field(default_factory=SoundConfig)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=8))
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "source", "run")
        at_least(self, 1, "rate", "window")
        if self.window % 64:
            raise ValueError(f"window: must be a multiple of 64, not {self.window}")


@dataclass(frozen=True)
class TrainSoundPriorConfig(CommandSettings):
    """Train a prior over the codes of a VQ-VAE of sound, on the sound it was trained on."""

    source: str = "sounds"
    """Folder of the VQ-VAE's sound and video files."""
    sound: str = "runs/sound"
    """Run folder of the VQ-VAE."""
    run: str = "runs/sound_prior"
    """Run folder; an interrupted run continues there."""
    window: int = 256
    """Codes in a training window."""
    model: DilatedConfig = field(default_factory=lambda: DilatedConfig(width=96, layers=8, cycle=8, hidden_part=0.3))
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=1000, batch_size=16))
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "source", "sound", "run")
        at_least(self, 2, "window")


@dataclass(frozen=True)
class VQVAE2Config(Settings):
    """VQ-VAE with two levels of codes (Razavi et al. 2019): a coarse grid, and one of twice its sides for the rest."""

    hidden: int = 128
    """Channels of the convolutions."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in every encoder and decoder."""
    downsamplings: int = 1
    """Stride-2 convolutions before the bottom level: 1 turns 84x84 pixels into 42x42 codes, and 21x21 above them."""
    code_dim: int = 16
    """D, the width of a code's vector."""
    top: QuantizerConfig = field(default_factory=lambda: EMAConfig(codebook_size=256))
    """Quantizer of the coarse level."""
    bottom: QuantizerConfig = field(default_factory=lambda: EMAConfig(codebook_size=16))
    """Quantizer of the fine level."""

    def check(self) -> None:
        convolutional(self)


@dataclass(frozen=True)
class TrainVQVAE2Config(CommandSettings):
    """Train a VQ-VAE with two levels on the frames of an EpisodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/vqvae2"
    """Run folder; an interrupted run continues there."""
    model: VQVAE2Config = field(default_factory=VQVAE2Config)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "store", "run")


@dataclass(frozen=True)
class EncodeVQVAE2Config(CommandSettings):
    """Encode every frame of an EpisodeStore with a VQ-VAE of two levels into two CodeStores."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    vqvae2: str = "runs/vqvae2"
    """Run folder of the VQ-VAE with two levels."""
    out: str = "stores/codes2"
    """Folder of the CodeStores ``top`` and ``bottom``."""
    batch_size: int = 64
    """Frames encoded at once."""

    def check(self) -> None:
        named(self, "store", "vqvae2", "out")
        at_least(self, 1, "batch_size")


@dataclass(frozen=True)
class TrainBottomPriorConfig(CommandSettings):
    """Train p(bottom codes | top codes) on the CodeStores of a VQ-VAE with two levels."""

    store: str = "stores/codes2"
    """Folder of the CodeStores ``top`` and ``bottom``."""
    run: str = "runs/bottom_prior"
    """Run folder; an interrupted run continues there."""
    model: PixelCNNConfig = field(default_factory=lambda: PixelCNNConfig(width=64, embedding=32, decoder_layers=8))
    """The network; it has no attention."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    """The optimiser."""
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=1000, batch_size=8))
    """Length, batch, precision, logging."""
    top_dropout: float = 0.1
    """Part of the frames that are learnt without their top codes; guidance needs some."""

    def check(self) -> None:
        named(self, "store", "run")
        within(self, 0, 1, "top_dropout")
        if self.model.attention_every:
            raise ValueError("model.attention_every: the bottom prior has no attention; set it to 0")


@dataclass(frozen=True)
class DensityConfig(Settings):
    """An autoencoder with a likelihood of 8-bit pixels; encoder and decoder are the VQ-VAE's (section 4.1)."""

    hidden: int = 128
    """Channels of the convolutions (256 in the paper)."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    downsamplings: int = 2
    """Stride-2 convolutions: 2 turns 32x32 pixels into 8x8 places."""
    latents: int = 1
    """Latents of a place (10 in the paper)."""
    code_dim: int = 16
    """Numbers that each gives to the decoder."""

    def check(self) -> None:
        convolutional(self)
        at_least(self, 1, "latents")


@dataclass(frozen=True)
class GaussianVAEConfig(DensityConfig):
    """VAE: every latent is ``code_dim`` independent Gaussians, with a standard normal prior."""


@dataclass(frozen=True)
class VIMCOConfig(DensityConfig):
    """Categorical latents with a uniform prior, learnt by the multi-sample bound (arXiv 1602.06725)."""

    codebook_size: int = 512
    """K, values of a latent."""
    samples: int = 50
    """Samples of the posterior for every frame."""

    def check(self) -> None:
        super().check()
        within(self, 2, MOST_CODES, "codebook_size")
        at_least(self, 2, "samples")


@dataclass(frozen=True)
class QuantizedVAEConfig(DensityConfig):
    """VQ-VAE: every latent is a code."""

    quantizer: QuantizerConfig = field(default_factory=lambda: EMAConfig(commitment=0.25))
    """How each vector becomes a code; all latents share the codebook."""
    prior: PixelCNNConfig = field(default_factory=lambda: PixelCNNConfig(width=48, embedding=32, decoder_layers=4))
    """The PixelCNN that learns p(codes) beside."""


@dataclass(frozen=True)
class TrainDensityConfig(CommandSettings):
    """Train an autoencoder with a likelihood on the frames of an EpisodeStore: VAE, VIMCO or VQ-VAE."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/density"
    """Run folder; an interrupted run continues there."""
    model: DensityConfig = field(default_factory=GaussianVAEConfig)
    """GaussianVAEConfig, VIMCOConfig or QuantizedVAEConfig."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batch, precision, logging."""

    def check(self) -> None:
        named(self, "store", "run")


# ---------------------------------------------------------------- rollout


@dataclass(frozen=True)
class ModelChoice(Settings):
    """Which predictor, and which VQ-VAE."""

    predictor: str = ""
    """Run folder of the predictor; empty: the predictor of ``pretrained`` or, without that, ``runs/predictor``."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE that wrote the predictor's codes, or of one that differs in its decoder only."""
    pretrained: str = ""
    """Name of a model that ships with videovq, in place of ``vqvae``, and of ``predictor`` where that is empty; with a
    ``vqvae`` beside it, of its predictor alone."""

    def check(self) -> None:
        named(self, "vqvae")


@dataclass(frozen=True)
class SamplingChoice(Settings):
    """How codes are drawn from their scores."""

    temperature: float = 1.0
    """Sampling temperature; 0 takes the most likely code each time. Bits do not depend on it."""
    top_k: int = 0
    """Draw from that many of the most likely codes only; 0: from all."""
    top_p: float = 1.0
    """Draw from the most likely codes that together have this probability only; 1: from all."""
    seed: int = 0
    """Seed of the sampling noise (and of an evaluation's confidence intervals)."""

    def check(self) -> None:
        sampling(self)
        within(self, 0, 2**53 - 1, "seed")
        if not self.temperature:
            without_effect(self, "while temperature is 0", "top_k", "top_p")


@dataclass(frozen=True)
class RolloutConfig(SamplingChoice, ModelChoice, CommandSettings):
    """Predict frames as codes, then decode the predicted codes, and write GIF, MP4, PNG strip and npz."""

    context: str = ""
    """Where the context frames come from: an EpisodeStore, or a video file; empty: the example that ships with
    ``pretrained``, or ``stores/episodes``."""
    from_video: str = ""
    """A video file of yours, in place of ``context``."""
    declare: DeclareActionsConfig = DeclareActionsConfig()
    episode: str = ""
    """Episode of the store (a wrong name lists them); empty: the first of ``split`` that is long enough."""
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
    a list. Each leads to one predicted frame. ``each``: one rollout for every discrete action, held throughout. A model
    of videos without actions takes none: leave it out."""
    context_actions: str = ""
    """Actions between the context frames when the context is a video file with no actions beside it:
    written as ``actions`` is, one fewer than ``context_frames``."""
    samples: int = 1
    """Rollouts from the same context."""
    guidance: float = 1.0
    """Classifier-free guidance: how strongly the actions act; 1: as the model learnt them."""
    sampler: Literal["cached", "predictive", "uncached"] = "cached"
    """How a frame is drawn, for the same codes in less or more time."""
    device: str = "auto"
    """``auto`` (a GPU of CUDA where there is one, else the processor), ``cpu``, ``gpu`` (CUDA or MPS, whatever there
    is), ``cuda``, ``cuda:1`` ..., ``mps``."""
    precision: Precision = "32-true"
    """``32-true``: float32; ``bf16`` (or ``bf16-mixed``): most of both networks in bf16, faster where the hardware
    computes that natively (``auto`` finds out), slightly other scores."""
    compile: bool = False
    """Compile the predictor (torch.compile; CUDA graphs on a GPU): for rollouts of thousands of frames on a GPU."""
    out: str = "rollouts/rollout"
    """Path of the files without their endings."""
    decode: bool = True
    """False (or ``--no-decode``) writes the predicted codes only."""
    speed: float = 1.0
    """How fast GIF and MP4 play; 1: as recorded, the GIF at 10 frames a second at most."""
    loops: int = 0
    """How often the GIF plays; 0: for ever."""
    webm: bool = False
    """Write a WebM beside the MP4."""
    scale: int = 3
    """Enlargement of the pictures."""

    def check(self) -> None:
        SamplingChoice.check(self)
        ModelChoice.check(self)
        named(self, "actions", "out")
        at_least(self, 0, "start", "guidance")
        at_least(self, 1, "context_frames", "frames", "samples", "scale")
        within(self, 0.01, 100, "speed")
        within(self, 0, 65535, "loops")
        device(self)
        if not PurePath(self.out).name.strip("."):
            raise ValueError(f"out: {self.out!r} names a folder; add the name of the files, without an ending")
        if self.from_video and self.context:
            raise ValueError("from_video: takes the place of context; give one of the two")
        if self.from_video:
            without_effect(self, "beside from_video", "episode", "split")
        if self.episode:
            without_effect(self, "beside episode", "split")
        if self.context_frames == 1:
            without_effect(self, "while context_frames is 1", "context_actions")
        if self.actions == "each" and self.samples != 1:
            raise ValueError("samples: actions `each` needs samples 1, a rollout an action")
        if not self.temperature:
            without_effect(self, "while temperature is 0", "samples")
        if not self.decode:
            without_effect(self, "without decode", "speed", "loops", "webm", "scale")


# ---------------------------------------------------------------- play


@dataclass(frozen=True)
class PlayConfig(SamplingChoice, ModelChoice, CommandSettings):
    """Walk through the learned world with the arrow keys, in the browser; nothing leaves this machine."""

    store: str = ""
    """Where scenes to start from come from: an EpisodeStore, or a video with its actions beside it; empty: the example
    that ships with ``pretrained``, or ``stores/episodes``."""
    declare: DeclareActionsConfig = DeclareActionsConfig()
    context_frames: int = 6
    """Frames of a scene that the predictor is given."""
    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` lets other machines in, if they have the link."""
    port: int = 8642
    """Port to listen on; 0: any that is free."""
    origins: list[str] = field(default_factory=list)
    """Where a proxy shows the page, such as ``https://dreams.example.org``: needed if it does not pass ``Host`` on."""
    rate: float = 0.0
    """Frames a second that the page asks for at first; 0: as the episodes were recorded."""
    players: int = 4
    """Players at the same time; they share the predictor's batches."""
    idle: float = 600.0
    """Seconds without a sign of life after which a player's memory is freed."""
    device: str = "auto"
    """``auto`` (a GPU of CUDA where there is one, else the processor), ``cpu``, ``gpu`` (CUDA or MPS, whatever there
    is), ``cuda``, ``cuda:1`` ..., ``mps``."""
    precision: Precision = "auto"
    """``32-true``: float32; ``bf16`` (or ``bf16-mixed``): most of both networks in bf16; ``auto``: bf16 where the
    hardware computes it natively."""
    open: bool = True
    """Open the page in the browser; ``--no-open`` only prints its link."""
    in_browser: str = ""
    """Serve nothing, and write a page to this folder that computes all by itself, for any web server."""
    onnxruntime_web: str = "node_modules/onnxruntime-web/dist"
    """Folder with the files of onnxruntime-web that such a page needs."""

    def check(self) -> None:
        SamplingChoice.check(self)
        ModelChoice.check(self)
        named(self, "host", "onnxruntime_web")
        at_least(self, 1, "context_frames", "players")
        within(self, 0, 65535, "port")
        at_least(self, 0, "rate")
        above(self, 0, "idle")
        device(self)
        if self.in_browser:
            without_effect(self, "beside in_browser", "top_k", "top_p")


# ---------------------------------------------------------------- export


@dataclass(frozen=True)
class ExportConfig(ModelChoice, CommandSettings):
    """Write the learned world as graphs that run without videovq, and without PyTorch: torch.export and ONNX."""

    out: str = "exports"
    """Folder of ``step`` and ``watch`` (``.pt2`` and ``.onnx``), ``start.npz`` and ``world.json``."""

    def check(self) -> None:
        super().check()
        named(self, "out")


# ---------------------------------------------------------------- pack


@dataclass(frozen=True)
class PackConfig(CommandSettings):
    """Put a predictor and its VQ-VAE, or a VQ-VAE alone, into one folder or .zip that others can use by its path,
    wherever the name of a model is taken.
    """

    source: str = "runs/predictor"
    """Run folder of the predictor, or of a VQ-VAE alone; may be given without its name: `videovq pack RUN`."""
    vqvae: str = ""
    """Run folder of the VQ-VAE that wrote the predictor's codes; empty: it is among the runs beside the predictor's."""
    out: str = "world"
    """Folder of the world, new or empty; or a file, where it ends in ``.zip``."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """What weights are stored as: ``float32`` keeps every bit; the others take half the room and round, so that codes
    that were encoded before are not the world's."""
    examples: str = ""
    """An EpisodeStore, or a video with its actions beside it, from which an example is put in; rollouts and play then
    begin there. Empty: none."""

    def check(self) -> None:
        named(self, "source", "out")


# ---------------------------------------------------------------- evaluate


@dataclass(frozen=True)
class EvaluateSecondStageConfig(SamplingChoice, CommandSettings):
    """Whether a second-stage VQ-VAE uses its codes, and frames that went through them."""

    second_stage: str = "runs/second_stage"
    """Run folder of the second stage."""
    vqvae: str = "runs/vqvae"
    """Run folder of the first-stage VQ-VAE."""
    pretrained: str = ""
    """Name of a model that ships with videovq, in place of ``vqvae``."""
    store: str = "stores/codes"
    """Folder of the CodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    stride: int = 1
    """Measure every n-th frame of an episode: neighbours are much alike."""
    shown: int = 8
    """Frames reconstructed, and drawn in each of four rows."""
    out: str = "reports/second_stage"
    """Folder of ``report.html``, ``metrics.json``, ``reconstructions.png`` and ``samples.png``."""

    def check(self) -> None:
        super().check()
        named(self, "second_stage", "vqvae", "store", "out")
        at_least(self, 1, "stride", "shown")


@dataclass(frozen=True)
class EvaluatePriorConfig(SamplingChoice, CommandSettings):
    """Bits of a frame prior beside simple models, and frames that it draws."""

    prior: str = "runs/prior"
    """Run folder of the prior."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE that wrote its codes."""
    pretrained: str = ""
    """Name of a model that ships with videovq, in place of ``vqvae``."""
    store: str = "stores/codes"
    """Folder of the CodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    stride: int = 1
    """Measure every n-th frame of an episode: neighbours are much alike."""
    samples: int = 8
    """Frames drawn of each level."""
    guidance: float = 1.0
    """How strongly the level acts; 1: as the prior learnt it."""
    out: str = "reports/prior"
    """Folder of ``report.html``, ``metrics.json`` and ``samples.png``."""

    def check(self) -> None:
        super().check()
        named(self, "prior", "vqvae", "store", "out")
        at_least(self, 1, "stride", "samples")
        at_least(self, 0, "guidance")


@dataclass(frozen=True)
class EvaluateSoundConfig(SamplingChoice, CommandSettings):
    """Measure a VQ-VAE of sound and its prior: metrics.json, wav files, and spectrograms."""

    source: str = "sounds"
    """Folder of sound and video files."""
    split: Literal["train", "val", "test", "all"] = "test"
    """Split to measure on; ``all`` takes any folder, the others that of the training."""
    sound: str = "runs/sound"
    """Run folder of the VQ-VAE."""
    prior: str = "runs/sound_prior"
    """Run folder of the prior of its codes; empty: draw nothing new."""
    shown: int = 6
    """Recordings that are reconstructed."""
    samples: int = 4
    """Sounds that are drawn by the prior."""
    seconds: float = 2.0
    """Length of reconstructions and drawn sounds."""
    out: str = "reports/sound"
    """Folder of ``report.html``, ``metrics.json``, ``spectrograms.png`` and the wav files."""

    def check(self) -> None:
        super().check()
        named(self, "source", "sound", "out")
        at_least(self, 1, "shown", "samples")
        above(self, 0, "seconds")
        if not self.prior:
            without_effect(self, "without prior", "samples")


@dataclass(frozen=True)
class EvaluateVQVAE2Config(SamplingChoice, CommandSettings):
    """Two levels of codes against one of as many bits: reconstructions, bits by the priors, and frames drawn."""

    vqvae2: str = "runs/vqvae2"
    """Run folder of the VQ-VAE with two levels."""
    top_prior: str = "runs/top_prior"
    """Run folder of the prior of its top codes."""
    bottom_prior: str = "runs/bottom_prior"
    """Run folder of the prior of its bottom codes."""
    one_level: str = "runs/one_level"
    """Run folder of the VQ-VAE with one level."""
    one_level_prior: str = "runs/one_level_prior"
    """Run folder of the prior of its codes."""
    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    frames: int = 300
    """Frames measured, spread evenly over the split; 0: all."""
    shown: int = 8
    """Frames reconstructed, and drawn in each row."""
    guidance: float = 2.0
    """Scale of the guided rows: how strongly the level acts on the top codes, and the top codes on the bottom ones."""
    out: str = "reports/vqvae2"
    """Folder of ``report.html``, ``metrics.json``, ``reconstructions.png`` and ``samples.png``."""

    def check(self) -> None:
        super().check()
        named(self, "vqvae2", "top_prior", "bottom_prior", "one_level", "one_level_prior", "store", "out")
        at_least(self, 0, "frames", "guidance")
        at_least(self, 1, "shown")


@dataclass(frozen=True)
class EvaluateDensityConfig(CommandSettings):
    """Bits per dimension of several autoencoders on the same frames in one table, what they reconstruct and draw."""

    runs: list[str] = field(default_factory=list)
    """Run folders of `videovq train density`, on frames of one size."""
    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    frames: int = 1000
    """Frames measured, spread evenly over the split; 0: all."""
    samples: int = 50
    """Samples of the posterior in the multi-sample bounds."""
    shown: int = 10
    """Frames reconstructed, and drawn."""
    seed: int = 0
    """Seed of the samples and of the intervals."""
    scale: int = 2
    """Enlargement of the pictures."""
    out: str = "reports/density"
    """Folder of ``report.html``, ``metrics.json``, ``reconstructions.png`` and ``samples.png``."""

    def check(self) -> None:
        named(self, "runs", "store", "out")
        at_least(self, 0, "frames")
        at_least(self, 1, "samples", "shown", "scale")
        within(self, 0, SEEDS, "seed")


@dataclass(frozen=True)
class EvaluateConfig(SamplingChoice, ModelChoice, CommandSettings):
    """Measure a predictor over a split, beside baselines and controls: metrics.json, plots, and one HTML page."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    context: int = 6
    """Frames that are given."""
    frames: int = 10
    """Frames that are predicted, with the recorded actions."""
    stride: int = 16
    """Frames from the start of one window to that of the next."""
    samples: int = 1
    """Rollouts of each window; with several, their mean and the best are reported."""
    batch_size: int = 8
    """Windows computed at once."""
    lpips: Literal["", "vgg", "alex", "squeeze"] = ""
    """Network whose LPIPS is reported too; needs its ImageNet weights on this machine."""
    fvd: str = ""
    """TorchScript file of an I3D network, to report the Frechet video distance; needs 256 windows."""
    field_of_view: float = 90.0
    """Horizontal field of view of the frames in degrees, to tell what was in view before a turn, where poses are
    recorded; DeepMind Lab's and ViZDoom's is 90."""
    following: bool = True
    """False: do without the network that says whether rollouts follow their actions; it learns from the training
    episodes in a minute or two, and is kept in the folder of the report."""
    device: str = "auto"
    """``auto`` (a GPU of CUDA where there is one, else the processor), ``cpu``, ``gpu`` (CUDA or MPS, whatever there
    is), ``cuda``, ``cuda:1`` ..., ``mps``."""
    out: str = "reports/prediction"
    """Folder of the report."""

    def check(self) -> None:
        SamplingChoice.check(self)
        ModelChoice.check(self)
        named(self, "store", "out")
        at_least(self, 1, "context", "frames", "stride", "samples", "batch_size")
        within(self, 1, 179, "field_of_view")
        device(self)
        if not self.temperature:
            without_effect(self, "while temperature is 0", "samples")


@dataclass(frozen=True)
class EvaluateLongConfig(SamplingChoice, ModelChoice, CommandSettings):
    """Roll out hundreds of frames and measure whether they stay in the world: metrics.json and one HTML page."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore that contexts and actions come from."""
    split: Literal["train", "val", "test"] = "test"
    """Split of the contexts."""
    context: int = 6
    """Frames that are given."""
    frames: int = 1000
    """Frames that are predicted."""
    rollouts: int = 20
    """Number of rollouts, spread over the split's episodes."""
    segment: int = 100
    """Frames of a rollout that are measured together."""
    turn_action: str = "look_left"
    """Action that turns on the spot, for the test of a full turn."""
    turn_steps: int = 0
    """Steps of it that make a full turn; 0: as many of look_left or turn_left as recorded poses say, and no such test
    where there is no such action, or no poses are recorded."""
    mirror_steps: list[int] = field(default_factory=lambda: [5, 10, 20])
    """Lengths of the mirror test: so many times an action, then as often its inverse; ``[]``: no such test."""
    inverses: dict[str, str] = field(default_factory=dict)
    """Names of discrete actions that take each other back, one direction is enough, such as ``{left: right}``; empty:
    look_left and look_right, turn_left and turn_right, where there are such."""
    out: str = "reports/long"
    """Folder of the report."""

    def check(self) -> None:
        SamplingChoice.check(self)
        ModelChoice.check(self)
        named(self, "store", "turn_action", "out")
        at_least(self, 1, "context", "frames", "rollouts", "segment", "mirror_steps")
        at_least(self, 0, "turn_steps")
        if not self.mirror_steps:
            without_effect(self, "while mirror_steps is empty", "inverses")
        if not self.turn_steps:
            without_effect(self, "while turn_steps is 0", "turn_action")


@dataclass(frozen=True)
class CompareConfig(CommandSettings):
    """Put the reports of several predictors on one page."""

    reports: list[str] = field(default_factory=list)
    """Folders that `videovq evaluate` wrote, measured alike."""
    out: str = "reports/comparison.html"
    """The page."""

    def check(self) -> None:
        named(self, "reports", "out")


@dataclass(frozen=True)
class EvaluateVQVAEConfig(CommandSettings):
    """Measure a VQ-VAE over every frame of a split: report.json, plots, and a grid of reconstructions."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE."""
    pretrained: str = ""
    """Name of a VQ-VAE that ships with videovq, in place of ``vqvae``."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    compare: list[str] = field(default_factory=list)
    """``report.json`` of other VQ-VAEs, drawn with this one in the rate-distortion plot."""
    out: str = "reports/vqvae"
    """Folder of the report."""
    scale: int = 3
    """Enlargement of the reconstructions."""

    def check(self) -> None:
        named(self, "store", "vqvae", "compare", "out")
        at_least(self, 1, "scale")


@dataclass(frozen=True)
class ShowCodebookConfig(CommandSettings):
    """Draw every code of a VQ-VAE decoded alone with its usage, and a map of the codes."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore whose frames tell how often each code is used."""
    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE."""
    pretrained: str = ""
    """Name of a VQ-VAE that ships with videovq, in place of ``vqvae``."""
    split: Literal["train", "val", "test"] = "val"
    """Split whose frames are encoded."""
    out: str = "reports/codebook"
    """Folder of ``codes.png`` and ``map.png``."""
    layout: Literal["tsne", "umap"] = "tsne"
    """What lays out the map: t-SNE, or UMAP (``pip install 'videovq[umap]'``)."""
    seed: int = 0
    """Seed of the map's layout."""

    def check(self) -> None:
        named(self, "store", "vqvae", "out")
        within(self, 0, SEEDS, "seed")


@dataclass(frozen=True)
class DemoConfig(CommandSettings):
    """Record ViZDoom episodes and run every stage, small."""

    out: str = "demo"
    """Folder of everything the demo makes. Run it again to continue, or remove it to start over."""
    train: bool = True
    """False (or ``--no-train``) shows the model that ships only."""
    episodes: int = 40
    """Episodes to record."""
    frames: int = 200
    """Frames in an episode."""
    vqvae_steps: int = 1600
    """Optimiser steps of the VQ-VAE."""
    predictor_steps: int = 950
    """Optimiser steps of the predictor."""

    def check(self) -> None:
        named(self, "out")
        at_least(self, 1, "vqvae_steps", "predictor_steps")
        at_least(self, 3, "episodes")  # one for each split
        at_least(self, 36, "frames")  # its rollouts start at the 20th


RENAMED: dict[type, dict[str, str]] = {TrainVQVAEConfig: {"pretrained": "init"}}
"""Names that settings had in earlier versions, which files and commands may still use, and the names they have now."""

CHOICES = (SourceConfig, QuantizerConfig, PredictorConfig, DensityConfig)
"""Configs of which a user chooses a subclass, in YAML by ``class_path``."""
