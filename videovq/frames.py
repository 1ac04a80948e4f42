"""Frames as numbers: the only conversion between stored frames (uint8 ``t h w c``) and network frames (float
``b c h w``), and how far two frames are apart.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def to_float(frames: UInt8[Tensor, "t h w c"]) -> Float[Tensor, "t c h w"]:
    """uint8 0..255 to float32 -0.5..0.5, in channels-last memory format."""
    return frames.permute(0, 3, 1, 2).float().div_(255).sub_(0.5)


def to_uint8(frames: Float[Tensor, "t c h w"]) -> UInt8[Tensor, "t h w c"]:
    """float -0.5..0.5 (clipped) to uint8 0..255, rounded."""
    return frames.float().add(0.5).mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def psnr(frames: UInt8[Tensor, "*b h w c"], others: UInt8[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
    """Peak signal-to-noise ratio of each frame in dB, over all pixels and channels; at most 78 dB, for equal frames."""
    error = (frames.float() - others.float()).pow(2).mean(dim=(-3, -2, -1))
    return 20 * math.log10(255) - 10 * error.clamp(min=1e-3).log10()
