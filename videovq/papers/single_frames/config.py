"""Settings of the experiments on single frames: a frame's prior, a second stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import CommandSettings, Settings, at_least, named, part, within
from videovq.config.choices import SamplingChoice, VQVAEChoice
from videovq.config.models import EMAConfig, QuantizerConfig
from videovq.config.training import OptimizerConfig, TrainConfig, TrainingConfig
from videovq.papers.config import PixelCNNConfig


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
class TrainSecondStageConfig(TrainConfig):
    """Train a second-stage VQ-VAE on the single frames of a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/second_stage"
    model: SecondStageConfig = field(default_factory=SecondStageConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=32))

    def check(self) -> None:
        super().check()
        named(self, "store")


@dataclass(frozen=True)
class TrainPriorConfig(TrainConfig):
    """Train a prior of single frames on a CodeStore."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    run: str = "runs/prior"
    model: PixelCNNConfig = field(default_factory=PixelCNNConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=32))
    level_dropout: float = 0.1
    """Part of the frames that are learnt without their level, so that frames of any level can be drawn, and guidance
    used."""

    def check(self) -> None:
        super().check()
        named(self, "store")
        within(self, 0, 1, "level_dropout")


@dataclass(frozen=True)
class FramesConfig(SamplingChoice, VQVAEChoice, CommandSettings):
    """On which single frames of a CodeStore a model of them is measured."""

    store: str = "stores/codes"
    """Folder of the CodeStore."""
    split: Literal["train", "val", "test"] = "test"
    """Split to measure on."""
    stride: int = 1
    """Measure every n-th frame of an episode: neighbours are much alike."""

    def check(self) -> None:
        super().check()
        named(self, "store")
        at_least(self, 1, "stride")


@dataclass(frozen=True)
class EvaluateSecondStageConfig(FramesConfig):
    """Whether a second-stage VQ-VAE uses its codes, and frames that went through them."""

    second_stage: str = "runs/second_stage"
    """Run folder of the second stage."""
    shown: int = 8
    """Frames reconstructed, and drawn in each of four rows."""
    out: str = "reports/second_stage"
    """Folder of ``report.html``, ``metrics.json``, ``reconstructions.png`` and ``samples.png``."""

    def check(self) -> None:
        super().check()
        named(self, "second_stage", "out")
        at_least(self, 1, "shown")


@dataclass(frozen=True)
class EvaluatePriorConfig(FramesConfig):
    """Bits of a frame prior beside simple models, and frames that it draws."""

    prior: str = "runs/prior"
    """Run folder of the prior."""
    samples: int = 8
    """Frames drawn of each level."""
    guidance: float = 1.0
    """How strongly the level acts; 1: as the prior learnt it."""
    out: str = "reports/prior"
    """Folder of ``report.html``, ``metrics.json`` and ``samples.png``."""

    def check(self) -> None:
        super().check()
        named(self, "prior", "out")
        at_least(self, 1, "samples")
        at_least(self, 0, "guidance")
