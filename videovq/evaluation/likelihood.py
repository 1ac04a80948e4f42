"""Exact likelihood in bits per code, with controls: shuffled actions, and no earlier frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from videovq.evaluation.clips import Clips
from videovq.models.predictors.predictor import Predictor
from videovq.types import ActionSpec


@dataclass(frozen=True)
class Likelihood:
    """Mean bits per code of every predicted frame of every window.

    Attributes:
        episodes: number of the episode of each window.
        true: conditioned on all earlier frames and actions.
        shuffled: conditioned on the actions of another window.
        unconditional: without earlier frames and actions.
        actions: the action that leads to each frame.
        others: the action of the shuffled control.
    """

    episodes: Int64[Tensor, "w"]
    true: Float[Tensor, "w n"]
    shuffled: Float[Tensor, "w n"]
    unconditional: Float[Tensor, "w n"]
    actions: Shaped[Tensor, "w n a"]
    others: Shaped[Tensor, "w n a"]


@dataclass(frozen=True)
class ActionBits:
    """Bits per code of the frames that one choice of a discrete action leads to.

    Attributes:
        frames: number of such frames for which the shuffled control has another action.
        true, shuffled: bits with the true and with the other actions.
    """

    name: str
    frames: int
    true: float
    shuffled: float


@torch.inference_mode()
def likelihood(predictor: Predictor, batches: Iterable[Clips], context: int) -> Likelihood:
    """Likelihood of the frames after the first ``context`` of every window."""
    rows: list[tuple[Tensor, ...]] = []
    for clips in batches:
        actions, others = (a[:, context - 1 : -1] for a in (clips.actions, clips.others))
        later = clips.codes[:, context:]
        alone = later.flatten(0, 1)[:, None], clips.actions[:, context:].flatten(0, 1)[:, None]
        true, shuffled = (_bits(predictor, clips.codes, a)[:, context:] for a in (clips.actions, clips.others))
        unconditional = _bits(predictor, *alone).view(later.shape[:2])
        rows.append((clips.episodes, true, shuffled, unconditional, actions, others))
    return Likelihood(*(torch.cat(column) for column in zip(*rows, strict=True)))


def by_action(found: Likelihood, spec: ActionSpec) -> list[ActionBits]:
    """The cost of conditioning on another action, for every discrete action that led to a frame; empty for other kinds.

    Frames for which the control has the same action, by chance, are left out.
    """
    if spec.kind != "discrete":
        return []
    actions, others = found.actions[..., 0], found.others[..., 0]
    rows = []
    for choice, name in enumerate(spec.choices):
        chosen = (actions == choice) & (others != choice)
        if not chosen.any():
            continue
        pair = [float(bits[chosen].mean()) for bits in (found.true, found.shuffled)]
        rows.append(ActionBits(name, int(chosen.sum()), *pair))
    return rows


def _bits(
    predictor: Predictor, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t a"]
) -> Float[Tensor, "b t"]:
    device = predictor.codebook.device
    return predictor(codes.to(device), actions.to(device)).nll.mean(dim=(2, 3)).cpu() / math.log(2)
