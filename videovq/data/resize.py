"""Frames of any size to the square frames of a store."""

from __future__ import annotations

from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from videovq.frames import to_float, to_uint8


def centre_resize(frames: UInt8[Tensor, "t h w c"], size: int, where: str) -> UInt8[Tensor, "t size size c"]:
    """Centre crop to a square, then area resize.

    Args:
        where: the file or field the frames came from, for the error message.

    Raises:
        ValueError: the frames are smaller than ``size``.
    """
    height, width = frames.shape[1:3]
    side = min(height, width)
    if side < size:
        raise ValueError(f"{where}: {width}x{height} pixels is smaller than frame_size {size}; choose a smaller one")
    top, left = (height - side) // 2, (width - side) // 2
    cropped = frames[:, top : top + side, left : left + side]
    if side == size:
        return cropped.contiguous()
    return to_uint8(interpolate(to_float(cropped), size=(size, size), mode="area"))
