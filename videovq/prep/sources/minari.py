"""Minari datasets (Farama): a folder with ``metadata.json`` and ``main_data.hdf5``, or a folder for each episode.

The pictures are the observation, or the only ones in it, or those that ``declare.frames_key`` names (``KEY`` or
``KEY/KEY``). N actions lie between N + 1 observations; the last frame repeats the last action, which leads to no frame,
and whose reward is not known. A termination is an end, a truncation is none.
Sources: minari/serialization.py and minari/dataset/_storages/ in Farama-Foundation/Minari.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from videovq.data.listing import files_below, refuse_pointers
from videovq.data.store import read_json
from videovq.errors import UserError
from videovq.prep.sources.contract import (
    Entry,
    RawEpisode,
    Reader,
    declared_fps,
    level_of,
    split_in_path,
    stated_outcomes,
)
from videovq.prep.sources.minari_storage import Arrow, Hdf5, Storage
from videovq.types import ActionSpec

METADATA = "metadata.json"
BROKEN = (KeyError, TypeError, AttributeError, json.JSONDecodeError)  # of metadata that are not as Minari writes them
STORAGES: dict[str, type[Storage]] = {"hdf5": Hdf5, "arrow": Arrow, "parquet": Arrow}


class MinariReader(Reader):
    """See the module's docstring."""

    index = (".json", ".hdf5", ".arrow", ".parquet")

    alignment = "action t is taken after frame t and leads to frame t + 1; the last frame repeats the last action"

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        return next(_datasets(files), None) is not None

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        if self.before:
            raise UserError("declare.actions_at: Minari keeps the action taken after a frame; leave it out")
        found = {}
        files = files_below(folder, without)
        refuse_pointers(path for path in files if path.name == METADATA)
        for path in _datasets(files):
            metadata = read_json(path)
            level, split = str(metadata.get("dataset_id", level_of(path))), split_in_path(path, folder)
            for number, file in sorted(_storage(path, metadata).episodes(path.parent).items()):
                id_ = (path.parent.relative_to(folder) / f"episode_{number}").as_posix()
                found[id_] = Entry(file, (path, file), str(number), level, split)
        if not found:
            raise UserError(f"{folder}: holds no episode of a Minari dataset, with a {METADATA}")
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        path, where = entry.files[0], f"{entry.path}: episode {entry.key}"
        metadata = read_json(path)
        spec, start = _action_spec(path, metadata, tuple(self.declared.action_names))
        name, shape = self._pictures(path, metadata)
        storage = _storage(path, metadata)(entry.path, int(entry.key), name, shape, self.declared.colours)
        taken, count = storage.steps("actions"), storage.count()
        if len(taken) == 0 or count != len(taken) + 1:
            raise UserError(f"{where}: {count} observations and {len(taken)} actions; one fewer, and some, are needed")
        values = taken[[*range(len(taken)), -1]].astype(np.float64).reshape(count, -1) - start
        rewards, ended = [*storage.steps("rewards").tolist(), None], [*storage.steps("terminations").tolist(), False]
        columns = {"rewards_key": [rewards], "ends_key": [ended], "breaks_key": []}
        actions, fps = spec.tensor(values.tolist(), where), declared_fps(self.declared, where)
        return RawEpisode(storage.frames, actions, spec, fps, **stated_outcomes(columns, count, where))

    def _pictures(self, path: Path, metadata: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
        """Name and shape of the pictures that were chosen."""
        try:
            known = dict(_pictures(_space(metadata, "observation_space")))
        except BROKEN as error:
            raise UserError(f"{path}: `observation_space` is missing or broken ({error!r})") from None
        chosen = self.declared.frames_key or (next(iter(known)) if len(known) == 1 else None)
        if chosen not in known:
            there = ", ".join(name or "the observation itself" for name in known) or "none"
            raise UserError(
                f"{path}: choose the frames with declare.frames_key; there are, uint8 (height, width, 3): {there}"
            )
        return chosen, known[chosen]


def _datasets(files: Sequence[Path]) -> Iterator[Path]:
    """The metadata of every dataset; each episode of an Arrow dataset has a file of that name too."""
    for path in files:
        if path.name != METADATA:
            continue
        try:
            metadata = read_json(path)
        except ValueError:
            continue
        if isinstance(metadata, dict) and ("data_format" in metadata or (path.parent / Hdf5.FILE).is_file()):
            yield path


def _storage(path: Path, metadata: dict[str, Any]) -> type[Storage]:
    name = metadata.get("data_format", "hdf5")
    if name not in STORAGES:
        raise UserError(f"{path}: data_format {name!r} is not read, {', '.join(STORAGES)} are")
    return STORAGES[name]


def _space(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    return json.loads(metadata[name])


def _action_spec(
    path: Path, metadata: dict[str, Any], names: tuple[str, ...]
) -> tuple[ActionSpec, Shaped[np.ndarray, "..."]]:
    """The ActionSpec, and the number of the first choice of each discrete component."""
    try:
        space = _space(metadata, "action_space")
        kind, start = space["type"], np.ravel(space.get("start", 0))
        if kind == "Discrete":
            return ActionSpec("discrete", (space["n"],), names), start
        if kind == "MultiDiscrete":
            return ActionSpec("multi_discrete", tuple(np.ravel(space["nvec"]).tolist())), start
        if kind == "MultiBinary":
            return ActionSpec("multi_discrete", (2,) * int(np.prod(space["n"]))), start
        if kind == "Box":  # not measured yet: prep does
            width = math.prod(space["shape"])
            return ActionSpec("continuous", mean=(0.0,) * width, std=(1.0,) * width), start
    except BROKEN as error:
        raise UserError(f"{path}: `action_space` is missing or broken ({error!r})") from None
    raise UserError(f"{path}: `action_space` is {kind}; Discrete, MultiDiscrete, MultiBinary and Box are read")


def _pictures(space: dict[str, Any], name: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of all pictures in an observation space."""
    if space.get("type") == "Dict":
        for key, one in space["subspaces"].items():
            yield from _pictures(one, f"{name}/{key}" if name else key)
    elif space.get("type") == "Box" and space["dtype"] == "uint8" and len(space["shape"]) == 3:
        yield name, tuple(space["shape"])
