from __future__ import annotations

import pytest
import torch

from videovq.data.pool import Pool

SEGMENTS = torch.arange(40).repeat_interleave(2), torch.tensor([10, 15]).repeat(40)  # 40 shards of two each
SHARDS = SEGMENTS[0].repeat_interleave(SEGMENTS[1])  # of every sample: 25 each


def test_few_shards_at_a_time_and_all_of_them_equally_often() -> None:
    pool = Pool(*SEGMENTS, size=4, per_step=5, seed=0)
    drawn = [pool.draw(step) for step in range(40 * pool.stay * 5)]  # five passes
    near = [len(SHARDS[torch.cat(drawn[at : at + pool.stay])].unique()) for at in range(0, len(drawn), pool.stay)]
    assert max(near) <= 4
    counts = torch.cat(drawn).bincount(minlength=1000)
    assert counts.float().mean() == 5
    per_shard = counts.view(40, 25).sum(1)
    assert per_shard.min() > 60 and per_shard.max() < 190, "125 each, give or take what chance and the ends do"


def test_a_step_is_the_same_however_one_got_there() -> None:
    one, other = (Pool(*SEGMENTS, 4, 5, seed=3) for _ in range(2))
    for step in range(50):
        one.draw(step)
    assert torch.equal(one.draw(50), other.draw(50))
    assert not torch.equal(one.draw(50), Pool(*SEGMENTS, 4, 5, seed=4).draw(50))


def test_ranks_read_shards_of_their_own() -> None:
    pools = [Pool(*SEGMENTS, 4, 5, seed=0, rank=rank, ranks=2) for rank in range(2)]
    seen = [set(SHARDS[torch.cat([p.draw(s) for s in range(300)])].tolist()) for p in pools]
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == 40
    with pytest.raises(ValueError, match="50 devices cannot share 40 shards"):
        Pool(*SEGMENTS, 4, 5, seed=0, rank=0, ranks=50)


@pytest.mark.parametrize("ranks", [1, 3])
def test_samples_are_drawn_as_from_a_list_of_those_of_every_open_shard(ranks: int) -> None:
    shards, counts = torch.tensor([2, 2, 3, 7, 8, 8, 8, 9, 11]), torch.tensor([4, 1, 6, 3, 2, 2, 9, 5, 1])
    of_samples = shards.repeat_interleave(counts)
    numbers = of_samples.unique()
    for rank in range(ranks):
        pool = Pool(shards, counts, 2, 5, 4, rank, ranks)
        own = numbers[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(4))][rank::ranks]
        members = [(of_samples == number).nonzero()[:, 0] for number in own.tolist()]
        for step in range(12):
            first = step // pool.stay
            listed = torch.cat([members[pool._shard(at)] for at in range(first, first + pool.size)])
            generator = torch.Generator().manual_seed((4 * 1_000_003 + rank) * 1_000_003 + step)
            assert pool.draw(step).tolist() == listed[torch.randint(len(listed), (5,), generator=generator)].tolist()
