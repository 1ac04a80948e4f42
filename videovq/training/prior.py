"""``videovq train prior``: CodeStore -> run of a prior of single frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.data.modules import LevelData
from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.papers.single_frames.config import TrainPriorConfig
from videovq.papers.single_frames.frame_prior import FramePrior
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.encode import written_by
from videovq.training.optimizers import optimizer
from videovq.types import LevelBatch

PANELS = (("bits_per_code", "bits per code", False),)


class PriorModule(L.LightningModule):
    """The training and validation step of a frame prior."""

    what = "train prior"

    def __init__(self, network: FramePrior, config: TrainPriorConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def training_step(self, batch: LevelBatch, batch_idx: int) -> Tensor:
        hidden = torch.rand(len(batch.levels), device=self.device) < self.config.level_dropout
        nll = self.network(batch.codes, batch.levels.masked_fill(hidden, self.network.any_level)).mean()
        self.log("train/bits_per_code", nll.detach() / math.log(2))
        return nll

    def validation_step(self, batch: LevelBatch, batch_idx: int) -> None:
        bits = self.network(batch.codes, batch.levels).mean() / math.log(2)
        self.log("val/bits_per_code", bits, batch_size=len(batch.codes), sync_dist=True)

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def train(config: TrainPriorConfig) -> None:
    """Train a frame prior, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    store, training = CodeStore(config.store), config.training
    data = LevelData(store, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = FramePrior(config.model, store.header.grid, store.codebook, len(data.levels))
    folder = Path(config.run)
    network.to(memory_format=torch.channels_last)
    module = PriorModule(network, config)
    facts = {"grid": list(store.header.grid), "levels": data.levels, "vqvae": store.header.fingerprint}
    then = typed("evaluate prior", prior=config.run, store=config.store, **written_by(store))
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=store.amount("train"), then=then)
