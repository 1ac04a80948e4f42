from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import ImageFont

from videovq import lettering
from videovq.lettering import legible, text_width
from videovq.pictures import labelled_rows

MATPLOTLIBS = Path(get_data_path(), "fonts", "ttf")
HOLLOW, BROKEN = str(MATPLOTLIBS / "LastResortHE-Regular.ttf"), __file__
FORGETFUL = (lettering.legible, lettering._other_fonts, lettering._letters)


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What lies in the font folders of the machine: none that would do."""
    found: list[str] = [HOLLOW, BROKEN]
    monkeypatch.setattr(lettering.font_manager, "findSystemFonts", lambda: found)
    monkeypatch.setattr(lettering, "_SAID", [])
    for one in FORGETFUL:
        one.cache_clear()
    yield found
    for one in FORGETFUL:
        one.cache_clear()


def test_plain_names_are_drawn_in_the_usual_font() -> None:
    shown, font = legible("forward+look_left 3/5")
    assert shown == "forward+look_left 3/5" and font.getname() == ImageFont.load_default(11).getname()


@pytest.mark.parametrize("name", ["вперёд", "gauche à côté", "→", "αριστερά"])
def test_names_that_the_usual_font_lacks_are_drawn_in_another(name: str) -> None:
    shown, font = legible(name)
    assert shown == name and font.getname()[0] == "DejaVu Sans"


def test_what_no_font_has_is_spelt_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert legible("前進 left")[0] == r"\u524d\u9032 left"
    assert legible("назад 後")[0] == r"назад \u5f8c"
    assert legible("後退")[0] == r"\u5f8c\u9000"
    assert capsys.readouterr().err.count("no font on this machine has '前進 left'") == 1
    assert text_width("前進") == text_width(r"\u524d\u9032") > 20


def test_a_font_of_the_machine_is_found(fonts: list[str]) -> None:
    assert legible("turn \u2a75")[0] == r"turn \u2a75"
    fonts.append(str(MATPLOTLIBS / "STIXGeneral.ttf"))
    for one in FORGETFUL:
        one.cache_clear()
    shown, font = legible("turn \u2a75")
    assert shown == "turn \u2a75" and font.getname()[0] == "STIXGeneral"


def test_signs_that_cannot_be_drawn_do_not_crash_a_picture() -> None:
    assert legible("a\nb\t\ud800\u202e")[0] == r"a\nb\t\ud800\u202e"
    black = np.zeros((8, 8, 3), np.uint8)
    names = ["前進\n", "🙂", "ев\ud800"]
    assert labelled_rows(["первый"], [(name, [black]) for name in names], 2).shape[0] == 16 + 3 * 20
