"""Where the frames of episodes lie in the shards of a store."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.numbering import Numbering
from videovq.types import EpisodeInfo


class FramePositions:
    """(shard, row) of frames, by their running number over all episodes.

    Args:
        every: how many frames apart they are.

    Attributes:
        shards: of every episode.
        numbering: of all frames.
    """

    def __init__(self, episodes: Iterable[EpisodeInfo], every: int = 1) -> None:
        rows = torch.tensor([(info.shard, info.start, info.length) for info in episodes])
        self.shards, self.starts, lengths = rows.T.contiguous()
        self.numbering, self.every = Numbering(lengths), every

    def __len__(self) -> int:
        return -(-len(self.numbering) // self.every)

    def __getitem__(self, numbers: Int64[Tensor, "n"]) -> Int64[Tensor, "n 2"]:
        episodes, before = self.numbering.find(numbers * self.every)
        return torch.stack([self.shards[episodes], self.starts[episodes] + before], dim=1)

    def episodes(self, numbers: Int64[Tensor, "n"]) -> Int64[Tensor, "n"]:
        """The number of each frame's episode."""
        return self.numbering.find(numbers * self.every)[0]

    def spread(self, count: int) -> Int64[Tensor, "count 2"]:
        """So many of them, spread evenly from the first to the last."""
        last = len(self) - 1
        return self[torch.linspace(0, last, count).long().clamp(max=last)]  # beyond 2**24 it may round upwards
