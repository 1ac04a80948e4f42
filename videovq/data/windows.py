"""Windows of consecutive frames that cross neither an episode's end nor a discontinuity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from videovq.errors import UserError
from videovq.types import EpisodeInfo


@dataclass(frozen=True)
class Window:
    """Frames ``start`` to ``start + length - 1`` of an episode."""

    episode: EpisodeInfo
    start: int
    length: int


def segments(info: EpisodeInfo) -> Iterator[tuple[int, int]]:
    """The continuous stretches of an episode as (start, stop): a discontinuity at t parts t from t + 1."""
    start = 0
    for cut in sorted(set(info.discontinuities)):
        if start < cut + 1 < info.length:
            yield start, cut + 1
            start = cut + 1
    yield start, info.length


def windows(episodes: Iterable[EpisodeInfo], length: int, stride: int = 1, setting: str = "window") -> list[Window]:
    """Every window of ``length`` frames, ``stride`` frames apart, within the continuous stretches.

    Args:
        setting: what a user calls the length.

    Raises:
        UserError: no episode has a continuous stretch of that length.
    """
    some = list(episodes)
    found = [
        Window(info, first, length)
        for info in some
        for start, stop in segments(info)
        for first in range(start, stop - length + 1, stride)
    ]
    if not found:
        where = ", ".join(sorted({info.split for info in some}))
        most = max((stop - start for info in some for start, stop in segments(info)), default=0)
        raise UserError(
            f"{setting}: no episode has {length} frames without a break in {where}, but {most} at most; ask for fewer"
        )
    return found


def evened(window: Window, targets: int) -> Float[Tensor, "t"]:
    """Weights under which all actions of an episode count the same, drawn as training draws them: a window that may
    start anywhere, and of it the last action and ``targets / length`` of the others.

    Without them the last action before a break, which only one window has, and there only as its last, would count
    least: that with which the world ends.
    """
    first, stop = next(span for span in segments(window.episode) if span[0] <= window.start < span[1])
    t = torch.arange(window.start, window.start + window.length)
    as_last = (t >= first + window.length - 1).float()
    earliest, latest = (t - window.length + 2).clamp(min=first), t.clamp(max=stop - window.length)
    as_other = (latest - earliest + 1).clamp(min=0) * targets / window.length
    return 1 / (as_last + as_other)
