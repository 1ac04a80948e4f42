"""Pictures of a rollout: animation frames and a strip. Predicted frames have a red border, actions an arrow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from videovq.data.video import write_video
from videovq.lettering import SIZE, draw_text, text_width
from videovq.pictures import CAPTION, GAP, WHITE, enlarged, gif, letter_size
from videovq.storage import atomic
from videovq.types import Rollout

RED = (220, 30, 30)
BORDER = 3
ACROSS = 5  # panels side by side in an animation at most


def animation(
    rollout: Rollout, truth: np.ndarray | None, names: Sequence[str], titles: Sequence[str], scale: int
) -> list[np.ndarray]:
    """One picture for each context and predicted frame: the truth where it is known, then every sample.

    Args:
        truth: the true frames, uint8 ``n h w c``, or None.
        names: of the action that leads to each predicted frame.
        titles: of the samples.
        scale: enlargement.
    """
    context, samples = _arrays(rollout)
    real = None if truth is None else np.concatenate([context, truth])
    pictures = []
    for t in range(len(context) + samples.shape[1]):
        n = t - len(context)
        panels = [] if real is None else [("truth", _panel(real[t], False, scale))]
        for i, sample in enumerate(samples):
            if n < 0:
                panels.append((titles[i] if len(samples) > 1 else "context", _panel(context[t], False, scale)))
            else:
                panels.append((titles[i], _panel(sample[n], True, scale)))
        caption = f"context {t + 1}/{len(context)}" if n < 0 else f"predicted {n + 1}/{samples.shape[1]}: {names[n]}"
        pictures.append(_side_by_side(panels, caption, None if n < 0 else direction(names[n])))
    return pictures


def strip(
    rollout: Rollout, truth: np.ndarray | None, names: Sequence[str], titles: Sequence[str], scale: int
) -> np.ndarray:
    """Time from left to right, each predicted frame with its horizon and the action that leads to it; a row for the
    truth where it is known, then one for every sample.
    """
    context, samples = _arrays(rollout)
    rows = []
    if truth is not None:
        rows.append(("truth", [*((f, False) for f in context), *((f, False) for f in truth)]))
    for i, sample in enumerate(samples):
        rows.append((titles[i], [*((f, False) for f in context), *((f, True) for f in sample)]))
    height, width = (s * scale for s in context.shape[1:3])
    cell_h, cell_w = height + GAP, width + GAP
    heads = [f"context {t + 1}" for t in range(len(context))] + [f"+{n + 1} {name}" for n, name in enumerate(names)]
    sizes = range(letter_size(width), SIZE, -1)
    size = next((size for size in sizes if all(text_width(head, size) <= width for head in heads)), SIZE)
    margin, head = max(70, *(int(text_width(title, size)) + 8 for title, _ in rows)), CAPTION + size - SIZE
    columns = len(context) + samples.shape[1]
    sheet = Image.new("RGB", (margin + columns * cell_w, head + len(rows) * cell_h), WHITE)
    draw = ImageDraw.Draw(sheet)
    for t in range(columns):
        draw_text(draw, (margin + t * cell_w, 1), _fitting(heads[t], width), size)
    for r, (title, frames) in enumerate(rows):
        draw_text(draw, (4, head + r * cell_h + (height - size) // 2), title, size)
        for t, (frame, predicted) in enumerate(frames):
            sheet.paste(Image.fromarray(_panel(frame, predicted, scale)), (margin + t * cell_w, head + r * cell_h))
    return np.asarray(sheet)


def direction(action: str) -> tuple[int, int] | None:
    """Columns and rows of the arrow for an action, by the words in its name; None where it has no direction."""
    words = action.replace("_", " ").replace("+", " ").split()
    across = ("right" in words) - ("left" in words)
    down = ("backward" in words or "down" in words) - ("forward" in words or "up" in words)
    return (across, down) if across or down else None


def write_gif(path: Path, pictures: Sequence[np.ndarray], fps: float, loops: int) -> None:
    """Write a GIF, whole or not at all; see :func:`videovq.pictures.gif`."""
    with atomic(path) as partial:
        partial.write_bytes(gif(pictures, fps, loops))


def write_movie(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Write an MP4 or WebM, by the path's ending, that every player shows."""
    height, width = (s - s % 2 for s in pictures[0].shape[:2])
    write_video(path, [p[:height, :width] for p in pictures], fps, "web" if path.suffix == ".webm" else "share")


def _arrays(rollout: Rollout) -> tuple[np.ndarray, np.ndarray]:
    assert rollout.frames is not None
    return rollout.request.context.numpy(), rollout.frames.numpy()


def sample_titles(samples: int) -> list[str]:
    """Titles of the samples of one context."""
    return ["predicted"] if samples == 1 else [f"sample {i + 1}" for i in range(samples)]


def _panel(frame: np.ndarray, predicted: bool, scale: int) -> np.ndarray:
    large = enlarged(frame, scale)
    if predicted:
        for edge in (np.s_[:BORDER], np.s_[-BORDER:], np.s_[:, :BORDER], np.s_[:, -BORDER:]):
            large[edge] = RED
    return large


def _side_by_side(
    panels: Sequence[tuple[str, np.ndarray]], caption: str, towards: tuple[int, int] | None
) -> np.ndarray:
    height, width = panels[0][1].shape[:2]
    columns = min(len(panels), ACROSS)
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + CAPTION) + CAPTION), WHITE)
    draw = ImageDraw.Draw(sheet)
    for i, (title, picture) in enumerate(panels):
        left, top = i % columns * (width + GAP), i // columns * (height + CAPTION)
        draw_text(draw, (left + 2, top + 1), _fitting(title, width))
        sheet.paste(Image.fromarray(picture), (left, top + CAPTION))
    draw_text(draw, (2, sheet.height - CAPTION + 1), caption)
    if towards is not None:
        _arrow(draw, sheet.width - CAPTION // 2 - 2, sheet.height - CAPTION // 2, towards)
    return np.asarray(sheet)


def _arrow(draw: ImageDraw.ImageDraw, x: float, y: float, towards: tuple[int, int]) -> None:
    """A small arrow with its middle at ``x y``."""
    across, down = towards
    length = 6 / math.hypot(across, down)
    tip = (x + across * length, y + down * length)
    draw.line([(x - across * length, y - down * length), tip], RED, width=2)
    turn = math.atan2(down, across)
    wings = [(tip[0] - 6 * math.cos(turn + side), tip[1] - 6 * math.sin(turn + side)) for side in (-0.6, 0.6)]
    draw.polygon([tip, *wings], RED)


def _fitting(text: str, width: int) -> str:
    while len(text) > 3 and text_width(text) > width:
        text = text[:-2] + "."
    return text
