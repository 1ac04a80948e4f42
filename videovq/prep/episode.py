"""Reading a recorded episode and converting it into what is stored."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from videovq.config import PrepConfig
from videovq.data.resize import resize
from videovq.data.store import POSE
from videovq.errors import UserError
from videovq.prep.plan import Plan, transformed
from videovq.prep.sources.contract import Entry
from videovq.prep.transform import merge_outcomes
from videovq.types import EpisodeInfo

SAME_RATE = 0.02  # cameras hold their rate no better: 29.97 and 30.02 frames a second are the same


@dataclass(frozen=True)
class Beside:
    """Per-frame data stored beside the frames of an episode; rewards and poses are NaN where they are not known."""

    actions: Shaped[Tensor, "t a"]
    rewards: Float[Tensor, "t"]
    poses: Float[Tensor, "t 6"]


@contextmanager
def naming(id_: str) -> Iterator[None]:
    """Add the episode's id to an exception that is no UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        error.add_note(f"in episode {id_}")
        raise


def read_episode(
    plan: Plan, id_: str, entry: Entry, keep: Callable[[UInt8[Tensor, "n h w c"]], None]
) -> tuple[EpisodeInfo, Beside, tuple[int, int]]:
    """Read one episode as it will be stored, and the height and width of its frames as they were recorded.

    Args:
        keep: takes its frames, some at a time, and perhaps a few more after them.

    Raises:
        UserError: why it cannot be used.
    """
    config, raw = plan.config, plan.reader.read(entry)
    if raw.action_spec != plan.recorded:
        raise UserError(f"{entry.files[-1]}: its actions differ from the other episodes'")
    if not math.isclose(raw.fps, plan.fps, rel_tol=SAME_RATE):
        raise UserError(
            f"{entry.files[-1]}: {raw.fps} frames/s, but the other episodes have {plan.fps}; convert it, or say what"
            " all have: declare.fps"
        )
    count, size = 0, (0, 0)
    for piece in raw.frames():
        chosen = piece[-count % config.frame_step :: config.frame_step]
        count += len(piece)
        size = (piece.shape[1], piece.shape[2])
        if len(chosen):
            keep(resize(chosen, config.frame_size, config.fit, str(entry.path)))
    recorded = raw.actions if raw.action_spec.kind != "none" else raw.actions.new_empty((count, 0))
    if count != len(recorded):
        raise UserError(f"{entry.files[-1]}: {len(recorded)} actions, but {entry.path.name} has {count} frames")
    rewards = torch.full((count,), torch.nan) if raw.rewards is None else raw.rewards
    if len(rewards) != count:
        raise UserError(f"{entry.files[-1]}: {len(rewards)} rewards, but {entry.path.name} has {count} frames")
    if count < config.frame_step:
        raise UserError(f"{entry.path}: has {count} frame(s), fewer than frame_step {config.frame_step}")
    length = count // config.frame_step
    actions = transformed(plan, recorded)[1]
    rewards, ends = merge_outcomes(rewards, raw.ends, raw.discontinuities, config.frame_step)
    cuts = sorted({t // config.frame_step for t in raw.discontinuities if t < length * config.frame_step})
    info = EpisodeInfo(
        id=id_,
        split="",
        shard=0,
        start=0,
        length=length,
        level=entry.level,
        source=id_ + (entry.path.suffix if not entry.key else ""),
        sha256=digest(entry.path),
        discontinuities=tuple(cuts),
        ends=ends,
        rewards=raw.rewards is not None,
    )
    poses = torch.full((count, POSE), torch.nan) if raw.poses is None else raw.poses
    seen_from = poses[:: config.frame_step][:length]
    return info, Beside(actions, rewards, seen_from), size


def pieces(info: EpisodeInfo, config: PrepConfig, part: slice | None = None) -> list[tuple[EpisodeInfo, slice]]:
    """The parts of an episode that are stored as episodes: all of it, or what lies between discontinuities, or so many
    frames at a time.

    Args:
        part: the frames that may be stored; None: all.

    Raises:
        UserError: none is long enough.
    """
    first, stop = (part.start, part.stop) if part else (0, info.length)
    inner = [t + 1 for t in info.discontinuities if first < t + 1 < stop] if config.cut else []
    stretches = list(pairwise([first, *inner, stop]))
    if config.cut_every:
        stretches = [(at, min(at + config.cut_every, end)) for start, end in stretches
                     for at in range(start, end, config.cut_every)]  # fmt: skip
    found = []
    for number, (start, end) in enumerate(stretches):
        if end - start >= config.shortest:
            name = f"{info.id}/{number:03d}" if config.cut or config.cut_every else info.id
            cuts, over = (
                tuple(t - start for t in some if start <= t < end) for some in (info.discontinuities, info.ends)
            )
            piece = replace(info, id=name, length=end - start, discontinuities=cuts, ends=over)
            found.append((piece, slice(start, end)))
    if not found:
        raise UserError(f"{info.source}: has {info.length} frames and no {config.shortest} without a break in a row")
    return found


@lru_cache(maxsize=4)
def digest(path: Path) -> str:
    """sha256 of a file; many episodes may lie in one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
