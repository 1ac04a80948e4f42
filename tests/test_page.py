from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from videovq.page import table, write_report


@dataclass
class Settings:
    seed: int = 3


def test_a_report_holds_its_tables_pictures_and_settings_and_its_path_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    tables = {"Bits": (["model", "bits"], [["a <b>", "1.5"]])}
    write_report(tmp_path, "A prior", "Of 3 frames.", tables, {"drawn": (picture, "Drawn frames")}, Settings())
    page = (tmp_path / "report.html").read_text()
    shown = (
        "<h1>A prior</h1>",
        "Of 3 frames.",
        "<h2>Bits</h2>",
        "a &lt;b&gt;",
        "1.5",
        "Drawn frames",
        "&quot;seed&quot;: 3",
    )
    assert [words for words in shown if words not in page] == []
    assert page.count("data:image/png;base64,") == 1 and (iio.imread(tmp_path / "drawn.png") == picture).all()
    assert capsys.readouterr().out == f"written to {tmp_path / 'report.html'}\n"


def test_columns_of_a_table_stand_in_red() -> None:
    page = table(["name", "bits"], [["one", "2"]], wrong=[1])
    assert page.count('class="wrong"') == 2
    assert '<th class="wrong">bits</th>' in page and '<td class="wrong">2</td>' in page
