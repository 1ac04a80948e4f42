"""Reading and writing video: the only module that imports PyAV."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


def read_video(path: str | Path) -> UInt8[Tensor, "t h w c"]:
    """All frames of a video file as RGB.

    Raises:
        ValueError: the file is missing, is no video, or breaks off.
    """
    frames = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ValueError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # small frames: threads cost more than they bring, and episodes run in parallel
            for frame in container.decode(stream):
                frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")))
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error})") from None
    if not frames:
        raise ValueError(f"{path}: holds no frames")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"{path}: frames change size within the video")
    return torch.stack(frames)


QUALITIES = {  # codec, pixel format, constant rate factor
    "lossless": ("libx264rgb", "rgb24", "0"),
    "archive": ("libx264", "yuv444p", "14"),
    "share": ("libx264", "yuv420p", "16"),
    "web": ("libvpx-vp9", "yuv420p", "24"),
}


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray] | UInt8[Tensor, "t h w c"],
    fps: float,
    quality: Literal["lossless", "archive", "share", "web"] = "archive",
) -> None:
    """Write an H.264 mp4 (``web``: a VP9 webm), complete or not at all.

    The same frames give the same file where it is lossless. x264's lossy modes read memory that they never set: a few
    bytes may differ from one time to the next.

    Args:
        frames: RGB uint8 ``h w c`` each.
        quality: ``lossless``: exact RGB; ``archive``: 4:4:4, visually lossless; ``share``: 4:2:0, which every player
            and browser shows (height and width must be even); ``web``: VP9 in WebM, for browsers.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    codec, pixels, crf = QUALITIES[quality]
    with av.open(str(partial), "w", format="webm" if quality == "web" else "mp4") as container:
        stream = None
        for image in frames:
            array = np.ascontiguousarray(image)
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt = pixels
                stream.thread_count = 1
                stream.options = {"crf": crf, **({"b": "0"} if quality == "web" else {"preset": "medium"})}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        if stream is None:
            raise ValueError(f"{path}: no frames to write")
        container.mux(stream.encode())
    os.replace(partial, path)
