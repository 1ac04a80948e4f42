"""The demo with real ViZDoom episodes, at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovq.cli import main
from videovq.demo import verdict
from videovq.evaluation.prediction import Horizons

WORDS = ["--episodes", "4", "--frames", "40", "--vqvae_steps", "20", "--predictor_steps", "4"]


def test_demo_runs_and_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vizdoom")
    words = ["demo", "--out", str(tmp_path / "demo"), *WORDS]
    assert main(words) == 0
    shown = capsys.readouterr().out
    gifs = sorted((tmp_path / "demo" / "rollouts").glob("*.gif"))
    assert [g.stem for g in gifs] == ["move_forward", "recorded", "turn_left", "turn_right"]
    assert all(str(gif) in shown for gif in gifs)
    assert shown.count("min left in all") == 6
    assert [f"\n{h:>8} " in shown for h in range(1, 11)] == [True] * 10, "a row for every horizon"
    assert "copying the last context frame" in shown
    (tmp_path / "demo" / "rollouts" / "recorded.gif").unlink()
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("*.safetensors")}
    assert main(words) == 0
    assert gifs == sorted((tmp_path / "demo" / "rollouts").glob("*.gif"))
    assert made == {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("*.safetensors")}, "nothing made twice"


def test_the_verdict_is_honest() -> None:
    copy = [20.0] * 10
    better = Horizons(1, [21.0] * 10, copy, [30.0] * 10)
    assert "beats" in verdict(better) and "NOT" not in verdict(better)
    worse = Horizons(1, [10.0, 10.0, *[21.0] * 7, 20.0], copy, [30.0] * 10)
    assert "NOT beat" in verdict(worse) and "horizon(s) 10:" in verdict(worse), "only horizons 3 to 10 count"
