"""Run directory <-> frame prior, and second stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.papers.prior import FramePrior
from videovq.papers.single_frames.config import TrainPriorConfig, TrainSecondStageConfig
from videovq.papers.single_frames.second_stage import SecondStage
from videovq.runs import Facts, Tensors, open_run


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

    def build(config: TrainPriorConfig, facts: Facts, tensors: Tensors) -> FramePrior:
        return FramePrior(config.model, tuple(facts["grid"]), tensors["codebook"], len(facts["levels"]))

    network, _, facts = open_run(run, "prior", build)
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

    def build(config: TrainSecondStageConfig, facts: Facts, tensors: Tensors) -> SecondStage:
        return SecondStage(config.model, tuple(facts["grid"]), tensors["codebook"])

    network, _, facts = open_run(run, "second-stage", build)
    return TrainedSecondStage(network, facts["vqvae"])
