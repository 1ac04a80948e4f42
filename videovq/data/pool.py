"""Drawing samples from a store whose shards cannot all be open at once."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.numbering import Numbering
from videovq.errors import UserError


class Pool:
    """A pool of a few shards, from which samples are drawn and which other shards enter by and by.

    Every pass takes a rank's shards in a new order. A shard stays in the pool until about as many samples were drawn
    as it holds, so that a pass draws as often from every shard as drawing from all of them would. What a step draws
    depends on the seed and the step alone.

    Args:
        shards: number of the shard that each segment of samples is in, in the order of the samples.
        counts: samples in each segment, at least one.
        size: shards in the pool.
        per_step: samples that one rank draws in a step.
        rank, ranks: each rank draws from shards of its own.

    Raises:
        UserError: there are fewer shards than ranks.
    """

    def __init__(
        self,
        shards: Int64[Tensor, "segments"],
        counts: Int64[Tensor, "segments"],
        size: int,
        per_step: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        assert (shards.diff() >= 0).all(), "the samples of a shard follow each other"
        numbers, which = shards.unique(return_inverse=True)
        if len(numbers) < ranks:
            raise UserError(
                f"training.devices: {ranks} devices cannot share {len(numbers)} shards; prepare smaller ones"
            )
        held = torch.zeros_like(numbers).index_add_(0, which, counts)
        own = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))[rank::ranks]
        self.firsts, self.counts = (held.cumsum(0) - held)[own], held[own]
        self.size, self.per_step = min(size, len(own)), per_step
        self.seed = seed * 1_000_003 + rank
        self.stay = max(1, round(int(self.counts.sum()) / len(own) / per_step))

    def draw(self, step: int) -> Int64[Tensor, "b"]:
        """Sample indices of a step."""
        first = step // self.stay
        open_now = torch.tensor([self._shard(at) for at in range(first, first + self.size)])
        numbering = Numbering(self.counts[open_now])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        drawn = torch.randint(len(numbering), (self.per_step,), generator=generator)
        which, before = numbering.find(drawn)
        return self.firsts[open_now[which]] + before

    def _shard(self, at: int) -> int:
        """The shard, of this rank's, that is the ``at``-th to enter the pool."""
        order = torch.Generator().manual_seed(self.seed + at // len(self.counts))
        return int(torch.randperm(len(self.counts), generator=order)[at % len(self.counts)])
