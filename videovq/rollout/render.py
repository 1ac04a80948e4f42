"""Pictures of a rollout: animation frames and a strip. Predicted frames wear a red border."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw

from videovq.data.video import write_video
from videovq.pictures import CAPTION, GAP, INK, WHITE, enlarged, font
from videovq.types import Rollout

RED = (220, 30, 30)
BORDER = 3


def animation(rollout: Rollout, truth: np.ndarray | None, names: Sequence[str], scale: int) -> list[np.ndarray]:
    """One picture for each context and predicted frame: the truth where it is known, then every sample.

    Args:
        truth: the frames that really followed, uint8 ``n h w c``, or None.
        names: what the action that leads to each predicted frame is called.
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
                panels.append(("context", _panel(context[t], False, scale)))
            else:
                panels.append((_title(i, len(samples)), _panel(sample[n], True, scale)))
        caption = f"context {t + 1}/{len(context)}" if n < 0 else f"predicted {n + 1}/{samples.shape[1]}: {names[n]}"
        pictures.append(_side_by_side(panels, caption))
    return pictures


def strip(rollout: Rollout, truth: np.ndarray | None, names: Sequence[str], scale: int) -> np.ndarray:
    """Time from left to right; a row for the truth where it is known, then one for every sample."""
    context, samples = _arrays(rollout)
    rows = []
    if truth is not None:
        rows.append(("truth", [*((f, False) for f in context), *((f, False) for f in truth)]))
    for i, sample in enumerate(samples):
        rows.append((_title(i, len(samples)), [*((f, False) for f in context), *((f, True) for f in sample)]))
    height, width = (s * scale for s in context.shape[1:3])
    cell_h, cell_w, margin = height + GAP, width + GAP, 70
    columns = len(context) + samples.shape[1]
    sheet = Image.new("RGB", (margin + columns * cell_w, CAPTION + len(rows) * cell_h), WHITE)
    draw = ImageDraw.Draw(sheet)
    for t in range(columns):
        text = names[t - len(context)] if t >= len(context) else f"context {t + 1}"
        draw.text((margin + t * cell_w, 2), _fitting(text, width), INK, font=font())
    for r, (title, frames) in enumerate(rows):
        draw.text((4, CAPTION + r * cell_h + height // 2 - 6), title, INK, font=font())
        for t, (frame, predicted) in enumerate(frames):
            sheet.paste(Image.fromarray(_panel(frame, predicted, scale)), (margin + t * cell_w, CAPTION + r * cell_h))
    return np.asarray(sheet)


def write_gif(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Write an endless GIF, complete or not at all; the last picture stays for a second."""
    partial = path.with_name(f".{path.name}")
    durations = [1000 / fps] * (len(pictures) - 1) + [1000.0]
    iio.imwrite(partial, np.stack(pictures), extension=".gif", duration=durations, loop=0)
    partial.replace(path)


def write_mp4(path: Path, pictures: Sequence[np.ndarray], fps: float) -> None:
    """Write an MP4 that every player shows."""
    height, width = (s - s % 2 for s in pictures[0].shape[:2])
    write_video(path, [p[:height, :width] for p in pictures], fps, "share")


def _arrays(rollout: Rollout) -> tuple[np.ndarray, np.ndarray]:
    assert rollout.frames is not None
    return rollout.request.context.numpy(), rollout.frames.numpy()


def _title(sample: int, samples: int) -> str:
    return "predicted" if samples == 1 else f"sample {sample + 1}"


def _panel(frame: np.ndarray, predicted: bool, scale: int) -> np.ndarray:
    large = enlarged(frame, scale)
    if predicted:
        for edge in (np.s_[:BORDER], np.s_[-BORDER:], np.s_[:, :BORDER], np.s_[:, -BORDER:]):
            large[edge] = RED
    return large


def _side_by_side(panels: Sequence[tuple[str, np.ndarray]], caption: str) -> np.ndarray:
    height, width = panels[0][1].shape[:2]
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + 2 * CAPTION), WHITE)
    draw = ImageDraw.Draw(sheet)
    for i, (title, picture) in enumerate(panels):
        draw.text((i * (width + GAP) + 2, 2), title, INK, font=font())
        sheet.paste(Image.fromarray(picture), (i * (width + GAP), CAPTION))
    draw.text((2, height + CAPTION + 2), caption, INK, font=font())
    return np.asarray(sheet)


def _fitting(text: str, width: int) -> str:
    while len(text) > 3 and font().getlength(text) > width:
        text = text[:-2] + "."
    return text
