"""Videos, actions beside them or not: ``NAME.mp4`` (.mkv, ...) and ``NAME.json``, .jsonl, .npz, .npy, .csv, .parquet.

The JSON holds ``actions`` (one a frame; action t leads to frame t + 1) and, where known, ``action_spec`` or
``action_legend`` (number -> name), ``fps``, ``level``, ``split``, ``discontinuities`` and ``ends`` (frame numbers), and
lists of one value a frame: ``rewards``, ``terminated``, ``truncated``, and ``poses`` of six numbers each (x, y, z,
pitch, yaw, roll; ``poses`` of another form mean something else, and are passed over). The other kinds hold actions,
and perhaps such columns: ``.jsonl`` one a line (a value, or an object with the field ``actions_key``), ``.npz`` and
``.npy`` an array, ``.csv`` and ``.parquet`` one row a frame. Where no video has actions beside it, they are episodes
without actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from videovq.data.columns import KINDS
from videovq.data.listing import files_below
from videovq.data.sidecars import SIDECARS, beside, json_object, listed_actions, refuse_declared
from videovq.data.store import POSE
from videovq.data.video import frame_rate, video_pieces
from videovq.errors import UserError
from videovq.prep.sources.contract import (
    OUTCOME_KEYS,
    Entry,
    RawEpisode,
    Reader,
    identity,
    level_of,
    split_in_path,
    stated_actions,
    stated_split,
    usual_names,
)
from videovq.prep.sources.images import ENDINGS as PICTURES
from videovq.types import ActionSpec, name_in_json

VIDEOS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg")
ABOUT_ACTIONS = ("action_names", "action_sizes", "actions_at", "actions_key", *OUTCOME_KEYS)


class VideosReader(Reader):
    """See the module's docstring."""

    sidecars: tuple[str, ...] = SIDECARS
    declarable: tuple[str, ...] = ("fps", *ABOUT_ACTIONS)
    may_lack_actions = True
    """Whether a folder whose videos all come without actions is such a recording, too."""

    @classmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        there = set(files)
        videos = [path for path in files if path.suffix.lower() in VIDEOS]
        if any(path in there for video in videos for path in beside(video, cls.sidecars)):
            return True
        pictures = sum(path.suffix.lower() in PICTURES for path in files)  # else they may be the videos' thumbnails
        return cls.may_lack_actions and len(videos) > 0 and len(videos) >= pictures

    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        paths = files_below(folder, without)
        videos: dict[Path, Path] = {}
        for ending in VIDEOS:
            for path in paths:
                if path.suffix.lower() == ending and videos.setdefault(path.with_suffix(""), path) != path:
                    raise UserError(
                        f"{path}: {videos[path.with_suffix('')].name} lies beside it and would be the same episode;"
                        " rename one"
                    )
        usual, there = self.sidecars[0], set(paths)
        lonely = {p.with_suffix("") for p in paths if p.suffix == usual}
        if not videos and not lonely:
            raise UserError(
                f"{folder}: holds no NAME.mp4" + ("" if self.may_lack_actions else f" beside a NAME{usual}")
            )
        found = {}
        for stem in sorted({*videos, *lonely}):
            video = videos.get(stem, stem.with_name(f"{stem.name}.mp4"))
            said = next(([path] for path in beside(video, self.sidecars) if path in there), [])
            try:
                value = json_object(said[0]) if said and said[0].suffix == ".json" else None
            except ValueError:
                value = None  # reading the episode says what is wrong
            split = (
                stated_split(value.get("split"), str(said[0])) if value and stem in videos else ""
            )  # else no sidecar
            level, around = value.get("level") if value else None, split_in_path(video, folder)
            found[identity(video, folder)] = Entry(
                video,
                (video, *said),
                level=level_of(video) if level is None else str(level),
                split=split or around,
                stated=bool(split and not around),
                actions=bool(said) and (value is None or self._tells_actions(value)),
            )
        acted = any(entry.actions for entry in found.values() if entry.path in there)
        if videos and self.may_lack_actions and not acted:
            why = f"no video in {folder} has actions beside it (NAME{', NAME'.join(self.sidecars)})"
            refuse_declared(self.declared, ABOUT_ACTIONS, why)
            return {id_: replace(entry, actions=False) for id_, entry in found.items() if entry.path in there}
        return {
            id_: replace(entry, actions=True, files=(*entry.files, beside(entry.path, self.sidecars)[0])[:2])
            for id_, entry in found.items()
        }

    def _tells_actions(self, value: dict[str, Any]) -> bool:
        """Whether a JSON holds actions; one that does not gives the rate, the level or the split of a video."""
        return not {self.declared.actions_key or "actions", "action_spec", "action_legend"}.isdisjoint(value)

    def _read(self, entry: Entry) -> RawEpisode:
        if not entry.actions:
            return self._read_silent(*entry.files)
        video, sidecar = entry.files
        if sidecar.suffix == ".json":
            return self._read_json(video, sidecar)
        columns = KINDS[sidecar.suffix](sidecar, self.declared.actions_key)
        actions, spec = stated_actions(columns.actions(), self.declared, str(sidecar))
        outcomes = {
            setting: [columns.column(name, unknown=setting == "rewards_key") for name in names]
            for setting, names in usual_names(columns.names, self.declared, str(sidecar)).items()
        }
        fps = self.declared.fps or frame_rate(video)
        return self.episode(lambda: video_pieces(video), actions, spec, fps, outcomes, str(sidecar))

    def _read_silent(self, video: Path, sidecar: Path | None = None) -> RawEpisode:
        """A video without actions; its JSON, where there is one, may state the rate and the breaks."""
        value, where = (json_object(sidecar), sidecar) if sidecar else ({}, video)
        cuts = (_field(where, value, name, _numbers, ()) for name in ("discontinuities", "ends"))
        said = self.declared.fps or (_positive_rate(value, where) if value.get("fps") is not None else 0.0)
        spec = ActionSpec("none")
        return RawEpisode(
            lambda: video_pieces(video),
            spec.tensor([], str(where)),
            spec,
            said or frame_rate(video),
            tuple(t for some in cuts for t in some),
        )

    def _read_json(self, video: Path, sidecar: Path) -> RawEpisode:
        value, key = json_object(sidecar), self.declared.actions_key or "actions"
        listed = listed_actions(value, key, sidecar)
        spec = _spec(value, sidecar)
        if spec is None:
            actions, spec = stated_actions(listed, self.declared, f"{sidecar}: needs `action_spec`, or it")
        else:
            actions = spec.tensor(spec.numbered(listed, str(sidecar)), str(sidecar))
        fps = self.declared.fps or _positive_rate(value, sidecar)
        there = [
            name for name, one in value.items() if isinstance(one, list) or (name == "rewards" and one is not None)
        ]
        names = usual_names(there, self.declared, str(sidecar))
        outcomes = {setting: [value[name] for name in some] for setting, some in names.items()}
        cuts, ends = (_field(sidecar, value, name, _numbers, ()) for name in ("discontinuities", "ends"))
        where = str(sidecar)
        episode = self.episode(lambda: video_pieces(video), actions, spec, fps, outcomes, where, cuts, ends)
        return replace(episode, poses=_poses(value.get("poses"), len(actions)))


