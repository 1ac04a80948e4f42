"""Run directory <-> likelihood autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from videovq.papers.likelihoods.models.build import build_autoencoder
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder
from videovq.runs import open_run


@dataclass(frozen=True)
class TrainedAutoencoder:
    """A likelihood autoencoder from its run; ``frame_size``: height and width of its frames, in pixels."""

    network: LikelihoodAutoencoder
    frame_size: tuple[int, int]


def load_autoencoder(run: str | Path) -> TrainedAutoencoder:
    """Rebuild a likelihood autoencoder from its run directory.

    Raises:
        UserError: the run is missing or unfinished.
    """
    network, _, facts = open_run(
        run, "density", lambda c, facts, _: build_autoencoder(c.model, tuple(facts["frame_size"]))
    )
    return TrainedAutoencoder(network, tuple(facts["frame_size"]))
