"""Episodes as arrays: ``NAME.npz`` with frames and actions, or a folder ``NAME/`` with an ``.npy`` of each.

The arrays are called ``frames`` and ``actions``, and perhaps ``rewards`` and ``terminated``, unless
``declare.frames_key``, ``actions_key``, ``rewards_key`` and ``ends_key`` say what.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.prep.sources.contract import (
    Place,
    RawEpisode,
    Reader,
    declared_fps,
    files_below,
    identity,
    moved_back,
    split_in_path,
    stated_actions,
    stated_ends,
    stated_rewards,
)


class ArraysReader(Reader):
    """See the module's docstring."""

    frames_key, actions_key = "frames", "actions"
    declarable = tuple(DeclareConfig.__dataclass_fields__)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        for path in sorted(folder.rglob("*.npz"))[:1]:
            return {cls.frames_key, cls.actions_key} <= array_names(path)
        return any((path.parent / f"{cls.actions_key}.npy").is_file() for path in folder.rglob(f"{cls.frames_key}.npy"))

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        frames, actions = self._names()
        found = {}
        for path in files_below(folder, (".npz", f"{frames}.npy"), without):
            name = path if path.suffix == ".npz" else path.parent
            files: tuple[Path, ...] = (path,)
            if path.suffix != ".npz":
                beside = (self._file(path, name) for name in self._outcome_names())
                files = (path, *(file for file in beside if file.is_file()), self._file(path, actions))
            found[identity(name, folder) if path.suffix == ".npz" else name.relative_to(folder).as_posix()] = Place(
                path, files, level=name.parent.name, split=split_in_path(name, folder)
            )
        return found

    def read(self, place: Place) -> RawEpisode:
        frames, actions = self._names()
        where, before = str(place.path), self.before
        numbers, spec = stated_actions(self._array(place, actions), self.declared, where)
        if before:
            numbers = moved_back(numbers)
        fps = declared_fps(self.declared, where)
        rewards, ends = (
            self._array(place, name) if declared or self._has(place, name) else None
            for name, declared in zip(
                self._outcome_names(), (self.declared.rewards_key, self.declared.ends_key), strict=True
            )
        )
        return RawEpisode(
            lambda: self._frames(place, frames),
            numbers,
            spec,
            fps,
            rewards=None if rewards is None else stated_rewards(rewards, where, before),
            ends=() if ends is None else stated_ends(ends, where, before),
        )

    def _names(self) -> tuple[str, str]:
        return self.declared.frames_key or self.frames_key, self.declared.actions_key or self.actions_key

    def _outcome_names(self) -> tuple[str, str]:
        return self.declared.rewards_key or "rewards", self.declared.ends_key or "terminated"

    def _file(self, path: Path, name: str) -> Path:
        return path if path.suffix == ".npz" else path.with_name(f"{name}.npy")

    def _has(self, place: Place, name: str) -> bool:
        file = self._file(place.path, name)
        return name in array_names(file) if file.suffix == ".npz" else file.is_file()

    def _array(self, place: Place, name: str) -> np.ndarray:
        return read_array(self._file(place.path, name), name)

    def _frames(self, place: Place, name: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
        yield as_frames(read_array(place.path, name), self.declared.colours, f"{place.path}: {name!r}")


def as_frames(array: np.ndarray, colours: str, where: str) -> UInt8[Tensor, "n h w c"]:
    """An array of frames as RGB.

    Args:
        colours: ``bgr`` turns the channels round.

    Raises:
        ValueError: it holds no frames.
    """
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape:
        raise ValueError(f"{where} is {array.dtype} {array.shape}; frames are uint8 (time, height, width, 3)")
    return torch.from_numpy(np.ascontiguousarray(array[..., ::-1] if colours == "bgr" else array))


BROKEN = (OSError, ValueError, EOFError, KeyError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)


def array_names(path: Path) -> set[str]:
    """Names of the arrays in an ``.npz``; none where it is broken."""
    try:
        with np.load(path) as arrays:
            return set(arrays.files)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return set()


def read_array(path: Path, name: str) -> np.ndarray:
    """One array of an ``.npz``, or that of an ``.npy``; pickles are refused, since they could run anything.

    Raises:
        ValueError: the file is missing or broken, or holds no such array.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            if isinstance(loaded, np.ndarray):
                return loaded
            if name not in loaded:
                raise ValueError(f"it has no array {name!r}, only {', '.join(loaded.files)}")
            found = loaded[name]
            if not isinstance(found, np.ndarray):  # without its heading it is just bytes
                raise ValueError(f"{name!r} is no array")
            return found
    except BROKEN as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
