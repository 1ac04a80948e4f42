"""Videos whose colours and display matrix are known, made without any conversion of PyAV's."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

BT601, BT709, BT2020 = MATRICES = ("bt601", "bt709", "bt2020")
LUMA = {BT601: (0.299, 0.114), BT709: (0.2126, 0.0722), BT2020: (0.2627, 0.0593)}  # of red and blue
SAID = {BT601: ("smpte170m", 6), BT709: ("bt709", 1), BT2020: ("bt2020nc", 9)}
COLOURS = np.array(
    [[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 50, 50], [50, 200, 50], [50, 50, 200],
     [128, 128, 128], [60, 120, 180], [220, 180, 40], [30, 30, 30], [240, 240, 240], [180, 60, 120], [90, 200, 160],
     [20, 90, 50]], np.uint8,
).reshape(4, 4, 3)  # fmt: skip


def write_coloured(path: Path, matrix: str, full: bool, pixels: str, stated: bool, width: int = 64) -> np.ndarray:
    """A lossless H.264 video of one frame, and its RGB picture: sixteen colours, as the equations of ITU-R BT.601, 709
    and 2020 have them.

    Args:
        full: range of 0 to 255, not 16 to 235.
        pixels: ``yuv444p`` or ``yuv420p``.
        stated: whether the file says its matrix and range.
    """
    picture = COLOURS.repeat(16, axis=0).repeat(width // 4, axis=1)
    red, green, blue = np.moveaxis(picture / 255, -1, 0)
    of_red, of_blue = LUMA[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 * (1 - of_blue)), (red - luma) / (2 * (1 - of_red))
    black, white, colour = (0, 255, 255) if full else (16, 219, 224)
    planes = [black + white * luma, *(128 + colour * one for one in chroma)]
    if pixels == "yuv420p":
        planes[1:] = [plane[::2, ::2] for plane in planes[1:]]
    frame = av.VideoFrame(width, len(picture), pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((len(values), plane.line_size), np.uint8)
        rows[:, : values.shape[1]] = values.round().clip(0, 255)
        plane.update(rows.tobytes())
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, len(picture), pixels
        stream.options = {"qp": "0"}
        if stated:
            name, number = SAID[matrix]
            stream.options = {"qp": "0", "x264-params": f"colormatrix={name}:fullrange={'on' if full else 'off'}"}
            frame.colorspace = stream.codec_context.colorspace = number
            frame.color_range = stream.codec_context.color_range = 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return picture


def displayed_by(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix into an MP4 file: a player shows a pixel (x, y) at (a x + c y, b x + d y)."""
    a, b, c, d = (number << 16 for number in matrix)
    mp4 = bytearray(path.read_bytes())
    at = mp4.index(b"tkhd") + 44
    mp4[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(mp4)
