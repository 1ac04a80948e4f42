import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import world
from videovq.data.store import CodeStore, EpisodeStore


def test_frames_and_actions_come_back_exactly(episode_store: EpisodeStore) -> None:
    for i in (0, 5, 9):
        episode = episode_store.read(episode_store.find(f"episode_{i:06d}"))
        frames, actions = world(i)
        assert np.array_equal(episode.frames.numpy(), frames)
        assert episode.actions[:, 0].tolist() == actions


def test_a_slice_is_a_slice(episode_store: EpisodeStore) -> None:
    info = episode_store.find("episode_000004")
    whole, part = episode_store.read(info), episode_store.read(info, 7, 19)
    assert torch.equal(part.frames, whole.frames[7:19])
    assert torch.equal(part.actions, whole.actions[7:19])
    with pytest.raises(ValueError, match="episode_000004"):
        episode_store.read(info, 30, 41)


def test_single_frames_from_several_shards(episode_store: EpisodeStore) -> None:
    infos = [episode_store.find(f"episode_{i:06d}") for i in (9, 0, 5, 1)]
    positions = torch.tensor([[info.shard, info.start + 3] for info in infos])
    expected = torch.stack([episode_store.read(info, 3, 4).frames[0] for info in infos])
    assert torch.equal(episode_store.frames(positions), expected)


def test_an_unknown_episode_or_split_is_named(episode_store: EpisodeStore) -> None:
    with pytest.raises(ValueError, match="episode_000003"):
        episode_store.find("nobody")
    with pytest.raises(ValueError, match="holiday"):
        episode_store.split("holiday")


def test_wrong_stores_are_refused(episode_store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="episodes, not of codes"):
        CodeStore(episode_store.folder.path)
    with pytest.raises(ValueError, match="no such store"):
        EpisodeStore(tmp_path / "nowhere")
    copy = Path(shutil.copytree(episode_store.folder.path, tmp_path / "copy"))
    header = json.loads((copy / "store.json").read_text())
    (copy / "store.json").write_text(json.dumps({**header, "format_version": 99}))
    with pytest.raises(
        ValueError, match="format_version of store.json is 99, .*; if a later one wrote it, update videovq"
    ):
        EpisodeStore(copy)
    (copy / "store.json").unlink()
    with pytest.raises(ValueError, match="store.json"):
        EpisodeStore(copy)


def test_a_store_from_before_rewards_is_read(episode_store: EpisodeStore, tmp_path: Path) -> None:
    old = Path(shutil.copytree(episode_store.folder.path, tmp_path / "old"))
    header = json.loads((old / "store.json").read_text())
    (old / "store.json").write_text(json.dumps({**header, "format_version": 1}))
    for path in old.glob("shard-*.json"):
        value = json.loads(path.read_text())
        for row in value["episodes"]:
            del row["ends"], row["rewards"]
        path.write_text(json.dumps(value))
    store = EpisodeStore(old)
    assert store.episodes == episode_store.episodes and not store.rewarded
    assert torch.equal(store.read(store.episodes[3]).frames, episode_store.read(episode_store.episodes[3]).frames)
    assert not store.outcomes(store.episodes[3]).weights.any()
