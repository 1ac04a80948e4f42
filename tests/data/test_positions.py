import pytest
import torch

from videovq.data.positions import FramePositions
from videovq.types import EpisodeInfo


def episode(shard: int, start: int, length: int) -> EpisodeInfo:
    return EpisodeInfo("e", "train", shard, start, length, "", "", "")


EPISODES = [episode(0, 3, 4), episode(0, 9, 1), episode(2, 0, 5)]
ROWS = [(0, 3), (0, 4), (0, 5), (0, 6), (0, 9), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4)]


@pytest.mark.parametrize("every", [1, 3])
def test_frames_have_a_shard_and_a_row(every: int) -> None:
    found = FramePositions(EPISODES, every)
    assert [tuple(row) for row in found[torch.arange(len(found))].tolist()] == ROWS[::every]
    assert found.episodes(torch.arange(len(found))).tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 2, 2][::every]


def test_frames_spread_evenly_are_the_first_the_last_and_between() -> None:
    assert [tuple(row) for row in FramePositions(EPISODES).spread(4).tolist()] == [ROWS[i] for i in (0, 3, 6, 9)]
    many = FramePositions([episode(0, 0, 20_000_000)])  # the last of which float32 would round beyond the end
    assert many.spread(2).tolist() == [[0, 0], [0, 19_999_999]]
