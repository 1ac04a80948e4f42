"""The figures that show rollouts are made by the commands printed under them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from videovq.runs import pretrained_examples
from videovq.shipped import shipped

ROOT = Path(__file__).parents[1]
figures = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "figures.py")))
KNOWN = figures.figures()


@pytest.mark.parametrize("figure", KNOWN, ids=lambda path: path.name)
def test_a_printed_command_is_one_that_works_in_an_empty_folder(figure: Path) -> None:
    asked = figures.settings(KNOWN[figure])
    assert asked.pretrained in shipped("predictor") and not asked.context and not asked.from_video
    assert not asked.episode or asked.episode in {path.stem for path in pretrained_examples(asked.pretrained)}
    assert figure.suffix in (".gif", ".png") and figure.stat().st_size < 2_500_000


def test_the_figures_of_rollouts_are_made_and_a_paragraph_is_under_every_figure() -> None:
    assert {figure.name for figure in KNOWN} == {"rollout.gif", "futures.png", "strip_dmlab.png", "strip_vizdoom.png"}
    for page in figures.PAGES:
        found, pictures = figures.FIGURE.findall(page.read_text()), re.findall(r"!\[", page.read_text())
        assert len(found) == len(pictures), f"{page}: a blank line and a paragraph belong under every figure"
        assert all((page.parent / picture).is_file() for picture, _ in found)


def test_make_figures_runs_what_is_printed_and_keeps_what_the_ending_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def run(words: list[str], cwd: str, check: bool) -> None:
        ran.append(words[1:])
        (Path(cwd) / "rollouts").mkdir()
        (Path(cwd) / "rollouts" / "rollout.png").write_bytes(b"strip")

    monkeypatch.setattr("subprocess.run", run)
    figures.make(tmp_path / "one.png", "videovq rollout --pretrained vizdoom --scale 2")
    assert ran == [["-m", "videovq", "rollout", "--pretrained", "vizdoom", "--scale", "2"]]
    assert (tmp_path / "one.png").read_bytes() == b"strip"
