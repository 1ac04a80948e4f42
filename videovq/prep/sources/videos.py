"""Videos, actions beside them: ``NAME.mp4`` (.mkv, ...) and ``NAME.json``, .jsonl, .npz, .npy, .csv, .parquet.

The JSON holds ``actions`` (one a frame; action t leads to frame t + 1) and, where known, ``action_spec`` or
``action_legend`` (number -> name), ``fps``, ``level``, ``split``, ``discontinuities`` and ``ends`` (frame numbers), and
lists of one value a frame: ``rewards``, ``terminated``, ``truncated``. The other kinds hold actions, and perhaps such
columns: ``.jsonl`` one a line (a value, or an object with the field ``actions_key``), ``.npz`` and ``.npy`` an array,
``.csv`` and ``.parquet`` one row a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from videovq.data.listing import files_below
from videovq.data.store import read_json
from videovq.data.video import frame_rate, video_pieces
from videovq.prep.sources.columns import KINDS
from videovq.prep.sources.contract import (
    OUTCOME_KEYS,
    Place,
    RawEpisode,
    Reader,
    identity,
    level_of,
    moved_back,
    split_in_path,
    stated_actions,
    stated_outcomes,
    stated_split,
    usual_names,
)
from videovq.types import ActionSpec, name_in_json

VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg")


class VideosReader(Reader):
    """See the module's docstring."""

    sidecars: tuple[str, ...] = (".json", ".jsonl", ".npz", ".npy", ".csv", ".parquet")
    declarable: tuple[str, ...] = ("fps", "action_names", "action_sizes", "actions_at", "actions_key", *OUTCOME_KEYS)

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        there = set(files)
        return any(
            path.with_suffix(ending) in there
            for path in files
            if path.suffix.lower() in VIDEOS
            for ending in cls.sidecars
        )

    def find(self, folder: Path, without: Path) -> dict[str, Place]:
        paths = files_below(folder, without)
        videos: dict[Path, Path] = {}
        for ending in VIDEOS:
            for path in paths:
                if path.suffix.lower() == ending and videos.setdefault(path.with_suffix(""), path) != path:
                    raise ValueError(
                        f"{path}: {videos[path.with_suffix('')].name} lies beside it and would be the same episode;"
                        " rename one"
                    )
        usual, there = self.sidecars[0], set(paths)
        lonely = {p.with_suffix("") for p in paths if p.suffix == usual}
        if not videos and not lonely:
            raise ValueError(f"{folder}: holds no NAME.mp4 beside a NAME{usual}")
        found = {}
        for stem in sorted({*videos, *lonely}):
            video = videos.get(stem, stem.with_name(f"{stem.name}.mp4"))
            beside = [stem.with_name(stem.name + ending) for ending in self.sidecars]
            sidecar = next((path for path in beside if path in there), beside[0])
            try:
                value = _object(sidecar) if sidecar.suffix == ".json" else {}
            except ValueError:
                value = {}  # reading the episode says what is wrong
            said = stated_split(value.get("split"), str(sidecar)) if stem in videos else ""  # else it is no sidecar
            level, around = value.get("level"), split_in_path(video, folder)
            found[identity(video, folder)] = Place(
                video,
                (video, sidecar),
                level=level_of(video) if level is None else str(level),
                split=said or around,
                told=bool(said and not around),
            )
        return found

    def _read(self, place: Place) -> RawEpisode:
        video, sidecar = place.files
        if sidecar.suffix == ".json":
            return self._read_json(video, sidecar)
        columns = KINDS[sidecar.suffix](sidecar, self.declared.actions_key)
        actions, spec = stated_actions(columns.actions(), self.declared, str(sidecar))
        outcomes = {
            setting: [columns.column(name, unknown=setting == "rewards_key") for name in names]
            for setting, names in usual_names(columns.names, self.declared, str(sidecar)).items()
        }
        return self._episode(video, sidecar, actions, spec, self.declared.fps or frame_rate(video), outcomes)

    def _read_json(self, video: Path, sidecar: Path) -> RawEpisode:
        value, key = _object(sidecar), self.declared.actions_key or "actions"
        if not isinstance(value.get(key), list):
            raise ValueError(f"{sidecar}: needs a list `{key}`")
        spec = _spec(value, sidecar)
        if spec is None:
            actions, spec = stated_actions(value[key], self.declared, f"{sidecar}: needs `action_spec`, or it")
        else:
            actions = spec.tensor(value[key], str(sidecar))
        fps = self.declared.fps or _field(sidecar, value, "fps", float)
        if fps <= 0:
            raise ValueError(f"{sidecar}: `fps` must be positive")
        there = [
            name for name, one in value.items() if isinstance(one, list) or (name == "rewards" and one is not None)
        ]
        names = usual_names(there, self.declared, str(sidecar))
        outcomes = {setting: [value[name] for name in some] for setting, some in names.items()}
        cuts, ends = (_field(sidecar, value, name, _numbers, ()) for name in ("discontinuities", "ends"))
        return self._episode(video, sidecar, actions, spec, fps, outcomes, cuts, ends)

    def _episode(
        self,
        video: Path,
        sidecar: Path,
        actions: Shaped[Tensor, "t a"],
        spec: ActionSpec,
        fps: float,
        columns: dict[str, list[Any]],
        cuts: Sequence[int] = (),
        ends: Sequence[int] = (),
    ) -> RawEpisode:
        """An episode with what its columns say came of its actions, and with what it says by frame numbers."""
        found = stated_outcomes(columns, len(actions), str(sidecar), self.before)
        return RawEpisode(
            lambda: video_pieces(video),
            moved_back(actions) if self.before else actions,
            spec,
            fps,
            (*cuts, *found["discontinuities"]),
            found["rewards"],
            tuple(sorted({*ends, *found["ends"]})),
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
    names = tuple(name_in_json(legend[str(i)], f"{path}: `action_legend`") for i in range(len(legend)))
    return ActionSpec("discrete", (len(legend),), names)


def _field(path: Path, value: dict[str, Any], name: str, kind: Callable[[Any], Any], default: Any = None) -> Any:
    found = value.get(name, default)
    if found is None:
        raise ValueError(f"{path}: needs `{name}`")
    try:
        return kind(found)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{path}: `{name}` is {found!r}, which it cannot be") from None


def _numbers(values: Any) -> list[int]:
    """Frame numbers, or those of the frames that are marked by a list of truth values."""
    if values and all(isinstance(value, bool) for value in values):
        return [t for t, value in enumerate(values) if value]
    if any(isinstance(value, bool) or value != int(value) for value in values):
        raise ValueError
    return [int(value) for value in values]
