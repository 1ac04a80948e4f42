import pytest
import torch

from videovq.data.modules import Batches, FrameData, RandomBatches
from videovq.data.store import EpisodeStore


def stream(**changes: int) -> RandomBatches:
    settings = {"samples": 1000, "batch_size": 8, "steps": 6, "seed": 3, **changes}
    return RandomBatches(collate=lambda chosen: chosen, **settings)  # type: ignore[arg-type]


def test_a_stream_resumes_where_it_stopped() -> None:
    whole = list(stream())
    first, rest = stream(), stream()
    taken = [batch for _, batch in zip(range(4), first, strict=False)]
    rest.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(whole, [*taken, *rest], strict=True))
    assert len(whole) == len(stream()) == 6


def test_ranks_share_the_batch_and_seeds_differ() -> None:
    whole = list(stream())
    ranks = [list(stream(rank=r, ranks=2)) for r in range(2)]
    for batch, a, b in zip(whole, *ranks, strict=True):
        assert sorted(batch.tolist()) == sorted([*a.tolist(), *b.tolist()])
    assert not torch.equal(whole[0], next(iter(stream(seed=4))))
    assert not torch.equal(whole[0], whole[1])


def test_every_validation_sample_comes_once() -> None:
    assert torch.cat(list(Batches(10, lambda chosen: chosen, 4))).tolist() == list(range(10))


def test_ranks_share_the_validation_in_micro_batches() -> None:
    parts = [list(Batches(11, lambda chosen: chosen, 8, rank, 2, parts=2)) for rank in range(2)]
    assert torch.cat([batch for one in parts for batch in one]).sort().values.tolist() == list(range(11))
    assert [len(batch) for batch in parts[0]] == [2, 2, 2] and [len(batch) for batch in parts[1]] == [2, 2, 1]
    with pytest.raises(ValueError, match=r"training\.devices: 4 devices cannot share 3 samples of the validation"):
        Batches(3, lambda chosen: chosen, 8, 0, 4)


def test_what_is_collated_ahead_is_not_counted() -> None:
    whole = list(stream(parts=2))
    first, rest = stream(parts=2), stream(parts=2)
    taken = [batch for _, batch in zip(range(6), first, strict=False)]
    assert first.state_dict() == {"step": 3}
    rest.load_state_dict(first.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(whole, [*taken, *rest], strict=True))


def test_variance_is_that_of_the_training_frames(episode_store: EpisodeStore) -> None:
    data = FrameData(episode_store, 8, 1, 0)
    frames = torch.cat([episode_store.read(info).frames for info in episode_store.split("train")])
    assert abs(data.variance() / float((frames.double() / 255).var()) - 1) < 0.02
