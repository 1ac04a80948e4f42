from __future__ import annotations

import pytest
import torch

from videovq.data.pool import Pool

SHARDS = torch.arange(40).repeat_interleave(25)  # 40 shards of 25 samples


def test_few_shards_at_a_time_and_all_of_them_equally_often() -> None:
    pool = Pool(SHARDS, size=4, per_step=5, seed=0)
    drawn = [pool.draw(step) for step in range(40 * pool.stay * 5)]  # five passes
    near = [len(SHARDS[torch.cat(drawn[at : at + pool.stay])].unique()) for at in range(0, len(drawn), pool.stay)]
    assert max(near) <= 4
    counts = torch.cat(drawn).bincount(minlength=1000)
    assert counts.float().mean() == 5
    per_shard = counts.view(40, 25).sum(1)
    assert per_shard.min() > 60 and per_shard.max() < 190, "125 each, give or take what chance and the ends do"


def test_a_step_is_the_same_however_one_got_there() -> None:
    one, other = (Pool(SHARDS, 4, 5, seed=3) for _ in range(2))
    for step in range(50):
        one.draw(step)
    assert torch.equal(one.draw(50), other.draw(50))
    assert not torch.equal(one.draw(50), Pool(SHARDS, 4, 5, seed=4).draw(50))


def test_ranks_read_shards_of_their_own() -> None:
    pools = [Pool(SHARDS, 4, 5, seed=0, rank=rank, ranks=2) for rank in range(2)]
    seen = [set(SHARDS[torch.cat([p.draw(s) for s in range(300)])].tolist()) for p in pools]
    assert not seen[0] & seen[1] and len(seen[0] | seen[1]) == 40
    with pytest.raises(ValueError, match="50 devices cannot share 40 shards"):
        Pool(SHARDS, 4, 5, seed=0, rank=0, ranks=50)
