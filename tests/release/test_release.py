"""What is to be released is looked at before, and says its version in one place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import videovq
from tests.release import check, smoke, stranger
from videovq.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
METADATA = "Metadata-Version: 2.4\nName: videovq\nProvides-Extra: play\nProvides-Extra: dev\n\n# videovq\n"


def wheel(folder: Path, *names: str, version: str = videovq.__version__) -> Path:
    path = folder / f"videovq-{version}-py3-none-any.whl"
    with ZipFile(path, "w") as packed:
        packed.writestr(f"videovq-{videovq.__version__}.dist-info/METADATA", METADATA)
        for name in names:
            packed.writestr(name, "")
    return path


def test_the_version_is_said_in_one_place() -> None:
    assert PROJECT["dynamic"] == ["version"] and "version" not in PROJECT
    assert check.version() == videovq.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == videovq.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{videovq.__version__}]" in changes


def test_a_wheel_that_lacks_something_or_has_too_much_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["videovq/a.py", "configs/a.yaml"]
    there = ["videovq/a.py", "videovq/configs/a.yaml"]
    assert check.faults_of_wheel(wheel(tmp_path, *there), files) == []
    assert check.faults_of_wheel(wheel(tmp_path, there[0]), files) == ["lacks configs/a.yaml"]
    assert check.faults_of_wheel(wheel(tmp_path, *there, "tests/a.py"), files) == ["has tests/a.py"]
    assert check.faults_of_wheel(wheel(tmp_path, *there, version="9.9"), files) == [
        f"is not of version {videovq.__version__}"
    ]
    monkeypatch.setattr(check, "LARGEST", 100)
    assert "of 100 at most" in check.faults_of_wheel(wheel(tmp_path, *there), files)[0]


def test_every_model_that_ships_and_the_page_are_looked_for() -> None:
    files = check.tracked(*check.SHIPPED)
    for name in ("pretrained/dmlab-small/predictor/model.safetensors", "play/page/index.html"):
        assert f"videovq/{name}" in files
    assert "configs/train_vqvae.yaml" in files


def test_every_extra_but_those_of_developers_is_tried(tmp_path: Path) -> None:
    assert check.extras_of(wheel(tmp_path)) == ["play"]
    assert {*smoke.MODULES, *sum(smoke.WITH_EXTRA.values(), ()), "play"} <= {*PROJECT["optional-dependencies"]}


def test_a_command_is_judged_by_how_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {
        "fine": (0, "done"),
        "torn": (1, "Traceback"),
        "polite": (2, "a line\nerror: export: needs onnx; run: pip install 'videovq[export]'"),
    }
    monkeypatch.setattr(smoke, "run", ends.__getitem__)
    assert not smoke.works("fine") and smoke.works("torn") == "`videovq torn` ended with 1: Traceback"
    assert not smoke.asks_for("export", "polite")
    assert smoke.asks_for("export", "torn") and smoke.asks_for("play", "polite") and smoke.asks_for("play", "fine")


def test_commands_of_the_smoke_test_are_commands() -> None:
    way = (*stranger.OWN, stranger.PUSH, stranger.ELSEWHERE, stranger.PLAY)
    for words in (*smoke.EVERYWHERE[3:], *smoke.WITH_EXTRA, *way):
        assert any(words.startswith(name) for name in COMMANDS), words
    assert {*stranger.EXTRAS.split(",")} <= {*PROJECT["optional-dependencies"]}


def test_the_workflow_runs_the_tests_on_every_python_that_is_served() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    served = [one.removeprefix("Programming Language :: Python :: ") for one in PROJECT["classifiers"] if "3." in one]
    assert job["strategy"]["matrix"]["python"] == served
    makes = [step["run"].split()[1] for step in job["steps"] if step.get("run", "").startswith("make ")]
    assert makes == ["test"] and "\ntest: " in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_image_runs_what_is_there() -> None:
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    for sources in re.findall(r"^COPY (.+) \S+$", image, re.MULTILINE):
        assert all((ROOT / source).exists() and source in kept for source in sources.split())
    [extras] = re.findall(r"/source\[(.+)\]", image)
    assert {*extras.split(",")} <= {*PROJECT["optional-dependencies"]}
    assert re.findall(r'^ENTRYPOINT \["(\w+)"\]\nCMD \["(\w+)"\]', image, re.MULTILINE) == [("videovq", "demo")]
    assert "videovq" in PROJECT["scripts"] and "demo" in COMMANDS
