import json
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import SIZE, prep_config, run_and_kill, world, write_episode
from tests.data.films import displayed_by
from videovq.config import DeclareConfig, PrepConfig
from videovq.data.store import EpisodeStore, read_shard_index
from videovq.data.video import write_video
from videovq.parsing import to_yaml
from videovq.prep.prepare import prepare
from videovq.prep.sources import videos
from videovq.prep.splits import choose_splits


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_splits_follow_the_recording_then_the_hash(episode_store: EpisodeStore) -> None:
    assert {e.id for e in episode_store.split("test")} == {"episode_000008", "episode_000009"}
    assert len(episode_store.split("val")) >= 1
    for i in range(episode_store.header.shards):
        assert len({e.split for e in read_shard_index(episode_store.folder, i)[0]}) == 1


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


def test_a_fault_that_is_not_the_recordings_stops_and_names_the_episode(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("videovq.prep.episode.merge_outcomes", broken)
    with pytest.raises(ValueError, match="a fault of ours") as raised:
        prepare(prep_config(recordings, tmp_path / "out"))
    assert any("in episode episode_0000" in note for note in raised.value.__notes__)
    assert not (tmp_path / "out" / "store.json").exists()


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


def test_only_what_is_stored_of_an_episode_stays_of_its_frames(tmp_path: Path) -> None:
    written = {name: world(i) for i, name in enumerate("abc")}
    for name, (frames, actions) in written.items():
        write_episode(tmp_path, name, frames, actions[: 39 if name == "b" else 40], discontinuities=[4, 20])
    store = prepare(prep_config(tmp_path, tmp_path / "out", cut=True, shortest=10, shard_episodes=9))
    assert {info.id for info in store.episodes} == {"a/001", "a/002", "c/001", "c/002"}
    for info in store.episodes:
        span = slice(5, 21) if info.id.endswith("1") else slice(21, 40)
        frames, actions = written[info.id[0]]
        assert np.array_equal(store.read(info).frames.numpy(), frames[span])
        assert store.read(info).actions.flatten().tolist() == actions[span]


def test_memory_holds_a_piece_of_an_episode_whatever_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = weakref.WeakSet[torch.Tensor]()
    most = []

    def long(path: Path) -> Iterator[torch.Tensor]:
        for t in range(500):
            most.append(len(alive))
            piece = torch.full((2, SIZE, SIZE, 3), t % 256, dtype=torch.uint8)
            alive.add(piece)
            yield piece

    monkeypatch.setattr(videos, "video_pieces", long)
    for name in "ef":
        write_episode(tmp_path, name, world(0)[0][:1], [0] * 1000)
    store = prepare(prep_config(tmp_path, tmp_path / "out", validation_fraction=0, test_fraction=0))
    assert store.read(store.find("e")).frames[:, 0, 0, 0].tolist() == [t // 2 % 256 for t in range(1000)]
    assert len(most) >= 1000 and max(most) <= 3


def test_turned_videos_are_stored_upright(tmp_path: Path) -> None:
    frames, actions = world(0)
    for name, matrix in (("e", (0, 1, -1, 0)), ("f", (1, 0, 0, 1))):
        write_episode(tmp_path, name, frames, actions)
        displayed_by(tmp_path / f"{name}.mp4", matrix)
    store = prepare(prep_config(tmp_path, tmp_path / "out"))
    assert np.array_equal(store.read(store.find("e")).frames.numpy(), np.rot90(frames, -1, (1, 2)))
    assert np.array_equal(store.read(store.find("f")).frames.numpy(), frames)


def test_parallel_equals_sequential(recordings: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    prepare(prep_config(recordings, tmp_path / "out", workers=2))
    assert contents(tmp_path / "out") == contents(episode_store.folder.path)


def test_ray_makes_the_same_shards(recordings: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    prepare(prep_config(recordings, tmp_path / "out", engine="ray", workers=2))
    assert contents(tmp_path / "out") == contents(episode_store.folder.path)
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


def test_levels_are_chosen_by_pattern(tmp_path: Path) -> None:
    for name, level in (("a", "maze_1"), ("b", "maze_2"), ("c", "arena")):
        write_episode(tmp_path, name, *world(0), level=level)
    store = prepare(prep_config(tmp_path, tmp_path / "out", levels=["maze_*"], test_fraction=0, validation_fraction=0))
    assert {(e.id, e.level) for e in store.episodes} == {("a", "maze_1"), ("b", "maze_2")}
    with pytest.raises(ValueError, match="levels: no episode.*there are: arena, maze_1, maze_2"):
        prepare(prep_config(tmp_path, tmp_path / "none", levels=["forest"]))


def test_whole_levels_are_put_aside(tmp_path: Path) -> None:
    for i in range(8):
        write_episode(tmp_path, f"e{i}", *world(i, 4), level=f"maze_{i % 4}", split="test" if i == 0 else "train")
    config = prep_config(tmp_path, tmp_path / "out", split_by="level", validation_fraction=0.25, test_fraction=0.25)
    store = prepare(config)
    splits = {e.level: e.split for e in store.episodes}
    assert all(splits[e.level] == e.split for e in store.episodes), "no level in two splits"
    assert set(splits.values()) == {"train", "val", "test"}


def test_episodes_are_cut_at_their_breaks_and_short_pieces_left_out(tmp_path: Path) -> None:
    frames, actions = world(0)
    write_episode(tmp_path, "e", frames, actions, discontinuities=[5, 20, 39])
    write_episode(tmp_path, "short", frames[:9], actions[:9])
    store = prepare(prep_config(tmp_path, tmp_path / "out", cut=True, shortest=10))
    assert {(e.id, e.length, e.discontinuities) for e in store.episodes} == {("e/001", 15, ()), ("e/002", 19, ())}
    for name, span in (("e/001", slice(6, 21)), ("e/002", slice(21, 40))):
        episode = store.read(store.find(name))
        assert np.array_equal(episode.frames.numpy(), frames[span])
        assert episode.actions.flatten().tolist() == actions[span]
    assert "no 10 without a break" in read_shard_index(store.folder, 0)[1][0]["reason"]


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_other_shapes_are_fitted_whole(fit: str, tmp_path: Path) -> None:
    picture = np.zeros((3, 48, 96, 3), dtype=np.uint8)
    picture[:, :, 48:] = 255
    write_episode(tmp_path, "e", picture, [0] * 3)
    store = prepare(prep_config(tmp_path, tmp_path / "out", fit=fit))
    expected = np.zeros((24, 24), dtype=np.uint8)
    expected[slice(6, 18) if fit == "letterbox" else slice(None), 12:] = 255
    assert np.array_equal(store.read(store.find("e")).frames[0, :, :, 1].numpy(), expected)


def test_continuous_actions_are_measured_where_they_are_trained_on(tmp_path: Path) -> None:
    moves = np.random.default_rng(0).normal([1, -20], [3, 0.5], (3, 40, 2))
    for split, values in zip(("train", "train/more", "test"), moves, strict=True):
        (tmp_path / split).mkdir()
        write_video(tmp_path / split / "e.mp4", world(0)[0], 15, "lossless")
        np.save(tmp_path / split / "e.npy", values)
    store = prepare(prep_config(tmp_path, tmp_path / "out", validation_fraction=0))
    spec, trained = store.header.action_spec, moves[:2].reshape(-1, 2)
    assert np.allclose(spec.mean, trained.mean(0), atol=1e-4)
    assert np.allclose(spec.std, trained.std(0), atol=1e-4)
    assert np.allclose(store.read(store.find("test/e")).actions, moves[2], atol=1e-4), "stored as they are"
    cut = prepare(prep_config(tmp_path, tmp_path / "cut", validation_fraction=0, discretise=5))
    assert cut.header.action_spec.sizes == (5, 5)
    expected = np.clip(np.floor(((moves[2] - trained.mean(0)) / trained.std(0) + 2) / 4 * 5), 0, 4)
    assert np.array_equal(cut.read(cut.find("test/e")).actions.numpy(), expected)


def test_a_recording_without_a_meaning_is_prepared_once_it_is_declared(tmp_path: Path) -> None:
    frames, actions = world(0)
    np.savez(tmp_path / "e.npz", frames=frames, actions=np.array(actions))
    with pytest.raises(ValueError, match="e.npz.*declare.action_names"):
        prepare(prep_config(tmp_path, tmp_path / "out", declare=DeclareConfig(fps=15)))
    said = DeclareConfig(fps=15, action_names=["stay", "left", "right"], actions_at="before")
    config = prep_config(tmp_path, tmp_path / "out", declare=said, rename_actions={"right": "left"})
    store = prepare(config)
    assert store.header.action_spec.names == ("stay", "left")
    assert "moved one frame back" in store.header.alignment
    expected = [min(a, 1) for a in [*actions[1:], actions[-1]]]
    assert store.read(store.find("e")).actions.flatten().tolist() == expected


def test_pictures_that_were_cropped_are_reported_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_episode(tmp_path, "wide", np.zeros((3, 24, 32, 3), np.uint8), [0] * 3)
    write_episode(tmp_path, "square", np.zeros((3, 24, 24, 3), np.uint8), [0] * 3)
    prepare(prep_config(tmp_path, tmp_path / "out"))
    said = capsys.readouterr().out
    assert (
        "cropped: 1 recording(s) of 32x24 to the 24x24 in the middle, 25% of the picture is gone; --fit letterbox"
        in said
    )
    assert said.count("cropped") == 1
    prepare(prep_config(tmp_path, tmp_path / "boxed", fit="letterbox"))
    assert "cropped" not in capsys.readouterr().out


def test_nearly_the_same_frame_rate_is_the_same(tmp_path: Path) -> None:
    for name, fps in (("a", 30), ("b", 29.97), ("c", 25)):
        write_episode(tmp_path, name, *world(0, 4), fps=fps)
    store = prepare(prep_config(tmp_path, tmp_path / "out"))
    assert {info.id for info in store.episodes} == {"a", "b"} and store.header.fps == 30
    (row,) = (row for i in range(store.header.shards) for row in read_shard_index(store.folder, i)[1])
    assert (
        "25.0 frames/s, but the other episodes have 30.0; convert it, or say what all have: declare.fps"
        in row["reason"]
    )
