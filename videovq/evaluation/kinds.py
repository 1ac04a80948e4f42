"""Kinds of motion between frames: turning on the spot, walking, both, neither. From recorded poses, or else from the
names of the actions.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from videovq.data.store import EpisodeStore
from videovq.data.windows import segments
from videovq.evaluation.bootstrap import horizon_summary
from videovq.types import ActionSpec

PITCH, YAW = 3, 4  # indices in a pose
TURNED = 1.0  # degrees: the least change of yaw or pitch that counts as a turn
WALKED = 0.1  # of a usual step: the least distance that counts as walking
TURNS = {"look", "turn", "rotate"}
WALKS = {"forward", "backward", "back", "strafe", "move", "walk"}
STANDS = {"noop", "stand", "stay"}
KINDS = ("turning on the spot", "walking", "turning and walking", "standing")


def wrap_degrees(degrees: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Differences of angles within -180 and 180 degrees."""
    return (degrees + 180) % 360 - 180


def usual_step(store: EpisodeStore, split: str) -> float:
    """The median distance from frame to frame, in units of the world, wherever there is one; 0 where nothing moves, nan
    where no poses are recorded.
    """
    moved = [
        (poses[1:, :3] - poses[:-1, :3]).norm(dim=1)
        for info in store.split(split)
        for start, stop in segments(info)
        for poses in [store.poses(info, start, stop)]
    ]
    known = torch.cat(moved)
    known = known[known.isfinite()]
    if not len(known):
        return float("nan")
    return float(known[known > 0].median()) if (known > 0).any() else 0.0


def motion_of_poses(
    poses: Float[Tensor, "*b t 6"], usual: float
) -> tuple[Bool[Tensor, "*b s"], Bool[Tensor, "*b s"], Bool[Tensor, "*b s"]]:
    """Whether one turned (in yaw or pitch), whether one walked, and whether that is known, from each frame to the next.

    Args:
        usual: see :func:`usual_step`.
    """
    change = poses[..., 1:, :] - poses[..., :-1, :]
    turned = (wrap_degrees(change[..., [PITCH, YAW]]).abs() > TURNED).any(dim=-1)
    walked = change[..., :3].norm(dim=-1) > WALKED * usual
    return turned, walked, change.isfinite().all(dim=-1)


def motion_of_actions(spec: ActionSpec) -> tuple[Bool[Tensor, "k"], Bool[Tensor, "k"]] | None:
    """Whether each discrete action turns, and whether it walks, by the words of its name, which DeepMind Lab's and
    ViZDoom's have; None where a name says neither, nor that it stands.
    """
    words = [set(name.lower().replace("+", "_").split("_")) for name in spec.names]
    if not words or any(not some & (TURNS | WALKS | STANDS) for some in words):
        return None
    turns, walks = (torch.tensor([bool(some & kind) for some in words]) for kind in (TURNS, WALKS))
    return turns, walks


def kinds_of_motion(
    turned: Bool[Tensor, "w n"], walked: Bool[Tensor, "w n"], known: Bool[Tensor, "w n"]
) -> Int64[Tensor, "w n"]:
    """The kind of motion (an index into ``KINDS``) from the last context frame to each horizon; -1 where a step is not
    known.

    Args:
        turned, walked, known: of the step that leads to each horizon.
    """
    ever_turned, ever_walked, always = turned.cumsum(1) > 0, walked.cumsum(1) > 0, known.cumprod(1) > 0
    kind = torch.where(ever_turned, torch.where(ever_walked, 2, 0), torch.where(ever_walked, 1, 3))
    return torch.where(always, kind, -1)


def kinds_of_windows(
    poses: Float[Tensor, "w t 6"], actions: Shaped[Tensor, "w t a"], spec: ActionSpec, context: int, usual: float
) -> tuple[Int64[Tensor, "w n"], str] | None:
    """The kind of motion of every horizon of every window, and its source: ``poses``, or ``actions`` where
    no poses are recorded. None: it is not known.

    Args:
        context: number of context frames.
        usual: see :func:`usual_step`.
    """
    if poses.isfinite().any():
        return kinds_of_motion(*motion_of_poses(poses[:, context - 1 :], usual)), "poses"
    kinds = motion_of_actions(spec)
    if kinds is None:
        return None
    taken = actions[:, context - 1 : -1, 0]
    turned, walked = (kind[taken] for kind in kinds)
    return kinds_of_motion(turned, walked, torch.ones_like(turned)), "actions"


def by_kind(
    values: Float[Tensor, "w n"], kinds: Int64[Tensor, "w n"], episodes: Int64[Tensor, "w"], seed: int
) -> dict[str, dict[str, Any]]:
    """Kind of motion -> a summary by horizon of a measure of the windows of that kind, and ``windows``, how many they
    are at each horizon; kinds that do not occur are left out.
    """
    found = {}
    for number, name in enumerate(KINDS):
        mask = kinds == number
        if mask.any():
            one = horizon_summary(torch.where(mask, values, 0), episodes, seed, mask.float())
            found[name] = {**one, "windows": mask.sum(dim=0).tolist()}
    return found


def turned_since(poses: Float[Tensor, "w t 6"], kinds: Int64[Tensor, "w n"], context: int) -> Float[Tensor, "w n"]:
    """Degrees turned from the last context frame to each horizon, growing to the left; nan where that is not all that
    was done, or one looks up or down.
    """
    since = poses[:, context - 1 :]
    degrees = wrap_degrees(since[:, 1:, YAW] - since[:, :-1, YAW]).cumsum(dim=1)
    level = (wrap_degrees(since[..., PITCH]).abs() < TURNED).all(dim=1, keepdim=True)
    return torch.where((kinds == KINDS.index("turning on the spot")) & level, degrees, torch.nan)


def degrees_a_step(store: EpisodeStore, split: str, action: int) -> float:
    """The mean change of yaw, in degrees to the left, of steps in which a discrete action was held; nan where that was
    not recorded.
    """
    found = []
    for info in store.split(split):
        for start, stop in segments(info):
            yaw, actions = store.poses(info, start, stop)[:, YAW], store.read(info, start, stop).actions[:, 0]
            held = (actions[1:-1] == action) & (actions[:-2] == action)
            found.append(wrap_degrees(yaw[2:] - yaw[1:-1])[held])
    known = torch.cat(found)
    known = known[known.isfinite()]
    return float(known.mean()) if len(known) else float("nan")
