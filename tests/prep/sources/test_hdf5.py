from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.prep.sources.recordings import frames_of, pictures, read_all, same, write_hdf5

ACTIONS = {"fps": 10.0, "action_sizes": [3]}


def test_an_episode_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "maze" / "test").mkdir(parents=True)
    frames, actions = pictures(70), np.arange(70) % 3
    write_hdf5(tmp_path / "maze" / "one.h5", {"": {"frames": frames, "actions": actions}})
    write_hdf5(tmp_path / "maze" / "test" / "two.hdf5", {"": {"frames": frames[::-1], "actions": actions}})
    _, found = read_all("auto", tmp_path, **ACTIONS)
    assert [(id_, entry.level, entry.split) for id_, (entry, _) in found.items()] == [
        ("maze/one", "maze", ""), ("maze/test/two", "test", "test"),
    ]  # fmt: skip
    entry, one = found["maze/one"]
    assert same(one, frames, actions)
    assert same(found["maze/test/two"][1], frames[::-1], actions)
    assert [len(piece) for piece in one.frames()] == [64, 6], "never the whole episode at once"
    assert one.fps == 10
    assert entry.files == (tmp_path / "maze" / "one.h5",)


def test_several_episodes_a_file_are_its_groups(tmp_path: Path) -> None:
    frames = [pictures(3, seed) for seed in (1, 2)]
    episodes = {
        f"data/demo_{i}": {"obs/camera": f[..., ::-1], "act": np.array([0, 1, 2])} for i, f in enumerate(frames)
    }
    write_hdf5(tmp_path / "kitchen.hdf5", episodes)
    reader, found = read_all(
        "hdf5", tmp_path, frames_key="obs/camera", actions_key="act", colours="bgr", actions_at="before", **ACTIONS
    )
    assert list(found) == ["kitchen/data/demo_0", "kitchen/data/demo_1"]
    for (entry, raw), expected in zip(found.values(), frames, strict=True):
        assert same(raw, expected, [1, 2, 2]), "moved one frame back, the last repeated"
        assert entry.level == "kitchen"
    assert "led to" in reader.alignment


def test_rewards_and_ends_are_found_or_named(tmp_path: Path) -> None:
    frames, actions, earned = pictures(3), np.array([0, 1, 2]), np.array([0.5, -1, 2])
    first = {"frames": frames, "actions": actions, "rewards": earned, "terminated": np.array([False, False, True])}
    second = {"frames": frames, "actions": actions, "info/score": earned, "dones": np.array([0, 0, 1])}
    write_hdf5(tmp_path / "a.h5", {"": first})
    raw = read_all("auto", tmp_path, **ACTIONS)[1]["a"][1]
    assert raw.rewards is not None and (raw.rewards.tolist(), raw.ends) == ([0.5, -1, 2], (2,))
    (tmp_path / "a.h5").unlink()
    write_hdf5(tmp_path / "b.h5", {"": second})
    raw = read_all("auto", tmp_path, **ACTIONS)[1]["b"][1]
    assert (raw.rewards, raw.ends) == (None, ())
    said = {"rewards_key": "info/score", "ends_key": "dones", "actions_at": "before", **ACTIONS}
    raw = read_all("auto", tmp_path, **said)[1]["b"][1]
    assert raw.rewards is not None and (raw.rewards[:2].tolist(), raw.ends) == ([-1, 2], (1,))
    with pytest.raises(ValueError, match="b.h5: .*no dataset 'reward'"):
        read_all("auto", tmp_path, rewards_key="reward", **ACTIONS)


@pytest.mark.parametrize(
    ("datasets", "reason"),
    [
        ({"frames": pictures(3)}, "no dataset 'actions', only frames"),
        ({"actions": np.zeros(3)}, "no dataset 'frames', only actions"),
        ({"frames": pictures(3).astype(np.float32), "actions": np.zeros(3)}, "frames.*float32"),
        ({"frames": pictures(3)[0], "actions": np.zeros(3)}, r"frames.*\(8, 16, 3\)"),
        ({"frames": pictures(0), "actions": np.zeros(0)}, r"actions of shape \(0,\)"),
        ({"frames": pictures(3), "actions": np.array([b"left"] * 3)}, "actions are not rows"),
        ({"other": np.zeros(3)}, "no dataset 'actions', only other"),
        (None, "cannot be read.*truncated"),
    ],
)
def test_broken_files_are_found_and_refused_by_name(
    datasets: dict[str, np.ndarray] | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.h5"
    write_hdf5(path, {"": datasets or {"frames": pictures(3), "actions": np.zeros(3)}})
    if datasets is None:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"broken.h5: .*{reason}"):
        _, found = read_all("hdf5", tmp_path, **ACTIONS)
        list(found["broken"][1].frames())


def write_virtual(folder: Path, source: str, key: str = "frames") -> None:
    """``e.h5``, whose frames lie in another file; 4 of them."""
    write_hdf5(folder / "away.hdf", {"": {"frames": pictures(4)}})
    layout = h5py.VirtualLayout(shape=(4, 8, 16, 3), dtype=np.uint8)
    layout[:] = h5py.VirtualSource(source, key, shape=(4, 8, 16, 3))
    with h5py.File(folder / "e.h5", "w") as file:
        file.create_virtual_dataset("frames", layout)
        file["actions"] = [0, 1, 2, 0]


@pytest.mark.parametrize("source", ["away.hdf", "absolute", "moved"])
def test_virtual_frames_whose_source_is_there_are_read(source: str, tmp_path: Path) -> None:
    write_virtual(tmp_path, {"absolute": str(tmp_path / "away.hdf"), "moved": "/nowhere/away.hdf"}.get(source, source))
    assert same(read_all("auto", tmp_path, **ACTIONS)[1]["e"][1], pictures(4), [0, 1, 2, 0])


def test_virtual_frames_whose_source_is_gone_are_refused_not_black(tmp_path: Path) -> None:
    write_virtual(tmp_path, "away.hdf", "other")
    with pytest.raises(ValueError, match=r"e\.h5: '/frames' is virtual, and 'other' in .*away.hdf, .* is missing"):
        frames_of(read_all("auto", tmp_path, **ACTIONS)[1]["e"][1])
    write_virtual(tmp_path, "away.hdf")
    (tmp_path / "away.hdf").unlink()
    with pytest.raises(ValueError, match=r"e\.h5: '/frames' is virtual, and away.hdf, .* is missing; bring it here"):
        frames_of(read_all("auto", tmp_path, **ACTIONS)[1]["e"][1])
