"""Sidecars: files beside a video with its actions: ``NAME.json``, .jsonl, .npz, .npy, .csv, .parquet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from videovq.config import DeclareActionsConfig
from videovq.data.columns import KINDS
from videovq.data.listing import refuse_pointers
from videovq.data.store import read_json
from videovq.errors import UserError
from videovq.types import ActionSpec

SIDECARS = (".json", *KINDS)
DECLARABLE = tuple(DeclareActionsConfig.__dataclass_fields__)


def beside(video: Path, endings: tuple[str, ...] = SIDECARS) -> list[Path]:
    """Paths at which a video may have its sidecar, in order of precedence."""
    stem = video.with_suffix("")
    return [stem.with_name(stem.name + ending) for ending in endings]


def json_object(path: Path) -> dict[str, Any]:
    """A sidecar in JSON.

    Raises:
        UserError: it is missing or broken, or holds something else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: needs a list `actions`")
    return value


def listed_actions(value: dict[str, Any], key: str, path: Path) -> list[Any]:
    """The actions of a sidecar in JSON.

    Raises:
        UserError: there are none.
    """
    if not isinstance(value.get(key), list):
        raise UserError(f"{path}: needs a list `{key}`")
    return value[key]


def moved_back(actions: Shaped[Tensor, "t a"]) -> Shaped[Tensor, "t a"]:
    """Actions moved one frame back: from the frame that each led to, to the frame after which it was taken.

    The action after the last frame is unknown and leads to no frame: it repeats the one before.
    """
    return actions[[*range(1, len(actions)), len(actions) - 1]] if len(actions) else actions


def refuse_declared(declared: DeclareActionsConfig, fields: Iterable[str], why: str) -> None:
    """Refuse what is declared of actions that are not there.

    Raises:
        UserError: one of the fields is set.
    """
    for field in fields:
        if getattr(declared, field):
            raise UserError(f"declare.{field}: has no effect, since {why}; leave it out")


def known_actions(video: Path, spec: ActionSpec, declared: DeclareActionsConfig) -> Shaped[Tensor, "s a"] | None:
    """The actions beside a video whose meaning is known, each beside the frame it was taken after; None: no file lies
    beside it.

    Raises:
        UserError: they cannot be read, or do not fit ``spec``.
    """
    path = next((one for one in beside(video) if one.is_file()), None)
    if path is None:
        refuse_declared(declared, DECLARABLE, f"{video} has no actions beside it")
        return None
    refuse_pointers([path])
    if path.suffix == ".json":
        values = listed_actions(json_object(path), declared.actions_key or "actions", path)
    else:
        values = KINDS[path.suffix](path, declared.actions_key).actions()
    actions = spec.tensor(spec.numbered(values, str(path)), str(path))
    return moved_back(actions) if declared.actions_at == "before" else actions
