"""The demo with real ViZDoom episodes, at a size that takes seconds."""

from __future__ import annotations

import re
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import PATIENCE
from videovq import demo
from videovq.cli import main
from videovq.config import DemoConfig
from videovq.demo import verdict

pytestmark = pytest.mark.slow


def test_demo_shows_what_ships_then_trains_and_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vizdoom")
    rollout, evaluate = demo.rollout, demo.evaluate
    monkeypatch.setattr(demo, "rollout", lambda config: rollout(replace(config, frames=3)))
    monkeypatch.setattr(demo, "evaluate", lambda config: evaluate(replace(config, stride=16)))
    monkeypatch.setattr(demo, "seconds_of_training", lambda config, warm, timed: 6000.0)
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--episodes", "4", "--frames", "40"]
    words += ["--vqvae_steps", "4", "--predictor_steps", "2", "--no-serve"]

    def gifs() -> list[str]:
        return sorted(f"{gif.parent.name}/{gif.stem}" for gif in out.glob("rollouts/*/*.gif"))

    assert main([*words, "--no-train"]) == 0
    ship = ["deepmind-lab/each", "deepmind-lab/recorded", "vizdoom/each", "vizdoom/recorded"]
    assert gifs() == ship
    assert not (out / "runs").exists()
    shown = capsys.readouterr().out
    assert shown.count("/4] ") == 4
    first = shown[: shown.index("[2/4]")]
    assert "deepmind-lab/recorded.gif" in first and (out / "index.html").as_uri() in first, (
        "before anything is recorded"
    )
    page = (out / "index.html").read_text()
    assert all(f"rollouts/{name}.gif" in page for name in ship) and "refresh" not in page

    assert main(words) == 0
    shown = capsys.readouterr().out
    assert gifs() == sorted([*ship, "trained/each", "trained/recorded"])
    assert all(str(gif) in shown for gif in out.glob("rollouts/*/*.gif"))
    assert shown.count("/10] ") == 10 and "about 3.7 hours to go on this machine" in shown
    assert "psnr by horizon" in shown and "bits by action" in shown
    assert "copying the last context frame" in shown
    page = (out / "index.html").read_text()
    assert all(name in page for name in ("progress/vqvae.png", "progress/predictor.png", "report/report.html"))
    assert "<dt>bits per code</dt>" in page and "frames ahead of copying" in page
    assert all((out / "progress" / name).is_file() for name in ("vqvae.png", "predictor.png"))

    (out / "rollouts" / "trained" / "recorded.gif").unlink()
    made = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    monkeypatch.setattr(demo, "evaluate", lambda config: None)  # its report is there
    assert main(words) == 0
    assert "trained/recorded" in gifs()
    assert made == {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}, "nothing made twice"


def test_the_world_that_ships_is_played_while_the_demo_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uvicorn")
    demo.serve()
    shown, end = "", time.monotonic() + PATIENCE
    while "play at" not in shown and time.monotonic() < end:
        time.sleep(0.1)
        shown += capsys.readouterr().out
    link = re.search(r"http://\S+", shown)
    assert link is not None
    with urllib.request.urlopen(link.group(), timeout=PATIENCE) as answer:
        assert b"<html" in answer.read()
    monkeypatch.setattr(demo, "NEEDED", ("no_such_package",))
    demo.serve()
    assert "no_such_package" in capsys.readouterr().out


def test_quick_sizes_are_smaller_and_what_is_given_counts() -> None:
    assert [DemoConfig(quick=quick).size("frames") for quick in (False, True)] == [200, 100]
    assert DemoConfig(quick=True, frames=60).size("frames") == 60


def test_the_verdict_is_honest() -> None:
    def metrics(ours: list[float]) -> dict[str, object]:
        values = {"prediction": ours, "copy last": [20.0] * 10}
        return {"methods": {name: {"psnr": {"by_horizon": row}} for name, row in values.items()}}

    better = verdict(metrics([21.0] * 10))
    assert "beats" in better and "NOT" not in better
    worse = verdict(metrics([10.0, 10.0, *[21.0] * 7, 20.0]))
    assert "NOT beat" in worse and "horizon(s) 10:" in worse, "only horizons 3 to 10 count"
