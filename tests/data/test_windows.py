import random

import pytest
import torch

from videovq.data.windows import Window, evened, segments, windows
from videovq.types import EpisodeInfo


def episode(length: int, *cuts: int) -> EpisodeInfo:
    return EpisodeInfo("e", "train", 0, 0, length, "", "", "", cuts)


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ((), [(0, 10)]),
        ((3,), [(0, 4), (4, 10)]),
        ((3, 3, 7), [(0, 4), (4, 8), (8, 10)]),
        ((9,), [(0, 10)]),  # after the last frame: nothing follows
        ((0,), [(0, 1), (1, 10)]),
        ((12, -1), [(0, 10)]),
    ],
)
def test_segments_end_at_discontinuities(cuts: tuple[int, ...], expected: list[tuple[int, int]]) -> None:
    assert list(segments(episode(10, *cuts))) == expected


def test_no_window_crosses_a_discontinuity_and_none_is_missed() -> None:
    info = episode(20, 6)
    starts = [w.start for w in windows([info], 5)]
    assert starts == [*range(3), *range(7, 16)]
    assert [w.start for w in windows([info], 5, stride=5)] == [0, 7, 12]


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 1), (4, 3), (5, 5), (3, 7)])
def test_windows_are_those_of_a_list_in_its_order(length: int, stride: int) -> None:
    drawn = random.Random(0)
    episodes = [episode(drawn.randint(1, 30), *drawn.choices(range(30), k=drawn.randint(0, 4))) for _ in range(40)]
    listed = [
        Window(info, first, length)
        for info in episodes
        for start, stop in segments(info)
        for first in range(start, stop - length + 1, stride)
    ]
    found = windows(episodes, length, stride)
    assert list(found) == listed and len(found) == len(listed)
    assert found[2:9:3] == listed[2:9:3] and found[-1] == listed[-1]
    chosen = torch.randint(len(listed), (50,), generator=torch.Generator().manual_seed(0))
    assert found.at(chosen) == [listed[i] for i in chosen.tolist()]


def test_ten_million_windows_take_as_little_memory_as_their_episodes() -> None:
    found = windows([episode(1000, 499)] * 10_000, 16)
    assert len(found) == 9_700_000
    held = [found.episodes, found.shards, found.starts, found.numbering.counts, found.numbering.ends]
    assert sum(z.nbytes for z in held) < 1_000_000 and len(found.of) == 10_000


def test_too_long_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        windows([episode(20, 9)], 11)


@pytest.mark.parametrize("targets", [1, 3])
def test_every_action_counts_the_same_in_the_end(targets: int) -> None:
    """Also those before a break and after it, over all windows and all draws of targets."""
    total = torch.zeros(30)
    for window in windows([episode(30, 11)], 5):
        drawn = torch.full((5,), targets / 5)
        drawn[-1] = 1  # the last action is always asked about
        total[window.start : window.start + 5] += drawn * evened(window, targets)
    assert torch.allclose(total, torch.ones(30))
