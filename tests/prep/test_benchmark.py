"""A public benchmark is recorded as everybody has it, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from videovq import shipped
from videovq.cli import main
from videovq.config import GymnasiumSource, RecordConfig
from videovq.data.store import EpisodeStore
from videovq.data.video import read_video
from videovq.parsing import to_yaml
from videovq.prep.benchmark import open_benchmark
from videovq.prep.record import watch_episode

pytest.importorskip("gymnasium")

GRID = GymnasiumSource("tests.test_own_environments:VideovqGrid-v0")
SETTINGS = RecordConfig("grid", episodes=3, frames=4, frame_size=8, seed=5, lossless=True, workers=1, source=GRID)


@pytest.fixture(autouse=True)
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that ships: three tiny episodes, of which the first is to test on; the file of their checksums."""
    path = tmp_path / "configs" / "benchmarks" / "record_grid.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(to_yaml(SETTINGS))
    rows = [
        {"split": "train" if i else "test", "sha256": watch_episode(SETTINGS, i)[2]} for i in range(SETTINGS.episodes)
    ]
    facts = path.with_suffix(".json")
    facts.write_text(json.dumps({"package": "gymnasium", "version": "0.0.1", "episodes": rows}))
    monkeypatch.setattr(shipped, "CONFIGS", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return facts


def test_by_its_name_alone_it_is_recorded_with_its_settings_and_split(tmp_path: Path) -> None:
    assert main(["record", "--benchmark=grid", "--out=made", "--workers=1"]) == 0
    sidecars = [json.loads(path.read_text()) for path in sorted(Path("made").glob("*.json"))]
    assert [one["split"] for one in sidecars] == ["test", "train", "train"]
    assert [one["seed"] for one in sidecars] == [5, 6, 7]
    prepared = ["prep", "--source=made", "--out=store", "--frame_size=8", "--workers=1", "--validation_fraction=0"]
    assert main(prepared) == 0
    assert [info.split for info in EpisodeStore("store").episodes].count("test") == 1
    assert torch.equal(read_video("made/episode_000000.mp4"), torch.stack(watch_episode(SETTINGS, 0)[0].frames))


def test_what_is_not_the_same_is_refused_and_not_written(benchmark: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(benchmark.read_text())
    facts["episodes"][1]["sha256"] = "0" * 64
    benchmark.write_text(json.dumps(facts))
    assert main(["record", "--benchmark=grid", "--out=made", "--workers=1"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: benchmark grid: episode 1 is not what it should be")
    assert "its checksums are of gymnasium 0.0.1" in said and said.endswith("pip install gymnasium==0.0.1")
    assert sorted(path.name for path in Path("made").glob("episode*")) == ["episode_000000.json", "episode_000000.mp4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--benchmark=grit"], "benchmark: no 'grit'; choose from grid"),
        (["--benchmark=grid", "--seed=6"], "seed: benchmark grid is recorded with 5; leave seed out"),
        (["--benchmark=grid", "--episodes=2"], "episodes: benchmark grid is recorded with 3; leave episodes out"),
    ],
)
def test_other_settings_are_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", *words, "--out=made"]) == 2
    assert f"error: {message}" in capsys.readouterr().err
    assert not Path("made").exists()


def test_a_recording_with_the_same_settings_that_was_not_compared_is_none_of_a_benchmark(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("own.yaml").write_text(to_yaml(replace(SETTINGS, benchmark="", out="made")))
    assert main(["record", "--config=own.yaml"]) == 0
    assert main(["record", "--benchmark=grid", "--out=made"]) == 2
    assert "was recorded with other settings (benchmark was '' and is now 'grid')" in capsys.readouterr().err


def test_the_frames_and_actions_of_an_episode_make_its_checksum() -> None:
    found = [
        watch_episode(replace(SETTINGS, **changes), 0)[2]  # type: ignore[arg-type]
        for changes in ({}, {"frame_size": 9}, {"seed": 6}, {"stick": 1})
    ]
    assert found[0] == found[1], "how large the frames are stored is another matter"
    assert len({*found}) == 3


@pytest.mark.slow
def test_vizdoom_shows_the_benchmark_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    vizdoom = pytest.importorskip("vizdoom")
    monkeypatch.undo()
    shown = open_benchmark("vizdoom-17")
    assert [row["split"] for row in shown.episodes] == ["test"] * 20 + ["train"] * 100
    assert (shown.settings.episodes, shown.settings.lossless) == (len(shown.episodes), True)
    if vizdoom.__version__ == shown.version:
        assert shown.confirm(3, watch_episode(shown.settings, 3)[2]) == "test"
