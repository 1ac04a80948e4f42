"""Baselines that count codes of the training split: bits per code of a unigram and of a Markov model."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def unigram_bits(train: Int64[Tensor, "n ..."], held: Int64[Tensor, "m ..."], size: int) -> float:
    """Bits per code where each is drawn alone, as often as in training (one added to every count)."""
    counts = train.flatten().bincount(minlength=size).double() + 1
    return float(-(counts / counts.sum()).log2()[held].mean())


def markov_bits(train: Int64[Tensor, "n ..."], held: Int64[Tensor, "m ..."], size: int) -> float:
    """Bits per code given the one before it in the raster, by counts that fall back on the unigram's.

    The fallback weighs as many observations as there were different codes after the same code (Witten and Bell 1991).
    """
    flat, asked = train.flatten(1), held.flatten(1)
    single = flat.flatten().bincount(minlength=size).double() + 1
    single /= single.sum()
    pairs, times = (flat[:, :-1] * size + flat[:, 1:]).unique(return_counts=True)  # of size^2 that there could be
    kinds = (pairs // size).bincount(minlength=size).double().clamp(min=1)
    total = flat[:, :-1].flatten().bincount(minlength=size).double()
    before, after = asked[:, :-1], asked[:, 1:]
    target = before * size + after
    at = torch.searchsorted(pairs, target).clamp(max=len(pairs) - 1)
    seen = times[at].double() * (pairs[at] == target)
    chances = (seen + kinds[before] * single[after]) / (total[before] + kinds[before])
    bits = -chances.log2().sum() - single.log2()[asked[:, 0]].sum()
    return float(bits) / asked.numel()
