"""The metadata of LeRobot datasets, in ``meta/``: v2 has a file an episode, v3 has many episodes in a file.

Sources: src/lerobot/datasets/lerobot_dataset.py and utils.py in huggingface/lerobot, releases 0.3.3 and 0.4.4.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videovq.data.listing import files_below
from videovq.data.parquet import read_columns
from videovq.data.store import read_json
from videovq.data.text import json_lines, text_lines
from videovq.errors import UserError
from videovq.prep.sources.contract import stated_split

INFO = "meta/info.json"


@dataclass(frozen=True)
class Row:
    """The metadata of an episode.

    Attributes:
        length: number of its frames.
        task: in words.
        data: the file with its actions.
        video: the file with its frames; None: they are pictures in ``data``.
        start: second at which it starts in the video; None: the video is its own.
    """

    length: int
    task: str
    data: Path
    video: Path | None = None
    start: float | None = None


class Dataset:
    """The metadata of a dataset, for one of its cameras.

    Args:
        path: of its ``meta/info.json``.
        camera: name of a video or image feature; empty: the only one.

    Attributes:
        fps: frames a second.
        kinds: name of each feature -> its dtype.
        rows: index of each episode -> its metadata.
        broken: name of each episode of which too little is known -> what is wrong.

    Raises:
        UserError: the metadata are broken or of another version, or the camera must be chosen.
    """

    def __init__(self, path: Path, camera: str) -> None:
        self.path, self.root = path, path.parent.parent
        try:
            self._info = read_json(path)
            self.version = str(self._info["codebase_version"])
            if self.version.split(".")[0] not in ("v2", "v3"):
                raise UserError(f"{path}: LeRobot {self.version} is not read, v2 and v3 are; LeRobot converts others")
            self.fps = float(self._info["fps"])
            self.kinds = {name: str(feature["dtype"]) for name, feature in self._info["features"].items()}
            self.camera = self._choose(camera)
            self._splits = self._spans()
            self.rows: dict[int, Row] = {}
            self.broken: dict[str, str] = {}
            if self.version.startswith("v3"):
                self._shared_rows()
            else:
                self._own_rows()
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise UserError(f"{path}: its metadata lack something, or it is not what it should be: {error}") from None
        if not self.fps > 0:
            raise UserError(f"{path}: fps is {self.fps:g}; it must be positive")

    def measured(self, name: str) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of a feature's numbers over all episodes.

        Raises:
            UserError: the dataset does not say.
        """
        whole = self.root / "meta/stats.json"
        parts = self.root / "meta/episodes_stats.jsonl"  # v2.1 has them by episode only
        path = whole if whole.is_file() else parts
        try:
            stats = [read_json(path)[name]] if path == whole else [row["stats"][name] for _, row in json_lines(path)]
            means = np.array([np.ravel(one["mean"]) for one in stats], dtype=np.float64)
            squares = np.array([np.ravel(one["std"]) for one in stats], dtype=np.float64) ** 2
            counts = np.array([one.get("count", [1])[0] for one in stats], dtype=np.float64)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise UserError(f"{path}: has no usable mean and std of {name!r} ({error})") from None
        mean = np.average(means, axis=0, weights=counts)
        std = np.sqrt(np.average(squares + (means - mean) ** 2, axis=0, weights=counts))
        if not np.isfinite([mean, std]).all():
            raise UserError(f"{path}: mean or std of {name!r} is not finite")
        return mean.tolist(), np.where(std > 0, std, 1.0).tolist()  # numbers that never change keep 1

    @property
    def filmed(self) -> bool:
        """Whether the camera's frames are videos, not pictures in the data."""
        return self.kinds[self.camera] == "video"

    def _choose(self, camera: str) -> str:
        cameras = [name for name, kind in self.kinds.items() if kind in ("video", "image")]
        chosen = camera or (cameras[0] if len(cameras) == 1 else "")
        if chosen not in cameras:
            there = ", ".join(cameras) or "none"
            raise UserError(f"{self.path}: choose the camera with declare.frames_key; there are: {there}")
        return chosen

    def split(self, index: int) -> str:
        """The split of an episode; empty: the dataset does not say."""
        return next((split for split, episodes in self._splits if index in episodes), "")

    def _spans(self) -> list[tuple[str, range]]:
        found = []
        for name, span in (self._info.get("splits") or {}).items():
            split = stated_split(name, str(self.path))
            try:
                first, end = (int(number) for number in span.split(":"))
            except ValueError:
                raise UserError(f"{self.path}: `splits` gives {name!r} {span!r}; the format has 'FIRST:END'") from None
            found.append((split, range(first, end)))
        return found

    def _own_rows(self) -> None:
        path = self.root / "meta/episodes.jsonl"
        for number, line in text_lines(path):
            row: Any = {}
            try:
                row = json.loads(line)
                index = _count(row, "episode_index")
                at = {"episode_index": index, "episode_chunk": index // self._info["chunks_size"]}
                video = self._file("video_path", video_key=self.camera, **at) if self.filmed else None
                data = self._file("data_path", **at)
                self._add(index, Row(_count(row, "length"), _task(row.get("tasks")), data, video))
            except (ValueError, AttributeError, RecursionError) as error:
                self._leave_out(row, f"{path}: line {number}", f"{path.stem}_line_{number}", error)

    def _shared_rows(self) -> None:
        file_of = ("data/chunk_index", "data/file_index")
        film = [f"videos/{self.camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp")]
        names = ["episode_index", "length", "tasks", *file_of, *(film if self.filmed else [])]
        for path in files_below(self.root / "meta/episodes"):
            if path.suffix != ".parquet":
                continue
            for number, values in enumerate(zip(*read_columns(path, names), strict=True)):
                row = dict(zip(names, values, strict=True))
                try:
                    index, (chunk, file) = _count(row, "episode_index"), (_count(row, name) for name in file_of)
                    data, video, start = self._file("data_path", chunk_index=chunk, file_index=file), None, None
                    if self.filmed:
                        chunk, file, start = _count(row, film[0]), _count(row, film[1]), _second(row, film[2])
                        video = self._file("video_path", video_key=self.camera, chunk_index=chunk, file_index=file)
                    self._add(index, Row(_count(row, "length"), _task(row["tasks"]), data, video, start))
                except ValueError as error:
                    self._leave_out(row, f"{path}: row {number}", f"{path.stem}_row_{number}", error)

    def _add(self, index: int, row: Row) -> None:
        if index in self.rows:
            raise UserError(f"there is another episode {index}")
        self.rows[index] = row

    def _leave_out(self, row: Any, where: str, name: str, error: Exception) -> None:
        """Keep the reason why an episode cannot be read, under its name, or else that of its row."""
        with suppress(ValueError, AttributeError):
            if (index := _count(row, "episode_index")) not in self.rows:
                name = f"episode_{index:06d}"
        self.broken[name] = f"{where}: {error}"

    def _file(self, kind: str, **parts: Any) -> Path:
        return self.root / self._info[kind].format(**parts)


def _count(row: dict[str, Any], name: str) -> int:
    found = row.get(name)  # pandas makes real numbers of a column in which one is missing
    if not isinstance(found, (int, float)) or not 0 <= found < math.inf or found != int(found):
        raise UserError(f"{name!r} is {found!r}, which is no whole number")
    return int(found)


def _second(row: dict[str, Any], name: str) -> float:
    found = row.get(name)
    if not isinstance(found, (int, float)) or not 0 <= found < math.inf:
        raise UserError(f"{name!r} is {found!r}, which is no time in a video")
    return float(found)


def _task(tasks: Any) -> str:
    """The tasks of an episode, of which there is mostly one, in words."""
    return " | ".join(map(str, tasks)) if isinstance(tasks, list) else str(tasks or "")
