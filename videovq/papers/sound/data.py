"""Windows of sequences of symbols (levels or codes of sound): the batches of training and validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lightning as L
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from videovq.data.modules import Batches, RandomBatches, device_of, ranks_of
from videovq.data.numbering import Numbering
from videovq.errors import UserError
from videovq.types import Batch


@dataclass(frozen=True)
class SymbolBatch(Batch):
    """Windows of consecutive symbols: levels or codes of sound."""

    symbols: Int64[Tensor, "b t"]


class SymbolData(L.LightningDataModule):
    """Windows of sequences of symbols (levels or codes of sound): random ones of ``train``, adjoining ones of ``val``.

    Args:
        sequences: of each split.

    Raises:
        UserError: a sequence is shorter than a window.
    """

    def __init__(
        self, sequences: dict[str, list[Shaped[Tensor, "_"]]], window: int, batch_size: int, steps: int, seed: int
    ) -> None:
        super().__init__()
        for split in ("train", "val"):
            shortest = min(len(sequence) for sequence in sequences[split])
            if shortest < window:
                raise UserError(
                    f"window: {window} is longer than the shortest recording of {split}, of {shortest};"
                    " ask for less, or take short recordings out of the folder"
                )
        self.sequences, self.window, self.batch_size, self.steps, self.seed = sequences, window, batch_size, steps, seed

    def train_dataloader(self) -> RandomBatches[SymbolBatch]:
        number, collate = self._windows("train", 1)
        ranks, device = ranks_of(self), device_of(self)
        return RandomBatches(number, collate, self.batch_size, self.steps, self.seed, *ranks, device=device)

    def val_dataloader(self) -> Batches[SymbolBatch]:
        return Batches(*self._windows("val", self.window), self.batch_size, *ranks_of(self), device=device_of(self))

    def amount(self, symbols: str) -> str:
        """How much there is to learn from, for people."""
        found = self.sequences["train"]
        return f"{len(found):,} recordings, {sum(len(one) for one in found):,} {symbols}"

    def _windows(self, split: str, stride: int) -> tuple[int, Callable[[Int64[Tensor, "b"]], SymbolBatch]]:
        """The number of windows of a split, and what collates those of some indices."""
        sequences, window = self.sequences[split], self.window
        numbering = Numbering(torch.tensor([(len(sequence) - window) // stride + 1 for sequence in sequences]))

        def collate(chosen: Int64[Tensor, "b"]) -> SymbolBatch:
            which, before = numbering.find(chosen)
            windows = zip(which.tolist(), (before * stride).tolist(), strict=True)
            return SymbolBatch(torch.stack([sequences[i][start : start + window] for i, start in windows]).long())

        return len(numbering), collate
