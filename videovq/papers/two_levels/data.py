"""Single frames of top and bottom codes: the batches of training and validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.papers.single_frames.data import SingleFrameData
from videovq.types import Batch


@dataclass(frozen=True)
class TwoLevelBatch(Batch):
    """Independent frames of top and bottom codes."""

    top: Int64[Tensor, "b y x"]
    bottom: Int64[Tensor, "b y2 x2"]


class TwoLevelData(SingleFrameData):
    """Single frames of top and bottom codes: random ones of ``train``, every one of ``val``.

    Raises:
        UserError: the two stores are not of the same frames.
    """

    def __init__(self, top: CodeStore, bottom: CodeStore, batch_size: int, steps: int, seed: int) -> None:
        if top.episodes != bottom.episodes:
            raise UserError(f"{top} and {bottom}: are not of the same episodes; encode them again")
        super().__init__(top, batch_size, steps, seed)
        self.bottom = bottom

    def collate_of(self, split: str) -> Callable[[Int64[Tensor, "b"]], TwoLevelBatch]:
        def collate(chosen: Int64[Tensor, "b"]) -> TwoLevelBatch:
            positions = self.positions[split][chosen]
            return TwoLevelBatch(self.store.codes(positions), self.bottom.codes(positions))

        return collate
