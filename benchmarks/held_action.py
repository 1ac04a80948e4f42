"""Sideways motion in rollouts that hold one action, against recorded episodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from videovq.data.motion import brightness, horizontal_shift
from videovq.data.store import EpisodeStore
from videovq.data.windows import windows
from videovq.evaluation.motion import shift_by_action
from videovq.frames import to_float
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import decode_codes, predict_codes
from videovq.types import Sampling


@dataclass(frozen=True)
class Turn:
    """Sideways motion while one action is held.

    Attributes:
        recorded: median shift, in columns a frame, where episodes have the action twice in a row; positive to the
            right.
        predicted: the same in the rollouts.
        right: part of the rollouts whose median shift has the recorded sign.
        recorded_right: the same part of stretches of episodes in which the action was held as long, an upper bound. Nan
            where there are none.
        rollouts: number of rollouts.
    """

    recorded: float
    predicted: float
    right: float
    recorded_right: float
    rollouts: int


@torch.inference_mode()
def turn(
    vqvae: VQVAE,
    predictor: Predictor,
    store: EpisodeStore,
    split: str,
    action: int,
    contexts: int = 50,
    context: int = 6,
    frames: int = 4,
    sampling: Sampling = Sampling(),
    seed: int = 0,
) -> Turn:
    """Roll out a held action from contexts spread over a split, and measure the sideways motion."""
    found = windows(store.split(split), context + 1)
    chosen = [found[i] for i in torch.linspace(0, len(found) - 1, contexts).long().tolist()]
    parts = [store.read(w.episode, w.start, w.start + context) for w in chosen]
    pixels = torch.stack([p.frames for p in parts])
    codes = vqvae.encode(to_float(pixels.flatten(0, 1))).unflatten(0, pixels.shape[:2])
    context_actions = torch.stack([p.actions[: context - 1] for p in parts])
    held = torch.full((contexts, frames, 1), action)
    drawn = predict_codes(predictor, codes, context_actions, held, sampling, [seed + i for i in range(contexts)])
    shifts = _median_shift(decode_codes(vqvae, torch.cat([codes[:, -1:], drawn], dim=1)))
    recorded = shift_by_action(store, split)[action]
    sign = math.copysign(1, recorded)
    stretches = _held(store, split, action, frames, contexts)
    really = float((_median_shift(stretches).sign() == sign).float().mean()) if len(stretches) else math.nan
    right = float((shifts.sign() == sign).float().mean())
    return Turn(recorded, float(shifts.median()), right, really, contexts)


def _median_shift(frames: UInt8[Tensor, "b t h w c"]) -> Float[Tensor, "b"]:
    """Median sideways motion of each sequence, in columns a frame."""
    grey = brightness(frames)
    return horizontal_shift(grey[:, :-1], grey[:, 1:]).float().median(dim=1).values


def _held(store: EpisodeStore, split: str, action: int, frames: int, most: int) -> UInt8[Tensor, "b t h w c"]:
    """Stretches of episodes in which the action is held, spread over the split."""
    found = []
    for window in windows(store.split(split), frames + 1):
        taken = store.read(window.episode, window.start, window.start + frames).actions
        if (taken == action).all():
            found.append(window)
    chosen = [found[i] for i in torch.linspace(0, len(found) - 1, min(most, len(found))).long().tolist()]
    parts = [store.read(w.episode, w.start, w.start + frames + 1).frames for w in chosen]
    height, width = store.header.grid
    return torch.stack(parts) if parts else torch.empty(0, frames + 1, height, width, 3, dtype=torch.uint8)
