"""``videovq train sound``: a folder of wav files or videos -> VQ-VAE run of their sound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.data.modules import SymbolData
from videovq.follow_up import free, typed
from videovq.models.quantizers.contract import perplexity
from videovq.papers.sound.config import TrainSoundConfig, TrainSoundPriorConfig
from videovq.papers.sound.folder import SoundFolder
from videovq.papers.sound.model import SoundVQVAE
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.optimizers import optimizer
from videovq.types import SymbolBatch

PANELS = (("bits_per_sample", "bits per sample", False), ("perplexity", "codebook perplexity", False))


class SoundModule(L.LightningModule):
    """The training and validation step of a VQ-VAE of sound."""

    what = "train sound"

    def __init__(self, network: SoundVQVAE, config: TrainSoundConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def training_step(self, batch: SymbolBatch, batch_idx: int) -> Tensor:
        output = self.network(batch.symbols)
        self.log("train/bits_per_sample", output.nll.detach().mean() / math.log(2))
        return output.nll.mean() + output.quantizer.loss

    def on_validation_epoch_start(self) -> None:
        self.usage = torch.zeros(self.network.quantizer.codebook_size, device=self.device)

    def validation_step(self, batch: SymbolBatch, batch_idx: int) -> None:
        output = self.network(batch.symbols)
        self.usage += output.quantizer.usage
        bits = output.nll.mean() / math.log(2)
        self.log("val/bits_per_sample", bits, batch_size=len(batch.symbols), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log("val/perplexity", perplexity(self.usage))

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def train(config: TrainSoundConfig) -> None:
    """Train a VQ-VAE of sound, or go on with an interrupted training.

    Raises:
        ValueError: a file cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    source, training = SoundFolder(config.source), config.training
    levels = {split: source.levels(split, config.rate) for split in ("train", "val")}
    data = SymbolData(levels, config.window, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = SoundVQVAE(config.model)
    folder = Path(config.run)
    module = SoundModule(network, config)
    then = typed("train sound-prior", source=config.source, sound=config.run, run=free(TrainSoundPriorConfig.run))
    facts = {"folder": source.fingerprint}
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=data.amount("samples"), then=then)
