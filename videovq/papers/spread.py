"""Evenly spaced frames of a split, on which models of single frames are measured."""

from __future__ import annotations

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from videovq.data.store import EpisodeStore


def spread(store: EpisodeStore, split: str, count: int) -> tuple[UInt8[Tensor, "n h w c"], Int64[Tensor, "n"]]:
    """Frames spread evenly over a split, and the number of the episode of each."""
    infos = store.split(split)
    numbers = torch.arange(len(infos)).repeat_interleave(torch.tensor([info.length for info in infos]))
    chosen = torch.arange(len(numbers))
    if 0 < count < len(numbers):
        chosen = torch.linspace(0, len(numbers) - 1, count).long()
    first = torch.tensor([info.length for info in infos]).cumsum(0) - torch.tensor([info.length for info in infos])
    parts = []
    for number, info in enumerate(infos):
        rows = chosen[numbers[chosen] == number] - first[number]
        if len(rows):
            parts.append(store.read(info).frames[rows])
    return torch.cat(parts), numbers[chosen]
