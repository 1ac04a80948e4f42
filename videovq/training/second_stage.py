"""``videovq train second-stage``: CodeStore -> run of a second-stage VQ-VAE."""

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
from videovq.models.quantizers.contract import perplexity
from videovq.papers.single_frames.config import TrainSecondStageConfig
from videovq.papers.single_frames.second_stage import SecondStage
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.encode import written_by
from videovq.training.optimizers import optimizer
from videovq.types import LevelBatch

PANELS = (("bits_per_code", "bits per code", False), ("bits_per_latent", "bits per latent, by the prior", False),
          ("perplexity", "mean perplexity of the latents", False))  # fmt: skip


class SecondStageModule(L.LightningModule):
    """The training and validation step of a second stage."""

    what = "train second-stage"

    def __init__(self, network: SecondStage, config: TrainSecondStageConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def training_step(self, batch: LevelBatch, batch_idx: int) -> Tensor:
        output = self.network(batch.codes)
        self.log("train/bits_per_code", output.nll.detach().mean() / math.log(2))
        self.log("train/bits_per_latent", output.prior.detach().mean() / math.log(2))
        return output.loss

    def on_validation_epoch_start(self) -> None:
        self.seen: list[Tensor] = []

    def validation_step(self, batch: LevelBatch, batch_idx: int) -> None:
        output, size = self.network(batch.codes), len(batch.codes)
        self.seen.append(output.latents)
        self.log("val/bits_per_code", output.nll.mean() / math.log(2), batch_size=size, sync_dist=True)
        self.log("val/bits_per_latent", output.prior.mean() / math.log(2), batch_size=size, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        used = torch.cat(self.seen).cpu()
        self.log("val/perplexity", sum(perplexity(one.bincount().float()) for one in used.unbind(1)) / used.shape[1])

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def train(config: TrainSecondStageConfig) -> None:
    """Train a second stage, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    store, training = CodeStore(config.store), config.training
    data = LevelData(store, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = SecondStage(config.model, store.header.grid, store.codebook)
    folder = Path(config.run)
    network.to(memory_format=torch.channels_last)
    module = SecondStageModule(network, config)
    facts = {"grid": list(store.header.grid), "vqvae": store.header.fingerprint}
    then = typed("evaluate second-stage", second_stage=config.run, store=config.store, **written_by(store))
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=store.amount("train"), then=then)
