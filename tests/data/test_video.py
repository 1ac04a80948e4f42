from pathlib import Path

import numpy as np
import pytest

from tests.conftest import world
from videovq.data.video import read_video, write_video
from videovq.frames import psnr


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
