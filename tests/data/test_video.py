from __future__ import annotations

from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import torch
from av.stream import Disposition

from tests.conftest import world
from tests.data.films import BT601, BT709, COLOURS, MATRICES, displayed_by, write_coloured
from videovq.data import video
from videovq.data.clip import read_clip
from videovq.data.video import frame_rate, read_video, uploaded_frames, video_pieces, write_video
from videovq.frames import psnr
from videovq.types import ActionSpec


def test_lossless_is_exact_and_archive_is_close(tmp_path: Path) -> None:
    frames, _ = world(0)
    write_video(tmp_path / "l.mp4", frames, 15, "lossless")
    assert np.array_equal(read_video(tmp_path / "l.mp4").numpy(), frames)
    write_video(tmp_path / "a.mp4", frames, 15)
    assert psnr(read_video(tmp_path / "a.mp4"), read_video(tmp_path / "l.mp4")).min() > 34


def test_the_same_frames_give_the_same_lossless_file(tmp_path: Path) -> None:
    frames, _ = world(1)
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", frames, 15, "lossless")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("content", [b"", b"no video at all", None], ids=["empty", "text", "missing"])
def test_what_is_no_video_is_refused_by_name(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="broken.mp4"):
        read_video(path)


@pytest.mark.parametrize(
    ("matrix", "rows", "columns", "swapped"),
    [
        ((1, 0, 0, 1), 1, 1, False),
        ((0, 1, -1, 0), 1, -1, True),  # a quarter turn clockwise, as phones that are held upright write it
        ((-1, 0, 0, -1), -1, -1, False),
        ((0, -1, 1, 0), -1, 1, True),
        ((-1, 0, 0, 1), 1, -1, False),  # mirrored, and with each of the turns
        ((1, 0, 0, -1), -1, 1, False),
        ((0, 1, 1, 0), 1, 1, True),
        ((0, -1, -1, 0), -1, -1, True),
    ],
)
def test_frames_are_turned_and_mirrored_as_the_display_matrix_says(
    matrix: tuple[int, int, int, int], rows: int, columns: int, swapped: bool, tmp_path: Path
) -> None:
    path, coded = tmp_path / "turned.mp4", world(0)[0][:3, :16]
    write_video(path, coded, 15, "lossless")
    displayed_by(path, matrix)
    shown = (coded.swapaxes(1, 2) if swapped else coded)[:, ::rows, ::columns]
    assert np.array_equal(read_video(path).numpy(), shown)
    assert np.array_equal(torch.cat(list(uploaded_frames(path.read_bytes(), 64, 64))).numpy(), shown)


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_are_those_of_the_stated_matrix_and_range(matrix: str, full: bool, pixels: str, tmp_path: Path) -> None:
    coloured = write_coloured(tmp_path / "e.mp4", matrix, full, pixels, stated=True)
    assert far(read_video(tmp_path / "e.mp4"), coloured) <= 4
    uploaded = torch.cat(list(uploaded_frames((tmp_path / "e.mp4").read_bytes(), 64, 64)))
    assert far(uploaded, coloured) <= 4


@pytest.mark.parametrize(("matrix", "width"), [(BT601, 64), (BT709, 1280)])
def test_colours_of_a_video_that_does_not_say_are_those_of_its_size(matrix: str, width: int, tmp_path: Path) -> None:
    coloured = write_coloured(tmp_path / "e.mp4", matrix, False, "yuv444p", stated=False, width=width)
    assert far(read_video(tmp_path / "e.mp4"), coloured) <= 4


@pytest.mark.parametrize("width", [64, 1280])
@pytest.mark.parametrize("quality", ["archive", "share", "web"])
def test_what_is_written_says_its_colours_and_keeps_them(
    quality: Literal["archive", "share", "web"], width: int, tmp_path: Path
) -> None:
    path, coloured = (
        tmp_path / f"e.{'webm' if quality == 'web' else 'mp4'}",
        COLOURS.repeat(16, 0).repeat(width // 4, 1),
    )
    write_video(path, [coloured] * 2, 15, quality)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1 if width == 1280 else 6, 1)
    middles = read_video(path)[:, 8::16, width // 8 :: width // 4].numpy().astype(int)
    assert abs(middles - COLOURS).max() <= 12, "another matrix is 18 off, or more"


def far(frames: torch.Tensor, picture: np.ndarray) -> int:
    """Grey levels at most between frames and what all of them should be."""
    return int(abs(frames.numpy().astype(int) - picture).max())


def test_cover_art_is_not_taken_for_the_film(tmp_path: Path) -> None:
    frames, path = world(0)[0][:5], tmp_path / "e.mp4"
    with av.open(str(path), "w") as container:
        cover, film = container.add_stream("mjpeg", rate=1), container.add_stream("libx264rgb", rate=10)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        film.width, film.height, film.pix_fmt, film.options = 24, 24, "rgb24", {"qp": "0"}
        for stream, pictures in ((cover, [np.zeros((32, 32, 3), np.uint8)]), (film, frames)):
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
    first = tmp_path / "cover_first.mp4"
    first.write_bytes(tracks_last(path.read_bytes()))
    for one in (path, first):
        assert np.array_equal(read_video(one).numpy(), frames) and frame_rate(one) == 10
        assert np.array_equal(torch.cat(list(uploaded_frames(one.read_bytes(), 64, 64))).numpy(), frames)


def tracks_last(mp4: bytes) -> bytes:
    """An MP4 file whose tags, the cover among them, stand before its tracks."""
    at = mp4.index(b"moov") - 4
    end, boxes, start = at + int.from_bytes(mp4[at : at + 4], "big"), [], at + 8
    while start < end:
        boxes.append(mp4[start : start + int.from_bytes(mp4[start : start + 4], "big")])
        start += len(boxes[-1])
    return mp4[: at + 8] + b"".join(sorted(boxes, key=lambda box: box[4:8] == b"trak")) + mp4[end:]


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frames, _ = world(0)
    write_video("10:30 run.mp4", frames, 15, "lossless")
    assert np.array_equal(read_video("10:30 run.mp4").numpy(), frames) and frame_rate("10:30 run.mp4") == 15
    with pytest.raises(ValueError, match=r"^a:b\.mp4: cannot be decoded \(No such file or directory\)"):
        read_video("a:b.mp4")


def test_of_a_long_video_no_more_is_decoded_than_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = world(0)
    write_video(tmp_path / "long.mp4", frames, 15, "lossless")
    decoded, picture = [], video._picture
    monkeypatch.setattr(video, "_picture", lambda *given: decoded.append(1) or picture(*given))
    clip = read_clip(tmp_path / "long.mp4", (12, 12), ActionSpec("none"), most=6)
    assert clip.frames.shape == (6, 12, 12, 3) and len(decoded) == 6
    whole = read_clip(tmp_path / "long.mp4", (12, 12), ActionSpec("none"))
    assert torch.equal(whole.frames[:6], clip.frames) and len(whole.frames) == len(frames)


def test_pieces_of_large_frames_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = world(0)
    write_video(tmp_path / "e.mp4", frames, 15, "lossless")
    monkeypatch.setattr(video, "PIECE_BYTES", 7 * frames[0].size)
    pieces = list(video_pieces(tmp_path / "e.mp4"))
    assert [len(piece) for piece in pieces] == [7] * 5 + [5]
    assert np.array_equal(torch.cat(pieces).numpy(), frames)
