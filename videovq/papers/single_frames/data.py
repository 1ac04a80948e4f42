"""Single frames of codes with their levels: which go into which step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lightning as L
import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.modules import Batches, RandomBatches, frame_positions, pool_for, ranks_of
from videovq.data.store import CodeStore
from videovq.types import Batch

SPARSE = 8  # neighbouring frames are much alike: every eighth tells as much


@dataclass(frozen=True)
class LevelBatch(Batch):
    """Independent frames of codes, and the number of the level of each."""

    codes: Int64[Tensor, "b y x"]
    levels: Int64[Tensor, "b"]


class LevelData(L.LightningDataModule):
    """Single frames of codes with the number of their level: random ones of ``train``, every eighth of ``val``.

    Attributes:
        levels: the levels of ``train``, in the order of their numbers; others count as any level.
    """

    def __init__(self, store: CodeStore, batch_size: int, steps: int, seed: int) -> None:
        super().__init__()
        self.store, self.batch_size, self.steps, self.seed = store, batch_size, steps, seed
        self.levels = sorted({info.level for info in store.split("train")})
        self.places = {"train": frame_positions(store, "train"), "val": frame_positions(store, "val")[::SPARSE]}

    def train_dataloader(self) -> RandomBatches[LevelBatch]:
        places, ranks = self.places["train"], ranks_of(self)
        pool = pool_for(self.store, places[:, 0], self.batch_size, self.seed, *ranks)
        make = self._batch("train")
        return RandomBatches(len(places), make, self.batch_size, self.steps, self.seed, *ranks, pool=pool)

    def val_dataloader(self) -> Batches[LevelBatch]:
        return Batches(len(self.places["val"]), self._batch("val"), self.batch_size, *ranks_of(self))

    def _batch(self, split: str) -> Callable[[Int64[Tensor, "b"]], LevelBatch]:
        infos = self.store.split(split)
        numbers = torch.tensor([number_of(self.levels, info.level) for info in infos])
        every = numbers.repeat_interleave(torch.tensor([info.length for info in infos]))
        levels = every if split == "train" else every[::SPARSE]

        def make(chosen: Int64[Tensor, "b"]) -> LevelBatch:
            return LevelBatch(self.store.codes(self.places[split][chosen]), levels[chosen])

        return make


def number_of(levels: list[str], level: str) -> int:
    """The number of a level; of one that is not among them, the number after the last."""
    return levels.index(level) if level in levels else len(levels)
