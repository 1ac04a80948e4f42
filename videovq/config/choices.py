"""Choices that several commands share: which models, which device, how codes are sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from videovq.config.checks import Settings, device, named, sampling, within, without_effect

Precision = Literal["auto", "32-true", "bf16", "bf16-mixed"]
"""What networks compute in. ``bf16`` and ``bf16-mixed`` are two names of one thing, in every command."""


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
        super().check()
        named(self, "vqvae")


@dataclass(frozen=True)
class VQVAEChoice(Settings):
    """Which VQ-VAE."""

    vqvae: str = "runs/vqvae"
    """Run folder of the VQ-VAE."""
    pretrained: str = ""
    """Name of a VQ-VAE that ships with videovq, in place of ``vqvae``."""

    def check(self) -> None:
        super().check()
        named(self, "vqvae")


@dataclass(frozen=True)
class DeviceChoice(Settings):
    """What computes."""

    device: str = "auto"
    """``auto`` (a GPU of CUDA where there is one, else the processor), ``cpu``, ``gpu`` (CUDA or MPS, whatever there
    is), ``cuda``, ``cuda:1`` ..., ``mps``."""

    def check(self) -> None:
        super().check()
        device(self)


LOOKING_TEMPERATURE = 0.85
"""Where rollouts are looked at or walked through (``rollout``, ``play``, ``videovq.load(...).predict``, the Gymnasium
environment): rendered at 0.5, 0.7, 0.85 and 1, rollouts of the worlds that ship lose the patterns of walls and floors
at 0.5, and at 1 get blotches of colours that are nowhere in the scene; at 0.85 there is most of the one and little of
the other."""
MEASURING_TEMPERATURE = 0.3
"""Where frames are measured against those that followed (``evaluate``): PSNR is best where a rollout keeps to what is
likely, and that is what wipes patterns out. Good for figures, not for the eye: the gradients in frames of
``dmlab-small``, as a part of the true frames', are 0.86 and 0.58 at horizons 1 and 10 (26.7 and 18.1 dB); at
temperature 1 they are 0.94 and 0.80 (25.7 and 17.9 dB)."""


@dataclass(frozen=True)
class SamplingChoice(Settings):
    """How codes are sampled from logits."""

    temperature: float = 1.0
    """Sampling temperature; 0 takes the most likely code each time. Bits do not depend on it."""
    top_k: int = 0
    """Draw from that many of the most likely codes only; 0: from all."""
    top_p: float = 1.0
    """Draw from the most likely codes that together have this probability only; 1: from all."""
    seed: int = 0
    """Seed of the sampling noise (and of an evaluation's confidence intervals)."""

    def check(self) -> None:
        super().check()
        sampling(self)
        within(self, 0, 2**53 - 1, "seed")
        if not self.temperature:
            without_effect(self, "while temperature is 0", "top_k", "top_p")


@dataclass(frozen=True)
class LookingChoice(SamplingChoice):
    """How codes are drawn where rollouts are looked at."""

    temperature: float = LOOKING_TEMPERATURE
    """Sampling temperature: 1 draws from the model, lower keeps to what is likely (calmer, and with less texture), 0
    takes the most likely code each time."""
