"""Drift of long rollouts: statistics of segments of rollouts, beside those of real episodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from videovq.evaluation.bootstrap import interval_json
from videovq.evaluation.perceptual import FEWEST, frechet
from videovq.evaluation.sharpness import gradient_energy
from videovq.frames import psnr
from videovq.models.quantizers.contract import count, perplexity
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import decode_codes

POOLED = 3  # rows and columns of the grid that a frame's code vectors are averaged to
LOOKED_AT = 10  # frames of a segment that are decoded, for brightness and contrast


@dataclass(frozen=True)
class Segment:
    """Statistics of consecutive frames of all rollouts, or of all real episodes.

    Attributes:
        first, last: horizons, 1 for the first predicted frame.
        perplexity: of the codes.
        changed: part of the codes that differ from the frame before.
        brightness, contrast: mean and standard deviation of the pixels, 0..255.
        gradient_energy: mean squared gradient of the pixels, see :func:`videovq.evaluation.sharpness.gradient_energy`.
        distance: Frechet distance of the frames' features from the real ones'; None where there are too few frames.
    """

    first: int
    last: int
    perplexity: float
    changed: float
    brightness: float
    contrast: float
    gradient_energy: float
    distance: float | None


@torch.inference_mode()
def features(vqvae: VQVAE, codes: Int64[Tensor, "n y x"]) -> Float[Tensor, "n d"]:
    """Features of frames for the Frechet distance: code vectors, averaged over ninths of the picture."""
    found = []
    for part in codes.split(256):
        vectors = vqvae.quantizer.decode(part.to(vqvae.device))
        found.append(adaptive_avg_pool2d(vectors, POOLED).flatten(1).cpu())
    return torch.cat(found)


def measure_segment(
    vqvae: VQVAE, codes: Iterable[Int64[Tensor, "_ y x"]], first: int, known: Float[Tensor, "m d"]
) -> Segment:
    """Statistics of one segment.

    Args:
        codes: of every rollout or episode, of any length.
        known: features of real frames.
    """
    each = list(codes)
    flat, looked_at = torch.cat(each), torch.cat([one[:: max(1, len(one) // LOOKED_AT)] for one in each])
    decoded = decode_codes(vqvae, looked_at[None].to(vqvae.device)).cpu()
    frames = decoded.float()
    changed = torch.cat([one[1:] != one[:-1] for one in each]).float()
    return Segment(
        first,
        first + max(len(one) for one in each) - 1,
        float(perplexity(count(flat.flatten(), vqvae.quantizer.codebook_size))),
        float(changed.mean()) if len(changed) else 0.0,
        float(frames.mean()),
        float(frames.std(dim=(-3, -2, -1)).mean()),
        float(gradient_energy(decoded).mean()),
        distance(features(vqvae, flat), known),
    )


def distance(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> float | None:
    """Frechet distance of two sets of features; None where one is too small."""
    return frechet(first, second) if min(len(first), len(second)) >= FEWEST else None


def reference_segment(vqvae: VQVAE, real: list[Int64[Tensor, "_ y x"]]) -> Segment:
    """Statistics of the real episodes, as a reference; their distance is that between two halves that share no episode
    or, of a single episode, no frame.
    """
    halves = [torch.cat(real[i::2]) for i in (0, 1)] if len(real) > 1 else real[0].tensor_split(2)
    seen = [features(vqvae, half) for half in halves]
    return replace(measure_segment(vqvae, real, 1, seen[0]), distance=distance(*seen))


def full_turn_psnr(
    vqvae: VQVAE,
    codes: Int64[Tensor, "b t y x"],
    turned: Int64[Tensor, "b n y x"],
    episodes: Int64[Tensor, "b"] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """PSNR between the frames before and after a full turn, and as a control against the frame of another context (None
    where there is a single rollout), with 95 % bootstrap confidence intervals over episodes.

    Args:
        episodes: index of the episode of each context; None: each is of another.
        seed: of the confidence intervals.
    """
    before, after = (decode_codes(vqvae, c.to(vqvae.device)).cpu()[:, 0] for c in (codes[:, -1:], turned[:, -1:]))
    episodes = torch.arange(len(codes)) if episodes is None else episodes
    found, other = psnr(after, before), psnr(after.roll(1, 0), before)
    alone = len(codes) == 1
    return {
        "psnr": float(found.mean()),
        "psnr interval": interval_json(found, episodes, seed),
        "psnr to another context": None if alone else float(other.mean()),
        "psnr to another context, interval": interval_json(other, episodes, seed),
    }
