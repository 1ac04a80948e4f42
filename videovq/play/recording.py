"""Recordings of a dream as a GIF or MP4."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from videovq.data.clip import Clip
from videovq.play.dream import Moment
from videovq.rollout.render import animation, write_gif, write_movie
from videovq.types import ActionSpec, Rollout, RolloutRequest

ENDINGS = {"gif": "image/gif", "mp4": "video/mp4"}
MOST = 600  # frames; of a longer dream, the last ones
ACROSS = 252  # pixels


def recorded(clip: Clip, moments: Sequence[Moment], spec: ActionSpec, fps: float, ending: str) -> bytes:
    """The scene and the frames predicted from it, drawn as ``videovq rollout`` does.

    Args:
        moments: of the dream, its frame 0 included.
        ending: ``gif`` or ``mp4``.
    """
    dreamt = moments[1:][-MOST:]
    codes = torch.from_numpy(np.stack([moment.codes for moment in dreamt]))
    frames = torch.from_numpy(np.stack([np.asarray(Image.open(BytesIO(moment.png))) for moment in dreamt]))
    actions = spec.tensor([list(moment.action) for moment in dreamt], "actions")
    request = RolloutRequest(clip.frames, clip.actions, actions, 1, dreamt[0].sampling)
    rollout = Rollout(request, torch.from_numpy(moments[0].codes)[None], codes[None], frames[None])
    scale = max(1, ACROSS // frames.shape[2])
    pictures = animation(rollout, None, spec.labels(actions), ["dreamt"], scale)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"dream.{ending}"
        if ending == "gif":
            write_gif(path, pictures, min(fps, 10), 0)
        else:
            write_movie(path, pictures, fps)
        return path.read_bytes()
