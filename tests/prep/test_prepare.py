import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SIZE, prep_config, run_and_kill, world, write_episode
from videovq.config import PrepConfig
from videovq.data.store import EpisodeStore, read_shard_index
from videovq.data.video import write_video
from videovq.parsing import to_yaml
from videovq.prep.prepare import choose_splits, prepare


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_splits_follow_the_recording_then_the_hash(episode_store: EpisodeStore) -> None:
    assert {e.id for e in episode_store.split("test")} == {"episode_000008", "episode_000009"}
    assert len(episode_store.split("val")) >= 1
    for i in range(episode_store.header.shards):
        assert len({e.split for e in read_shard_index(episode_store.place, i)[0]}) == 1


def test_a_split_does_not_depend_on_the_other_episodes() -> None:
    many = choose_splits({f"e{i}": "" for i in range(400)}, 0.1, 0.2)
    some = choose_splits({f"e{i}": "" for i in range(0, 400, 2)}, 0.1, 0.2)
    assert all(many[id_] == split for id_, split in some.items())
    counts = [list(many.values()).count(s) for s in ("train", "val", "test")]
    assert abs(counts[1] - 40) < 20
    assert abs(counts[2] - 80) < 30
    assert set(choose_splits({"a": "", "b": "", "c": ""}, 0.01, 0.01).values()) == {"train", "val", "test"}


def test_crop_and_resize(tmp_path: Path) -> None:
    picture = np.zeros((10, 48, 96, 3), dtype=np.uint8)
    picture[:, :, :24] = picture[:, :, 72:] = 255  # cropped away
    picture[:, 1::2, 24:72] = 200  # averages to 100
    write_episode(tmp_path, "e", picture, [0] * 10)
    write_episode(tmp_path, "f", picture, [0] * 10)
    store = prepare(prep_config(tmp_path, tmp_path / "out"))
    frames = store.read(store.find("e")).frames
    assert frames.shape == (10, SIZE, SIZE, 3)
    assert frames.unique().tolist() == [100]


def test_unusable_episodes_are_skipped_with_their_reason(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(shutil.copytree(recordings, tmp_path / "source"))
    frames, actions = world(99)
    write_episode(source, "short", frames, actions[:-1])
    write_episode(source, "range", frames, [*actions[:-1], 7])
    write_episode(source, "slow", frames, actions, fps=5)
    write_episode(source, "tiny", frames[:, :20], actions)
    (source / "broken.mp4").write_bytes(b"rubbish")
    (source / "broken.json").write_text((source / "episode_000000.json").read_text())
    (source / "lonely.json").write_text((source / "episode_000000.json").read_text())
    (source / "bad.json").write_text("{")
    truncated = (source / "episode_000000.mp4").read_bytes()
    (source / "cut.mp4").write_bytes(truncated[: len(truncated) // 2])
    (source / "cut.json").write_text((source / "episode_000000.json").read_text())
    store = prepare(prep_config(source, tmp_path / "out"))
    shown = capsys.readouterr().out
    assert len(store.episodes) == 10
    reasons = {"short": "39 actions", "range": "whole number", "slow": "5.0 frames/s", "tiny": "smaller than",
               "broken": "decoded", "lonely": "lonely.mp4", "bad": "JSON", "cut": "cut.mp4"}  # fmt: skip
    for name, reason in reasons.items():
        assert any(name in line and reason in line for line in shown.splitlines()), name
    assert f"skipped {len(reasons)} episode(s)" in shown
    assert "action  1 left" in shown


def test_no_usable_episode_is_an_error(tmp_path: Path) -> None:
    frames, actions = world(0)
    write_episode(tmp_path, "e", frames, actions[:-2])
    with pytest.raises(ValueError, match="no usable episode.*38 actions"):
        prepare(prep_config(tmp_path, tmp_path / "out"))


def test_merging_actions_is_refused_or_keeps_them_all(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="merge_actions"):
        prepare(prep_config(recordings, tmp_path / "out", frame_step=2))
    assert not (tmp_path / "out").exists()
    store = prepare(prep_config(recordings, tmp_path / "out", frame_step=2, merge_actions="stack"))
    frames, actions = world(3)
    episode = store.read(store.find("episode_000003"))
    assert np.array_equal(episode.frames.numpy(), frames[::2])
    assert episode.actions.flatten().tolist() == actions
    assert store.header.action_spec.sizes == (3, 3)
    assert store.header.fps == 7.5


def test_discontinuities_are_kept(tmp_path: Path) -> None:
    frames, actions = world(0)
    write_episode(tmp_path, "e", frames, actions, discontinuities=[5, 20])
    write_episode(tmp_path, "f", frames, actions)
    store = prepare(prep_config(tmp_path, tmp_path / "out"))
    assert store.find("e").discontinuities == (5, 20)
    halved = prepare(prep_config(tmp_path, tmp_path / "half", frame_step=2, merge_actions="stack"))
    assert halved.find("e").discontinuities == (2, 10)


def test_parallel_equals_sequential(recordings: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    prepare(prep_config(recordings, tmp_path / "out", workers=2))
    assert contents(tmp_path / "out") == contents(episode_store.place.path)


def test_ray_makes_the_same_shards(recordings: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    prepare(prep_config(recordings, tmp_path / "out", engine="ray", workers=2))
    assert contents(tmp_path / "out") == contents(episode_store.place.path)
    with pytest.raises(ValueError, match="no Ray cluster answers at '127.0.0.1:1'"):
        prepare(prep_config(recordings, tmp_path / "other", engine="ray", address="127.0.0.1:1"))


def test_killed_and_continued_equals_uninterrupted(recordings: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(recordings, tmp_path / "source"))
    long = np.tile(world(0, 40)[0], (20, 1, 1, 1))
    for i in range(3):
        write_video(source / f"long_{i}.mp4", long, 15, "lossless")
        value = json.loads((source / "episode_000000.json").read_text())
        (source / f"long_{i}.json").write_text(json.dumps({**value, "actions": [0] * len(long)}))
    config = prep_config(source, tmp_path / "killed", shard_episodes=1)
    prepare(PrepConfig(**{**vars(config), "out": str(tmp_path / "whole")}))
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    out = tmp_path / "killed"
    run_and_kill(["prep", "--config", str(tmp_path / "c.yaml")], out / "shard-00002.json")
    assert not (out / "store.json").exists(), "killed half-way"
    with pytest.raises(ValueError, match="again"):
        EpisodeStore(out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("shard-0000[01].*")}
    prepare(config)
    left_over = {n: b for n, b in contents(out).items() if not n.endswith(".partial")}
    assert left_over == contents(tmp_path / "whole")
    assert before == {p.name: p.stat().st_mtime_ns for p in out.glob("shard-0000[01].*")}, "kept, not made again"


def test_another_preparation_in_the_folder_is_refused_and_kept(recordings: Path, tmp_path: Path) -> None:
    prepare(prep_config(recordings, tmp_path / "out"))
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match="other episodes or settings"):
        prepare(prep_config(recordings, tmp_path / "out", frame_size=12))
    assert contents(tmp_path / "out") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="not empty"):
        prepare(prep_config(recordings, tmp_path / "mine"))
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
