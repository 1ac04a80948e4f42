"""``videovq train sound``: a folder of wav files or videos -> VQ-VAE run of their sound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from videovq.follow_up import free, typed
from videovq.models.quantizers.contract import perplexity, sum_over_ranks
from videovq.papers.sound.config import TrainSoundConfig, TrainSoundPriorConfig
from videovq.papers.sound.data import SymbolBatch, SymbolData
from videovq.papers.sound.folder import SoundFolder
from videovq.papers.sound.model import SoundVQVAE
from videovq.training import loop
from videovq.training.task import Metrics, Task


class SoundTask(Task):
    """Minimises the bits per sample and the quantizer's loss."""

    command = "train sound"
    panels = (("bits_per_sample", "bits per sample", False), ("perplexity", "codebook perplexity", False))
    config: TrainSoundConfig

    def __init__(self, config: TrainSoundConfig) -> None:
        source, training = SoundFolder(config.source), config.training
        levels = {split: source.levels(split, config.rate) for split in ("train", "val")}
        data = SymbolData(levels, config.window, training.batch_size, training.steps, training.seed)
        then = typed("train sound-prior", source=config.source, sound=config.run, run=free(TrainSoundPriorConfig.run))
        super().__init__(config, data, {"folder": source.fingerprint}, about=data.amount("samples"), then=then)

    def build(self) -> SoundVQVAE:
        return SoundVQVAE(self.config.model)

    def loss(self, network: SoundVQVAE, batch: SymbolBatch) -> tuple[Tensor, Metrics]:
        output = network(batch.symbols)
        nll = output.nll.mean()
        return nll + output.quantizer.loss, {"bits_per_sample": nll / math.log(2)}

    def measure(self, network: SoundVQVAE, batch: SymbolBatch) -> tuple[Metrics, Any]:
        output = network(batch.symbols)
        return {"bits_per_sample": output.nll.mean() / math.log(2)}, output.quantizer.usage

    def summary(self, seen: list[Any]) -> Metrics:
        return {"perplexity": perplexity(sum_over_ranks(torch.stack(seen).sum(dim=0)))}


def train(config: TrainSoundConfig) -> None:
    """Train a VQ-VAE of sound, or go on with an interrupted training.

    Raises:
        UserError: a file cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    loop.fit(SoundTask(config))
