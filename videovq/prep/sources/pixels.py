"""Frames stored in arrays: uint8 or real numbers, channels last or first, or a JPEG or PNG each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.config import DeclareConfig
from videovq.data.video import PIECE
from videovq.errors import UserError
from videovq.prep.sources.encoded import decoded

LARGEST = {"0..1": 1.0, "0..255": 255.0}


def stored_frames(stored: Any, declared: DeclareConfig, where: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """The frames of an array or of a dataset in HDF5, as RGB, some at a time.

    Args:
        stored: (time, height, width, 3) or what was declared; or a picture a frame, as bytes or in rows of bytes.

    Raises:
        UserError: it holds no frames, or others than were declared.
    """
    if pictured(stored):
        for setting in ("frames_range", "channels"):
            if getattr(declared, setting):
                raise UserError(f"{where}: holds encoded pictures; leave declare.{setting} out")
        yield from decoded((bytes(one) for one in stored), declared.colours, where)
        return
    for start in range(0, max(1, len(stored) if stored.ndim else 1), PIECE):
        piece = stored[start : start + PIECE] if stored.ndim else stored
        if declared.channels == "first" and piece.ndim == 4:
            piece = np.moveaxis(piece, 1, -1)
        if declared.frames_range:
            piece = _as_bytes(piece, declared.frames_range, where)
        yield as_frames(piece, declared.colours, where)


def pictured(stored: Any) -> bool:
    """Whether a stored array has the bytes of a picture for each frame: of several lengths, or filled up to one."""
    kind = stored.dtype
    if stored.ndim == 2:
        return kind == np.uint8
    return stored.ndim == 1 and (kind.kind in "SV" or (kind.kind == "O" and _bytes_within(kind)))


def as_frames(array: np.ndarray, colours: str, where: str) -> UInt8[Tensor, "n h w c"]:
    """An array of frames as RGB.

    Args:
        colours: ``bgr`` turns the channels round.

    Raises:
        UserError: it holds no frames.
    """
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape:
        raise UserError(
            f"{where} is {array.dtype} {array.shape}; frames are uint8 (time, height, width, 3), unless"
            " declare.frames_range and declare.channels say otherwise"
        )
    return torch.from_numpy(np.ascontiguousarray(array[..., ::-1] if colours == "bgr" else array))


def _as_bytes(array: Shaped[np.ndarray, "..."], span: str, where: str) -> UInt8[np.ndarray, "..."]:
    if array.dtype == np.uint8:
        raise UserError(f"{where} is uint8; leave declare.frames_range out")
    if array.dtype.kind not in "fiu":
        raise UserError(f"{where} is {array.dtype}; frames are numbers")
    largest = LARGEST[span]
    if not ((array >= 0) & (array <= largest)).all():  # NaN neither
        raise UserError(f"{where} has values out of {span}; see declare.frames_range")
    return np.rint(array.astype(np.float64) * (255 / largest)).astype(np.uint8)


def _bytes_within(kind: np.dtype) -> bool:
    """Whether HDF5's values of varying length are bytes."""
    inner = dict(kind.metadata or {}).get("vlen")
    return inner is bytes or (isinstance(inner, np.dtype) and inner == np.uint8)
