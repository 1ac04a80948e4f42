"""Plots, labelled panels and PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from videovq.storage import atomic

WHITE, INK = (255, 255, 255), (25, 25, 25)
GAP, CAPTION = 4, 16


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 ``h w c``, whole or not at all."""
    with atomic(path) as partial:
        iio.imwrite(partial, picture, extension=".png")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure


def drawn(figure: Figure) -> np.ndarray:
    """What a figure looks like, uint8 ``h w c``."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    """Every pixel as a square of ``scale`` pixels."""
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font of captions."""
    return ImageFont.load_default(11)


def labelled_rows(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[np.ndarray]]], scale: int) -> np.ndarray:
    """Captioned rows of enlarged pictures of one size under the titles of their columns, uint8 ``h w c``."""
    height, width = (side * scale for side in rows[0][1][0].shape[:2])
    margin = int(max(font().getlength(caption) for caption, _ in rows)) + 2 * GAP
    sheet = Image.new("RGB", (margin + len(titles) * (width + GAP), CAPTION + len(rows) * (height + GAP)), WHITE)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((margin + column * (width + GAP), 2), title, INK, font=font())
    for row, (caption, pictures) in enumerate(rows):
        top = CAPTION + row * (height + GAP)
        draw.text((GAP, top + height // 2 - 6), caption, INK, font=font())
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(enlarged(picture, scale)), (margin + column * (width + GAP), top))
    return np.asarray(sheet)
