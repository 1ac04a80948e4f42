"""Episodes as arrays: ``NAME.npz`` with frames and actions, or a folder ``NAME/`` with an ``.npy`` of each.

The arrays are called ``frames`` and ``actions``, unless ``declare.frames_key`` and ``actions_key`` say what; rewards,
ends and breaks as :data:`videovq.prep.sources.contract.USUAL` says, or as is declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.data.arrays import array_names, read_array
from videovq.prep.sources.contract import (
    USUAL,
    Entry,
    RawEpisode,
    Reader,
    declared_fps,
    files_that_end,
    identity,
    level_of,
    split_in_path,
    stated_actions,
    usual_names,
)
from videovq.prep.sources.pixels import stored_frames


class ArraysReader(Reader):
    """See the module's docstring."""

    frames_key, actions_key = "frames", "actions"
    declarable = tuple(DeclareConfig.__dataclass_fields__)

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        for path in files:
            if _archive(path):
                return {cls.frames_key, cls.actions_key} <= array_names(path)
        there, frames = set(files), f"{cls.frames_key}.npy"
        return any(path.with_name(f"{cls.actions_key}.npy") in there for path in files if path.name == frames)

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        frames, actions = self._names()
        found = {}
        for path in files_that_end(folder, (".npz", f"/{frames}.npy"), without):
            if _archive(path):
                name, id_ = path, identity(path, folder)
                files: tuple[Path, ...] = (path,)
            else:
                name, id_ = path.parent, path.parent.relative_to(folder).as_posix()
                beside = [path.with_name(f"{one}.npy") for one in self._outcome_names()]
                files = (path, *(one for one in beside if one.is_file()), path.with_name(f"{actions}.npy"))
            found[id_] = Entry(path, files, level=level_of(name), split=split_in_path(name, folder))
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        frames, actions = self._names()
        where = str(entry.path)
        numbers, spec = stated_actions(self._array(entry, actions), self.declared, where)
        fps, declared = declared_fps(self.declared, where), {getattr(self.declared, setting) for setting in USUAL}
        # Reading what was declared says so where it is missing.
        there = [*filter(None, declared), *self._known(entry, self._outcome_names())]
        names = usual_names(there, self.declared, where)
        columns = {setting: [self._array(entry, name) for name in some] for setting, some in names.items()}
        return self.episode(lambda: self._frames(entry, frames), numbers, spec, fps, columns, where)

    def _names(self) -> tuple[str, str]:
        return self.declared.frames_key or self.frames_key, self.declared.actions_key or self.actions_key

    def _outcome_names(self) -> list[str]:
        """Names under which rewards, ends and breaks may be kept."""
        names: list[str] = []
        for setting, usual in USUAL.items():
            said = getattr(self.declared, setting)
            names += [said] if said else usual
        return names

    def _known(self, entry: Entry, names: list[str]) -> list[str]:
        """Those of the names under which there is an array."""
        if _archive(entry.path):
            return sorted(array_names(entry.path) & set(names))
        return [name for name in names if self._file(entry, name).is_file()]

    def _file(self, entry: Entry, name: str) -> Path:
        return entry.path if _archive(entry.path) else entry.path.with_name(f"{name}.npy")

    def _array(self, entry: Entry, name: str) -> np.ndarray:
        return read_array(self._file(entry, name), name)

    def _frames(self, entry: Entry, name: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
        yield from stored_frames(read_array(entry.path, name), self.declared, f"{entry.path}: {name!r}")


def _archive(path: Path) -> bool:
    return path.suffix.lower() == ".npz"
