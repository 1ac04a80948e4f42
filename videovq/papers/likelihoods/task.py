"""``videovq train density``: EpisodeStore -> run of a likelihood autoencoder."""

from __future__ import annotations

import math

from torch import Tensor

from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.follow_up import typed
from videovq.papers.likelihoods.config import TrainDensityConfig
from videovq.papers.likelihoods.models.build import build_autoencoder
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder
from videovq.training import loop
from videovq.training.task import Metrics, Task
from videovq.types import FrameBatch


class LikelihoodTask(Task):
    """Minimises the upper bound on a frame's bits, beside the quantizer's loss and the prior's where there are such."""

    command = "train density"
    panels = (
        ("bits_per_dim", "bits per dimension, at most", False),
        ("rate", "bits per dimension of the latents", False),
    )
    config: TrainDensityConfig

    def __init__(self, config: TrainDensityConfig) -> None:
        self.store, training = EpisodeStore(config.store), config.training
        data = FrameData(self.store, training.batch_size, training.steps, training.seed)
        facts = {"frame_size": list(self.store.header.grid)}
        then = typed("evaluate density", runs=f"[{config.run}]", store=config.store)
        super().__init__(config, data, facts, about=self.store.amount("train"), then=then)

    def build(self) -> LikelihoodAutoencoder:
        return build_autoencoder(self.config.model, self.store.header.grid)

    def loss(self, network: LikelihoodAutoencoder, batch: FrameBatch) -> tuple[Tensor, Metrics]:
        output, unit = network(batch.frames), network.dims * math.log(2)
        return output.loss, {"bits_per_dim": -output.bound.mean() / unit, "rate": output.rate.mean() / unit}


def train(config: TrainDensityConfig) -> None:
    """Train a likelihood autoencoder, or go on with an interrupted training.

    Raises:
        UserError: the store cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    loop.fit(LikelihoodTask(config))
