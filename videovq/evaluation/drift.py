"""What becomes of codes over time: measures of segments of rollouts, beside those of real episodes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from videovq.evaluation.perceptual import FEWEST, frechet
from videovq.frames import psnr
from videovq.models.quantizers.contract import count, perplexity
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import decode_codes

POOLED = 3  # a frame's code vectors are averaged over that many rows and columns
LOOKED_AT = 10  # frames of a segment that are decoded, for brightness and contrast


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of all rollouts, or of all real episodes.

    Attributes:
        first, last: horizons, 1 for the first predicted frame.
        perplexity: of the codes.
        changed: part of the codes that differ from the frame before.
        brightness, contrast: mean and standard deviation of the pixels, 0..255.
        distance: Frechet distance of the frames' features from the real ones'; None where there are too few frames.
    """

    first: int
    last: int
    perplexity: float
    changed: float
    brightness: float
    contrast: float
    distance: float | None


@torch.inference_mode()
def features(vqvae: VQVAE, codes: Int64[Tensor, "n y x"]) -> Float[Tensor, "n d"]:
    """What the VQ-VAE says a frame looks like: its code vectors, averaged over ninths of the picture."""
    found = []
    for part in codes.split(256):
        vectors = vqvae.quantizer.decode(part.to(vqvae.device))
        found.append(adaptive_avg_pool2d(vectors, POOLED).flatten(1).cpu())
    return torch.cat(found)


def measure(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"], first: int, known: Float[Tensor, "m d"]) -> Segment:
    """One segment; ``known`` are the features of real frames."""
    frames = decode_codes(vqvae, codes[:, :: max(1, codes.shape[1] // LOOKED_AT)].to(vqvae.device)).float()
    flat, size = codes.flatten(0, 1), vqvae.quantizer.codebook_size
    changed = (codes[:, 1:] != codes[:, :-1]).float().mean() if codes.shape[1] > 1 else torch.tensor(0.0)
    enough = min(len(flat), len(known)) >= FEWEST
    return Segment(
        first,
        first + codes.shape[1] - 1,
        perplexity(count(flat.flatten(), size)),
        float(changed),
        float(frames.mean()),
        float(frames.std(dim=(-3, -2, -1)).mean()),
        frechet(features(vqvae, flat), known) if enough else None,
    )


def comes_back(vqvae: VQVAE, codes: Int64[Tensor, "b t y x"], turned: Int64[Tensor, "b n y x"]) -> dict[str, float]:
    """After a full turn the picture should be that of before: PSNR of the two, beside that of other contexts'."""
    before, after = (decode_codes(vqvae, c.to(vqvae.device)).cpu()[:, 0] for c in (codes[:, -1:], turned[:, -1:]))
    return {
        "psnr": float(psnr(after, before).mean()),
        "psnr to another context": float(psnr(after.roll(1, 0), before).mean()),
    }
