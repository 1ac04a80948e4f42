"""Settings of trainings: optimiser, loop, and what is learnt from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import CommandSettings, Settings, at_least, named, part, shared, within, without_effect
from videovq.config.choices import DeviceChoice, Precision, VQVAEChoice
from videovq.config.models import PatchPredictorConfig, PredictorConfig, VQVAEConfig
from videovq.errors import UserError


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
    strategy: Literal["auto", "ddp"] = "auto"
    """How several devices share the work: ``ddp``, and so ``auto``, gives each a copy of the network."""
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
class VQVAETrainingConfig(TrainingConfig):
    """What a VQ-VAE's training has beside."""

    steps: int = 3000
    batch_size: int = 32
    """Frames in a step, over all devices."""
    validate_every: int = 1000
    compile: bool = False
    """Compile encoder and decoder (torch.compile): slow to start, faster afterwards."""


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


@dataclass(frozen=True)
class TrainConfig(CommandSettings):
    """What the settings of every training have."""

    run: str = ""
    """Run folder; an interrupted run continues there."""
    model: Settings = field(default_factory=Settings)
    """The network."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimiser."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Length, batch, precision, logging."""

    def check(self) -> None:
        super().check()
        named(self, "run")


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
class TrainVQVAEConfig(TrainConfig):
    """Train a VQ-VAE on the frames of an EpisodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/vqvae"
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
    loss: LossConfig = field(default_factory=LossConfig)
    """What it minimises."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(learning_rate=2e-3))
    training: VQVAETrainingConfig = field(default_factory=VQVAETrainingConfig)

    def check(self) -> None:
        super().check()
        named(self, "store")
        if self.loss.adversarial and self.training.devices * self.training.nodes > 1:
            raise UserError("loss.adversarial: trains on one device; set training.devices and training.nodes to 1")
        if self.loss.adversarial and self.training.compile:
            raise UserError("training.compile: does not go with loss.adversarial; leave one of them out")
        within(self, 0, 1, "code_swaps")
        if not self.decoder_only:
            without_effect(self, "without decoder_only", "code_swaps")
        elif not self.init:
            raise UserError("decoder_only: needs init, the VQ-VAE whose encoder and codebook stay")


@dataclass(frozen=True)
class EncodeConfig(DeviceChoice, VQVAEChoice, CommandSettings):
    """Encode every frame of an EpisodeStore with a trained VQ-VAE into a CodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    out: str = "stores/codes"
    """Folder of the CodeStore."""
    batch_size: int = 64
    """Frames encoded at once."""
    mirror: bool = False
    """Encode every training episode a second time, mirrored, with left and right swapped in the names of its actions:
    twice as many scenes to learn from."""

    def check(self) -> None:
        super().check()
        named(self, "store", "out")
        at_least(self, 1, "batch_size")


@dataclass(frozen=True)
class TrainPredictorConfig(TrainConfig):
    """Train a predictor on windows of a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/predictor"
    init: str = ""
    """Start from the weights of this predictor of the same VQ-VAE's codes and of the same actions: a model that ships
    with videovq, by name, a run folder, or a packed world; ``model`` must be its architecture. Empty: from weights
    drawn at random."""
    model: PredictorConfig = field(default_factory=PatchPredictorConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig("muon", learning_rate=4e-3, warmup_steps=200, weight_decay=0.01)
    )
    training: PredictorTrainingConfig = field(default_factory=PredictorTrainingConfig)
    window: int = 16
    """Frames in a training window."""
    context_noise: float = 0.05
    """Part of the context codes that are replaced, against drift in rollouts."""
    context_noise_any: float = 0.0
    """Part of the replaced codes that become any code; the others become one of similar look."""
    own_frames: float = 0.0
    """Part of the windows in which some context frames are drawn by the predictor itself, against drift in rollouts."""
    own_length: int = 4
    """So many of them in a row at most."""
    own_passes: int = 1
    """Passes in which they are drawn: first given the recorded frames, then again given those of the pass before."""
    own_temperature: float = 1.0
    """Temperature at which they are drawn."""
    targets: int = 4
    """Frames of each window, drawn anew each time, whose codes are learnt; the others serve as context only."""
    action_dropout: float = 0.0
    """Part of the windows that are trained without their actions; guidance in a rollout needs some."""

    def check(self) -> None:
        super().check()
        named(self, "store")
        at_least(self, 2, "window")
        within(self, 0, 0.5, "context_noise")
        within(self, 0, 1, "context_noise_any", "own_frames")
        within(self, 1, self.window, "targets")
        if self.model.corruption_levels > 1 and not self.context_noise and not self.own_frames:
            raise UserError(
                "model.corruption_levels: has no effect without context_noise or own_frames; give one, or leave it 1"
            )
        at_least(self, 1, "own_length", "own_passes")
        at_least(self, 0, "own_temperature")
        if self.own_frames:
            within(self, 1, self.window - 2, "own_length")
            within(self, 1, self.own_length, "own_passes")
        else:
            without_effect(self, "while own_frames is 0", "own_length", "own_passes", "own_temperature")
        within(self, 0, 1, "action_dropout")
