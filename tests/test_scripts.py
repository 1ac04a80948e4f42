"""The scripts beside the package answer ``--help`` at once, and name what is missing."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import json
import runpy
import shlex
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.play import browser
from videovq.config import GymnasiumSource, RecordConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.parsing import to_yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "data_prep", "docs/examples", "train")
SHARED = ("arguments.py", "cases.py", "estimate.py", "facts.py", "held_action.py", "measuring.py")  # what scripts share
SCRIPTS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py")) if path.name not in SHARED]
NEEDED = {
    "benchmarks/checksums.py": "CONFIG, TEST",
    "benchmarks/decoders.py": "EPISODE_STORE, PICTURE, VQVAE_RUN",
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
    "benchmarks/unchanged.py": "WHAT, FOLDER",
    "docs/examples/exported.py": "EXPORTS, PICTURE, ACTION",
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


class Agent:
    """As PPO of stable-baselines3; learns nothing."""

    def __init__(self, policy: str, worlds: Any, **settings: Any) -> None:
        self.worlds = worlds

    def learn(self, steps: int) -> None:
        self.worlds.seed(0)
        self.worlds.reset()
        for _ in range(0, steps, self.worlds.num_envs):
            self.worlds.step(self.predict(None)[0])

    def predict(self, seen: Any) -> tuple[np.ndarray, None]:
        return np.zeros(self.worlds.num_envs, int), None


class Worlds:
    """As VecEnv of stable-baselines3."""

    def __init__(self, number: int, seen: Any, actions: Any) -> None:
        self.num_envs, self.observation_space, self.action_space = number, seen, actions

    def seed(self, seed: int) -> None:
        self._seeds = [seed] * self.num_envs

    def _reset_seeds(self) -> None:
        self._seeds = [None] * self.num_envs

    def step(self, actions: np.ndarray) -> Any:
        self.step_async(actions)  # type: ignore[attr-defined]
        return self.step_wait()  # type: ignore[attr-defined]


class Page:
    """As a browser that shows a frame whenever it is asked how many it has shown, and never has threads."""

    def __init__(self, *settings: Any) -> None:
        self.shown = count()

    def evaluate(self, script: str) -> Any:
        return False if script == "crossOriginIsolated" else next(self.shown)

    def __getattr__(self, name: str) -> Any:
        return lambda *what, **settings: None


def in_threads(workers: int, mp_context: object) -> concurrent.futures.Executor:
    """Processes would import everything again."""
    return concurrent.futures.ThreadPoolExecutor(workers)


def in_this_process(command: list[str], **settings: Any) -> SimpleNamespace:
    """As subprocess.run, of Python code."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "argv", command[2:])
        exec(command[2], {})
    return SimpleNamespace(stdout=said.getvalue())


