"""Run directory <-> VQ-VAE with two levels, and bottom prior."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.checkpoints import fingerprint, finished_run, load_weights, read_facts
from videovq.papers.two_levels.bottom_prior import BottomPrior
from videovq.papers.two_levels.config import TrainBottomPriorConfig, TrainVQVAE2Config
from videovq.papers.two_levels.vqvae2 import VQVAE2
from videovq.parsing import read_config
from videovq.shipped import WEIGHTS
from videovq.storage import read_tensors


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
    folder = finished_run(run, "vqvae2")
    config = read_config(TrainVQVAE2Config, folder / "config.yaml").model
    network = VQVAE2(config)
    facts = load_weights(folder, network)
    return TrainedVQVAE2(network, tuple(facts["frame_size"]), fingerprint(config, network))


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
    folder = finished_run(run, "bottom-prior")
    facts, config = read_facts(folder), read_config(TrainBottomPriorConfig, folder / "config.yaml")
    tensors = read_tensors(folder / WEIGHTS)
    network = BottomPrior(config.model, tuple(facts["grid"]), tensors["top"], tensors["bottom"])
    load_weights(folder, network)
    return TrainedBottomPrior(network, facts["vqvae"])
