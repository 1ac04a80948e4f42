"""The demo with real ViZDoom episodes, at a size that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovq.cli import main
from videovq.demo import verdict

WORDS = ["--episodes", "4", "--frames", "40", "--vqvae_steps", "20", "--predictor_steps", "4"]


def test_demo_runs_and_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vizdoom")
    words = ["demo", "--out", str(tmp_path / "demo"), *WORDS]
    assert main(words) == 0
    shown = capsys.readouterr().out
    gifs = sorted((tmp_path / "demo" / "rollouts").glob("*/*.gif"))
    assert [f"{g.parent.name}/{g.stem}" for g in gifs] == [
        "shipped/each", "shipped/recorded", "trained/each", "trained/recorded",
    ]  # fmt: skip
    assert all(str(gif) in shown for gif in gifs)
    assert shown.count("min left in all") == 8
    assert "psnr by horizon" in shown and "bits by action" in shown
    assert "copying the last context frame" in shown
    (tmp_path / "demo" / "rollouts" / "trained" / "recorded.gif").unlink()
    made = {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("*.safetensors")}
    assert main(words) == 0
    assert gifs == sorted((tmp_path / "demo" / "rollouts").glob("*/*.gif"))
    assert made == {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("*.safetensors")}, "nothing made twice"


def test_the_shipped_model_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("vizdoom")
    assert main(["demo", "--out", str(tmp_path / "demo"), *WORDS, "--no-train"]) == 0
    assert sorted(p.stem for p in (tmp_path / "demo" / "rollouts").glob("*/*.gif")) == ["each", "recorded"]
    assert not (tmp_path / "demo" / "runs").exists()
    assert capsys.readouterr().out.count("min left in all") == 3


def test_the_verdict_is_honest() -> None:
    def metrics(ours: list[float]) -> dict[str, object]:
        values = {"prediction": ours, "copy last": [20.0] * 10}
        return {"methods": {name: {"psnr": {"by_horizon": row}} for name, row in values.items()}}

    better = verdict(metrics([21.0] * 10))
    assert "beats" in better and "NOT" not in better
    worse = verdict(metrics([10.0, 10.0, *[21.0] * 7, 20.0]))
    assert "NOT beat" in worse and "horizon(s) 10:" in worse, "only horizons 3 to 10 count"