def _spec(value: dict[str, Any], path: Path) -> ActionSpec | None:
    if value.get("action_spec") is not None:
        return ActionSpec.from_json(_field(path, value, "action_spec", dict))
    if value.get("action_legend") is None:
        return None
    legend = _field(path, value, "action_legend", dict)
    if sorted(legend) != sorted(str(i) for i in range(len(legend))):
        raise UserError(f"{path}: `action_legend` must name the actions 0 to {len(legend) - 1}")
    names = tuple(name_in_json(legend[str(i)], f"{path}: `action_legend`") for i in range(len(legend)))
    return ActionSpec("discrete", (len(legend),), names)


def _poses(said: Any, count: int) -> Float[Tensor, "t 6"] | None:
    """The poses of ``count`` frames; None: the value is something else."""
    try:
        found = torch.tensor(said, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        return None
    return found if found.shape == (count, POSE) and found.isfinite().all() else None


def _positive_rate(value: dict[str, Any], path: Path) -> float:
    fps = _field(path, value, "fps", float)
    if fps <= 0:
        raise UserError(f"{path}: `fps` must be positive")
    return fps


def _field(path: Path, value: dict[str, Any], name: str, kind: Callable[[Any], Any], default: Any = None) -> Any:
    found = value.get(name, default)
    if found is None:
        raise UserError(f"{path}: needs `{name}`")
    try:
        return kind(found)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{path}: `{name}` is {found!r}, which it cannot be") from None


def _numbers(values: Any) -> list[int]:
    """Frame numbers, or those of the frames that are marked by a list of truth values."""
    if values and all(isinstance(value, bool) for value in values):
        return [t for t, value in enumerate(values) if value]
    if any(isinstance(value, bool) or value != int(value) for value in values):
        raise UserError
    return [int(value) for value in values]
