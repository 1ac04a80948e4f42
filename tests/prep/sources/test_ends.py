"""Where the world ended, or the next frame follows from nothing, no training window crosses: in every format."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.conftest import prep_config
from tests.prep.sources.recordings import encode, pictures, read_all
from videovq.config import DeclareConfig
from videovq.data.windows import windows
from videovq.prep.prepare import prepare
from videovq.types import EpisodeInfo

FRAMES, ACTIONS = pictures(8), [0, 1, 0, 1, 0, 1, 0, 1]
SAID: dict[str, Any] = {"fps": 10.0, "action_names": ["stay", "go"]}
FORMATS = (".json", ".jsonl", ".npz", ".csv", ".parquet", "arrays", "folder", "hdf5")


def flags(*at: int) -> list[int]:
    return [int(t in at) for t in range(8)]


def write(folder: Path, format_: str, **columns: list[int]) -> str:
    """An episode ``e`` with such columns; the format that reads it."""
    folder.mkdir(exist_ok=True)
    if format_ in ("arrays", "folder"):
        arrays = {"frames": FRAMES, "actions": ACTIONS, **columns}
        if format_ == "arrays":
            np.savez(folder / "e.npz", **arrays)  # type: ignore[arg-type]
            return "arrays"
        (folder / "e").mkdir()
        for name, values in arrays.items():
            np.save(folder / "e" / f"{name}.npy", values)
        return "arrays"
    if format_ == "hdf5":
        with h5py.File(folder / "e.h5", "w") as file:
            for name, values in {"frames": FRAMES, "actions": ACTIONS, **columns}.items():
                file[name] = np.array(values, dtype=None if name in ("frames", "actions") else bool)
        return "hdf5"
    path = folder / f"e{format_}"
    encode(folder / "e.mp4", FRAMES)
    rows = [dict(zip(["action", *columns], row, strict=True)) for row in zip(ACTIONS, *columns.values(), strict=True)]
    if format_ == ".json":
        path.write_text(json.dumps({"actions": ACTIONS, "fps": 10, **columns}))
    elif format_ == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif format_ == ".npz":
        np.savez(path, actions=ACTIONS, **columns)  # type: ignore[arg-type]
    elif format_ == ".csv":
        path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return "videos"


@pytest.mark.parametrize("format_", FORMATS)
def test_every_end_that_a_frame_follows_is_a_break(format_: str, tmp_path: Path) -> None:
    name = write(tmp_path, format_, terminated=flags(2, 7))
    raw = read_all(name, tmp_path, **SAID)[1]["e"][1]
    assert (raw.ends, raw.discontinuities) == ((2, 7), (2,))


@pytest.mark.parametrize("format_", FORMATS)
def test_time_outs_are_breaks_and_no_ends(format_: str, tmp_path: Path) -> None:
    name = write(tmp_path, format_, terminals=flags(2), timeouts=flags(4), truncated=flags(5, 7), cut=flags(1))
    raw = read_all(name, tmp_path, **SAID)[1]["e"][1]
    assert (raw.ends, raw.discontinuities) == ((2,), (2, 4, 5))
    raw = read_all(name, tmp_path, breaks_key="cut", ends_key="timeouts", **SAID)[1]["e"][1]
    assert (raw.ends, raw.discontinuities) == ((4,), (1, 4))
    with pytest.raises(ValueError, match="nothing"):
        read_all(name, tmp_path, breaks_key="nothing", **SAID)


@pytest.mark.parametrize("format_", FORMATS)
def test_flags_beside_the_frame_they_came_with_break_after_it(format_: str, tmp_path: Path) -> None:
    name = write(tmp_path, format_, terminated=flags(3), truncated=flags(5))
    raw = read_all(name, tmp_path, actions_at="before", **SAID)[1]["e"][1]
    assert raw.ends == (2,), "the action that led to frame 3"
    assert raw.discontinuities == (2, 3, 5), "frame 4 is another world's"


@pytest.mark.parametrize("columns", [{"terminated": [0, 1]}, {"truncated": flags(3)[:-1]}, {"truncated": [2] * 8}])
def test_flags_that_are_none_are_refused(columns: dict[str, list[int]], tmp_path: Path) -> None:
    write(tmp_path, "arrays", **columns)
    with pytest.raises(ValueError, match=r"e\.npz: (ends|breaks) are not one 0 or 1 a frame"):
        read_all("arrays", tmp_path, **SAID)


def test_no_window_crosses_an_end_and_cutting_cuts_there(tmp_path: Path) -> None:
    write(tmp_path / "in", ".csv", terminated=flags(3))
    config = prep_config(tmp_path / "in", tmp_path / "out", frame_size=8, declare=DeclareConfig(**SAID))
    store = prepare(config)
    assert [(w.start, w.length) for w in windows(store.episodes, 4)] == [(0, 4), (4, 4)]
    cut = prepare(prep_config(tmp_path / "in", tmp_path / "cut", frame_size=8, declare=DeclareConfig(**SAID), cut=True))
    assert [(info.id, info.length, info.ends) for info in cut.episodes] == [("e/000", 4, (3,)), ("e/001", 4, ())]


def test_ends_of_stores_that_were_made_earlier_are_breaks_too() -> None:
    info = EpisodeInfo("e", "train", 0, 0, 8, "", "", "", discontinuities=(5, 7), ends=(2, 7))
    assert info.discontinuities == (2, 5)
    assert [w.start for w in windows([info], 3)] == [0, 3]
