"""Rollouts that hold one action: does the picture turn the way it does in recorded episodes?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

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
    """What holding one action does to the picture.

    Attributes:
        recorded: median shift, in columns a frame, where episodes recorded the action twice running; positive to the
            right.
        predicted: the same in the rollouts.
        right: part of the rollouts whose median shift has the recorded sign.
        rollouts: number of rollouts.
    """

    recorded: float
    predicted: float
    right: float
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
    """Hold an action for some frames, from contexts spread over a split, and measure how the picture moves."""
    found = windows(store.split(split), context + 1)
    chosen = [found[i] for i in torch.linspace(0, len(found) - 1, contexts).long().tolist()]
    parts = [store.read(w.episode, w.start, w.start + context) for w in chosen]
    pixels = torch.stack([p.frames for p in parts])
    codes = vqvae.encode(to_float(pixels.flatten(0, 1))).unflatten(0, pixels.shape[:2])
    given = torch.stack([p.actions[: context - 1] for p in parts])
    held = torch.full((contexts, frames, 1), action)
    drawn = predict_codes(predictor, codes, given, held, sampling, [seed + i for i in range(contexts)])
    grey = brightness(decode_codes(vqvae, torch.cat([codes[:, -1:], drawn], dim=1)))
    shifts = horizontal_shift(grey[:, :-1], grey[:, 1:]).float().median(dim=1).values
    recorded = shift_by_action(store, split)[action]
    right = (shifts.sign() == math.copysign(1, recorded)).float().mean()
    return Turn(recorded, float(shifts.median()), float(right), contexts)
