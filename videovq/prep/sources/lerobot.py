"""LeRobot datasets, v2 and v3: a folder with ``meta/``, ``data/`` and ``videos/``.

The actions come from the column ``action``, unless ``declare.actions_key`` says which; the frames from the only camera,
or from ``declare.frames_key``; rewards, where there are any, from ``next.reward`` or ``declare.rewards_key``.
``next.done`` does not tell an end from a time limit: ends come from the column that ``declare.ends_key`` names, if any,
and breaks from that of ``declare.breaks_key``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.data.listing import files_below
from videovq.data.parquet import read_columns
from videovq.data.store import read_json
from videovq.data.video import video_pieces
from videovq.errors import UserError
from videovq.prep.sources.contract import (
    OUTCOME_KEYS,
    Entry,
    RawEpisode,
    Reader,
    split_in_path,
    stated_actions,
)
from videovq.prep.sources.encoded import decoded
from videovq.prep.sources.lerobot_meta import INFO, Dataset, Row
from videovq.types import ActionSpec


class LeRobotReader(Reader):
    """See the module's docstring."""

    declarable = (*Reader.declarable, *OUTCOME_KEYS)

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        path = next(_infos(files), None)
        try:
            return path is not None and "codebase_version" in read_json(path)
        except (ValueError, TypeError):
            return False

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        _dataset.cache_clear()  # the files may have changed since they were read
        found = {}
        for path in _infos(files_below(folder, without)):
            dataset = _dataset(path, self.declared.frames_key)
            below, around = dataset.root.relative_to(folder), split_in_path(dataset.root / INFO, folder)
            for index, row in sorted(dataset.rows.items()):
                files = (path, *([row.video] if row.video else []), row.data)
                said = dataset.split(index)
                found[(below / f"episode_{index:06d}").as_posix()] = Entry(
                    row.video or row.data, files, str(index), row.task, said or around, bool(said and not around)
                )
            for name in sorted(dataset.broken):
                found[(below / name).as_posix()] = Entry(path, (path,), name)
        if not found:
            raise UserError(f"{folder}: holds no episode of a LeRobot dataset, with a {INFO}")
        return found

    def _read(self, entry: Entry) -> RawEpisode:
        dataset = _dataset(entry.files[0], self.declared.frames_key)
        if entry.key in dataset.broken:
            raise UserError(dataset.broken[entry.key])
        index = int(entry.key)
        row = dataset.rows[index]
        actions, spec = self._actions(dataset, row, index)
        frames = _film if row.video else _pictures
        fps, at = self.declared.fps or dataset.fps, ("episode_index", index)
        columns = {}
        for setting in OUTCOME_KEYS:
            usual = "next.reward" if setting == "rewards_key" and "next.reward" in dataset.kinds else ""
            name = getattr(self.declared, setting) or usual
            columns[setting] = read_columns(row.data, [name], at) if name else []
        where = f"{row.data}: episode {index}"
        return self.episode(lambda: frames(dataset, index, self.declared.colours), actions, spec, fps, columns, where)

    def _actions(self, dataset: Dataset, row: Row, index: int) -> tuple[Shaped[Tensor, "t a"], ActionSpec]:
        names = [name.strip() for name in (self.declared.actions_key or "action").split(",")]
        for name in names:
            if name not in dataset.kinds:
                known = ", ".join(dataset.kinds)
                raise UserError(f"{dataset.path}: no {name!r}, only {known}; name the actions with declare.actions_key")
        where = f"{row.data}: episode {index}"
        numbers, *columns = read_columns(row.data, ["frame_index", *names], ("episode_index", index))
        if numbers != list(range(row.length)):
            raise UserError(f"{where} should have the frames 0 to {row.length - 1}, in order; it has {len(numbers)}")
        try:
            values = np.concatenate([np.asarray(one, dtype=np.float64).reshape(row.length, -1) for one in columns], 1)
        except (TypeError, ValueError):
            raise UserError(f"{where}: actions are not rows of as many numbers each") from None
        whole = not all(dataset.kinds[name].startswith("float") for name in names)
        if whole or self.declared.action_names or self.declared.action_sizes:
            return stated_actions(values, self.declared, where)
        stats = [dataset.measured(name) for name in names]
        mean, std = (tuple(number for one in stats for number in one[i]) for i in (0, 1))
        spec = ActionSpec("continuous", mean=mean, std=std)
        return spec.tensor(values.tolist(), where), spec


def _infos(files: Sequence[Path]) -> Iterator[Path]:
    return (path for path in files if path.parts[-2:] == tuple(INFO.split("/")))


@lru_cache(maxsize=4)
def _dataset(path: Path, camera: str) -> Dataset:
    """The metadata of the datasets in use, kept: those of thousands of episodes are read at once."""
    return Dataset(path, camera)


def _film(dataset: Dataset, index: int, colours: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
    row = dataset.rows[index]
    assert row.video is not None
    start, left = None, row.length
    if row.start is not None:  # half a frame early: the times in a video are rounded, and each episode adds to that
        start = max(0.0, row.start - 0.5 / dataset.fps)
    for piece in video_pieces(row.video, start):
        kept = piece if start is None else piece[:left]  # a video of its own has to have the right length itself
        yield kept.flip(-1) if colours == "bgr" else kept
        left -= len(piece)
        if start is not None and left <= 0:
            return


def _pictures(dataset: Dataset, index: int, colours: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
    row, camera = dataset.rows[index], dataset.camera
    where = f"{row.data}: episode {index}"
    (pictures,) = read_columns(row.data, [camera], ("episode_index", index))
    if any(not isinstance(one, dict) or not one.get("bytes") for one in pictures):
        raise UserError(f"{where}: {camera!r} has a frame that is not in the file")
    yield from decoded((one["bytes"] for one in pictures), colours, where)
