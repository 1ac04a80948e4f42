"""Videos, actions beside them: ``NAME.mp4`` (.mkv, ...) and ``NAME.json``, .jsonl, .npz, .npy, .csv, .parquet.

The JSON holds ``actions`` (one a frame; action t leads to frame t + 1) and, where known, ``action_spec`` or
``action_legend`` (number -> name), ``fps``, ``level``, ``split``, ``discontinuities``, ``rewards`` (one a frame) and
``ends`` (every frame number with whose action the world ended). The other kinds hold actions, and perhaps rewards and
ends: ``.jsonl`` one a line (a value, or an object with the field ``actions_key``), ``.npz`` and ``.npy`` an array,
``.csv`` and ``.parquet`` one row a frame.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from videovq.data.store import read_json
from videovq.data.video import frame_rate, video_pieces
from videovq.prep.sources.arrays import array_names, read_array
from videovq.prep.sources.contract import (
    OUTCOME_KEYS,
    Place,
    RawEpisode,
    Reader,
    identity,
    moved_back,
    split_in_path,
    stated_actions,
    stated_ends,
    stated_rewards,
)
from videovq.types import ActionSpec

VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg")


class VideosReader(Reader):
    """See the module's docstring."""

    sidecars: tuple[str, ...] = (".json", ".jsonl", ".npz", ".npy", ".csv", ".parquet")
    declarable: tuple[str, ...] = ("fps", "action_names", "action_sizes", "actions_at", "actions_key", *OUTCOME_KEYS)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return any(
            path.with_suffix(ending).is_file()
            for path in folder.rglob("*")
            if path.suffix.lower() in VIDEOS
            for ending in cls.sidecars
        )

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        paths = [p for p in folder.rglob("*") if without not in p.parents and not p.name.startswith(".")]
        videos: dict[Path, Path] = {}
        for ending in VIDEOS:
            for path in paths:
                if path.suffix.lower() == ending and videos.setdefault(path.with_suffix(""), path) != path:
                    raise ValueError(
                        f"{path}: {videos[path.with_suffix('')].name} lies beside it and would be the same episode;"
                        " rename one"
                    )
        usual = self.sidecars[0]
        lonely = {p.with_suffix("") for p in paths if p.suffix == usual}
        if not videos and not lonely:
            raise ValueError(f"{folder}: holds no NAME.mp4 beside a NAME{usual}")
        found = {}
        for stem in sorted({*videos, *lonely}):
            video = videos.get(stem, stem.with_name(f"{stem.name}.mp4"))
            beside = [stem.with_name(stem.name + ending) for ending in self.sidecars]
            sidecar = next((path for path in beside if path.is_file()), beside[0])
            level, split = video.parent.name, split_in_path(video, folder)
            if sidecar.suffix == ".json":
                try:
                    value = _object(sidecar)
                except ValueError:
                    value = {}  # reading the episode says what is wrong
                level, split = str(value.get("level", level)), str(value.get("split", split))
            found[identity(video, folder)] = Place(video, (video, sidecar), level=level, split=split)
        return found

    def read(self, place: Place) -> RawEpisode:
        video, sidecar = place.files
        if sidecar.suffix == ".json":
            return self._read_json(video, sidecar)
        values = READ[sidecar.suffix](sidecar, self.declared.actions_key)
        actions, spec = stated_actions(values, self.declared, str(sidecar))
        fps, before = self.declared.fps or frame_rate(video), self.before
        rewards = self._column(sidecar, self.declared.rewards_key, "rewards_key", ("reward", "rewards"))
        ends = self._column(sidecar, self.declared.ends_key, "ends_key", ("terminated",))
        return RawEpisode(
            lambda: video_pieces(video),
            moved_back(actions) if before else actions,
            spec,
            fps,
            rewards=None if rewards is None else stated_rewards(rewards, str(sidecar), before),
            ends=() if ends is None else stated_ends(ends, str(sidecar), before),
        )

    def _column(self, sidecar: Path, declared: str, setting: str, usual: tuple[str, ...]) -> list[Any] | None:
        """The values that were declared, or those of a usual name; None: there are none.

        Raises:
            ValueError: what was declared is not there.
        """
        there = COLUMNS[sidecar.suffix](sidecar)
        if declared and declared not in there:
            raise ValueError(f"{sidecar}: no {declared!r}, only {', '.join(there)}; see declare.{setting}")
        name = declared or next((name for name in usual if name in there), None)
        return READ[sidecar.suffix](sidecar, name) if name else None

    def _read_json(self, video: Path, sidecar: Path) -> RawEpisode:
        value = _object(sidecar)
        if not isinstance(value.get("actions"), list):
            raise ValueError(f"{sidecar}: needs a list `actions`")
        spec = _spec(value, sidecar)
        if spec is None:
            actions, spec = stated_actions(value["actions"], self.declared, f"{sidecar}: needs `action_spec`, or it")
        else:
            actions = spec.tensor(value["actions"], str(sidecar))
        fps = self.declared.fps or _field(sidecar, value, "fps", float)
        if fps <= 0:
            raise ValueError(f"{sidecar}: `fps` must be positive")
        cuts, ends = (tuple(_field(sidecar, value, name, _numbers, ())) for name in ("discontinuities", "ends"))
        rewards = value.get("rewards")
        return RawEpisode(
            lambda: video_pieces(video),
            moved_back(actions) if self.before else actions,
            spec,
            fps,
            cuts,
            None if rewards is None else stated_rewards(rewards, str(sidecar), self.before),
            ends,
        )


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError(f"{path}: needs a list `actions`")
    return value


