"""Windows of consecutive frames that cross neither an episode's end nor a discontinuity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.data.numbering import Numbering
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


class Windows(Sequence[Window]):
    """Windows of ``length`` frames, ``stride`` frames apart, within the continuous stretches of episodes.

    Attributes:
        shards: of every stretch that has windows.
        numbering: of all windows.
    """

    def __init__(self, episodes: Sequence[EpisodeInfo], length: int, stride: int) -> None:
        self.of, self.length, self.stride = episodes, length, stride
        rows = [
            (episode, info.shard, start, (stop - start - length) // stride + 1)
            for episode, info in enumerate(episodes)
            for start, stop in segments(info)
            if stop - start >= length
        ]
        table = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)
        self.episodes, self.shards, self.starts, counts = table.T.contiguous()
        self.numbering = Numbering(counts)

    def __len__(self) -> int:
        return len(self.numbering)

    @overload
    def __getitem__(self, number: int) -> Window: ...
    @overload
    def __getitem__(self, number: slice) -> list[Window]: ...
    def __getitem__(self, number: int | slice) -> Window | list[Window]:
        chosen = range(len(self))[number]
        if isinstance(chosen, int):
            return self.at(torch.tensor([chosen]))[0]
        return self.at(torch.tensor(chosen, dtype=torch.int64))

    def at(self, numbers: Int64[Tensor, "n"]) -> list[Window]:
        """The windows of some numbers."""
        stretches, before = self.numbering.find(numbers)
        starts = self.starts[stretches] + before * self.stride
        found = zip(self.episodes[stretches].tolist(), starts.tolist(), strict=True)
        return [Window(self.of[episode], start, self.length) for episode, start in found]


def windows(episodes: Iterable[EpisodeInfo], length: int, stride: int = 1, setting: str = "window") -> Windows:
    """Every window of ``length`` frames, ``stride`` frames apart, within the continuous stretches.

    Args:
        setting: what a user calls the length.

    Raises:
        UserError: no episode has a continuous stretch of that length.
    """
    some = list(episodes)
    found = Windows(some, length, stride)
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
