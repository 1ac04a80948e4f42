"""Frames that are stored as PNG or JPEG, one picture a frame."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from videovq.data.video import PIECE
from videovq.prep.sources.arrays import as_frames


def decoded(pictures: Iterable[bytes | memoryview], colours: str, where: str) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """Pictures as RGB, some at a time.

    Args:
        colours: ``bgr``: the channels are stored the other way round.

    Raises:
        ValueError: one is broken, is not 8 bits deep, or has another size than those before.
    """
    frames: list[np.ndarray] = []
    shape = None
    for number, picture in enumerate(pictures):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(picture), formats=("PNG", "JPEG"))
                if image.mode not in ("RGB", "RGBA", "L", "P"):
                    raise ValueError(f"its mode is {image.mode}")
                frames.append(np.asarray(image.convert("RGB")))
        except (
            OSError,
            SyntaxError,  # what Pillow raises of some broken PNGs
            ValueError,
            UnidentifiedImageError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ) as error:
            raise ValueError(f"{where}: frame {number} cannot be decoded ({error})") from None
        shape = shape or frames[-1].shape
        if frames[-1].shape != shape:
            raise ValueError(f"{where}: frame {number} has another size than those before")
        if len(frames) == PIECE:
            yield as_frames(np.stack(frames), colours, where)
            frames = []
    if frames:
        yield as_frames(np.stack(frames), colours, where)
