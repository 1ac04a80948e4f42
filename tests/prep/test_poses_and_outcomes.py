"""Poses, rewards and ends of recordings stay with their frames and actions."""

from pathlib import Path

import pytest

from tests.conftest import prep_config, world, write_episode
from videovq.data.store import EpisodeStore
from videovq.prep.prepare import prepare


def test_poses_stay_with_their_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, actions = world(0)
    source = tmp_path / "source"
    source.mkdir()
    poses = [[t, 2.0 * t, 0, 0, 90 - t, 0] for t in range(40)]
    write_episode(source, "e", frames, actions, poses=poses, discontinuities=[4])
    write_episode(source, "none", frames, actions)
    write_episode(source, "skeleton", frames, actions, poses=[[0.5] * 34] * 40)
    store = prepare(prep_config(source, tmp_path / "cut", cut=True, frame_step=2, merge_actions="majority"))
    assert store.poses(store.find("e/001"), 1, 3)[:, 4].tolist() == [90 - 8, 90 - 10]
    assert len(store.poses(store.find("e/001"))) == store.find("e/001").length
    for name in ("none/000", "skeleton/000"):
        assert store.poses(store.find(name)).isnan().all(), "what nobody recorded is not known"
    assert "poses of 2 episodes" in capsys.readouterr().out


def test_a_store_without_poses_is_what_it_was(episode_store: EpisodeStore) -> None:
    assert set(episode_store.shard(0)) == {"frames", "actions"}
    assert episode_store.poses(episode_store.episodes[0], 2, 5).shape == (3, 6)


def test_rewards_and_ends_stay_with_their_actions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, actions = world(0)
    source = tmp_path / "source"
    source.mkdir()
    earned = [float(t) for t in range(40)]
    write_episode(source, "e", frames, actions, rewards=earned, ends=[20, 39], discontinuities=[4, 20])
    write_episode(source, "none", frames, actions)
    whole = prepare(prep_config(source, tmp_path / "whole"))
    outcomes = whole.outcomes(whole.find("e"), 10, 40)
    assert outcomes.rewards.tolist() == earned[10:] and outcomes.ends.nonzero().flatten().tolist() == [10, 29]
    assert not whole.outcomes(whole.find("none")).weights.any(), "what nobody recorded is not known"
    assert "rewards of 1 episodes: 39 frames earn some, from 0 to 39; 2 ends" in capsys.readouterr().out
    thinned = prepare(prep_config(source, tmp_path / "thinned", frame_step=3, merge_actions="stack"))
    outcomes = thinned.outcomes(thinned.find("e"))
    sums = [3.0 + 4 if g == 1 else 36.0 + 37 + 38 + 39 if g == 12 else 9.0 * g + 3 for g in range(13)]
    assert outcomes.rewards.tolist() == sums, "frame 5 is of another world; with frame 39 the world ended"
    assert thinned.find("e").ends == (6, 12)
    pieces = prepare(prep_config(source, tmp_path / "cut", cut=True))
    spans = {"e/000": (slice(0, 5), ()), "e/001": (slice(5, 21), (15,)), "e/002": (slice(21, 40), (18,))}
    for name, (span, ends) in spans.items():
        assert pieces.find(name).ends == ends
        assert pieces.outcomes(pieces.find(name)).rewards.tolist() == earned[span]
    write_episode(source, "short", frames, actions, rewards=earned[1:])
    prepare(prep_config(source, tmp_path / "again"))
    assert "39 rewards, but short.mp4 has 40 frames" in capsys.readouterr().out