STAND_INS = {
    "benchmarks/memory.py": [(subprocess, "run", in_this_process)],
    "benchmarks/resources.py": [(subprocess, "run", in_this_process)],
    "benchmarks/in_browser.py": [(browser, "Browser", Page)],
    "benchmarks/checksums.py": [(concurrent.futures, "ProcessPoolExecutor", in_threads)],
    "benchmarks/prep.py": [(concurrent.futures, "ProcessPoolExecutor", in_threads)],
}
PACKAGES = {
    "docs/examples/agent.py": {
        "stable_baselines3": SimpleNamespace(PPO=Agent),
        "stable_baselines3.common.vec_env": SimpleNamespace(VecEnv=Worlds),
    }
}
# What each script is run with, at a tiny size, and what it then says.
RUNS = {
    "benchmarks/checksums.py": ("{grid} 1 --package gymnasium", "the checksums of 2 episodes"),
    "benchmarks/decoders.py": ("{episodes} {out} {vqvae}", "20 % swapped"),
    "benchmarks/encoding.py": ("{vqvae} {episodes}", "of the bare encoder"),
    "benchmarks/export.py": ("{exported} {episodes} 2 --vqvae {vqvae} --predictor {predictor}", "onnxruntime"),
    "benchmarks/gpu_check.py": (
        "{configs}/debug/train_vqvae.yaml {configs}/debug/train_predictor.yaml --batches 1 --frames 2 --steps 1",
        "frame 2 of a rollout, 32-true",
    ),
    "benchmarks/in_browser.py": ("{exported} 0.01", "one thread"),
    "benchmarks/memory.py": ("1 1", "of one with memory returned"),
    "benchmarks/notebook.py": ("{episodes} 1 16 --size 24", "the plain step takes"),
    "benchmarks/play.py": ("{vqvae} {predictor} {episodes} 0.1", "32"),
    "benchmarks/prep.py": ("{recordings} {codes} --frames 2 --workers 1 --size 24", "of a training step of 1 s"),
    "benchmarks/quantizers.py": ("{episodes} 1", "vector-quantize-pytorch"),
    "benchmarks/rate_distortion.py": ("{episodes} {out} 1 --points 2x8 1x8", "bits per pixel"),
    "benchmarks/resources.py": (
        "{configs}/debug/train_vqvae.yaml {configs}/debug/train_predictor.yaml --parts 2 --steps 1 --page {page}",
        "debug/train_predictor.yaml` | 0.0",
    ),
    "benchmarks/sampling.py": ("{vqvae} {codes} {predictor} --batches 1 --frames 3", "frame     3"),
    "benchmarks/shared_cpu.py": ("0.01 1 --cases 'one alone' --settings 'one thread'", "= 1.00"),
    "benchmarks/speedrun.py": (
        "--data {episodes} --minutes 0.001 --out {out} --table {out}/table.json --device cpu --machine here"
        " --vqvae {configs}/debug/train_vqvae.yaml --predictor {configs}/debug/train_predictor.yaml",
        '"PSNR at 10"',
    ),
    "benchmarks/times.py": (
        "{configs}/debug/train_vqvae.yaml {configs}/debug/train_predictor.yaml",
        " s a step, about ",
    ),
    "benchmarks/training.py": ("{configs}/debug/train_vqvae.yaml 2", "of the throughput without"),
    "benchmarks/training_predictor.py": ("{configs}/debug/train_predictor.yaml --steps 1", "of the matrix peak"),
    "benchmarks/turns.py": ("{vqvae} {predictor} {episodes} 1 left", "left "),
    "benchmarks/unchanged.py": ("record {out} --only vqvae/fsq", "4 cases, "),
    "data_prep/inspect_episodes.py": ("--store={episodes} --out={out}", "written to"),
    "data_prep/prepare_episodes.py": ("--config={configs}/debug/prep.yaml --source={recordings} --out={out}", "next:"),
    "data_prep/record_episodes.py": (
        "--source.env=tests.test_own_environments:VideovqGrid-v0 --episodes=1 --frames=2 --frame_size=8 --out={out}",
        "1 episodes of 2 frames",
    ),
    "docs/examples/agent.py": ("8 --episodes 8 --length 1", "trained"),
    "docs/examples/exported.py": ("{exported} {picture} left 2", "3 frames"),
    "docs/examples/plan.py": ("--candidates 2 --rounds 1 --horizon 1", "planned"),
    "docs/examples/torchrl_world.py": ("1", "1 steps: pixels (1, 3, 42, 42)"),
    "train/encode_episodes.py": ("--vqvae={vqvae} --store={episodes} --out={out}", ""),
    "train/train_predictor.py": (
        "--config={configs}/debug/train_predictor.yaml --store={codes} --run={out} --training.steps=1 --window=10",
        "",
    ),
    "train/train_vqvae.py": (
        "--config={configs}/debug/train_vqvae.yaml --store={episodes} --run={out} --training.steps=1",
        "",
    ),
}


def test_every_script_is_run() -> None:
    """``players.py`` by ``play.py``."""
    there = {str(path.relative_to(ROOT)) for path in SCRIPTS}
    assert {*RUNS, "benchmarks/players.py"} == there


@pytest.fixture(scope="module")
def folders(
    recordings: Path,
    episode_store: EpisodeStore,
    vqvae_run: Path,
    code_store: CodeStore,
    predictor_run: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, object]:
    picture = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (48, 48), "red").save(picture)
    source = GymnasiumSource("tests.test_own_environments:VideovqGrid-v0")
    grid = picture.with_name("record_grid.yaml")
    grid.write_text(to_yaml(RecordConfig("grid", episodes=2, frames=2, frame_size=8, source=source)))
    page = picture.with_name("page.md")
    page.write_text("# Resources\n")
    made = {
        "recordings": recordings,
        "episodes": episode_store,
        "codes": code_store,
        "grid": grid,
        "picture": picture,
        "page": page,
        "configs": ROOT / "configs",
    }
    return {**made, "vqvae": vqvae_run, "predictor": predictor_run}


