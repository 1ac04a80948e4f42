"""``videovq train bottom-prior``: the CodeStores of two levels -> run of p(bottom codes | top codes)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.data.modules import TwoLevelData
from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.papers.two_levels.bottom_prior import BottomPrior
from videovq.papers.two_levels.config import TrainBottomPriorConfig
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.optimizers import optimizer
from videovq.types import TwoLevelBatch

PANELS = (("bits_per_code", "bits per bottom code", False),)


class BottomPriorModule(L.LightningModule):
    """The training and validation step of a bottom prior."""

    what = "train bottom-prior"

    def __init__(self, network: BottomPrior, config: TrainBottomPriorConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def training_step(self, batch: TwoLevelBatch, batch_idx: int) -> Tensor:
        hidden = torch.rand(len(batch.top), 1, 1, device=self.device) < self.config.top_dropout
        nll = self.network(batch.bottom, batch.top.masked_fill(hidden, self.network.missing)).mean()
        self.log("train/bits_per_code", nll.detach() / math.log(2))
        return nll

    def validation_step(self, batch: TwoLevelBatch, batch_idx: int) -> None:
        bits = self.network(batch.bottom, batch.top).mean() / math.log(2)
        self.log("val/bits_per_code", bits, batch_size=len(batch.top), sync_dist=True)

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def train(config: TrainBottomPriorConfig) -> None:
    """Train a bottom prior, or go on with an interrupted training.

    Raises:
        ValueError: the stores cannot be used, or ``config.run`` holds another training.
    """
    top, bottom = (CodeStore(f"{config.store}/{name}") for name in ("top", "bottom"))
    training = config.training
    data = TwoLevelData(top, bottom, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = BottomPrior(config.model, bottom.header.grid, top.codebook, bottom.codebook)
    folder = Path(config.run)
    network.to(memory_format=torch.channels_last)
    module = BottomPriorModule(network, config)
    facts = {"grid": list(bottom.header.grid), "vqvae": bottom.header.fingerprint}
    then = typed("evaluate vqvae2", bottom_prior=config.run)
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=bottom.amount("train"), then=then)
