"""``videovq train bottom-prior``: the CodeStores of two levels -> run of p(bottom codes | top codes)."""

from __future__ import annotations

from torch import Tensor

from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.papers.two_levels.bottom_prior import BottomPrior
from videovq.papers.two_levels.config import TrainBottomPriorConfig
from videovq.papers.two_levels.data import TwoLevelBatch, TwoLevelData
from videovq.training import loop
from videovq.training.task import Metrics, Task


class BottomPriorTask(Task):
    """Minimises the bits per bottom code, given the top codes."""

    command = "train bottom-prior"
    panels = (("bits_per_code", "bits per bottom code", False),)
    config: TrainBottomPriorConfig

    def __init__(self, config: TrainBottomPriorConfig) -> None:
        self.top, self.bottom = (CodeStore(f"{config.store}/{name}") for name in ("top", "bottom"))
        training, header = config.training, self.bottom.header
        data = TwoLevelData(self.top, self.bottom, training.batch_size, training.steps, training.seed)
        facts = {"grid": list(header.grid), "vqvae": header.fingerprint}
        then = typed("evaluate vqvae2", bottom_prior=config.run)
        super().__init__(config, data, facts, about=self.bottom.amount("train"), then=then)

    def build(self) -> BottomPrior:
        return BottomPrior(self.config.model, self.bottom.header.grid, self.top.codebook, self.bottom.codebook)

    def loss(self, network: BottomPrior, batch: TwoLevelBatch) -> tuple[Tensor, Metrics]:
        return network.bits_per_code(batch.bottom, batch.top, self.config.top_dropout)


def train(config: TrainBottomPriorConfig) -> None:
    """Train a bottom prior, or go on with an interrupted training.

    Raises:
        UserError: the stores cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(BottomPriorTask(config))
