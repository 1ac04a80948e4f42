"""``videovq train density``: EpisodeStore -> run of an autoencoder with a likelihood."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.config import OptimizerConfig
from videovq.data.modules import FrameData
from videovq.data.store import EpisodeStore
from videovq.follow_up import typed
from videovq.papers.likelihoods.config import TrainDensityConfig
from videovq.papers.likelihoods.models.build import build_density
from videovq.papers.likelihoods.models.contract import Density
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.optimizers import optimizer
from videovq.types import FrameBatch

PANELS = (("bits_per_dim", "bits per dimension, at most", False), ("rate", "bits per dimension of the latents", False))


class DensityModule(L.LightningModule):
    """The training and validation step of an autoencoder with a likelihood."""

    what = "train density"

    def __init__(self, network: Density, optimizer: OptimizerConfig, steps: int) -> None:
        super().__init__()
        self.network, self.optimizer, self.steps = network, optimizer, steps
        self.unit = network.dims * math.log(2)

    def training_step(self, batch: FrameBatch, batch_idx: int) -> Tensor:
        output = self.network(batch.frames)
        self.log("train/bits_per_dim", -output.bound.detach().mean() / self.unit)
        self.log("train/rate", output.rate.detach().mean() / self.unit)
        return output.loss

    def validation_step(self, batch: FrameBatch, batch_idx: int) -> None:
        output, size = self.network(batch.frames), len(batch.frames)
        self.log("val/bits_per_dim", -output.bound.mean() / self.unit, batch_size=size, sync_dist=True)
        self.log("val/rate", output.rate.mean() / self.unit, batch_size=size, sync_dist=True)

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.optimizer, self.steps)


def train(config: TrainDensityConfig) -> None:
    """Train an autoencoder with a likelihood, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    store, training = EpisodeStore(config.store), config.training
    data = FrameData(store, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = build_density(config.model, store.header.grid).to(memory_format=torch.channels_last)
    folder = Path(config.run)
    module = DensityModule(network, config.optimizer, training.steps)
    facts = {"frame_size": list(store.header.grid)}
    then = typed("evaluate density", runs=f"[{config.run}]", store=config.store)
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=store.amount("train"), then=then)
