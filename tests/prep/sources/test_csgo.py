from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.prep.sources.recordings import csgo_action, pictures, read_all, same, write_csgo
from videovq.prep.sources.contract import AFTER


def test_frames_are_turned_to_rgb_and_actions_to_indices(tmp_path: Path) -> None:
    frames = pictures(12)  # more than ten: frame_10 comes after frame_9, not after frame_1
    actions = [csgo_action(mouse_x=t) for t in range(12)]
    actions[3] = csgo_action(keys=(0, 4, 11), mouse_x=22, mouse_y=14)  # forward, jump, fire
    (tmp_path / "test").mkdir()
    write_csgo(tmp_path / "hdf5_dm_july2021_7.hdf5", frames, actions, died=(5,))
    write_csgo(tmp_path / "test" / "hdf5_dm_nuke_expert_12.hdf5", frames[:2], actions[:2])
    reader, found = read_all("auto", tmp_path)
    assert reader.alignment == AFTER
    assert [(id_, entry.level, entry.split) for id_, (entry, _) in found.items()] == [
        ("hdf5_dm_july2021_7", "dm_july2021", ""),
        ("test/hdf5_dm_nuke_expert_12", "dm_nuke_expert", "test"),
    ]
    raw = found["hdf5_dm_july2021_7"][1]
    expected = np.zeros((12, 15))
    expected[:, 13], expected[:, 14] = np.arange(12), 7
    expected[3] = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 22, 14]
    assert same(raw, frames, expected)
    assert raw.action_spec.sizes == (*[2] * 13, 23, 15)
    assert raw.fps == 16
    assert raw.discontinuities == (5,)


def test_what_the_format_says_itself_cannot_be_declared(tmp_path: Path) -> None:
    write_csgo(tmp_path / "hdf5_dm_july2021_1.hdf5", pictures(2), [csgo_action()] * 2)
    with pytest.raises(ValueError, match="declare.colours: has no effect on csgo"):
        read_all("auto", tmp_path, colours="rgb")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("frame_1_x", None, "no dataset 'frame_1_x'"),
        ("frame_2_x", None, "no dataset 'frame_2_x'"),
        ("frame_1_y", None, "no dataset 'frame_1_y'"),
        ("frame_1_y", np.zeros(50), r"'frame_1_y' has shape \(50,\)"),
        ("frame_1_y", np.zeros(51), "'frame_1_y' is no action"),
        ("frame_1_y", csgo_action() * 2, "'frame_1_y' is no action"),
        ("frame_1_x", np.zeros((4, 4, 3), np.uint8), "same shape"),
    ],
)
def test_broken_files_are_refused_by_name(name: str, value: np.ndarray | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "hdf5_dm_july2021_1.hdf5"
    write_csgo(path, pictures(3), [csgo_action()] * 3)
    with h5py.File(path, "a") as file:
        del file[name]
        if value is not None:
            file[name] = value
    with pytest.raises(ValueError, match=f"july2021_1.hdf5: .*{reason}"):
        _, found = read_all("csgo", tmp_path)
        list(found["hdf5_dm_july2021_1"][1].frames())


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "hdf5_dm_july2021_1.hdf5"
    write_csgo(path, pictures(3), [csgo_action()] * 3)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="july2021_1.hdf5: cannot be read"):
        read_all("csgo", tmp_path)