def _spec(value: dict[str, Any], path: Path) -> ActionSpec | None:
    if value.get("action_spec") is not None:
        return ActionSpec.from_json(_field(path, value, "action_spec", dict))
    if value.get("action_legend") is None:
        return None
    legend = _field(path, value, "action_legend", dict)
    if sorted(legend) != sorted(str(i) for i in range(len(legend))):
        raise ValueError(f"{path}: `action_legend` must name the actions 0 to {len(legend) - 1}")
    return ActionSpec("discrete", (len(legend),), tuple(str(legend[str(i)]) for i in range(len(legend))))


def _field(path: Path, value: dict[str, Any], name: str, kind: Callable[[Any], Any], default: Any = None) -> Any:
    found = value.get(name, default)
    if found is None:
        raise ValueError(f"{path}: needs `{name}`")
    try:
        return kind(found)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{path}: `{name}` is {found!r}, which it cannot be") from None


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in values]


def json_lines(path: Path) -> Iterator[Any]:
    """The values of a file that holds one a line.

    Raises:
        ValueError: it is missing or broken.
    """
    try:
        with path.open() as file:
            yield from (json.loads(line) for line in file if line.strip())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not readable as JSON lines ({error})") from None


def _read_lines(path: Path, key: str) -> list[Any]:
    rows, name = list(json_lines(path)), key or "action"
    if any(isinstance(row, dict) and name not in row for row in rows):
        raise ValueError(f"{path}: a line has no {name!r}; name the field with declare.actions_key")
    return [row[name] if isinstance(row, dict) else row for row in rows]


def _read_table(path: Path, key: str) -> list[Any]:
    try:
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ValueError(f"{path}: not readable as CSV with a header ({error})") from None
    columns = [_column(path, header, name) for name in _names(key)]
    try:
        return [[float(row[at]) for at in columns] for row in rows]
    except (ValueError, IndexError):
        raise ValueError(f"{path}: a row lacks {' or '.join(map(repr, _names(key)))}, or it is not a number") from None


def _read_parquet(path: Path, key: str) -> list[Any]:
    from videovq.prep.sources.parquet import read_columns

    columns = read_columns(path, _names(key))
    return [list(row) if len(row) > 1 else row[0] for row in zip(*columns, strict=True)]


def _line_fields(path: Path) -> list[str]:
    first = next(json_lines(path), None)
    return list(first) if isinstance(first, dict) else []


def _table_columns(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return next(csv.reader(file))


def _parquet_columns(path: Path) -> list[str]:
    from videovq.prep.sources.parquet import column_names

    return column_names(path)


def _names(key: str) -> list[str]:
    return [name.strip() for name in (key or "action").split(",")]


def _column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise ValueError(f"{path}: no column {name!r}, only {', '.join(header)}; name it with declare.actions_key")
    return header.index(name)


READ: dict[str, Callable[[Path, str], Any]] = {
    ".jsonl": _read_lines,
    ".npz": lambda path, key: read_array(path, key or "actions").tolist(),
    ".npy": lambda path, key: read_array(path, key).tolist(),
    ".csv": _read_table,
    ".parquet": _read_parquet,
}

COLUMNS: dict[str, Callable[[Path], list[str]]] = {
    ".jsonl": _line_fields,
    ".npz": lambda path: sorted(array_names(path)),
    ".npy": lambda path: [],
    ".csv": _table_columns,
    ".parquet": _parquet_columns,
}
