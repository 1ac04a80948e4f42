"""Single frames of codes, with the level of each: the batches of training and validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.modules import Batches, RandomBatches, device_of, pool_for, ranks_of
from videovq.data.positions import FramePositions
from videovq.data.store import CodeStore
from videovq.types import Batch

SPARSE = 8  # neighbouring frames are much alike: every eighth measures as well


@dataclass(frozen=True)
class LevelBatch(Batch):
    """Independent frames of codes, and the number of the level of each."""

    codes: Int64[Tensor, "b y x"]
    levels: Int64[Tensor, "b"]


class SingleFrameData(L.LightningDataModule, ABC):
    """Single frames of codes: random ones of ``train``, every n-th of ``val``.

    Args:
        every: the n.

    Attributes:
        positions: of the frames of each split, as ``CodeStore.codes`` takes them.
    """

    def __init__(self, store: CodeStore, batch_size: int, steps: int, seed: int, every: int = 1) -> None:
        super().__init__()
        self.store, self.batch_size, self.steps, self.seed = store, batch_size, steps, seed
        apart = {"train": 1, "val": every}
        self.positions = {split: FramePositions(store.split(split), apart[split]) for split in apart}

    def train_dataloader(self) -> RandomBatches[Any]:
        ranks, positions, device = ranks_of(self), self.positions["train"], device_of(self)
        pool = pool_for(self.store, positions, self.batch_size, self.seed, *ranks)
        collate = self.collate_of("train")
        return RandomBatches(
            len(positions), collate, self.batch_size, self.steps, self.seed, *ranks, device=device, pool=pool
        )

    def val_dataloader(self) -> Batches[Any]:
        number, collate = len(self.positions["val"]), self.collate_of("val")
        return Batches(number, collate, self.batch_size, *ranks_of(self), device=device_of(self))

    @abstractmethod
    def collate_of(self, split: str) -> Callable[[Int64[Tensor, "b"]], Batch]:
        """The batch of some frames of a split, by their indices among ``positions``."""


class LevelData(SingleFrameData):
    """Single frames of codes with the number of their level: random ones of ``train``, every eighth of ``val``.

    Attributes:
        levels: the levels of ``train``, in the order of their numbers; others count as any level.
    """

    def __init__(self, store: CodeStore, batch_size: int, steps: int, seed: int) -> None:
        super().__init__(store, batch_size, steps, seed, SPARSE)
        self.levels = sorted({info.level for info in store.split("train")})

    def collate_of(self, split: str) -> Callable[[Int64[Tensor, "b"]], LevelBatch]:
        levels = torch.tensor([number_of(self.levels, info.level) for info in self.store.split(split)])
        positions = self.positions[split]

        def collate(chosen: Int64[Tensor, "b"]) -> LevelBatch:
            return LevelBatch(self.store.codes(positions[chosen]), levels[positions.episodes(chosen)])

        return collate


def number_of(levels: list[str], level: str) -> int:
    """The number of a level; of one that is not among them, the number after the last."""
    return levels.index(level) if level in levels else len(levels)
