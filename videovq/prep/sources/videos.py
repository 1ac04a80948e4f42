"""Reader of a folder of videos: ``NAME.mp4`` beside ``NAME.json``.

The JSON holds ``actions`` (one a frame; action t leads to frame t + 1) and, where known, ``action_spec`` or
``action_legend`` (number -> name), ``fps``, ``level``, ``split`` and ``discontinuities``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videovq.data.store import read_json
from videovq.types import ActionSpec

ALIGNMENT = "action t is taken after frame t and leads to frame t + 1"


@dataclass(frozen=True)
class Sidecar:
    """What the JSON beside a video says."""

    actions: list[Any]
    action_spec: ActionSpec
    fps: float
    level: str
    split: str
    discontinuities: tuple[int, ...]


def find_videos(folder: Path, without: Path) -> dict[str, Path]:
    """Every ``.mp4`` or ``.json`` below a folder that could be an episode: id -> path without ending, in order.

    Args:
        without: a folder that is left out, where it lies within the other.

    Raises:
        ValueError: the folder is missing, or holds none.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give the folder of your NAME.mp4 + NAME.json episodes")
    paths = [path for ending in ("mp4", "json") for path in folder.rglob(f"*.{ending}")]
    stems = {path.with_suffix("") for path in paths if without not in path.parents}
    if not stems:
        raise ValueError(f"{folder}: holds no NAME.mp4 beside a NAME.json")
    return {stem.relative_to(folder).as_posix(): stem for stem in sorted(stems)}


def read_sidecar(path: Path) -> Sidecar:
    """Read and check the JSON beside a video.

    Raises:
        ValueError: it is missing, broken, or lacks a field.
    """
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("actions"), list):
        raise ValueError(f"{path}: needs a list `actions`")
    if value.get("action_spec") is not None:
        spec = ActionSpec.from_json(_field(path, value, "action_spec", dict))
    elif value.get("action_legend") is not None:
        legend = _field(path, value, "action_legend", dict)
        if sorted(legend) != sorted(str(i) for i in range(len(legend))):
            raise ValueError(f"{path}: `action_legend` must name the actions 0 to {len(legend) - 1}")
        spec = ActionSpec("discrete", (len(legend),), tuple(str(legend[str(i)]) for i in range(len(legend))))
    else:
        raise ValueError(f"{path}: needs `action_spec` or `action_legend`")
    fps = _field(path, value, "fps", float)
    if fps <= 0:
        raise ValueError(f"{path}: `fps` must be positive")
    cuts = tuple(int(t) for t in _field(path, value, "discontinuities", list, ()))
    return Sidecar(
        actions=value["actions"],
        action_spec=spec,
        fps=fps,
        level=str(value.get("level", "")),
        split=str(value.get("split", "")),
        discontinuities=cuts,
    )


def _field(path: Path, value: dict[str, Any], name: str, kind: Callable[[Any], Any], default: Any = None) -> Any:
    found = value.get(name, default)
    if found is None:
        raise ValueError(f"{path}: needs `{name}`")
    try:
        return kind(found)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: `{name}` is {found!r}, which it cannot be") from None