@pytest.mark.parametrize("name", RUNS)
def test_a_script_runs_at_a_tiny_size(
    name: str,
    folders: dict[str, object],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process, which has imported what it takes already."""
    words, said = RUNS[name]
    if "{exported}" in words:
        folders = {**folders, "exported": request.getfixturevalue("exported")}
    script = ROOT / name
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which benchmarks change
    monkeypatch.setattr(sys, "argv", [str(script), *shlex.split(words.format(out=tmp_path / "out", **folders))])
    monkeypatch.chdir(tmp_path)  # where some write
    for module, attribute, stand_in in STAND_INS.get(name, ()):
        monkeypatch.setattr(module, attribute, stand_in)
    for module, stand_in in PACKAGES.get(name, {}).items():
        monkeypatch.setitem(sys.modules, module, stand_in)
    with contextlib.suppress(SystemExit) if "main(" in script.read_text() else contextlib.nullcontext():
        runpy.run_path(str(script), run_name="__main__")
    assert said in capsys.readouterr().out
    assert ("{out}" in words) == (tmp_path / "out").exists()


def test_the_table_of_speedruns_keeps_the_best_of_each_and_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    script = runpy.run_path(str(ROOT / "benchmarks" / "speedrun.py"))
    rows: list[dict[str, Any]] = []
    for commit, minutes, bits, psnr in (
        ("a", 10, 4.0, 20.0),
        ("b", 10, 3.0, 19.0),
        ("c", 10, 5.0, 21.0),
        ("d", 1, 9, 9),
    ):
        best = {
            name: {"value": value, "commit": commit, "took": 1.0}
            for name, value in (("bits per code", bits), ("PSNR at 1", psnr))
        }
        rows = script["keep_best"](rows, {"machine": "m", "data": "d", "minutes": minutes, "best": best})
    assert [row["minutes"] for row in rows] == [1, 10]
    assert {name: one["commit"] for name, one in rows[1]["best"].items()} == {"bits per code": "b", "PSNR at 1": "c"}
    assert "| m | d | 10 | 3.00 (b, 1.0 min) | 21.00 (c, 1.0 min) |" in script["as_markdown"](rows)


def test_what_is_no_longer_as_it_was_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, folder = ROOT / "benchmarks" / "unchanged.py", tmp_path / "before"
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(tmp_path)

    def ended(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", [str(script), *words])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(script), run_name="__main__")
        return int(end.value.code or 0)

    assert ended("record", str(folder), "--only", "stores/silent") == 0
    assert ended("compare", str(folder)) == 0
    assert "2 cases, " in (said := capsys.readouterr().out) and "all as they were, to the last bit" in said
    record = json.loads((folder / "record.json").read_text())
    name = "shard-00000.safetensors: frames"
    record["facts"]["made: stores/silent"][name] = "others"
    (folder / "record.json").write_text(json.dumps(record))
    assert ended("compare", str(folder)) == 1
    said = capsys.readouterr().out
    assert f"DIFFERS  made: stores/silent: {name}: others then, " in said and "1 cases DIFFER" in said
    record["machine"]["threads"] = "77"
    (folder / "record.json").write_text(json.dumps(record))
    monkeypatch.setattr(sys, "argv", [str(script), "compare", str(folder)])
    with pytest.raises(ValueError, match="nothing can be compared to the last bit here .threads: 77 then, "):
        runpy.run_path(str(script), run_name="__main__")


def test_the_table_of_resources_takes_the_place_of_the_one_of_the_same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    written = runpy.run_path(str(ROOT / "benchmarks" / "resources.py"))["written"]
    page = written(written("# Resources\n", "slow", "| 1 |"), "fast", "| 2 |")
    assert written(page, "slow", "| 3 |") == page.replace("| 1 |", "| 3 |")
    assert page.startswith("# Resources\n\n<!-- slow -->") and page.endswith("| 2 |\n<!-- end -->\n")
