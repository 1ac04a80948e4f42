"""Uploads that are small to send and large to read."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import av
import numpy as np

from tests.conftest import world
from videovq.data.video import write_video

MANY = 512 * 2**20  # bytes that a bomb would take


def videos() -> dict[str, bytes]:
    """An MP4 and a WebM that are as they should be."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {quality: Path(folder) / f"{quality}.video" for quality in ("lossless", "web")}
        for quality, path in paths.items():
            write_video(path, world(0, 12)[0], 15, quality)  # type: ignore[arg-type]
        return {quality: path.read_bytes() for quality, path in paths.items()}


def bombs(mp4: bytes, webm: bytes) -> dict[str, bytes]:
    """By name."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("codes.npy", bytes(2**24))
    return {
        "zip": packed.getvalue(),
        "compressed header": compressed_header(),
        "vast VP9 frames": vast(webm, 16384),
        "large VP9 frames": vast(webm, 8192),
        "declared width of 65535": declared(mp4, 65535),
        "wide": wide(),
        "endless box": (2**32 - 1).to_bytes(4, "big") + b"ftypisom" + bytes(64),
    }


def compressed_header() -> bytes:
    """An MP4 whose table of contents is compressed, 1 to 1000."""
    squeeze = zlib.compressobj(1)
    data = b"".join(squeeze.compress(bytes(2**20)) for _ in range(MANY // 2**20)) + squeeze.flush()
    inside = box(b"dcom", b"zlib") + box(b"cmvd", MANY.to_bytes(4, "big") + data)
    return box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", box(b"cmov", inside))


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def vast(webm: bytes, side: int) -> bytes:
    """Key frames that say they are that high and wide, in a file that says they are small (VP9, section 6.2)."""
    data, at = bytearray(webm), webm.find(b"\x49\x83\x42")
    assert at > 0
    while at > 0:
        bits = int.from_bytes(data[at + 3 : at + 8], "big")
        bits = bits >> 36 << 36 | (side - 1) << 20 | (side - 1) << 4 | bits & 15
        data[at + 3 : at + 8] = bits.to_bytes(5, "big")
        at = data.find(b"\x49\x83\x42", at + 8)
    return bytes(data)


def declared(mp4: bytes, width: int) -> bytes:
    """An MP4 that says its pictures are that wide."""
    at = mp4.index(b"avc1", mp4.index(b"stsd")) + 28
    return mp4[:at] + width.to_bytes(2, "big") + mp4[at + 2 :]


def wide() -> bytes:
    """Pictures of 4096x32 pixels."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 4096, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 4096, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
