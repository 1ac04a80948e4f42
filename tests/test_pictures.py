from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageSequence

from videovq.lettering import text_width
from videovq.pictures import gif, gif_times, labelled_rows


@pytest.mark.parametrize("fps", [0.5, 7, 10, 15, 30, 50, 60, 90, 100, 1000])
def test_a_gif_takes_its_time_and_no_picture_is_too_short_for_browsers(fps: float) -> None:
    times = gif_times(200, fps)
    kept, shown = zip(*times, strict=True)
    assert list(kept) == sorted(set(kept)) and kept[0] == 0 and kept[-1] == 199
    assert min(shown) >= 2 and shown[-1] == 100
    assert abs(sum(shown[:-1]) - 100 * 199 / fps) <= 2
    assert len(times) == 200 or fps > 50


def test_one_picture_is_shown_for_a_second() -> None:
    assert gif_times(1, 10) == [(0, 100)]
    assert gif_times(2, 1000) == [(1, 100)]


def test_a_fast_gif_drops_pictures() -> None:
    pictures = [np.full((8, 8, 3), 20 * t, np.uint8) for t in range(10)]
    with Image.open(BytesIO(gif(pictures, 100))) as image:
        frames = [(f.info["duration"], f.convert("RGB").getpixel((0, 0))[0]) for f in ImageSequence.Iterator(image)]
    assert frames == [(20, 0), (20, 40), (20, 80), (20, 120), (1000, 180)]


def test_titles_wider_than_their_pictures_do_not_run_into_each_other() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    sheet = labelled_rows(["a long title"] * 3, [("", [black] * 3)], 1)
    columns = np.flatnonzero((sheet[16:] == 0).all(axis=(0, 2)) | (sheet[18] == 0).all(axis=1))
    starts = columns[np.flatnonzero(np.diff(columns, prepend=-9) > 1)]
    assert len(starts) == 3 and min(np.diff(starts)) > text_width("a long title")


def test_letters_grow_with_the_pictures() -> None:
    small, large = (labelled_rows(["+1"], [("row", [np.zeros((84, 84, 3), np.uint8)])], scale) for scale in (1, 4))
    assert large.shape[0] - 4 * 84 > small.shape[0] - 84
