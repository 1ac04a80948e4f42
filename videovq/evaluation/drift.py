"""What becomes of long rollouts: do they stay in the world, or fade to a colour or to noise?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from videovq.data.store import CodeStore
from videovq.data.windows import windows
from videovq.models.predictors.predictor import Predictor
from videovq.models.quantizers.contract import count, perplexity
from videovq.progress import progress
from videovq.rollout.engine import Session
from videovq.types import Sampling


@dataclass(frozen=True)
class Drift:
    """Rollouts beside the episodes whose actions they repeat, segment by segment.

    Attributes:
        codes: the rollouts.
        segment: frames in a segment.
        predicted, recorded: perplexity of all codes of a segment, over all rollouts and episodes.
        changed_predicted, changed_recorded: part of the codes of a segment that differ from the frame before.
    """

    codes: Int64[Tensor, "b n y x"]
    segment: int
    predicted: list[float]
    recorded: list[float]
    changed_predicted: list[float]
    changed_recorded: list[float]


@torch.inference_mode()
def drift(
    predictor: Predictor,
    store: CodeStore,
    split: str,
    frames: int,
    context: int = 6,
    segment: int = 30,
    sampling: Sampling = Sampling(),
    seed: int = 0,
) -> Drift:
    """One long rollout from the start of every episode that is long enough, with its recorded actions.

    Raises:
        ValueError: no episode has ``context + frames`` frames without a break.
    """
    first = {w.episode.id: w for w in reversed(windows(store.split(split), context + frames))}.values()
    parts = [store.read(w.episode, w.start, w.start + w.length) for w in first]
    codes, actions = torch.stack([p.codes for p in parts]), torch.stack([p.actions for p in parts])
    session = Session(
        predictor, codes[:, :context], actions[:, : context - 1], sampling, [seed + i for i in range(len(parts))]
    )
    drawn = []
    with progress(frames, "long rollouts", "frame") as bar:
        for t in range(context - 1, context - 1 + frames):
            drawn.append(session.step(actions[:, t]))
            bar.update(1)
    rollouts = torch.stack(drawn, dim=1)
    size = len(predictor.codebook)
    return Drift(
        rollouts,
        segment,
        *(
            [measure(part) for part in kind.split(segment, dim=1)]
            for measure in (lambda c: perplexity(count(c.flatten(), size)), _changed)
            for kind in (rollouts, codes[:, context:])
        ),
    )


def _changed(codes: Int64[Tensor, "b n y x"]) -> float:
    return float((codes[:, 1:] != codes[:, :-1]).float().mean())
