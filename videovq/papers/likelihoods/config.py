"""Settings of the autoencoders that are compared by their likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import SEEDS, CommandSettings, Settings, at_least, convolutional, named, within
from videovq.config.models import MOST_CODES, EMAConfig, QuantizerConfig
from videovq.config.training import TrainConfig
from videovq.papers.config import PixelCNNConfig


@dataclass(frozen=True)
class LikelihoodConfig(Settings):
    """A likelihood autoencoder, of 8-bit pixels; encoder and decoder are the VQ-VAE's (section 4.1)."""

    hidden: int = 128
    """Channels of the convolutions (256 in the paper)."""
    residual_hidden: int = 64
    """Channels between the two convolutions of a residual block."""
    residual_blocks: int = 2
    """Residual blocks in the encoder, and in the decoder."""
    downsamplings: int = 2
    """Stride-2 convolutions: 2 turns 32x32 pixels into 8x8 positions."""
    latents: int = 1
    """Latents at a position (10 in the paper)."""
    code_dim: int = 16
    """Width of a latent at the input of the decoder."""

    def check(self) -> None:
        convolutional(self)
        at_least(self, 1, "latents")


@dataclass(frozen=True)
class GaussianVAEConfig(LikelihoodConfig):
    """VAE: every latent is ``code_dim`` independent Gaussians, with a standard normal prior."""


@dataclass(frozen=True)
class VIMCOConfig(LikelihoodConfig):
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
class QuantizedVAEConfig(LikelihoodConfig):
    """VQ-VAE: every latent is a code."""

    quantizer: QuantizerConfig = field(default_factory=lambda: EMAConfig(commitment=0.25))
    """How each vector becomes a code; all latents share the codebook."""
    prior: PixelCNNConfig = field(default_factory=lambda: PixelCNNConfig(width=48, embedding=32, decoder_layers=4))
    """The PixelCNN of the codes, p(z), trained beside the autoencoder."""


@dataclass(frozen=True)
class TrainDensityConfig(TrainConfig):
    """Train a likelihood autoencoder on the frames of an EpisodeStore: VAE, VIMCO or VQ-VAE."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    run: str = "runs/density"
    model: LikelihoodConfig = field(default_factory=GaussianVAEConfig)
    """GaussianVAEConfig, VIMCOConfig or QuantizedVAEConfig."""

    def check(self) -> None:
        super().check()
        named(self, "store")


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
