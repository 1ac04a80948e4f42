"""Frames spread evenly over a split."""

from __future__ import annotations

import torch

from videovq.data.store import EpisodeStore
from videovq.papers.spread import spread


def test_frames_come_from_all_episodes_in_order(episode_store: EpisodeStore) -> None:
    infos = episode_store.split("train")
    every, numbers = spread(episode_store, "train", 0)
    assert torch.equal(every, torch.cat([episode_store.read(info).frames for info in infos]))
    assert numbers.bincount().tolist() == [info.length for info in infos]
    some, numbers = spread(episode_store, "train", 9)
    assert torch.equal(some, every[torch.linspace(0, len(every) - 1, 9).long()])
    assert len(numbers) == 9 and torch.equal(numbers, numbers.sort().values)
