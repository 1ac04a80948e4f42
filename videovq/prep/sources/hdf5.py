"""Episodes in HDF5: ``NAME.hdf5`` (.h5) with datasets of frames and of actions, or several a file, each a group.

The datasets are called as the arrays of :mod:`videovq.prep.sources.arrays`, or as is declared; the names may be paths
(``obs/camera``). Frames may be a JPEG or PNG each: bytes of any length, or rows of bytes that are filled up. An episode
in a group is called after the file and the group: ``NAME/episode_0``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from videovq.errors import UserError
from videovq.packages import optional
from videovq.prep.sources.arrays import ArraysReader
from videovq.prep.sources.contract import Entry, files_that_end, identity, level_of, split_in_path
from videovq.prep.sources.pixels import stored_frames

ENDINGS = (".hdf5", ".h5")
# What h5py raises on damaged files; a damaged shape can ask for any memory.
DAMAGED = (OSError, RuntimeError, KeyError, AttributeError, MemoryError)


class HDF5Reader(ArraysReader):
    """See the module's docstring."""

    index = ENDINGS

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        path = first_hdf5(files)
        whole = {cls.frames_key, cls.actions_key}
        return path is not None and bool(_groups(path, lambda group: whole <= set(group)))

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        frames, actions = self._names()
        found = {}
        for path in files_that_end(folder, ENDINGS, without):
            # Half an episode is found too, and so is a file without any: reading it says what is missing.
            for key in _groups(path, lambda group: frames in group or actions in group) or [""]:
                id_ = "/".join([identity(path, folder), *filter(None, [key])])
                level = path.stem if key else level_of(path)
                found[id_] = Entry(path, (path,), key, level, split_in_path(path / key, folder))
        return found

    def _known(self, entry: Entry, names: list[str]) -> list[str]:
        with open_hdf5(entry.path) as file:
            return [name for name in names if name in file[entry.key or "/"]]

    def _array(self, entry: Entry, name: str) -> np.ndarray:
        with open_hdf5(entry.path) as file:
            return np.asarray(dataset(file[entry.key or "/"], name)[...])

    def _frames(self, entry: Entry, name: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
        with open_hdf5(entry.path) as file:
            stored = dataset(file[entry.key or "/"], name)
            yield from stored_frames(stored, self.declared, repr(stored.name))


def first_hdf5(files: Sequence[Path]) -> Path | None:
    """The first of the files that is HDF5."""
    return next((path for path in files if path.suffix.lower() in ENDINGS), None)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file to read from.

    Raises:
        UserError: h5py is not installed, or, naming the file: it is missing or broken, or what the block said.
    """
    with opened(path) as file:
        try:
            yield file
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """As :func:`open_hdf5`, for a block whose own UserErrors name the file already."""
    h5py = optional("h5py", "hdf5")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def dataset(group: Any, name: str) -> Any:
    """A dataset with at least one dimension.

    Raises:
        UserError: the group holds no such, or only where its values should be.
    """
    found = group.get(name)
    if not getattr(found, "shape", None):
        names = [str(one) for one in group]  # a damaged one is bytes
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise UserError(f"{group.name} has no dataset {name!r}, only {shown or 'nothing'}")
    refuse_missing_sources(found, Path(group.file.filename))
    return found


def refuse_missing_sources(found: Any, path: Path) -> None:
    """Check that the sources of a virtual dataset are there: HDF5 reads zeros for missing ones, which are black frames.

    Args:
        found: a dataset.
        path: of the file that it was found in.

    Raises:
        UserError: a file, or a dataset in it, is missing.
    """
    if not found.is_virtual:
        return
    h5py = optional("h5py", "hdf5")
    for _, name, key, _ in found.virtual_sources():
        name, key = (one.replace("%b", "0").replace("%%", "%") for one in (name, key))  # the first of many blocks
        # Where HDF5 looks. "." is the file itself.
        looked = [path] if name == "." else [Path(name), path.parent / name, path.parent / Path(name).name]
        source = next((one for one in looked if one.is_file()), None)
        if source is None:
            raise UserError(f"{found.name!r} is virtual, and {name}, of which it is made, is missing; bring it here")
        with h5py.File(source, "r") as file:
            if key not in file:
                raise UserError(f"{found.name!r} is virtual, and {key!r} in {source}, of which it is made, is missing")
            refuse_missing_sources(file[key], source)


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
