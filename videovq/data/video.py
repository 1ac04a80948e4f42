"""Reading and writing video: the only module, beside papers/sound/folder.py, that imports PyAV.

Frames are read as a player shows them: turned and mirrored as the file's display matrix says, and in the colours that
its matrix and range say. Where it does not say: BT.709 from 720 lines or 1280 columns on, BT.601 below, and limited
range. The primaries and the transfer function (HDR) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

import av
import numpy as np
import torch
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8
from torch import Tensor

from videovq.data.listing import refuse_pointers
from videovq.errors import UserError
from videovq.storage import atomic

PIECE = 64  # frames decoded before they are handed on, if they take no more than
PIECE_BYTES = 2**25
BT601, BT709 = 5, 1  # matrices, by swscale's numbers
MATRICES = {1: BT709, 4: 4, 5: BT601, 6: BT601, 7: 7, 9: 9, 10: 9}  # by the numbers that files keep (ITU-T H.273)
BT709_SAID, BT601_SAID = 1, 6
UNSAID = (0, 2, 3)  # 0, RGB, is no matrix: grey pictures have it
BROKEN = (av.FFmpegError, OSError, ValueError)  # what PyAV says of videos that it cannot decode
COMPRESSED_HEADER = re.compile(rb"cmov.{4}dcom", re.DOTALL)  # of QuickTime: a megabyte may become gigabytes


def read_video(path: str | Path) -> UInt8[Tensor, "t h w c"]:
    """All frames of a video file as RGB; see :func:`video_pieces`."""
    return torch.cat(list(video_pieces(path)))


def video_pieces(
    path: str | Path, start: float | None = None, most: int | None = None
) -> Iterator[UInt8[Tensor, "n h w c"]]:
    """The frames of a video file as RGB, some at a time, so that a long video need not fit into memory.

    Every frame that was stored, whatever its time: a variable frame rate neither drops nor repeats any.

    Args:
        start: seconds; frames before it are left out.
        most: number of frames after which it stops; None: all. What follows is not decoded.

    Raises:
        UserError: the file is missing, is no video, or breaks off.
    """
    frames: list[Tensor] = []
    count, shape = 0, None
    to_rgb = VideoReformatter()  # one for all frames: each sets up a conversion, which costs as much as decoding
    with _opened(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "NONE"  # small frames: threads cost more than they bring, and episodes run in parallel
        if start is not None:
            assert stream.time_base is not None
            container.seek(int(start / stream.time_base), stream=stream)  # to the key frame before it
        for frame in container.decode(stream):
            # Times are stored in ticks: half a millisecond is what rounding can cost.
            if start is not None and frame.time is not None and frame.time < start - 5e-4:
                continue
            frames.append(_picture(to_rgb, frame, path))
            count += 1
            shape = shape or frames[0].shape
            if frames[-1].shape != shape:
                raise UserError(f"{path}: frames change size within the video")
            if count == most:
                break
            if len(frames) == PIECE or len(frames) * prod(shape) >= PIECE_BYTES:
                yield torch.stack(frames)
                frames = []
    if frames:
        yield torch.stack(frames)
    if not count:
        raise UserError(f"{path}: holds no frames")


def uploaded_frames(data: bytes, most: int, side: int) -> Iterator[UInt8[Tensor, "one h w c"]]:
    """The first frames, one at a time, of a video that a stranger sent: decoded in memory, and by two demuxers only.

    Args:
        data: an MP4 or WebM file.
        most: number of frames after which it stops.
        side: height and width in pixels at most.

    Raises:
        UserError: it is something else, is broken, or its pictures are too large.
    """
    kind = "mp4" if data[4:8] == b"ftyp" else "matroska" if data[:4] == b"\x1a\x45\xdf\xa3" else ""
    if not kind:
        raise UserError("video: is neither MP4 nor WebM")
    if COMPRESSED_HEADER.search(data):
        raise UserError("video: its header is compressed; write it anew, say with ffmpeg -c copy")
    limit = {"max_pixels": str(side * side)}  # else the decoder makes room for whatever a frame says it is
    count, to_rgb = 0, VideoReformatter()
    try:
        with av.open(BytesIO(data), "r", format=kind, options=limit) as container:
            stream = _video_stream(container, "video")
            _check_side(stream.width, stream.height, side)
            stream.codec_context.options = limit
            stream.thread_type = "NONE"
            for frame in islice(container.decode(stream), most):
                _check_side(frame.width, frame.height, side)  # it may change on the way
                yield _picture(to_rgb, frame, "video")[None]
                count += 1
    except UserError:
        raise
    except BROKEN as error:
        raise UserError(f"video: cannot be decoded ({reason(error)})") from None
    if not count:
        raise UserError("video: holds no frames")


def _check_side(width: int, height: int, side: int) -> None:
    if not (0 < width <= side and 0 < height <= side):
        raise UserError(f"video: its pictures are {width}x{height} pixels; {side} a side is the most")


def frame_rate(path: str | Path) -> float:
    """Frames a second of a video file, on average.

    Raises:
        UserError: the file is missing, is no video, or does not say.
    """
    with _opened(path) as container:
        rate = _video_stream(container, path).average_rate
    if not rate:
        raise UserError(f"{path}: does not say how many frames a second it has")
    return float(rate)


@contextmanager
def _opened(path: str | Path) -> Iterator[InputContainer]:
    """A video file, for a block in which PyAV's errors mean that it cannot be decoded."""
    try:
        with av.open(address(path)) as container:
            yield container
    except UserError:
        raise
    except BROKEN as error:
        refuse_pointers([Path(path)])
        raise UserError(f"{path}: cannot be decoded ({reason(error)})") from None


