"""Run directory <-> autoencoder with a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.checkpoints import finished_run, load_weights, read_facts
from videovq.papers.likelihoods.config import TrainDensityConfig
from videovq.papers.likelihoods.models.build import build_density
from videovq.papers.likelihoods.models.contract import Density
from videovq.parsing import read_config


@dataclass(frozen=True)
class TrainedDensity:
    """An autoencoder with a likelihood from its run; ``frame_size``: height and width of its frames, in pixels."""

    network: Density
    frame_size: tuple[int, int]


def load_density(run: str | Path) -> TrainedDensity:
    """Rebuild an autoencoder with a likelihood from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    folder = finished_run(run, "density")
    config, facts = read_config(TrainDensityConfig, folder / "config.yaml"), read_facts(folder)
    frame_size = tuple(facts["frame_size"])
    network = build_density(config.model, frame_size)
    load_weights(folder, network)
    return TrainedDensity(network, frame_size)
