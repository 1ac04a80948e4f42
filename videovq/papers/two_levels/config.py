"""Settings of the VQ-VAE with two levels of codes (VQ-VAE-2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import CommandSettings, Settings, at_least, convolutional, named, within
from videovq.config.choices import SamplingChoice
from videovq.config.models import EMAConfig, QuantizerConfig
from videovq.config.training import OptimizerConfig, TrainConfig, TrainingConfig
from videovq.errors import UserError
from videovq.papers.config import PixelCNNConfig


@dataclass(frozen=True)
class VQVAE2Config(Settings):
    """VQ-VAE with two levels of codes (Razavi et al. 2019): the top grid, and a bottom grid of twice its sides."""

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
    """Quantizer of the top level."""
    bottom: QuantizerConfig = field(default_factory=lambda: EMAConfig(codebook_size=16))
    """Quantizer of the bottom level."""

    def check(self) -> None:
        convolutional(self)


@dataclass(frozen=True)
class TrainVQVAE2Config(TrainConfig):
    """Train a VQ-VAE with two levels on the frames of an EpisodeStore."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/vqvae2"
    model: VQVAE2Config = field(default_factory=VQVAE2Config)

    def check(self) -> None:
        super().check()
        named(self, "store")


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
class TrainBottomPriorConfig(TrainConfig):
    """Train p(bottom codes | top codes) on the CodeStores of a VQ-VAE with two levels."""

    store: str = "stores/codes2"
    """Folder of the CodeStores ``top`` and ``bottom``."""
    run: str = "runs/bottom_prior"
    model: PixelCNNConfig = field(default_factory=lambda: PixelCNNConfig(width=64, embedding=32, decoder_layers=8))
    """The network; it has no attention."""
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=1000, batch_size=8))
    top_dropout: float = 0.1
    """Part of the frames that are learnt without their top codes; guidance needs some."""

    def check(self) -> None:
        super().check()
        named(self, "store")
        within(self, 0, 1, "top_dropout")
        if self.model.attention_every:
            raise UserError("model.attention_every: the bottom prior has no attention; set it to 0")


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
