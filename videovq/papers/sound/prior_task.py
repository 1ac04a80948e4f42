"""``videovq train sound-prior``: a folder of sound + the VQ-VAE run of it -> run of a prior over its codes."""

from __future__ import annotations

import math

from torch import Tensor

from videovq.errors import UserError
from videovq.follow_up import typed
from videovq.papers.sound.config import TrainSoundPriorConfig
from videovq.papers.sound.data import SymbolBatch, SymbolData
from videovq.papers.sound.dilated import DilatedNetwork
from videovq.papers.sound.folder import SoundFolder
from videovq.papers.sound.model import codes_of
from videovq.papers.sound.runs import load_sound
from videovq.training import loop
from videovq.training.task import Metrics, Task


class SoundPriorTask(Task):
    """Minimises the bits per code of sound."""

    command = "train sound-prior"
    panels = (("bits_per_code", "bits per code", False),)
    config: TrainSoundPriorConfig

    def __init__(self, config: TrainSoundPriorConfig) -> None:
        trained, source, training = load_sound(config.sound), SoundFolder(config.source), config.training
        if source.fingerprint != trained.folder:
            raise UserError(f"source: {config.source} holds other files than {config.sound} was trained on")
        codes = {
            split: [codes_of(trained.network, levels.long()) for levels in source.levels(split, trained.rate)]
            for split in ("train", "val")
        }
        data = SymbolData(codes, config.window, training.batch_size, training.steps, training.seed)
        facts = {"codes": trained.network.quantizer.codebook_size, "sound": trained.fingerprint}
        then = typed("evaluate sound", source=config.source, sound=config.sound, prior=config.run)
        super().__init__(config, data, facts, about=data.amount("codes"), then=then)

    def build(self) -> DilatedNetwork:
        return DilatedNetwork(self.config.model, self.facts["codes"])

    def loss(self, network: DilatedNetwork, batch: SymbolBatch) -> tuple[Tensor, Metrics]:
        nll = network(batch.symbols).mean()
        return nll, {"bits_per_code": nll / math.log(2)}


def train(config: TrainSoundPriorConfig) -> None:
    """Train a prior of sound, or go on with an interrupted training.

    Raises:
        UserError: the VQ-VAE was trained on another folder, or ``config.run`` holds another training.
    """
    loop.fit(SoundPriorTask(config))
