"""Sampling: drawing a code is taking the largest of scores plus noise."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.models.predictors.contract import Choose, FrameDecoder
from videovq.types import Sampling


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Standard Gumbel noise.

    argmax(scores + T * gumbel) is an exact draw from softmax(scores / T) (the Gumbel-max trick, Gumbel 1954).
    """
    return _gumbel_of(torch.rand(shape, generator=generator))


def gumbel_like(shape: tuple[int, ...], device: torch.device) -> Float[Tensor, "..."]:
    """The same on a device, from its own default generator: for training."""
    return _gumbel_of(torch.rand(shape, device=device))


def _gumbel_of(uniform: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    tiny = torch.finfo(torch.float32).tiny
    return uniform.clamp_(min=tiny).log_().neg_().clamp_(min=tiny).log_().neg_()


def choose(
    noise: Float[Tensor, "m s k"], sampling: Sampling, scores: Float[Tensor, "n p k"], places: Int64[Tensor, "p"]
) -> Int64[Tensor, "n p"]:
    """Draw the codes of some places of a frame.

    Args:
        noise: of all places of a frame.
        scores: of the codes at ``places``. With guidance ``n`` is ``2 m``: with the actions, then without them.

    Returns:
        The codes; with guidance the same ones twice, so that both halves go on from the same frame.
    """
    guided = sampling.guidance != 1
    if guided:
        known, unknown = scores.chunk(2)
        scores = unknown + sampling.guidance * (known - unknown)
    if 0 < sampling.top_k < scores.shape[-1]:
        least = scores.topk(sampling.top_k, dim=-1).values[..., -1:]
        scores = scores.masked_fill(scores < least, -math.inf)
    if sampling.top_p < 1 and sampling.temperature > 0:
        scores = _nucleus(scores, sampling)
    if sampling.temperature > 0:
        scores = torch.add(scores, noise[:, places], alpha=sampling.temperature)
    codes = scores.argmax(dim=-1)
    return codes.repeat(2, 1) if guided else codes


def entropy(scores: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """Of the distribution over codes that scores are of, in bits."""
    logs = scores.log_softmax(dim=-1)
    return (logs.exp() * logs).sum(dim=-1) / -math.log(2)


def _nucleus(scores: Float[Tensor, "n p k"], sampling: Sampling) -> Float[Tensor, "n p k"]:
    """Only the most likely codes that together reach ``top_p`` (Holtzman et al. 2020, arXiv 1904.09751)."""
    ranked, order = (scores / sampling.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    before = ranked.cumsum(dim=-1) - ranked
    out = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
    return scores.masked_fill(out, -math.inf)


def uncached(
    decoder: FrameDecoder,
    context: Float[Tensor, "n w y x"],
    table: Float[Tensor, "k_plus_1 e"],
    codebook: Float[Tensor, "k d"],
    choose: Choose,
) -> Int64[Tensor, "n y x"]:
    """Draw a frame with a whole pass of the decoder for every group of codes: the oracle of ``FrameDecoder.draw``."""
    codes = torch.zeros(len(context), *context.shape[2:], dtype=torch.int64, device=context.device)
    flat = codes.flatten(1)
    for places in decoder.order:
        scores = decoder.score(context, codes, table, codebook).flatten(1, 2)
        flat[:, places] = choose(scores[:, places], places)
    return codes


def predictive(
    decoder: FrameDecoder,
    context: Float[Tensor, "n w y x"],
    table: Float[Tensor, "k_plus_1 e"],
    codebook: Float[Tensor, "k d"],
    choose: Choose,
) -> Int64[Tensor, "n y x"]:
    """Draw a frame by guessing all of its codes and correcting them until none changes.

    With the noise held fixed, the sample is the only fixed point: in pass i at the latest, group i is right for good.
    At most one pass more than there are groups, and far fewer where most codes do not hang on their neighbours (Wiggers
    and Hoogeboom 2020, "Predictive Sampling with Forecasting Autoregressive Models", arXiv 2002.09928, section 2.2).
    """
    every = torch.arange(context.shape[2] * context.shape[3], device=context.device)
    codes = torch.zeros(len(context), *context.shape[2:], dtype=torch.int64, device=context.device)
    while True:
        scores = decoder.score(context, codes, table, codebook).flatten(1, 2)
        corrected = choose(scores, every).view_as(codes)
        if torch.equal(corrected, codes):
            return codes
        codes = corrected
