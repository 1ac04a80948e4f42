"""Settings of the experiments on raw sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import SEEDS, CommandSettings, Settings, above, at_least, named, part, within, without_effect
from videovq.config.choices import SamplingChoice
from videovq.config.models import (
    EMAConfig,
    QuantizerConfig,
)
from videovq.config.training import OptimizerConfig, TrainConfig, TrainingConfig
from videovq.errors import UserError


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
    """Channels of the skip connection of every layer to the output."""
    layers: int = 10
    """Number of layers."""
    cycle: int = 10
    """Layers after which the dilations, 1, 2, 4 ..., begin again with 1: ten reach 1,024 symbols back."""
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
    """Channels of the decoder's condition, which is of a code and its neighbours."""
    quantizer: QuantizerConfig = field(default_factory=lambda: EMAConfig(commitment=0.25, restart_below=0.02))
    """How every vector becomes a code."""
    decoder: DilatedConfig = field(default_factory=lambda: DilatedConfig(hidden_part=0.5))
    """The autoregressive decoder of samples."""

    def check(self) -> None:
        at_least(self, 1, "hidden", "code_dim", "context")


@dataclass(frozen=True)
class TrainSoundConfig(TrainConfig):
    """Train a VQ-VAE on the sound of a folder of wav files or videos."""

    source: str = "sounds"
    """Folder searched, with its subfolders, for sound and video files."""
    run: str = "runs/sound"
    rate: int = 8000
    """Samples a second that sound is resampled to."""
    window: int = 2048
    """Samples in a training window; a multiple of 64."""
    model: SoundConfig = field(default_factory=SoundConfig)
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=2000, batch_size=8))

    def check(self) -> None:
        super().check()
        named(self, "source")
        at_least(self, 1, "rate", "window")
        if self.window % 64:
            raise UserError(f"window: must be a multiple of 64, not {self.window}")


@dataclass(frozen=True)
class TrainSoundPriorConfig(TrainConfig):
    """Train a prior over the codes of a VQ-VAE of sound, on the sound it was trained on."""

    source: str = "sounds"
    """Folder of the VQ-VAE's sound and video files."""
    sound: str = "runs/sound"
    """Run folder of the VQ-VAE."""
    run: str = "runs/sound_prior"
    window: int = 256
    """Codes in a training window."""
    model: DilatedConfig = field(default_factory=lambda: DilatedConfig(width=96, layers=8, cycle=8, hidden_part=0.3))
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.01))
    training: TrainingConfig = field(default_factory=lambda: TrainingConfig(steps=1000, batch_size=16))

    def check(self) -> None:
        super().check()
        named(self, "source", "sound")
        at_least(self, 2, "window")


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
