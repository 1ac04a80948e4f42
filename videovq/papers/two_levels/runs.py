"""Run directory <-> VQ-VAE with two levels, and bottom prior."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.papers.two_levels.bottom_prior import BottomPrior
from videovq.papers.two_levels.config import TrainBottomPriorConfig
from videovq.papers.two_levels.vqvae2 import VQVAE2
from videovq.runs import Facts, Tensors, fingerprint, open_run


@dataclass(frozen=True)
class TrainedVQVAE2:
    """A VQ-VAE with two levels from its run.

    Attributes:
        frame_size: height and width it was trained on, in pixels.
        fingerprint: sha256 of its architecture and weights.
    """

    network: VQVAE2
    frame_size: tuple[int, int]
    fingerprint: str

    def fingerprint_of(self, level: str) -> str:
        """What the codes of a level are known by."""
        return f"{self.fingerprint}-{level}"


def load_vqvae2(run: str | Path) -> TrainedVQVAE2:
    """Rebuild a VQ-VAE with two levels from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    network, config, facts = open_run(run, "vqvae2", lambda config, *_: VQVAE2(config.model))
    return TrainedVQVAE2(network, tuple(facts["frame_size"]), fingerprint(config.model, network))


@dataclass(frozen=True)
class TrainedBottomPrior:
    """A bottom prior from its run; ``vqvae``: fingerprint of the level whose codes it models."""

    network: BottomPrior
    vqvae: str


def load_bottom_prior(run: str | Path) -> TrainedBottomPrior:
    """Rebuild a bottom prior from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """

    def build(config: TrainBottomPriorConfig, facts: Facts, tensors: Tensors) -> BottomPrior:
        return BottomPrior(config.model, tuple(facts["grid"]), tensors["top"], tensors["bottom"])

    network, _, facts = open_run(run, "bottom-prior", build)
    return TrainedBottomPrior(network, facts["vqvae"])
