"""``videovq train prior``: CodeStore -> run of a prior of single frames."""

from __future__ import annotations

from torch import Tensor

from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.papers.prior import FramePrior
from videovq.papers.single_frames.config import TrainPriorConfig
from videovq.papers.single_frames.data import LevelBatch, LevelData
from videovq.training import loop
from videovq.training.encode import written_by
from videovq.training.task import Metrics, Task


class PriorTask(Task):
    """Minimises the bits per code of a frame prior."""

    command = "train prior"
    panels = (("bits_per_code", "bits per code", False),)
    config: TrainPriorConfig

    def __init__(self, config: TrainPriorConfig) -> None:
        self.store, training = CodeStore(config.store), config.training
        data = LevelData(self.store, training.batch_size, training.steps, training.seed)
        header = self.store.header
        facts = {"grid": list(header.grid), "levels": data.levels, "vqvae": header.fingerprint}
        then = typed("evaluate prior", prior=config.run, store=config.store, **written_by(self.store))
        super().__init__(config, data, facts, about=self.store.amount("train"), then=then)

    def build(self) -> FramePrior:
        return FramePrior(self.config.model, self.store.header.grid, self.store.codebook, len(self.facts["levels"]))

    def loss(self, network: FramePrior, batch: LevelBatch) -> tuple[Tensor, Metrics]:
        return network.bits_per_code(batch.codes, batch.levels, self.config.level_dropout)


def train(config: TrainPriorConfig) -> None:
    """Train a frame prior, or go on with an interrupted training.

    Raises:
        UserError: the store cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(PriorTask(config))
