"""Frames of any size to the square frames of a store."""

from __future__ import annotations

from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from videovq.errors import UserError
from videovq.frames import to_float, to_uint8


def centre_resize(frames: UInt8[Tensor, "t h w c"], size: int, where: str) -> UInt8[Tensor, "t size size c"]:
    """Centre crop to a square, then area resize; see :func:`resize`."""
    return resize(frames, size, "crop", where)


def resize(frames: UInt8[Tensor, "t h w c"], size: int, fit: str, where: str) -> UInt8[Tensor, "t size size c"]:
    """Make frames square, then area resize.

    Args:
        fit: ``crop`` keeps the centre, ``letterbox`` adds black bars, ``stretch`` distorts.
        where: the file or field the frames came from, for the error message.

    Raises:
        UserError: what is left of the frames is smaller than ``size``.
    """
    height, width = frames.shape[1:3]
    side = max(height, width) if fit == "letterbox" else min(height, width)
    if side < size:
        raise UserError(f"{where}: {width}x{height} pixels is smaller than frame_size {size}; choose a smaller one")
    if fit == "crop":
        top, left = (height - side) // 2, (width - side) // 2
        frames = frames[:, top : top + side, left : left + side]
    elif fit == "letterbox":
        above, before = (side - height) // 2, (side - width) // 2
        frames = pad(frames, (0, 0, before, side - width - before, above, side - height - above))
    if frames.shape[1:3] == (size, size):
        return frames.contiguous()
    return to_uint8(interpolate(to_float(frames), size=(size, size), mode="area"))
