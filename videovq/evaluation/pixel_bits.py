"""Bits of the pixels given their codes: the length of a code that could be sent, and so an upper bound.

Every value has a Gaussian around the reconstruction's, integrated over its grey level (the lowest and the highest take
the tails). The Gaussian's width, in sixteenths of a grey level, is sent once, in 12 bits.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

FINEST = 1 / 16
WIDTH_BITS = 12


def grey_levels(
    truth: UInt8[Tensor, "*n h w c"], reconstruction: UInt8[Tensor, "*n h w c"]
) -> Int64[Tensor, "true reconstructed"]:
    """How often each grey level was reconstructed as which."""
    pairs = truth.flatten().long() * 256 + reconstruction.flatten()
    return pairs.bincount(minlength=256**2).view(256, 256)


def bits_per_value(levels: Int64[Tensor, "true reconstructed"]) -> float:
    """Mean bits of a value (a pixel of a channel) given the codes of its frame."""
    true, reconstructed = levels.nonzero(as_tuple=True)
    times = levels[true, reconstructed].double()
    error = float((times * (true - reconstructed).double().pow(2)).sum() / times.sum()) ** 0.5
    width = max(1, round(error / FINEST)) * FINEST
    bits = -log_probability(true.double(), reconstructed.double(), width) / math.log(2)
    return (float((times * bits).sum()) + WIDTH_BITS) / float(times.sum())


def log_probability(level: Float[Tensor, "*n"], around: Float[Tensor, "*n"], width: float) -> Float[Tensor, "*n"]:
    """Log-probability of grey levels under Gaussians, in nats."""
    low = ((level - around - 0.5) / width).where(level > 0, -math.inf)
    high = ((level - around + 0.5) / width).where(level < 255, math.inf)
    # By the lower tail, for precision: the distribution is symmetric.
    low, high = torch.where(low > 0, -high, low), torch.where(low > 0, -low, high)
    below, upto = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return upto + (-(below - upto).exp()).log1p()
