"""Run directory <-> frame prior, and second stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.checkpoints import finished_run, load_weights, read_facts
from videovq.models.prior import FramePrior
from videovq.papers.single_frames.config import TrainPriorConfig, TrainSecondStageConfig
from videovq.papers.single_frames.second_stage import SecondStage
from videovq.parsing import read_config
from videovq.shipped import WEIGHTS
from videovq.storage import read_tensors


@dataclass(frozen=True)
class TrainedPrior:
    """A frame prior from its run.

    Attributes:
        levels: names of the levels it knows, in the order of their numbers.
        vqvae: fingerprint of the VQ-VAE whose codes it models.
    """

    network: FramePrior
    levels: list[str]
    vqvae: str


def load_prior(run: str | Path) -> TrainedPrior:
    """Rebuild a frame prior from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    folder = finished_run(run, "prior")
    facts, config = read_facts(folder), read_config(TrainPriorConfig, folder / "config.yaml")
    codebook = read_tensors(folder / WEIGHTS)["codebook"]
    network = FramePrior(config.model, tuple(facts["grid"]), codebook, len(facts["levels"]))
    load_weights(folder, network)
    return TrainedPrior(network, facts["levels"], facts["vqvae"])


@dataclass(frozen=True)
class TrainedSecondStage:
    """A second-stage VQ-VAE from its run; ``vqvae``: fingerprint of the first stage."""

    network: SecondStage
    vqvae: str


def load_second_stage(run: str | Path) -> TrainedSecondStage:
    """Rebuild a second-stage VQ-VAE from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    folder = finished_run(run, "second-stage")
    facts, config = read_facts(folder), read_config(TrainSecondStageConfig, folder / "config.yaml")
    network = SecondStage(config.model, tuple(facts["grid"]), read_tensors(folder / WEIGHTS)["codebook"])
    load_weights(folder, network)
    return TrainedSecondStage(network, facts["vqvae"])
