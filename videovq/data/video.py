"""Reading and writing video: the only module, beside sound.py, that imports PyAV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8
from torch import Tensor

from videovq.storage import atomic

PIECE = 64  # frames decoded before they are handed on
COMPRESSED_HEADER = re.compile(rb"cmov.{4}dcom", re.DOTALL)  # of QuickTime: a megabyte may become gigabytes


def read_video(path: str | Path) -> UInt8[Tensor, "t h w c"]:
    """All frames of a video file as RGB; see :func:`video_pieces`."""
    return torch.cat(list(video_pieces(path)))


def video_pieces(path: str | Path, start: float | None = None) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """The frames of a video file as RGB, some at a time, so that a long video need not fit into memory.

    Every frame that was stored, whatever its time: a variable frame rate neither drops nor repeats any.

    Args:
        start: seconds; frames before it are left out.

    Raises:
        ValueError: the file is missing, is no video, or breaks off.
    """
    frames: list[Tensor] = []
    count, shape = 0, None
    to_rgb = VideoReformatter()  # one for all frames: each sets up a conversion, which costs as much as decoding
    try:
        with av.open(str(path)) as container:
            stream = _video_stream(container, path)
            stream.thread_type = "NONE"  # small frames: threads cost more than they bring, and episodes run in parallel
            if start is not None:
                assert stream.time_base is not None
                container.seek(int(start / stream.time_base), stream=stream)  # to the key frame before it
            for frame in container.decode(stream):
                # Times are stored in ticks: half a millisecond is what rounding can cost.
                if start is not None and frame.time is not None and frame.time < start - 5e-4:
                    continue
                frames.append(torch.from_numpy(to_rgb.reformat(frame, format="rgb24").to_ndarray()))
                count += 1
                shape = shape or frames[0].shape
                if frames[-1].shape != shape:
                    raise ValueError(f"{path}: frames change size within the video")
                if len(frames) == PIECE:
                    yield torch.stack(frames)
                    frames = []
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error})") from None
    if frames:
        yield torch.stack(frames)
    if not count:
        raise ValueError(f"{path}: holds no frames")


def uploaded_frames(data: bytes, most: int, side: int) -> Iterator[UInt8[Tensor, "one h w c"]]:
    """The first frames, one at a time, of a video that a stranger sent: decoded in memory, and by two demuxers only.

    Args:
        data: an MP4 or WebM file.
        most: number of frames after which it stops.
        side: height and width in pixels at most.

    Raises:
        ValueError: it is something else, is broken, or its pictures are too large.
    """
    kind = "mp4" if data[4:8] == b"ftyp" else "matroska" if data[:4] == b"\x1a\x45\xdf\xa3" else ""
    if not kind:
        raise ValueError("video: is neither MP4 nor WebM")
    if COMPRESSED_HEADER.search(data):
        raise ValueError("video: its header is compressed; write it anew, say with ffmpeg -c copy")
    limit = {"max_pixels": str(side * side)}  # else the decoder makes room for whatever a frame says it is
    count = 0
    try:
        with av.open(BytesIO(data), format=kind, options=limit) as container:
            stream = _video_stream(container, "video")
            _check_side(stream.width, stream.height, side)
            stream.codec_context.options = limit
            stream.thread_type = "NONE"
            for frame in islice(container.decode(stream), most):
                _check_side(frame.width, frame.height, side)  # it may change on the way
                yield torch.from_numpy(frame.to_ndarray(format="rgb24"))[None]
                count += 1
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"video: cannot be decoded ({error})") from None
    if not count:
        raise ValueError("video: holds no frames")


def _check_side(width: int, height: int, side: int) -> None:
    if not (0 < width <= side and 0 < height <= side):
        raise ValueError(f"video: its pictures are {width}x{height} pixels; {side} a side is the most")


def frame_rate(path: str | Path) -> float:
    """Frames a second of a video file, on average.

    Raises:
        ValueError: the file is missing, is no video, or does not say.
    """
    try:
        with av.open(str(path)) as container:
            rate = _video_stream(container, path).average_rate
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path}: cannot be decoded ({error})") from None
    if not rate:
        raise ValueError(f"{path}: does not say how many frames a second it has")
    return float(rate)


def _video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    if not container.streams.video:
        raise ValueError(f"{path}: holds no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ValueError(f"{path}: is in a codec that is not known here")
    return stream


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
    """Write an H.264 mp4 (``web``: a VP9 webm), whole or not at all.

    The same frames give the same file where it is lossless. x264's lossy modes read memory that they never set: a few
    bytes may differ from one time to the next.

    Args:
        frames: RGB uint8 ``h w c`` each.
        quality: ``lossless``: exact RGB; ``archive``: 4:4:4, visually lossless; ``share``: 4:2:0, which every player
            and browser shows (height and width must be even); ``web``: VP9 in WebM, for browsers.
    """
    path = Path(path)
    codec, pixels, crf = QUALITIES[quality]
    container_format = "webm" if quality == "web" else "mp4"
    with atomic(path) as partial, av.open(str(partial), "w", format=container_format) as container:
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
