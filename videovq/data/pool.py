"""Drawing samples from a store whose shards cannot all be open at once."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.errors import UserError


class Pool:
    """A pool of a few shards, from which samples are drawn and which other shards enter by and by.

    Every pass takes a rank's shards in a new order. A shard stays in the pool until about as many samples were drawn
    as it holds, so that a pass draws as often from every shard as drawing from all of them would. What a step draws
    depends on the seed and the step alone.

    Args:
        shards: number of the shard that each sample is in.
        size: shards in the pool.
        per_step: samples that one rank draws in a step.
        rank, ranks: each rank draws from shards of its own.

    Raises:
        UserError: there are fewer shards than ranks.
    """

    def __init__(
        self, shards: Int64[Tensor, "n"], size: int, per_step: int, seed: int, rank: int = 0, ranks: int = 1
    ) -> None:
        numbers = shards.unique()
        if len(numbers) < ranks:
            raise UserError(
                f"training.devices: {ranks} devices cannot share {len(numbers)} shards; prepare smaller ones"
            )
        own = numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))][rank::ranks]
        self.members = [(shards == number).nonzero()[:, 0] for number in own.tolist()]
        self.size, self.per_step = min(size, len(own)), per_step
        self.seed = seed * 1_000_003 + rank
        self.stay = max(1, round(sum(map(len, self.members)) / len(self.members) / per_step))

    def draw(self, step: int) -> Int64[Tensor, "b"]:
        """Sample indices of a step."""
        first = step // self.stay
        open_now = torch.cat([self.members[self._shard(at)] for at in range(first, first + self.size)])
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return open_now[torch.randint(len(open_now), (self.per_step,), generator=generator)]

    def _shard(self, at: int) -> int:
        """The shard that is the ``at``-th to enter the pool."""
        order = torch.Generator().manual_seed(self.seed + at // len(self.members))
        return int(torch.randperm(len(self.members), generator=order)[at % len(self.members)])
