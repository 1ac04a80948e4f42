"""``videovq train sound-prior``: a folder of sound + the VQ-VAE run of it -> run of a prior over its codes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from videovq.data.modules import SymbolData
from videovq.follow_up import typed
from videovq.papers.sound.config import TrainSoundPriorConfig
from videovq.papers.sound.dilated import DilatedNetwork
from videovq.papers.sound.folder import SoundFolder
from videovq.papers.sound.model import codes_of
from videovq.papers.sound.runs import load_sound
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.training.optimizers import optimizer
from videovq.types import SymbolBatch

PANELS = (("bits_per_code", "bits per code", False),)


class SoundPriorModule(L.LightningModule):
    """The training and validation step of a prior of sound."""

    what = "train sound-prior"

    def __init__(self, network: DilatedNetwork, config: TrainSoundPriorConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def training_step(self, batch: SymbolBatch, batch_idx: int) -> Tensor:
        nll = self.network(batch.symbols).mean()
        self.log("train/bits_per_code", nll.detach() / math.log(2))
        return nll

    def validation_step(self, batch: SymbolBatch, batch_idx: int) -> None:
        bits = self.network(batch.symbols).mean() / math.log(2)
        self.log("val/bits_per_code", bits, batch_size=len(batch.symbols), sync_dist=True)

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def train(config: TrainSoundPriorConfig) -> None:
    """Train a prior of sound, or go on with an interrupted training.

    Raises:
        ValueError: the VQ-VAE was trained on another folder, or ``config.run`` holds another training.
    """
    trained, source, training = load_sound(config.sound), SoundFolder(config.source), config.training
    if source.fingerprint != trained.folder:
        raise ValueError(f"source: {config.source} holds other files than {config.sound} was trained on")
    codes = {
        split: [codes_of(trained.network, levels.long()) for levels in source.levels(split, trained.rate)]
        for split in ("train", "val")
    }
    data = SymbolData(codes, config.window, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    size = trained.network.quantizer.codebook_size
    network = DilatedNetwork(config.model, size)
    folder = Path(config.run)
    module = SoundPriorModule(network, config)
    then = typed("evaluate sound", source=config.source, sound=config.sound, prior=config.run)
    facts = {"codes": size, "sound": trained.fingerprint}
    run.fit(module, data, config, [Curves(folder, PANELS)], facts, about=data.amount("codes"), then=then)
