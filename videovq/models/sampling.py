"""Sampling of codes from logits by the Gumbel-max trick."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.models.predictors.contract import CodeSampler, FrameDecoder
from videovq.types import Sampling


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Standard Gumbel noise.

    argmax(logits + T * gumbel) is an exact draw from softmax(logits / T) (the Gumbel-max trick, Gumbel 1954).
    """
    return _gumbel_of(torch.rand(shape, generator=generator))


def gumbel_on(shape: tuple[int, ...], device: torch.device) -> Float[Tensor, "..."]:
    """Standard Gumbel noise on a device, from that device's default generator: for training."""
    return _gumbel_of(torch.rand(shape, device=device))


def _gumbel_of(uniform: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    tiny = torch.finfo(torch.float32).tiny
    return uniform.clamp_(min=tiny).log_().neg_().clamp_(min=tiny).log_().neg_()


def sample_codes(
    noise: Float[Tensor, "m s k"], sampling: Sampling, logits: Float[Tensor, "n p k"], positions: Int64[Tensor, "p"]
) -> Int64[Tensor, "n p"]:
    """Sample the codes at some positions of a frame.

    Args:
        noise: Gumbel noise of all positions of a frame.
        logits: of the codes at ``positions``. With guidance ``n`` is ``2 m``: with the actions, then without them.

    Returns:
        The codes; with guidance the same ones twice, so that both halves go on from the same frame.
    """
    guided = sampling.guidance != 1
    if guided:
        known, unknown = logits.chunk(2)
        logits = unknown + sampling.guidance * (known - unknown)
    if 0 < sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -math.inf)
    if sampling.top_p < 1 and sampling.temperature > 0:
        logits = _nucleus(logits, sampling)
    if sampling.temperature > 0:
        logits = torch.add(logits, noise[:, positions], alpha=sampling.temperature)
    codes = logits.argmax(dim=-1)
    return codes.repeat(2, 1) if guided else codes


def entropy(logits: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """Entropy of softmax(logits), in bits."""
    logs = logits.log_softmax(dim=-1)
    return (logs.exp() * logs).sum(dim=-1) / -math.log(2)


def _nucleus(logits: Float[Tensor, "n p k"], sampling: Sampling) -> Float[Tensor, "n p k"]:
    """Nucleus sampling: keep the most likely codes that together reach ``top_p`` (Holtzman et al. 2020, arXiv
    1904.09751).
    """
    ranked, order = (logits / sampling.temperature).softmax(dim=-1).sort(dim=-1, descending=True)
    before = ranked.cumsum(dim=-1) - ranked
    out = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
    return logits.masked_fill(out, -math.inf)


def uncached(
    decoder: FrameDecoder,
    context: Float[Tensor, "n w y x"],
    table: Float[Tensor, "k_plus_1 e"],
    codebook: Float[Tensor, "k d"],
    sample: CodeSampler,
) -> Int64[Tensor, "n y x"]:
    """Sample a frame with a whole pass of the decoder for every group of codes: the oracle of ``FrameDecoder.draw``."""
    codes = torch.zeros(len(context), *context.shape[2:], dtype=torch.int64, device=context.device)
    flat = codes.flatten(1)
    for positions in decoder.order:
        logits = decoder.logits(context, codes, table, codebook).flatten(1, 2)
        flat[:, positions] = sample(logits[:, positions], positions)
    return codes


def predictive(
    decoder: FrameDecoder,
    context: Float[Tensor, "n w y x"],
    table: Float[Tensor, "k_plus_1 e"],
    codebook: Float[Tensor, "k d"],
    sample: CodeSampler,
) -> Int64[Tensor, "n y x"]:
    """Sample a frame by fixed-point iteration: guess all of its codes and correct them until none changes.

    With the noise held fixed, the sample is the only fixed point: in pass i at the latest, group i is right for good.
    It takes at most one pass more than there are groups, and far fewer where most codes do not depend on their
    neighbours (Wiggers and Hoogeboom 2020, "Predictive Sampling with Forecasting Autoregressive Models", arXiv
    2002.09928, section 2.2).
    """
    every = torch.arange(context.shape[2] * context.shape[3], device=context.device)
    codes = torch.zeros(len(context), *context.shape[2:], dtype=torch.int64, device=context.device)
    while True:
        logits = decoder.logits(context, codes, table, codebook).flatten(1, 2)
        corrected = sample(logits, every).view_as(codes)
        if torch.equal(corrected, codes):
            return codes
        codes = corrected
