"""Expected rewards and ends of recorded actions against the recorded ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy
from torchmetrics.functional.classification import binary_average_precision

from videovq.data.store import EpisodeStore
from videovq.data.windows import segments
from videovq.evaluation.bootstrap import mean_summary
from videovq.frames import to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.progress import progress

PIECE, BEFORE = 64, 16  # frames evaluated at once, and context frames before them


@dataclass(frozen=True)
class Expectations:
    """Recorded and expected outcomes of every action of a split whose reward is known, in order.

    Attributes:
        episodes: index of the action's episode.
        rewards, ends: recorded.
        expected_rewards, end_probabilities: of the predictor.
    """

    episodes: Int64[Tensor, "n"]
    rewards: Float[Tensor, "n"]
    ends: Bool[Tensor, "n"]
    expected_rewards: Float[Tensor, "n"]
    end_probabilities: Float[Tensor, "n"]


@torch.inference_mode()
def expectations(
    vqvae: VQVAE, predictor: Predictor, store: EpisodeStore, split: str, context: int
) -> Expectations | None:
    """The predictor's expectations of every action after at least ``context`` frames, given the true frames before it.

    Returns:
        None where no such reward is known.
    """
    rows: list[tuple[Tensor, ...]] = []
    chosen = [(number, info) for number, info in enumerate(store.split(split)) if info.rewards]
    with progress(len(chosen), "outcomes", "episode") as bar:
        for number, info in chosen:
            for first, stop in segments(info):
                for start in range(first + context - 1, stop, PIECE):
                    end = min(start + PIECE, stop)
                    seen = max(first, start - max(BEFORE, context))
                    part, outcomes = store.read(info, seen, end), store.outcomes(info, start, end)
                    codes = vqvae.encode(to_float(part.frames.to(vqvae.device)))
                    found = predictor.expect(codes[None], part.actions[None].to(codes.device))
                    known = outcomes.weights > 0
                    said = (z[0, start - seen :].float().cpu()[known] for z in (found.rewards, found.ends))
                    came = outcomes.rewards[known], outcomes.ends[known]
                    rows.append((torch.full((int(known.sum()),), number), *came, *said))
            bar.update()
    columns = [torch.cat(column) for column in zip(*rows, strict=True)]
    return Expectations(*columns) if columns and len(columns[0]) else None


def outcome_report(found: Expectations, seed: int) -> dict[str, Any]:
    """Errors as JSON values, beside those of a constant prediction: the mean reward and the rate of ends of the same
    actions.

    Args:
        seed: of the bootstrap confidence intervals.
    """
    mean, rate = float(found.rewards.double().mean()), float(found.ends.double().mean())
    entropy = sum(-p * math.log2(p) for p in (rate, 1 - rate) if p > 0)
    bits = binary_cross_entropy(found.end_probabilities, found.ends.float(), reduction="none") / math.log(2)
    pair = torch.stack([found.rewards, found.expected_rewards]).double()
    varies = bool((pair.std(dim=1) > 0).all())
    precision = float(binary_average_precision(found.end_probabilities, found.ends.long())) if rate > 0 else None
    return {
        "steps": len(found.rewards),
        "reward": {
            "mean": mean,
            "error": mean_summary((found.expected_rewards - found.rewards).abs(), found.episodes, seed),
            "constant": float((found.rewards - mean).abs().mean()),
            "correlation": float(pair.corrcoef()[0, 1]) if varies else None,
        },
        "end": {
            "number": int(found.ends.sum()),
            "rate": rate,
            "bits": mean_summary(bits, found.episodes, seed),
            "constant": entropy,
            "precision": precision,
        },
    }
