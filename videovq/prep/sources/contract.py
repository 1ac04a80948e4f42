"""The contract of readers of recorded episodes, and what several of them share."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.data.listing import files_below, folder_name, refuse_pointers
from videovq.data.sidecars import moved_back
from videovq.errors import UserError
from videovq.types import ActionSpec, breaks

OUTCOME_KEYS = ("rewards_key", "ends_key", "breaks_key")
PIXEL_KEYS = ("frames_range", "channels")
USUAL = {  # names under which recordings keep the outcomes of actions
    "rewards_key": ("reward", "rewards"),
    "ends_key": ("terminated", "terminals", "terminations"),
    "breaks_key": ("truncated", "truncations", "timeout", "timeouts", "done", "dones"),
}
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SPLIT_FOLDERS = ("train", "val", "valid", "validation", "test")
AFTER = "action t is taken after frame t and leads to frame t + 1"
BEFORE = "action t led to frame t; moved one frame back, the last one repeated"
WITHOUT = "no actions were recorded"


@dataclass(frozen=True)
class Entry:
    """The index entry of a recorded episode: where it is, and what is known of it before it is read.

    Attributes:
        path: of its file, or of the first of them.
        key: which of the episodes in the file, where it holds several.
        level: name of the level, or whatever tells kinds of episodes apart.
        split: ``train``, ``val`` or ``test`` where the recording says so, or else a folder; empty: neither does.
        files: everything that it is read from.
        stated: whether only the recording says ``split``, while no folder on its way names one.
        actions: whether any were recorded.
    """

    path: Path
    files: tuple[Path, ...]
    key: str = ""
    level: str = ""
    split: str = ""
    stated: bool = False
    actions: bool = True


@dataclass(frozen=True)
class RawEpisode:
    """An episode as it was recorded, its actions already beside the frame that they were taken after.

    Attributes:
        frames: opens the frames: RGB, in pieces of any length, so that no episode need fit into memory.
        actions: one a frame; none at all where their kind is ``none``, also before their number is known.
        fps: frames a second.
        discontinuities: every t where frame t + 1 does not follow from action t, as at every end that a frame follows.
        rewards: earned with each action, NaN where that is not known; None: nothing is known of rewards.
        ends: every t where the world ended with action t; what follows belongs to no world, up to a discontinuity.
        poses: x, y, z, pitch, yaw and roll of every frame; None: not known.
    """

    frames: Callable[[], Iterator[UInt8[Tensor, "n h w c"]]]
    actions: Shaped[Tensor, "t a"]
    action_spec: ActionSpec
    fps: float
    discontinuities: tuple[int, ...] = ()
    rewards: Float[Tensor, "rewards"] | None = None  # prep says where they are not as many as frames
    ends: tuple[int, ...] = ()
    poses: Float[Tensor, "t 6"] | None = None

    def __post_init__(self) -> None:
        length = sys.maxsize if self.action_spec.kind == "none" else len(self.actions)
        object.__setattr__(self, "discontinuities", breaks(self.discontinuities, self.ends, length))


class Reader(ABC):
    """A format of recorded episodes. Readers travel to other processes, so they keep plain values only.

    Args:
        declared: what the user says of the recordings.
    """

    actions_at: str = "after"
    """Whether the format keeps an action beside the frame after which it was taken, or ``before`` which."""

    index: tuple[str, ...] = (".json", ".jsonl", ".csv", ".parquet")
    """Endings of the files that ``recognises`` and ``find`` look into."""

    declarable: tuple[str, ...] = tuple(
        name for name in DeclareConfig.__dataclass_fields__ if name not in (*OUTCOME_KEYS, *PIXEL_KEYS)
    )
    """The fields of ``declare`` that such recordings use; any other would have no effect."""

    def __init__(self, declared: DeclareConfig) -> None:
        self.declared = declared

    @property
    def before(self) -> bool:
        """Whether actions are stored beside the frames they led to, as the user or else the format says."""
        return (self.declared.actions_at or self.actions_at) == "before"

    @property
    def alignment(self) -> str:
        """The alignment of actions and frames in the source, and how it is normalised."""
        return BEFORE if self.before else AFTER

    @classmethod
    @abstractmethod
    def recognises(cls, folder: Path, files: Sequence[Path]) -> bool:
        """Whether a folder looks like this format by the files in it; opens one or two of them at most."""

    @abstractmethod
    def find(self, folder: Path, without: Path) -> dict[str, Entry]:
        """Every episode below a folder: id -> entry, in order. An id is a path below the folder, without an ending.

        An episode that is broken is found all the same: reading it says why.

        Args:
            without: a folder that is left out, where it lies within the other.

        Raises:
            UserError: the folder holds none.
        """

    def read(self, entry: Entry) -> RawEpisode:
        """Read one episode, all but its frames.

        Raises:
            UserError: what is wrong with it.
        """
        refuse_pointers(entry.files)
        return self._read(entry)

    @abstractmethod
    def _read(self, entry: Entry) -> RawEpisode:
        """Read one episode whose files are no pointers."""

    def episode(
        self,
        frames: Callable[[], Iterator[UInt8[Tensor, "n h w c"]]],
        actions: Shaped[Tensor, "t a"],
        spec: ActionSpec,
        fps: float,
        columns: dict[str, list[Any]],
        where: str,
        cuts: Sequence[int] = (),
        ends: Sequence[int] = (),
    ) -> RawEpisode:
        """An episode with actions and outcomes as they are stored, beside the frames before or after them.

        Args:
            columns: setting -> the columns that :func:`usual_names` found, one value a frame in each.
            cuts, ends: frame numbers of discontinuities and ends that are known otherwise.
        """
        found = stated_outcomes(columns, len(actions), where, self.before)
        found["discontinuities"] += tuple(cuts)
        found["ends"] = tuple(sorted({*ends, *found["ends"]}))
        return RawEpisode(frames, moved_back(actions) if self.before else actions, spec, fps, **found)


def files_that_end(folder: Path, endings: tuple[str, ...], without: Path) -> list[Path]:
    """Every file with one of the endings, in small or capital letters, in order.

    Args:
        endings: one that starts with a slash is a whole name.

    Raises:
        UserError: there is none.
    """
    wanted = tuple(ending.lower() for ending in endings)
    paths = [path for path in files_below(folder, without) if f"/{path.name.lower()}".endswith(wanted)]
    if not paths:
        raise UserError(f"{folder}: holds no file that ends in {' or '.join(ending.strip('/') for ending in endings)}")
    return paths


def identity(path: Path, folder: Path) -> str:
    """The id of an episode that has a file of its own: its path below the folder, without the ending."""
    return path.relative_to(folder).with_suffix("").as_posix()


def level_of(path: Path) -> str:
    """The level of an episode whose recording does not say it: the folder that its file, or its own folder, lies in."""
    return folder_name((path if path.name not in ("", "..") else path.resolve()).parent)


def split_in_path(path: Path, folder: Path) -> str:
    """The split that a folder on the way to a file names, the outermost first; empty: none does."""
    parts = (part.lower() for part in path.relative_to(folder).parts[:-1])
    return next((SPLIT_WORDS[part] for part in parts if part in SPLIT_FOLDERS), "")


def stated_split(said: Any, where: str) -> str:
    """The split that a recording says; empty: it says nothing.

    Raises:
        UserError: a name that is not known: an episode that was put aside must not be trained on.
    """
    if said is None or said == "":
        return ""
    if not isinstance(said, str) or said.strip().lower() not in SPLIT_WORDS:
        raise UserError(f"{where}: `split` is {said!r}; it may be {', '.join(SPLIT_WORDS)}")
    return SPLIT_WORDS[said.strip().lower()]


def stated_actions(values: Any, declared: DeclareConfig, where: str) -> tuple[Shaped[Tensor, "t a"], ActionSpec]:
    """Actions of recordings that hold their numbers only: what they mean is declared, or they are continuous.

    The spec of a continuous action is left unmeasured (mean 0, standard deviation 1): ``prep`` measures it.

    Args:
        values: one number an action, or several; or the names of declared actions.

    Raises:
        UserError: names or whole numbers whose meaning was not declared, or values that do not fit what was declared.
    """
    listed = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind == "U" else values
    names = listed if isinstance(listed, list) and any(isinstance(one, str) for one in listed) else []
    sizes = [len(declared.action_names)] if declared.action_names else declared.action_sizes
    if names and declared.action_names:
        spec = ActionSpec("discrete", tuple(sizes), tuple(declared.action_names))
        return spec.tensor(spec.numbered(names, where), where), spec
    if names:
        found = ",".join(sorted({str(one) for one in names}))
        raise UserError(f"{where}: its actions are names; say which there are: declare.action_names '[{found}]'")
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{where}: actions are not rows of as many numbers each") from None
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        raise UserError(f"{where}: actions of shape {array.shape}; one row a frame is needed")
    rows = array[:, None] if array.ndim == 1 else array
    if sizes:
        kind: Literal["discrete", "multi_discrete"] = "discrete" if len(sizes) == 1 else "multi_discrete"
        spec = ActionSpec(kind, tuple(sizes), tuple(declared.action_names))
    elif np.isfinite(rows).all() and (rows == rows.round()).all():
        raise UserError(
            f"{where}: does not say what its actions mean; give declare.action_names '[noop,left,...]' or"
            " declare.action_sizes '[9]'"
        )
    else:
        spec = ActionSpec("continuous", mean=(0.0,) * rows.shape[1], std=(1.0,) * rows.shape[1])
    return spec.tensor(rows.tolist(), where), spec


def usual_names(there: Collection[str], declared: DeclareConfig, where: str) -> dict[str, list[str]]:
    """Names of the columns of outcomes: setting -> those that were declared, or those of a usual name.

    Breaks may have several usual names at once, rewards and ends have the first.

    Args:
        there: names of all columns.

    Raises:
        UserError: what was declared is not there.
    """
    found = {}
    for setting, usual in USUAL.items():
        said = getattr(declared, setting)
        if said and said not in there:
            raise UserError(f"{where}: no {said!r}, only {', '.join(there)}; see declare.{setting}")
        known = [said] if said else [name for name in usual if name in there]
        found[setting] = known if setting == "breaks_key" else known[:1]
    return found


def stated_outcomes(columns: dict[str, list[Any]], count: int, where: str, before: bool = False) -> dict[str, Any]:
    """``rewards``, ``ends`` and ``discontinuities`` of a RawEpisode.

    Args:
        columns: setting -> the columns that :func:`usual_names` found, one value a frame in each.
        count: number of frames.
        before: whether values are stored beside the frame that they came with, as actions are.

    Raises:
        UserError: they are not what they should be.
    """
    rewards = [stated_rewards(one, where, before) for one in columns["rewards_key"]]
    ended = {t for one in columns["ends_key"] for t in _stated_truths(one, count, f"{where}: ends")}
    broken = {t for one in columns["breaks_key"] for t in _stated_truths(one, count, f"{where}: breaks")}
    return {
        "rewards": rewards[0] if rewards else None,
        "ends": tuple(sorted(t - before for t in ended if t >= before)),
        # A frame with which the world ended is the last of it, and a frame that is the last is so however actions lie.
        "discontinuities": tuple(sorted(broken | ended)),
    }


def stated_rewards(values: Any, where: str, before: bool = False) -> Float[Tensor, "t"]:
    """Rewards of recordings, each put beside the frame after which it was earned.

    Args:
        values: one a frame; None or NaN: not known.
        before: whether they are stored beside the frame that they came with.

    Raises:
        UserError: they are not numbers, or one is infinite.
    """
    try:
        found = torch.from_numpy(np.asarray(values, dtype=np.float64)).float().squeeze()
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: rewards are not one number a frame") from None
    found = found.reshape(-1) if found.ndim == 0 else found
    if found.ndim != 1 or found.isinf().any():  # also what was too large for float32
        raise UserError(f"{where}: rewards are not one finite number a frame")
    return torch.cat([found[1:], found.new_full((1,), torch.nan)]) if before else found


def _stated_truths(values: Any, count: int, where: str) -> list[int]:
    """Every t where a column of truth values, or of zeros and ones, holds one."""
    try:
        found = np.asarray(values, dtype=np.float64).reshape(count)
        if np.isin(found, (0, 1)).all():
            return np.flatnonzero(found).tolist()
    except (TypeError, ValueError, OverflowError):
        pass
    raise UserError(f"{where} are not one 0 or 1 a frame")


def unordered_pictures(frames: Callable[[], Iterator[UInt8[Tensor, "n h w c"]]], count: int) -> RawEpisode:
    """An episode of pictures without actions, each followed by a discontinuity."""
    spec = ActionSpec("none")
    return RawEpisode(frames, spec.tensor([[]] * count, ""), spec, 1.0, tuple(range(count - 1)))


def declared_fps(declared: DeclareConfig, where: str) -> float:
    """Frames a second of recordings that do not say so themselves.

    Raises:
        UserError: the user did not say so either.
    """
    if declared.fps <= 0:
        raise UserError(f"{where}: does not say how many frames a second it has; give declare.fps")
    return declared.fps
