"""Frames that lie otherwise than as bytes (time, height, width, 3)."""

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.prep.sources.recordings import frames_of, pictures, read_all, same

FRAMES, ACTIONS = pictures(70), np.arange(70) % 3
SAID: dict[str, Any] = {"fps": 10.0, "action_sizes": [3]}


def encoded(kind: str) -> list[bytes]:
    found = []
    for frame in FRAMES:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, kind)
        found.append(file.getvalue())
    return found


def decoded(files: list[bytes]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in files])


def rows(files: list[bytes]) -> np.ndarray:
    """As ALOHA fills pictures up to one length."""
    found = np.zeros((len(files), max(map(len, files)) + 7), np.uint8)
    for row, one in zip(found, files, strict=True):
        row[: len(one)] = np.frombuffer(one, np.uint8)
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("stored", ["rows", "any length", "opaque", "fixed"])
def test_hdf5_may_hold_a_picture_a_frame(kind: str, stored: str, tmp_path: Path) -> None:
    files = encoded(kind)
    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        name = "observations/images/top"
        if stored == "rows":
            file[name] = rows(files)
        elif stored == "fixed":
            file[name] = np.array(files, dtype="S")
        elif stored == "opaque":
            file[name] = rows(files).view(f"V{rows(files).shape[1]}")[:, 0]
        else:
            dataset = file.create_dataset(name, (len(files),), h5py.vlen_dtype(np.uint8))
            for t, one in enumerate(files):
                dataset[t] = np.frombuffer(one, np.uint8)
        file["action"] = ACTIONS
    said = {"frames_key": name, "actions_key": "action", **SAID}
    raw = read_all("hdf5", tmp_path, **said)[1]["e"][1]
    assert same(raw, decoded(files), ACTIONS)
    raw = read_all("hdf5", tmp_path, colours="bgr", **said)[1]["e"][1]
    assert np.array_equal(frames_of(raw).numpy(), decoded(files)[..., ::-1])


def write(folder: Path, format_: str, frames: np.ndarray) -> None:
    if format_ == "arrays":
        np.savez(folder / "e.npz", frames=frames, actions=ACTIONS)
    else:
        with h5py.File(folder / "e.h5", "w") as file:
            file["frames"], file["actions"] = frames, ACTIONS


@pytest.mark.parametrize("format_", ["arrays", "hdf5"])
def test_real_numbers_and_channels_first_are_declared(format_: str, tmp_path: Path) -> None:
    write(tmp_path, format_, (FRAMES / 255).astype(np.float32).transpose(0, 3, 1, 2))
    declared = {"frames_range": "0..1", "channels": "first", **SAID}
    assert same(read_all(format_, tmp_path, **declared)[1]["e"][1], FRAMES, ACTIONS)
    write(tmp_path, format_, FRAMES.astype(np.float64) + 0.25)
    with pytest.raises(ValueError, match="float64.*declare.frames_range"):
        frames_of(read_all(format_, tmp_path, **SAID)[1]["e"][1])
    with pytest.raises(ValueError, match=r"frames.*out of 0\.\.1; see declare.frames_range"):
        frames_of(read_all(format_, tmp_path, frames_range="0..1", **SAID)[1]["e"][1])
    write(tmp_path, format_, np.minimum(FRAMES + 0.25, 255))
    assert same(read_all(format_, tmp_path, frames_range="0..255", **SAID)[1]["e"][1], FRAMES, ACTIONS)


@pytest.mark.parametrize(
    ("frames", "declared", "reason"),
    [
        (FRAMES, {"frames_range": "0..255"}, "uint8; leave declare.frames_range out"),
        (FRAMES, {"channels": "first"}, r"\(64, 16, 3, 8\)"),
        (FRAMES.transpose(0, 3, 1, 2), {}, r"\(64, 3, 8, 16\).*declare.channels"),
        (np.full(FRAMES.shape, np.nan), {"frames_range": "0..1"}, r"out of 0\.\.1"),
        (np.full((70, 9), 7, np.uint8), {}, "frame 0 cannot be decoded"),
        (np.full((70, 9), 7, np.uint8), {"channels": "first"}, "encoded pictures; leave declare.channels out"),
        (np.zeros(70), {}, r"float64 \(64,\)"),
    ],
)
def test_frames_that_are_others_than_declared_are_refused(
    frames: np.ndarray, declared: dict[str, str], reason: str, tmp_path: Path
) -> None:
    write(tmp_path, "arrays", frames)
    with pytest.raises(ValueError, match=rf"e\.npz: .*{reason}"):
        frames_of(read_all("arrays", tmp_path, **declared, **SAID)[1]["e"][1])
