"""Run directory <-> autoencoder with a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.papers.likelihoods.models.build import build_density
from videovq.papers.likelihoods.models.contract import Density
from videovq.runs import open_run


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
    network, _, facts = open_run(run, "density", lambda c, facts, _: build_density(c.model, tuple(facts["frame_size"])))
    return TrainedDensity(network, tuple(facts["frame_size"]))
