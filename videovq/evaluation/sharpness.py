"""Sharpness of frames: gradient energy."""

from __future__ import annotations

from jaxtyping import Float, UInt8
from torch import Tensor


def gradient_energy(frames: UInt8[Tensor, "*b h w c"]) -> Float[Tensor, "*b"]:
    """Mean squared gradient of each frame x, over all pixels and channels, in grey levels squared:

        mean over (i, j, c) of (x[i, j+1, c] - x[i, j, c])^2  +  mean over (i, j, c) of (x[i+1, j, c] - x[i, j, c])^2

    A report gives its sum over the predicted frames of a horizon as a part of that over the true ones: below 1, edges
    and textures were lost; above 1, invented. It says nothing of whether they are where they should be.
    """
    x = frames.float()
    along, across = x.diff(dim=-2), x.diff(dim=-3)
    return along.pow(2).mean(dim=(-3, -2, -1)) + across.pow(2).mean(dim=(-3, -2, -1))
