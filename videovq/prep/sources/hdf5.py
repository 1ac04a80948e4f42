"""Episodes in HDF5: ``NAME.hdf5`` (.h5) with datasets of frames and of actions, or several a file, each a group.

The datasets are called ``frames`` and ``actions``, and perhaps ``rewards`` and ``terminated``, unless
``declare.frames_key``, ``actions_key``, ``rewards_key`` and ``ends_key`` say what; the names may be paths
(``obs/camera``). An episode in a group is called after the file and the group:
``NAME/episode_0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from videovq.data.video import PIECE
from videovq.prep.sources.arrays import ArraysReader, as_frames
from videovq.prep.sources.contract import Place, files_below, identity, optional, split_in_path

ENDINGS = (".hdf5", ".h5")
# What h5py raises on damaged files; a damaged shape can ask for any memory.
DAMAGED = (OSError, RuntimeError, KeyError, AttributeError, MemoryError)


class HDF5Reader(ArraysReader):
    """See the module's docstring."""

    index = ENDINGS

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        path = first_hdf5(folder)
        whole = {cls.frames_key, cls.actions_key}
        return path is not None and bool(_groups(path, lambda group: whole <= set(group)))

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        frames, actions = self._names()
        found = {}
        for path in files_below(folder, ENDINGS, without):
            # Half an episode is found too, and so is a file without any: reading it says what is missing.
            for key in _groups(path, lambda group: frames in group or actions in group) or [""]:
                id_ = "/".join([identity(path, folder), *filter(None, [key])])
                level = path.stem if key else path.parent.name
                found[id_] = Place(path, (path,), key, level, split_in_path(path / key, folder))
        return found

    def _has(self, place: Place, name: str) -> bool:
        with open_hdf5(place.path) as file:
            return name in file[place.key or "/"]

    def _array(self, place: Place, name: str) -> np.ndarray:
        with open_hdf5(place.path) as file:
            return np.asarray(dataset(file[place.key or "/"], name)[...])

    def _frames(self, place: Place, name: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
        with open_hdf5(place.path) as file:
            stored = dataset(file[place.key or "/"], name)
            for start in range(0, max(1, len(stored)), PIECE):
                yield as_frames(stored[start : start + PIECE], self.declared.colours, repr(stored.name))


def first_hdf5(folder: Path) -> Path | None:
    """The first HDF5 file below a folder."""
    return min((path for ending in ENDINGS for path in folder.rglob(f"*{ending}")), default=None)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file to read from.

    Raises:
        ValueError: h5py is not installed, or, naming the file: it is missing or broken, or what the block said.
    """
    with opened(path) as file:
        try:
            yield file
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The same for a block whose own ValueErrors name the file already."""
    h5py = optional("h5py", "hdf5")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGED as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None


def dataset(group: Any, name: str) -> Any:
    """A dataset with at least one dimension.

    Raises:
        ValueError: the group holds no such.
    """
    found = group.get(name)
    if not getattr(found, "shape", None):
        names = [str(one) for one in group]  # a damaged one is bytes
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ValueError(f"{group.name} has no dataset {name!r}, only {shown or 'nothing'}")
    return found


def _groups(path: Path, wanted: Callable[[Any], bool]) -> list[str]:
    """Names of the groups that are as wanted, ``""`` for the file itself; none where it cannot be read."""
    h5py = optional("h5py", "hdf5")
    names: list[str] = []

    def look(name: str | bytes, node: Any) -> None:
        if isinstance(name, str) and isinstance(node, h5py.Group) and wanted(node):  # a damaged name is bytes
            names.append(name)

    try:
        with open_hdf5(path) as file:
            if wanted(file):
                return [""]
            file.visititems(look)
    except ValueError:
        return []
    return names
