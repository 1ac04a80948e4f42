"""The mirror test: after some actions and their inverses, the frames should repeat in reverse order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.errors import UserError
from videovq.evaluation.bootstrap import mean_summary
from videovq.frames import psnr
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import decode_codes
from videovq.types import ActionSpec

KNOWN = {"look_left": "look_right", "turn_left": "turn_right"}
"""Inverse actions of DeepMind Lab and ViZDoom, without those that walls and momentum keep from being undone."""


def inverses(spec: ActionSpec, declared: Mapping[str, str]) -> list[tuple[int, int]]:
    """Pairs of inverse discrete actions, in both directions.

    Args:
        declared: names of such actions, one direction is enough; none: those in ``KNOWN``.

    Raises:
        UserError: what is declared are no two actions.
    """
    if declared and spec.kind != "discrete":
        raise UserError(f"inverses: {spec.kind} actions have no names; leave it out")
    named = declared or {one: other for one, other in KNOWN.items() if {one, other} <= set(spec.names)}
    pairs = [(spec.parse(one, "inverses"), spec.parse(other, "inverses")) for one, other in named.items()]
    return list(dict.fromkeys(pair for one, other in pairs for pair in ((one, other), (other, one))))


def there_and_back(pairs: list[tuple[int, int]], rollouts: int, steps: int) -> Int64[Tensor, "b n 1"]:
    """Actions of the test: ``steps`` times an action, then as often its inverse; rollouts cycle through the pairs."""
    chosen = torch.tensor([pairs[i % len(pairs)] for i in range(rollouts)])
    return chosen.repeat_interleave(steps, dim=1)[..., None]


def mirror_psnr(
    vqvae: VQVAE, start: Int64[Tensor, "b y x"], rolled: Int64[Tensor, "b n y x"]
) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m"] | None]:
    """PSNR of every frame of the way back against the frame of the way out from the same viewpoint; the last one is
    compared to the last context frame.

    Args:
        start: codes of the last context frame.
        rolled: codes of the way out and, as long, of the way back.

    Returns:
        PSNR of each rollout, and as a control against the way out of another rollout; None: there is only one.
    """
    steps = rolled.shape[1] // 2
    frames = decode_codes(vqvae, torch.cat([start[:, None], rolled], dim=1).to(vqvae.device)).cpu()
    out, back = frames[:, :steps].flip(1), frames[:, steps + 1 :]
    return psnr(back, out), psnr(back, out.roll(1, 0)) if len(out) > 1 else None


def mirror_report(
    found: Float[Tensor, "b m"], control: Float[Tensor, "b m"] | None, episodes: Int64[Tensor, "b"], seed: int
) -> dict[str, Any]:
    """The results of :func:`mirror_psnr` as JSON values: means over rollouts and frames with 95 % bootstrap confidence
    intervals over episodes.
    """
    return {
        "steps": found.shape[1],
        "psnr": mean_summary(found.mean(dim=1), episodes, seed),
        "last frame": mean_summary(found[:, -1], episodes, seed),
        "another rollout": None if control is None else mean_summary(control.mean(dim=1), episodes, seed),
    }
