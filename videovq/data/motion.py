"""Horizontal motion from one frame to the next."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor


def brightness(frames: UInt8[Tensor, "*b h w c"]) -> Float[Tensor, "*b h w"]:
    """The brightness of frames: the mean over the colours."""
    return frames.float().mean(dim=-1)


def horizontal_shift(frames: Float[Tensor, "*b h w"], later: Float[Tensor, "*b h w"]) -> Int64[Tensor, "*b"]:
    """Horizontal motion in columns, positive to the right, by phase correlation (Kuglin and Hines 1975).

    Args:
        frames, later: brightness of pairs of frames, in any unit.
    """
    height, width = frames.shape[-2:]
    if not frames.numel():  # of an episode of one frame; there is no Fourier transform of nothing
        return torch.zeros(frames.shape[:-2], dtype=torch.int64, device=frames.device)
    taper = torch.hann_window(height, device=frames.device)[:, None] * torch.hann_window(width, device=frames.device)
    first, second = (torch.fft.rfft2((f - f.mean(dim=(-2, -1), keepdim=True)) * taper) for f in (frames, later))
    cross = first.conj() * second
    peaks = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-9), s=(height, width))
    limit = height // 8  # a picture that turns hardly moves up or down
    rows = torch.cat([peaks[..., : limit + 1, :], peaks[..., -limit:, :]], dim=-2).amax(dim=-2)
    column = rows.argmax(dim=-1)
    return torch.where(column > width // 2, column - width, column)
