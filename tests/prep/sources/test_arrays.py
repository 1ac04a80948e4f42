from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.prep.sources.recordings import frames_of, pictures, read_all, same
from videovq.prep.sources.contract import AFTER, BEFORE

SAID: dict[str, Any] = {"fps": 10.0, "action_sizes": [3]}


def test_a_file_or_a_folder_is_an_episode(tmp_path: Path) -> None:
    frames, actions = pictures(4), [2, 0, 1, 1]
    folder = tmp_path / "test" / "maze" / "two"
    folder.mkdir(parents=True)
    np.savez(tmp_path / "one.npz", frames=frames, actions=np.array(actions))
    np.save(folder / "frames.npy", frames[::-1])
    np.save(folder / "actions.npy", np.array(actions)[:, None])
    reader, found = read_all("auto", tmp_path, **SAID)
    assert [(id_, entry.split) for id_, (entry, _) in found.items()] == [("one", ""), ("test/maze/two", "test")]
    assert found["test/maze/two"][0].level == "maze"
    assert same(found["one"][1], frames, actions)
    assert same(found["test/maze/two"][1], frames[::-1], actions)
    assert (found["one"][1].fps, found["one"][1].action_spec.kind, reader.alignment) == (10, "discrete", AFTER)


def test_what_is_declared_is_believed(tmp_path: Path) -> None:
    frames = pictures(3)
    np.savez(tmp_path / "e.npz", video=frames[..., ::-1], keys=np.array([[0, 4], [1, 2], [1, 0]]))
    reader, found = read_all(
        "arrays", tmp_path, fps=5.0, colours="bgr", frames_key="video", actions_key="keys", actions_at="before",
        action_sizes=[2, 5],
    )  # fmt: skip
    assert same(found["e"][1], frames, [[1, 2], [1, 0], [1, 0]])
    assert (found["e"][1].action_spec.kind, reader.alignment) == ("multi_discrete", BEFORE)


@pytest.mark.parametrize(
    ("arrays", "said", "reason"),
    [
        ({"frames": pictures(2)}, SAID, "no array 'actions', only frames"),
        ({"actions": [0, 1]}, SAID, "no array 'frames', only actions"),
        ({"frames": pictures(2)[..., 0], "actions": [0, 1]}, SAID, r"'frames' is uint8 \(2, 8, 16\)"),
        ({"frames": pictures(2) / 255, "actions": [0, 1]}, SAID, "'frames' is float64"),
        ({"frames": pictures(2), "actions": [0, 3]}, SAID, r"action \[3.0\] at 1"),
        ({"frames": pictures(2), "actions": [0, 1]}, {"action_sizes": [3]}, "declare.fps"),
        ({"frames": pictures(2), "actions": [0, 1]}, {"fps": 10.0}, "declare.action_names"),
        ({"frames": pictures(2), "actions": [0, np.nan]}, {"fps": 10.0}, "not finite"),
        ({"frames": pictures(2), "actions": np.array([{}, {}])}, SAID, "cannot be read.*allow_pickle"),
        (None, SAID, "cannot be read"),
    ],
)
def test_broken_or_unexplained_files_are_refused_by_name(
    arrays: dict[str, Any] | None, said: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "e.npz"
    np.savez(path, **arrays or {"frames": pictures(2), "actions": [0, 1]})
    if arrays is None:
        path.write_bytes(path.read_bytes()[:-80])
    with pytest.raises(ValueError, match=rf"e\.npz: .*{reason}"):
        frames_of(read_all("arrays", tmp_path, **said)[1]["e"][1])


def test_a_folder_without_its_actions_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    np.save(tmp_path / "e" / "frames.npy", pictures(2))
    with pytest.raises(ValueError, match="e/actions.npy: cannot be read"):
        read_all("arrays", tmp_path, **SAID)


def test_only_arrays_of_that_name_are_frames_and_a_folder_may_be_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maze" / "one"
    folder.mkdir(parents=True)
    for name, values in (("frames", pictures(2)), ("depthframes", pictures(2)), ("actions", np.zeros(2))):
        np.save(folder / f"{name}.npy", values)
    monkeypatch.chdir(folder)
    for source in (folder, Path(".")):
        _, found = read_all("auto", source, **SAID)
        assert [(id_, entry.level) for id_, (entry, _) in found.items()] == [(".", "maze")]
    (folder / "frames.npy").unlink()
    with pytest.raises(ValueError, match=r"one: holds no file that ends in \.npz or frames\.npy"):
        read_all("arrays", folder, **SAID)
