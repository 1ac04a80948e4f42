"""The demo with real ViZDoom episodes, at a size that takes seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from videovq import demo
from videovq.cli import main
from videovq.demo import verdict

pytestmark = pytest.mark.slow


def test_demo_shows_what_ships_then_trains_and_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vizdoom")
    rollout, evaluate = demo.rollout, demo.evaluate
    monkeypatch.setattr(demo, "rollout", lambda config: rollout(replace(config, frames=3)))
    monkeypatch.setattr(demo, "evaluate", lambda config: evaluate(replace(config, stride=16)))
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--episodes", "4", "--frames", "40"]
    words += ["--vqvae_steps", "4", "--predictor_steps", "2"]

    def gifs() -> list[str]:
        return sorted(f"{gif.parent.name}/{gif.stem}" for gif in out.glob("rollouts/*/*.gif"))

    assert main([*words, "--no-train"]) == 0
    assert gifs() == ["shipped/each", "shipped/recorded"]
    assert not (out / "runs").exists()
    assert capsys.readouterr().out.count("/3] ") == 3

    assert main(words) == 0
    shown = capsys.readouterr().out
    assert gifs() == ["shipped/each", "shipped/recorded", "trained/each", "trained/recorded"]
    assert all(str(gif) in shown for gif in out.glob("rollouts/*/*.gif"))
    assert shown.count("/8] ") == 8
    assert "psnr by horizon" in shown and "bits by action" in shown
    assert "copying the last context frame" in shown

    (out / "rollouts" / "trained" / "recorded.gif").unlink()
    made = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    monkeypatch.setattr(demo, "evaluate", lambda config: None)  # its report is there
    assert main(words) == 0
    assert "trained/recorded" in gifs()
    assert made == {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}, "nothing made twice"


def test_the_verdict_is_honest() -> None:
    def metrics(ours: list[float]) -> dict[str, object]:
        values = {"prediction": ours, "copy last": [20.0] * 10}
        return {"methods": {name: {"psnr": {"by_horizon": row}} for name, row in values.items()}}

    better = verdict(metrics([21.0] * 10))
    assert "beats" in better and "NOT" not in better
    worse = verdict(metrics([10.0, 10.0, *[21.0] * 7, 20.0]))
    assert "NOT beat" in worse and "horizon(s) 10:" in worse, "only horizons 3 to 10 count"
