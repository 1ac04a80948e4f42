"""Plots, labelled panels, PNG files and GIFs."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from videovq.lettering import SIZE, draw_text, text_width
from videovq.storage import atomic

WHITE = (255, 255, 255)
GAP, CAPTION = 4, 16


def png(picture: np.ndarray, compress_level: int = 6) -> bytes:
    """A picture, uint8 ``h w c``, as a PNG file.

    Args:
        compress_level: of zlib, from 1, the fastest, to 9.
    """
    file: bytes = iio.imwrite("<bytes>", picture, extension=".png", compress_level=compress_level)
    return file


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 ``h w c``, whole or not at all."""
    with atomic(path) as partial:
        partial.write_bytes(png(picture))


def gif(pictures: Sequence[np.ndarray], fps: float, loops: int = 0) -> bytes:
    """A GIF of pictures of one size, uint8 ``h w c``; the last one stays for a second.

    All pictures share one palette: one for each, as GIFs often have, flickers.

    Args:
        loops: how often it plays; 0: for ever.
    """
    some = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(len(pictures), 16)).astype(int)]
    palette = Image.fromarray(np.concatenate(some)).quantize(256, method=Image.Quantize.MEDIANCUT)
    shown = gif_times(len(pictures), fps)
    frames = [Image.fromarray(pictures[i]).quantize(palette=palette, dither=Image.Dither.NONE) for i, _ in shown]
    again = {} if loops == 1 else {"loop": max(0, loops - 1)}
    times, file = [10 * hundredths for _, hundredths in shown], BytesIO()
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], duration=times, optimize=False, **again)
    return file.getvalue()


def gif_times(count: int, fps: float) -> list[tuple[int, int]]:
    """Which of ``count`` pictures a GIF shows, and for how many hundredths of a second each, in which GIFs count time.

    Browsers show for ten what should be shown for less than two: pictures are dropped, the last one never.
    """
    shown = [(0, 0)]
    for i in range(1, count):
        start, before = round(100 * i / fps), shown[-1][1]
        if start - before >= 2:
            shown.append((i, start))
        elif i == count - 1:
            shown[-1] = (i, before)
    ends = [start for _, start in shown[1:]] + [shown[-1][1] + 100]
    return [(i, end - start) for (i, start), end in zip(shown, ends, strict=True)]


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


def titled(picture: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """A picture under lines of text, uint8 ``h w c``."""
    height = len(lines) * (SIZE + GAP) + GAP
    width = max(picture.shape[1], *(round(text_width(line)) + 2 * GAP for line in lines))
    sheet = Image.new("RGB", (width, height + picture.shape[0]), WHITE)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw_text(draw, (GAP, GAP + number * (SIZE + GAP)), line)
    sheet.paste(Image.fromarray(picture), (0, height))
    return np.asarray(sheet)


def scale_to(width: int, picture: np.ndarray) -> int:
    """The whole number by which a picture is enlarged to be about so wide; 1 where it is wider."""
    return max(1, round(width / picture.shape[1]))


def letter_size(width: int) -> int:
    """Pixels of the letters over a picture of this width, which stay legible where a sheet is shown smaller."""
    return max(SIZE, width // 10)


def labelled_rows(
    titles: Sequence[str], rows: Sequence[tuple[str, Sequence[np.ndarray]]], scale: int, corner: str = ""
) -> np.ndarray:
    """Captioned rows of enlarged pictures of one size under the titles of their columns, uint8 ``h w c``.

    Columns are as wide as their pictures, or as the widest title where that is wider.

    Args:
        corner: what stands over the captions.
    """
    height, width = (side * scale for side in rows[0][1][0].shape[:2])
    size = letter_size(width)
    margin = round(max(text_width(caption, size) for caption in (corner, *(name for name, _ in rows)))) + 2 * GAP
    column, head = max(width, *(round(text_width(title, size)) for title in titles)) + GAP, CAPTION + size - SIZE
    sheet = Image.new("RGB", (margin + len(titles) * column, head + len(rows) * (height + GAP)), WHITE)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (GAP, 1), corner, size)
    for number, title in enumerate(titles):
        draw_text(draw, (margin + number * column, 1), title, size)
    for row, (caption, pictures) in enumerate(rows):
        top = head + row * (height + GAP)
        draw_text(draw, (GAP, top + (height - size) // 2), caption, size)
        for number, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(enlarged(picture, scale)), (margin + number * column, top))
    return np.asarray(sheet)
