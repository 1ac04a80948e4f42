"""``videovq train second-stage``: CodeStore -> run of a second-stage VQ-VAE."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.models.quantizers.contract import count, perplexity, sum_over_ranks
from videovq.papers.single_frames.config import TrainSecondStageConfig
from videovq.papers.single_frames.data import LevelBatch, LevelData
from videovq.papers.single_frames.second_stage import SecondStage, SecondStageOutput
from videovq.training import loop
from videovq.training.encode import written_by
from videovq.training.task import Metrics, Task


class SecondStageTask(Task):
    """Minimises the bits per code, those of the latents, and the quantizer's loss."""

    command = "train second-stage"
    panels = (("bits_per_code", "bits per code", False), ("bits_per_latent", "bits per latent, by the prior", False),
              ("perplexity", "mean perplexity of the latents", False))  # fmt: skip
    config: TrainSecondStageConfig

    def __init__(self, config: TrainSecondStageConfig) -> None:
        self.store, training = CodeStore(config.store), config.training
        data = LevelData(self.store, training.batch_size, training.steps, training.seed)
        facts = {"grid": list(self.store.header.grid), "vqvae": self.store.header.fingerprint}
        then = typed("evaluate second-stage", second_stage=config.run, store=config.store, **written_by(self.store))
        super().__init__(config, data, facts, about=self.store.amount("train"), then=then)

    def build(self) -> SecondStage:
        network = SecondStage(self.config.model, self.store.header.grid, self.store.codebook)
        self.codebook_size = next(network.each_quantizer()).codebook_size
        return network

    def loss(self, network: SecondStage, batch: LevelBatch) -> tuple[Tensor, Metrics]:
        output = network(batch.codes)
        return output.loss, bits_of(output)

    def measure(self, network: SecondStage, batch: LevelBatch) -> tuple[Metrics, Any]:
        output = network(batch.codes)
        return bits_of(output), output.latents

    def summary(self, seen: list[Any]) -> Metrics:
        every = torch.cat(seen)
        each = [perplexity(sum_over_ranks(count(one, self.codebook_size))) for one in every.unbind(1)]
        return {"perplexity": torch.stack(each).mean()}


def bits_of(output: SecondStageOutput) -> Metrics:
    """Bits of the codes and of the latents."""
    return {"bits_per_code": output.nll.mean() / math.log(2), "bits_per_latent": output.prior.mean() / math.log(2)}


def train(config: TrainSecondStageConfig) -> None:
    """Train a second stage, or go on with an interrupted training.

    Raises:
        UserError: the store cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(SecondStageTask(config))
