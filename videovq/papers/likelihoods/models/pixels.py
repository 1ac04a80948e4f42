"""p(8-bit pixels): a logistic distribution cut into 256 bins.

Salimans et al. 2017, "PixelCNN++" (arXiv 1701.05517, equation 2), with one component. The outermost bins reach to
infinity, so that the 256 probabilities sum to one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

CHANNELS = 6  # of the decoder: three means and three scales
LOWEST = -8.0  # logarithm of the smallest scale, a twelfth of a grey level


def log_probability(frames: UInt8[Tensor, "b h w c"], decoded: Float[Tensor, "s b c2 h w"]) -> Float[Tensor, "s b"]:
    """The log-probability of whole frames under several decodings of each, in nats.

    Args:
        decoded: the decoder's output; see :func:`mean_and_scale`.
    """
    mean, log_scale = mean_and_scale(decoded)
    return pixel_log_probability(frames.permute(0, 3, 1, 2), mean, log_scale).sum(dim=(-3, -2, -1))


def mean_and_scale(
    decoded: Float[Tensor, "*n c2 h w"],
) -> tuple[Float[Tensor, "*n c h w"], Float[Tensor, "*n c h w"]]:
    """The mean, in -0.5..0.5, and the logarithm of the scale of every pixel and channel."""
    mean, raw = decoded.float().chunk(2, dim=-3)
    return mean, LOWEST + softplus(raw - LOWEST - 3)  # about 13 grey levels to begin with


def pixel_log_probability(
    pixels: UInt8[Tensor, "*#n c h w"], mean: Float[Tensor, "*n c h w"], log_scale: Float[Tensor, "*n c h w"]
) -> Float[Tensor, "*n c h w"]:
    """Of every pixel and channel, in nats."""
    sharpness = (-log_scale).exp()
    centred = pixels.float() / 255 - 0.5 - mean
    above, below = (centred + 0.5 / 255) * sharpness, (centred - 0.5 / 255) * sharpness
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), which loses no digits in the tails.
    zero = centred.new_zeros(())
    first, last = pixels == 0, pixels == 255
    upper = torch.where(last, zero, logsigmoid(above))
    lower = torch.where(first, zero, logsigmoid(-below))
    return upper + lower + torch.where(first | last, zero, (-torch.expm1(-sharpness / 255)).log())
