"""The scripts beside the package answer ``--help`` at once, and name what is missing."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from videovq.data.store import EpisodeStore

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "data_prep", "docs/examples", "train")
SCRIPTS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py")) if path.name != "arguments.py"]
NEEDED = {
    "benchmarks/encoding.py": "VQVAE_RUN, EPISODE_STORE",
    "benchmarks/export.py": "EXPORTS, NAME",
    "benchmarks/in_browser.py": "FOLDER",
    "benchmarks/notebook.py": "EPISODE_STORE",
    "benchmarks/play.py": "VQVAE_RUN, PREDICTOR_RUN, EPISODE_STORE",
    "benchmarks/players.py": "LINK, SECONDS, SCENE",
    "benchmarks/prep.py": "EPISODES, CODE_STORE",
    "benchmarks/quantizers.py": "EPISODE_STORE",
    "benchmarks/rate_distortion.py": "EPISODE_STORE, OUT",
    "benchmarks/sampling.py": "VQVAE_RUN, CODE_STORE, PREDICTOR_RUN",
    "benchmarks/turns.py": "VQVAE_RUN, PREDICTOR_RUN, EPISODE_STORE",
    "docs/examples/exported.py": "EXPORTS, PICTURE, ACTION",
    "train/export_model.py": "FOLDER, VQVAE_RUN",
}


def run(script: Path, *words: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_answers_help(script: Path) -> None:
    code, shown, errors = run(script, "--help")
    assert (code, errors) == (0, "")
    assert shown.startswith("usage: ")


@pytest.mark.parametrize("name", NEEDED)
def test_a_script_names_what_is_missing(name: str) -> None:
    code, shown, errors = run(ROOT / name)
    assert (code, shown) == (2, "")
    assert errors.splitlines()[-1].endswith(f"error: the following arguments are required: {NEEDED[name]}")


def test_a_script_names_what_is_not_there(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    code, _, errors = run(ROOT / "benchmarks" / "encoding.py", nowhere, nowhere)
    assert code == 2 and errors.endswith(f"{nowhere}: no such file or folder\n")
    code, _, errors = run(ROOT / "docs" / "examples" / "exported.py", nowhere, nowhere, "forward")
    assert code == 2 and errors.endswith("world.json: no such file\n")


def at_a_tiny_size(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a benchmark in this process, which has imported what it takes already."""
    script = ROOT / "benchmarks" / name
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which it changes
    monkeypatch.setattr(sys, "argv", [str(script), *words])
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(script), run_name="__main__")


def test_turns_run(
    vqvae_run: Path,
    predictor_run: Path,
    episode_store: EpisodeStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at_a_tiny_size("turns.py", [str(vqvae_run), str(predictor_run), str(episode_store), "1", "left"], monkeypatch)
    assert capsys.readouterr().out.splitlines()[-1].startswith("left ")


def test_encoding_runs(
    vqvae_run: Path, episode_store: EpisodeStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_tiny_size("encoding.py", [str(vqvae_run), str(episode_store)], monkeypatch)
    assert "of the bare encoder" in capsys.readouterr().out


def test_the_times_of_trainings_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = [f"configs/debug/train_{name}.yaml" for name in ("vqvae", "predictor")]
    at_a_tiny_size("times.py", configs, monkeypatch)
    _, *lines = capsys.readouterr().out.splitlines()
    for config, line in zip(configs, lines, strict=True):
        assert line.startswith(f"{config}: ") and " s a step, about " in line


def test_a_training_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    at_a_tiny_size("training.py", ["configs/debug/train_vqvae.yaml", "2"], monkeypatch)
    assert "of the throughput without" in capsys.readouterr().out
