"""A user's own video: frames of the size that a model wants, with the actions beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.config import DeclareActionsConfig
from videovq.data.resize import centre_resize
from videovq.data.sidecars import DECLARABLE, known_actions, refuse_declared
from videovq.data.video import video_pieces
from videovq.types import ActionSpec


@dataclass(frozen=True)
class Clip:
    """Frames with the actions that are known between them (none, or fewer than the frames).

    Attributes:
        name: where they are from.
    """

    frames: UInt8[Tensor, "t h w c"]
    actions: Shaped[Tensor, "s a"]
    name: str


def read_clip(
    path: Path,
    size: tuple[int, int],
    spec: ActionSpec,
    most: int | None = None,
    declared: DeclareActionsConfig = DeclareActionsConfig(),
) -> Clip:
    """A video file, cropped and resized; its actions are those of the file beside it (``NAME.json``, ``.csv``, ...),
    where there is one. Without actions as ``spec`` may be, every frame has its own, of no numbers.

    Args:
        most: number of frames that are enough; None: all.
        declared: what that file leaves open.

    Raises:
        UserError: the video cannot be read or is too small, or the actions do not fit ``spec``.
    """
    if spec.kind == "none":
        refuse_declared(declared, DECLARABLE, "this model was trained on videos without actions")
    frames = torch.cat([centre_resize(piece, size[0], str(path)) for piece in video_pieces(path, most=most)])
    none = torch.empty((len(frames) if spec.kind == "none" else 0, spec.width), dtype=spec.dtype)
    known = None if spec.kind == "none" else known_actions(path, spec, declared)
    return Clip(frames, none if known is None else known, str(path))
