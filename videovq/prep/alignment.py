"""Are the actions beside the right frames? What moves the picture sideways says so.

The picture's motion from frame t to frame t + 1 is the doing of the action between them. Beside the right actions, it
is explained best; beside those of one step earlier or later, less well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from videovq.types import ActionSpec

SHIFTS = range(-2, 3)
CLEAR = 0.02  # of the motion's variance: by less than this, no shift is better than another


@dataclass(frozen=True)
class Alignment:
    """How well the actions explain the motion, at every shift.

    Attributes:
        explained: shift -> part of the motion's variance that the actions explain when the one ``shift`` steps later is
            paired with the motion from frame t to frame t + 1.
        pairs: number of pairs of frames.
    """

    explained: dict[int, float]
    pairs: int

    @property
    def best(self) -> int:
        """The shift that explains most: 0 where the actions are right; 1 where each comes a step too late."""
        return max(self.explained, key=lambda shift: self.explained[shift])

    @property
    def margin(self) -> float:
        """By how much it explains more than the next best."""
        first, second = sorted(self.explained.values(), reverse=True)[:2]
        return first - second

    def verdict(self) -> str:
        """One line for people."""
        if not self.pairs or self.explained[self.best] < CLEAR:
            return "the actions hardly move the picture sideways: their alignment cannot be told"
        if self.margin < CLEAR:
            return f"shift {self.best} explains most of the motion, but no more than {self.margin:.3f} more: not clear"
        ours, others = (f"{self.explained[shift]:.0%} of the sideways motion" for shift in (0, self.best))
        if self.best == 0:
            return f"the actions are beside the right frames: they explain {ours}"
        word = "late" if self.best > 0 else "early"
        steps = f"{abs(self.best)} step(s)"
        return f"WARNING: the actions seem to come {steps} too {word}: moved back, they explain {others}; now {ours}"


def alignment(
    motions: Sequence[Int64[Tensor, "_"]],
    actions: Sequence[Shaped[Tensor, "_ a"]],
    cuts: Sequence[Sequence[int]],
    spec: ActionSpec,
    limit: int,
) -> Alignment:
    """Compare motion and actions of some episodes.

    Args:
        motions: columns by which the picture moved, from every frame to the next.
        actions: of each frame.
        cuts: every t where frame t + 1 does not follow from frame t.
        limit: largest motion in columns that is believed; the others are left out.
    """
    explained, number = {}, 0
    reach = max(abs(shift) for shift in SHIFTS)
    for shift in SHIFTS:
        moved, beside = [], []
        for motion, action, breaks in zip(motions, actions, cuts, strict=True):
            places = torch.arange(reach, max(reach, len(motion) - reach))
            places = places[~torch.isin(places, torch.tensor(list(breaks), dtype=torch.int64))]
            places = places[motion[places].abs() <= limit]
            moved.append(motion[places])
            beside.append(action[places + shift])
        target, given = torch.cat(moved).double(), torch.cat(beside)
        number = len(target)
        parts = [_explained(target, given[:, i], spec.kind == "continuous") for i in range(given.shape[1])]
        explained[shift] = max(parts, default=0.0)
    return Alignment(explained, number)


def _explained(target: Float[Tensor, "n"], given: Shaped[Tensor, "n"], continuous: bool) -> float:
    """Part of the variance that groups of equal actions explain, or a line through real-valued ones."""
    total = target.var(correction=0) if len(target) else torch.tensor(0.0)
    if total == 0:
        return 0.0
    if continuous:
        x = given.double() - given.double().mean()
        spread = x.pow(2).mean()
        return 0.0 if spread == 0 else float((x * (target - target.mean())).mean() ** 2 / (spread * total))
    groups, member = given.unique(return_inverse=True)
    sizes = torch.bincount(member, minlength=len(groups)).double()
    means = torch.zeros(len(groups), dtype=torch.float64).index_add_(0, member, target) / sizes
    return float((sizes * (means - target.mean()) ** 2).sum() / len(target) / total)
