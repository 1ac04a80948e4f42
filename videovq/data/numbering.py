"""Samples of many segments under one running number."""

from __future__ import annotations

from jaxtyping import Int64
from torch import Tensor, searchsorted


class Numbering:
    """Samples numbered through, those of the first segment first. A segment costs two numbers, a sample nothing.

    Args:
        counts: samples of each segment.
    """

    def __init__(self, counts: Int64[Tensor, "segments"]) -> None:
        self.counts, self.ends = counts, counts.cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def find(self, numbers: Int64[Tensor, "n"]) -> tuple[Int64[Tensor, "n"], Int64[Tensor, "n"]]:
        """The segment of each sample, and how many of the segment's samples are before it."""
        segments = searchsorted(self.ends, numbers, right=True)
        return segments, numbers - (self.ends - self.counts)[segments]
