"""Captions in pictures: in a font that has their letters, or spelt out where no font on this machine has them."""

from __future__ import annotations

import sys
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from matplotlib import font_manager, get_data_path
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

INK = (25, 25, 25)
SIZE = 12  # pixels
HOLLOW = ("lastresort", "blank")  # fonts that have every letter, as a box or as nothing


def text_width(text: str, size: int = SIZE) -> float:
    """Pixels that a caption takes."""
    shown, font = legible(text, size)
    return font.getlength(shown)


def draw_text(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int = SIZE) -> None:
    """Write a caption with its upper left corner at ``at``."""
    shown, font = legible(text, size)
    draw.text(at, shown, INK, font=font)


@lru_cache(maxsize=4096)
def legible(text: str, size: int = SIZE) -> tuple[str, ImageFont.FreeTypeFont]:
    """A text as it can be drawn, and a font that has its letters: Pillow's own, else DejaVu Sans, else one of this
    machine's. What none of them has is spelt as in Python's ``ascii``.
    """
    usual = ImageFont.load_default(size)
    assert isinstance(usual, ImageFont.FreeTypeFont)
    letters = {ord(letter) for letter in text if letter.isprintable()}
    best: bytes | str = usual.font_bytes
    if not letters <= _letters(best):
        fonts = [best, *_other_fonts()]
        whole = (font for font in fonts if letters <= _letters(font))
        best = next(whole, None) or max(fonts, key=lambda font: len(letters & _letters(font)))
    drawn = letters & _letters(best)
    shown = "".join(one if ord(one) in drawn else one.encode("unicode_escape").decode() for one in text)
    if drawn != letters:
        _say_once(text, shown)
    return shown, ImageFont.truetype(best, size) if isinstance(best, str) else usual


_SAID: list[str] = []


def _say_once(text: str, shown: str) -> None:
    if not _SAID:
        print(f"no font on this machine has {text!r}: pictures say {shown}; install one, say Noto", file=sys.stderr)
    _SAID.append(text)


@lru_cache(maxsize=1)
def _other_fonts() -> list[str]:
    found = [path for path in font_manager.findSystemFonts() if not any(w in Path(path).name.lower() for w in HOLLOW)]
    plain = sorted(found, key=lambda path: ("sans" not in path.lower(), "bold" in path.lower(), len(path), path))
    return [str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), *plain]


@lru_cache(maxsize=1024)
def _letters(font: bytes | str) -> frozenset[int]:
    """The characters of a font file, or of the bytes of one; none, where it cannot be drawn with."""
    try:
        if isinstance(font, str):
            ImageFont.truetype(font, SIZE)  # refuses fonts of pictures, such as those of emoji
        return frozenset(FT2Font(BytesIO(font) if isinstance(font, bytes) else font).get_charmap())
    except (OSError, RuntimeError, ValueError):
        return frozenset()
