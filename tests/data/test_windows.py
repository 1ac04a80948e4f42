import pytest
import torch

from videovq.data.windows import evened, segments, windows
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
