"""Sampling noise: drawing a code is taking the largest of logits plus noise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sampling_noise(shape: tuple[int, ...], temperature: float, generator: torch.Generator) -> Float[Tensor, "..."]:
    """Gumbel noise scaled by the temperature.

    argmax(logits + T * gumbel) is an exact draw from softmax(logits / T) (the Gumbel-max trick, Gumbel 1954); T = 0
    takes the most likely code.
    """
    if temperature == 0:
        return torch.zeros(shape)
    uniform = torch.rand(shape, generator=generator).clamp_(min=torch.finfo(torch.float32).tiny)
    return uniform.log_().neg_().clamp_(min=torch.finfo(torch.float32).tiny).log_().mul_(-temperature)
