"""Whether actions are aligned with frames, judged by the horizontal motion of the picture.

The action between frame t and frame t + 1 causes the motion between them: aligned actions explain it best, those of a
step earlier or later less well. The confidence comes from drawing stretches of the recordings anew (bootstrap, Efron
1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from videovq.types import ActionSpec

SHIFTS = range(-2, 3)
CLEAR = 0.02  # of the motion's variance: by less than this, no shift is better than another
WRONG = 0.1  # by less than this, actions that another shift explains better are not called misplaced
FACTOR = 1.25  # nor where it explains less than so many times as much: things keep moving after an action, too
SURE = 0.99  # part of the resamples in which it must be so
STRETCH = 32  # pairs of frames that are drawn together: actions are held, so neighbours say the same
RESAMPLES = 1000


@dataclass(frozen=True)
class Alignment:
    """How well the actions explain the motion, at every shift.

    Attributes:
        explained: shift -> part of the motion's variance that the actions explain when the one ``shift`` steps later is
            paired with the motion from frame t to frame t + 1.
        pairs: number of pairs of frames.
        confidence: part of the resampled recordings in which the best shift is the best too or, where it is not 0,
            explains more than 0 does by as much as a warning asks for.
    """

    explained: dict[int, float]
    pairs: int
    confidence: float

    @property
    def best(self) -> int:
        """The shift that explains most: 0 where the actions are right; 1 where each comes a step too late."""
        return max(self.explained, key=lambda shift: self.explained[shift])

    @property
    def margin(self) -> float:
        """How much more of the variance it explains than the next best."""
        first, second = sorted(self.explained.values(), reverse=True)[:2]
        return first - second

    def verdict(self) -> str:
        """The alignment in one line of text."""
        if not self.pairs or self.explained[self.best] < CLEAR:
            return "the actions hardly move the picture sideways: their alignment cannot be told"
        ours, others = (f"{self.explained[shift]:.0%} of the sideways motion" for shift in (0, self.best))
        sure = f"confidence {self.confidence:.1%} by bootstrap, {self.pairs} pairs of frames"
        if self.best == 0 and self.margin >= CLEAR and self.confidence >= SURE:
            return f"the actions are beside the right frames: they explain {ours} ({sure})"
        if self.best != 0 and self.confidence >= SURE:
            word, back = ("late", "back") if self.best > 0 else ("early", "on")
            unless = (
                ""
                if self.best > 0
                else "; unless what an action does shows that much later, as where things have inertia"
            )
            return (
                f"WARNING: the actions seem to come {abs(self.best)} step(s) too {word}: moved {back}, they explain"
                f" {others}; now {ours} ({sure}){unless}"
            )
        if self.best == 0:
            return f"the actions explain {ours}, but hardly more than they would elsewhere: not clear ({sure})"
        return f"shift {self.best} explains {others}, none {ours}: too little between them to tell ({sure})"


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
    reach = max(abs(shift) for shift in SHIFTS)
    indices = []
    for motion, breaks in zip(motions, cuts, strict=True):
        some = torch.arange(reach, max(reach, len(motion) - reach))
        some = some[~torch.isin(some, torch.tensor(list(breaks), dtype=torch.int64))]
        indices.append(some[motion[some].abs() <= limit])
    target = torch.cat([motion[some] for motion, some in zip(motions, indices, strict=True)]).double()
    stretches = [torch.arange(len(some)) // STRETCH for some in indices]
    before = torch.tensor([0, *(int(one[-1]) + 1 if len(one) else 0 for one in stretches)]).cumsum(0)
    stretch = torch.cat([one + first for one, first in zip(stretches, before.tolist(), strict=False)])
    number = int(before[-1])
    weights = torch.cat([torch.ones(1, number), _resampled(number)]).double()
    rows = []
    for shift in SHIFTS:
        paired = torch.cat([action[some + shift] for action, some in zip(actions, indices, strict=True)])
        parts = [
            _explained(Sample(target, paired[:, i], stretch, weights), spec.kind == "continuous")
            for i in range(paired.shape[1])
        ]
        rows.append(torch.stack(parts).amax(dim=0) if parts else torch.zeros(len(weights), dtype=torch.float64))
    table = torch.stack(rows)  # shift, resample: the first of these is the recordings themselves
    explained = dict(zip(SHIFTS, table[:, 0].tolist(), strict=True))
    best, zero = int(table[:, 0].argmax()), list(SHIFTS).index(0)
    if best == zero:
        holds = table[:, 1:].argmax(dim=0) == zero
    else:
        holds = (table[best, 1:] >= table[zero, 1:] + WRONG) & (table[best, 1:] >= FACTOR * table[zero, 1:])
    return Alignment(explained, len(target), float(holds.double().mean()))


class Sample(NamedTuple):
    """Pairs of a motion and an action, the stretch of each, and the weight of each stretch in every resample."""

    target: Float[Tensor, "n"]
    action: Shaped[Tensor, "n"]
    stretch: Int64[Tensor, "n"]
    weights: Float[Tensor, "r s"]

    def sums(self, values: Float[Tensor, "n"]) -> Float[Tensor, "r"]:
        """The sum of some values in every resample."""
        by_stretch = torch.zeros(self.weights.shape[1], dtype=torch.float64).index_add_(0, self.stretch, values)
        return self.weights @ by_stretch


def _resampled(stretches: int) -> Float[Tensor, "r s"]:
    """How often each stretch is drawn in every resample, with replacement."""
    generator = torch.Generator().manual_seed(0)
    if not stretches:
        return torch.zeros(RESAMPLES, 0)
    drawn = torch.randint(stretches, (RESAMPLES, stretches), generator=generator)
    return torch.zeros(RESAMPLES, stretches).scatter_add_(1, drawn, torch.ones(drawn.shape))


def _explained(sample: Sample, continuous: bool) -> Float[Tensor, "r"]:
    """Part of the variance that groups of equal actions explain, or a line through real-valued ones, per resample."""
    y = sample.target
    ones = torch.ones_like(y)
    number, total = sample.sums(ones).clamp(min=1), sample.sums(y)
    spread = sample.sums(y * y) - total**2 / number
    if continuous:
        x = sample.action.double() - (sample.action.double().mean() if len(y) else 0)
        across = sample.sums(x * y) - sample.sums(x) * total / number
        along = sample.sums(x * x) - sample.sums(x) ** 2 / number
        found = across**2 / along.clamp(min=1e-12)
        found = torch.where(along > 1e-12, found, torch.zeros_like(found))
    else:
        found = -(total**2) / number
        for choice in sample.action.unique():
            member = (sample.action == choice).double()
            found = found + sample.sums(member * y) ** 2 / sample.sums(member).clamp(min=1)
    return torch.where(spread > 1e-9, found / spread.clamp(min=1e-9), torch.zeros_like(found))
