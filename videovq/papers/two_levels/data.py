"""Single frames of coarse and fine codes: which go into which step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lightning as L
from jaxtyping import Int64
from torch import Tensor

from videovq.data.modules import Batches, RandomBatches, frame_positions, pool_for, ranks_of
from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.types import Batch


@dataclass(frozen=True)
class TwoLevelBatch(Batch):
    """Independent frames of codes, coarse and fine."""

    top: Int64[Tensor, "b y x"]
    bottom: Int64[Tensor, "b y2 x2"]


class TwoLevelData(L.LightningDataModule):
    """Single frames of coarse and fine codes: random ones of ``train``, every one of ``val``.

    Raises:
        UserError: the two stores are not of the same frames.
    """

    def __init__(self, top: CodeStore, bottom: CodeStore, batch_size: int, steps: int, seed: int) -> None:
        super().__init__()
        if top.episodes != bottom.episodes:
            raise UserError(f"{top} and {bottom}: are not of the same episodes; encode them again")
        self.top, self.bottom = top, bottom
        self.batch_size, self.steps, self.seed = batch_size, steps, seed
        self.places = {split: frame_positions(top, split) for split in ("train", "val")}

    def train_dataloader(self) -> RandomBatches[TwoLevelBatch]:
        places, ranks = self.places["train"], ranks_of(self)
        pool = pool_for(self.top, places[:, 0], self.batch_size, self.seed, *ranks)
        make = self._batch("train")
        return RandomBatches(len(places), make, self.batch_size, self.steps, self.seed, *ranks, pool=pool)

    def val_dataloader(self) -> Batches[TwoLevelBatch]:
        return Batches(len(self.places["val"]), self._batch("val"), self.batch_size, *ranks_of(self))

    def _batch(self, split: str) -> Callable[[Int64[Tensor, "b"]], TwoLevelBatch]:
        def make(chosen: Int64[Tensor, "b"]) -> TwoLevelBatch:
            places = self.places[split][chosen]
            return TwoLevelBatch(self.top.codes(places), self.bottom.codes(places))

        return make
