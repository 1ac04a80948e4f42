from pathlib import Path

import numpy as np
import pytest

from tests.prep.sources.recordings import encode, pictures, read_all, same, write_teco_minecraft
from videovq.prep.sources.contract import AFTER, BEFORE


def test_dmlab_actions_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "test" / "3").mkdir(parents=True)
    frames, actions = pictures(5), [2, 0, 1, 1, 2]
    np.savez(tmp_path / "test" / "3" / "000001.npz", video=frames, actions=np.array(actions))
    reader, found = read_all("auto", tmp_path, fps=15.0)
    assert reader.alignment == AFTER
    ((id_, (entry, raw)),) = found.items()
    assert (id_, entry.split, raw.fps, raw.action_spec.sizes) == ("test/3/000001", "test", 15, (3,))
    assert same(raw, frames, actions)
    named = read_all("teco_dmlab", tmp_path, fps=15.0, action_names=["left", "right", "forward"])[1]
    assert named[id_][1].action_spec.names == ("left", "right", "forward")
    with pytest.raises(ValueError, match="000001.npz.*declare.fps"):
        read_all("auto", tmp_path)


def test_minecraft_actions_are_moved_one_frame_back(tmp_path: Path) -> None:
    frames = pictures(5)
    write_teco_minecraft(tmp_path, "000000", frames, [0, 1, 2, 3, 1])
    reader, found = read_all("auto", tmp_path)
    raw = found["000000"][1]
    assert reader.alignment == BEFORE
    assert same(raw, frames, [1, 2, 3, 1, 1])
    assert raw.action_spec.names == ("none", "forward", "left", "right")
    assert raw.fps == 10, "the video's"
    assert read_all("auto", tmp_path, action_sizes=[6])[1]["000000"][1].action_spec.sizes == (6,)


def test_habitat_must_be_asked_for_since_its_files_look_like_any(tmp_path: Path) -> None:
    encode(tmp_path / "scene_0.mp4", pictures(3))
    np.savez(tmp_path / "scene_0.npz", actions=np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="does not say what its actions mean"):
        read_all("auto", tmp_path)
    assert same(read_all("teco_minecraft", tmp_path)[1]["scene_0"][1], pictures(3), [2, 3, 3])


def test_broken_files_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", video=pictures(2))
    with pytest.raises(ValueError, match="bare.npz: .*no array 'actions', only video"):
        read_all("teco_dmlab", tmp_path, fps=15.0)
    write_teco_minecraft(tmp_path, "bare", pictures(2), [0, 7])
    with pytest.raises(ValueError, match=r"bare.npz: action \[7.0\] at 1"):
        read_all("teco_minecraft", tmp_path)
    (tmp_path / "bare.npz").write_bytes((tmp_path / "bare.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match="bare.npz: cannot be read"):
        read_all("teco_minecraft", tmp_path)
