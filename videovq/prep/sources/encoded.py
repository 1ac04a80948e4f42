"""Frames that are stored as PNG, JPEG and the like, one picture a frame."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from videovq.data.video import PIECE
from videovq.errors import UserError

EIGHT_BITS = ("RGB", "RGBA", "L", "LA", "P", "CMYK")


def decoded(pictures: Iterable[bytes | memoryview], colours: str, where: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """Pictures as RGB, some at a time.

    Args:
        colours: ``bgr``: the channels are stored the other way round.

    Raises:
        UserError: one is broken, is not 8 bits deep, or has another size than those before.
    """
    frames: list[np.ndarray] = []
    shape = None
    for number, picture in enumerate(pictures):
        try:
            frames.append(as_rgb(io.BytesIO(picture), ("PNG", "JPEG")))
        except ValueError as error:
            raise UserError(f"{where}: frame {number} cannot be decoded ({error})") from None
        shape = shape or frames[-1].shape
        if frames[-1].shape != shape:
            raise UserError(f"{where}: frame {number} has another size than those before")
        if len(frames) == PIECE:
            yield _together(frames, colours)
            frames = []
    if frames:
        yield _together(frames, colours)


def _together(frames: list[UInt8[np.ndarray, "h w 3"]], colours: str) -> UInt8[Tensor, "n h w c"]:
    stacked = np.stack(frames)
    return torch.from_numpy(np.ascontiguousarray(stacked[..., ::-1] if colours == "bgr" else stacked))


def as_rgb(file: Path | io.BytesIO, formats: tuple[str, ...]) -> UInt8[np.ndarray, "h w 3"]:
    """One picture as RGB, upright: turned and mirrored as its EXIF says.

    Args:
        formats: those that it may have, by Pillow's names.

    Raises:
        UserError: it is broken, too large, or not 8 bits deep.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as image:
                if image.mode not in EIGHT_BITS:
                    raise UserError(f"its mode is {image.mode}")
                upright: Image.Image = image
                with suppress(SyntaxError, struct.error):  # EXIF that is broken says nothing
                    upright = ImageOps.exif_transpose(image)
                return np.array(upright.convert("RGB"))
    except (
        OSError,
        SyntaxError,  # what Pillow raises of some broken PNGs
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise UserError(str(error)) from None