def address(path: str | Path) -> str:
    """A path as FFmpeg wants it: without ``file:``, what stands before a colon would be the name of a protocol."""
    return f"file:{path}"


def reason(error: Exception) -> str:
    """The reason that FFmpeg gives, without the address."""
    return getattr(error, "strerror", None) or str(error)


def _video_stream(container: InputContainer, path: str | Path) -> VideoStream:
    """The first video stream that is no cover art, which is a video stream, too, and may come first."""
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not films:
        raise UserError(f"{path}: holds no video stream")
    if films[0].codec_context is None:
        raise UserError(f"{path}: is in a codec that is not known here")
    return films[0]


def _picture(to_rgb: VideoReformatter, frame: av.VideoFrame, path: str | Path) -> UInt8[Tensor, "h w c"]:
    """A frame as a player shows it.

    Raises:
        UserError: its colours are kept in a way that is not known here.
    """
    kind, stated = frame.format, int(frame.colorspace)
    if kind.is_rgb or kind.has_palette:
        shown = to_rgb.reformat(frame, format="rgb24")
    else:
        matrix = usual_matrix(frame.width, frame.height) if stated in UNSAID else MATRICES.get(stated)
        if matrix is None:
            raise UserError(f"{path}: its colours have the matrix {stated} of H.273; write it anew in BT.709")
        full = int(frame.color_range) == ColorRange.JPEG or kind.name.startswith("yuvj")
        shown = to_rgb.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            dst_colorspace=BT601 if matrix != BT601 else BT709,  # RGB has none, but PyAV < 17 skips equal ones
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
        )
    return torch.from_numpy(_upright(shown.to_ndarray(), frame))


def usual_matrix(width: int, height: int) -> int:
    """The matrix of a video that does not say, by the size of its frames."""
    return BT709 if height >= 720 or width >= 1280 else BT601


def _upright(picture: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """A decoded picture, turned by the quarter turns and mirrored as its display matrix says.

    The matrix leads a pixel (x, y) to (a x + c y, b x + d y), and is kept as a b u c d v and three more.
    """
    kept: Any = frame.side_data.get("DISPLAYMATRIX")
    if kept is None:
        return picture
    a, b, _, c, d = np.frombuffer(bytes(kept), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


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
    to_stored, kind = VideoReformatter(), "webm" if quality == "web" else "mp4"
    with atomic(path) as partial, av.open(address(partial), "w", format=kind) as container:
        stream: VideoStream | None = None
        for image in frames:
            array = np.ascontiguousarray(image)
            if stream is None:
                stream = cast(VideoStream, container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001)))
                stream.height, stream.width = array.shape[:2]
                stream.pix_fmt = pixels
                stream.thread_count = 1
                stream.options = {"crf": crf, **({"b": "0"} if quality == "web" else {"preset": "medium"})}
                matrix = usual_matrix(stream.width, stream.height)
                if pixels != "rgb24":  # said, too: not every player takes the usual one
                    stream.codec_context.colorspace = BT709_SAID if matrix == BT709 else BT601_SAID
                    stream.codec_context.color_range = ColorRange.MPEG
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            if pixels != "rgb24":
                frame = to_stored.reformat(
                    frame,
                    format=pixels,
                    src_colorspace=BT601 if matrix != BT601 else BT709,  # see _picture
                    dst_colorspace=matrix,
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                )
            container.mux(stream.encode(frame))
        if stream is None:
            raise UserError(f"{path}: no frames to write")
        container.mux(stream.encode())
