"""LeRobot datasets, v2 and v3: a folder with ``meta/``, ``data/`` and ``videos/``.

The actions come from the column ``action``, unless ``declare.actions_key`` says which; the frames from the only camera,
or from ``declare.frames_key``; rewards, where there are any, from ``next.reward`` or ``declare.rewards_key``.
``next.done`` does not tell an end from a time limit: ends come from the column that ``declare.ends_key`` names, if any.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.data.store import read_json
from videovq.data.video import video_pieces
from videovq.prep.sources.contract import (
    Place,
    RawEpisode,
    Reader,
    moved_back,
    stated_actions,
    stated_ends,
    stated_rewards,
)
from videovq.prep.sources.encoded import decoded
from videovq.prep.sources.lerobot_meta import INFO, Dataset, Row
from videovq.prep.sources.parquet import read_columns
from videovq.types import ActionSpec


class LeRobotReader(Reader):
    """See the module's docstring."""

    declarable = tuple(DeclareConfig.__dataclass_fields__)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        path = next(folder.rglob(INFO), None)
        try:
            return path is not None and "codebase_version" in read_json(path)
        except (ValueError, TypeError):
            return False

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        _dataset.cache_clear()  # the files may have changed since they were read
        found = {}
        for path in sorted(p for p in folder.rglob(INFO) if without not in p.parents):
            dataset = _dataset(path, self.declared.frames_key)
            for index, row in sorted(dataset.rows.items()):
                id_ = (dataset.root.relative_to(folder) / f"episode_{index:06d}").as_posix()
                files = (path, *([row.video] if row.video else []), row.data)
                split = dataset.splits.get(index, "")
                found[id_] = Place(row.video or row.data, files, str(index), row.task, split)
        if not found:
            raise ValueError(f"{folder}: holds no episode of a LeRobot dataset, with a {INFO}")
        return found

    def read(self, place: Place) -> RawEpisode:
        dataset, index = _dataset(place.files[0], self.declared.frames_key), int(place.key)
        row = dataset.rows[index]
        actions, spec = self._actions(dataset, row, index)
        if self.before:
            actions = moved_back(actions)
        frames = _film if row.video else _pictures
        fps = self.declared.fps or dataset.fps
        where, before = f"{row.data}: episode {index}", self.before
        columns = [self.declared.rewards_key or ("next.reward" if "next.reward" in dataset.kinds else "")]
        columns.append(self.declared.ends_key)
        rewards, ends = (
            read_columns(row.data, [name], ("episode_index", index))[0] if name else None for name in columns
        )
        return RawEpisode(
            lambda: frames(dataset, index, self.declared.colours),
            actions,
            spec,
            fps,
            rewards=None if rewards is None else stated_rewards(rewards, where, before),
            ends=() if ends is None else stated_ends(ends, where, before),
        )

    def _actions(self, dataset: Dataset, row: Row, index: int) -> tuple[Shaped[Tensor, "t a"], ActionSpec]:
        names = [name.strip() for name in (self.declared.actions_key or "action").split(",")]
        for name in names:
            if name not in dataset.kinds:
                known = ", ".join(dataset.kinds)
                raise ValueError(
                    f"{dataset.path}: no {name!r}, only {known}; name the actions with declare.actions_key"
                )
        where = f"{row.data}: episode {index}"
        numbers, *columns = read_columns(row.data, ["frame_index", *names], ("episode_index", index))
        if numbers != list(range(row.length)):
            raise ValueError(f"{where} should have the frames 0 to {row.length - 1}, in order; it has {len(numbers)}")
        try:
            values = np.concatenate([np.asarray(one, dtype=np.float64).reshape(row.length, -1) for one in columns], 1)
        except (TypeError, ValueError):
            raise ValueError(f"{where}: actions are not rows of as many numbers each") from None
        whole = not all(dataset.kinds[name].startswith("float") for name in names)
        if whole or self.declared.action_names or self.declared.action_sizes:
            return stated_actions(values, self.declared, where)
        stats = [dataset.measured(name) for name in names]
        mean, std = (tuple(number for one in stats for number in one[i]) for i in (0, 1))
        spec = ActionSpec("continuous", mean=mean, std=std)
        return spec.tensor(values.tolist(), where), spec


@lru_cache(maxsize=4)
def _dataset(path: Path, camera: str) -> Dataset:
    """The datasets that are being read; each has thousands of episodes, and says all of them at once."""
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
        raise ValueError(f"{where}: {camera!r} has a frame that is not in the file")
    yield from decoded((one["bytes"] for one in pictures), colours, where)
