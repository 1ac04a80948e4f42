"""The guides do what they say: code blocks, the notebook and the first commands run; pages build without a warning."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import PATIENCE, SIZE, world
from tests.printed import commands
from videovq.cli import command_in, main
from videovq.data.video import write_video

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [path for path in PAGES if "```python" in path.read_text()]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_code_blocks_run_one_after_the_other(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", guide.read_text(), flags=re.DOTALL):
        exec(compile(block, str(guide), "exec"), names)


SMALL = {  # what makes a command of the guides a matter of seconds
    "prep": ["--frame_size", str(SIZE), "--workers", "1"],
    "train vqvae": ["--training.steps", "2", "--training.batch_size", "4", "--training.accelerator", "cpu"],
    "encode": [],
    "train predictor": ["--training.steps", "1", "--training.batch_size", "2", "--training.accelerator", "cpu"],
    "rollout": ["--frames", "3"],
    "evaluate": ["--frames", "3", "--stride", "16"],
}


def printed_for_ones_own(guide: Path) -> list[list[str]]:
    """The commands of a guide that make something of one's own videos."""
    printed = (words[1:] for words in commands(guide.read_text(encoding="utf-8")) if words[0] == "videovq")
    return [words for words in printed if any("/mine" in word for word in words) and "..." not in words]


def test_ones_own_videos_are_predicted_by_the_commands_of_the_quick_start_as_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the size of frames and the number of steps."""
    (tmp_path / "videos").mkdir()
    for i in range(4):
        write_video(tmp_path / "videos" / f"clip {i}.mp4", world(i)[0], 15, "lossless")
    monkeypatch.chdir(tmp_path)
    for words in printed_for_ones_own(ROOT / "docs" / "quickstart.md"):
        assert main([*words, *SMALL[command_in(words)]]) == 0, words
    assert {file.suffix for file in (tmp_path / "rollouts").iterdir()} == {".gif", ".mp4", ".png", ".npz"}


def test_the_three_lines_of_the_readme_are_those_commands_with_the_default_settings() -> None:
    quick = [
        [word for i, word in enumerate(words) if "--config" not in words[max(0, i - 1) : i + 1]]
        for words in printed_for_ones_own(ROOT / "docs" / "quickstart.md")
    ]
    assert printed_for_ones_own(ROOT / "README.md") == [words for words in quick if words[0] != "evaluate"]


def outputs(notebook: nbformat.NotebookNode) -> list[set[tuple[str, str]]]:
    """Of each cell of code, what kinds of output it has, and how what it returned is written."""
    return [
        {
            (kind, data["text/plain"] if kind == "text/plain" else "")
            for data in ({"stream": "", **output.get("data", {})} for output in cell.outputs)
            for kind in data
        }
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs_and_shows_what_is_stored_with_it(tmp_path: Path) -> None:
    path = ROOT / "docs" / "tutorial.ipynb"
    stored, again = (nbformat.read(path, as_version=4) for _ in range(2))
    NotebookClient(again, timeout=int(PATIENCE), resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert outputs(stored) == outputs(again)
    shown = [output for cell in again.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert any("data:image/gif" in output.get("data", {}).get("text/html", "") for output in shown)


def test_the_stored_notebook_is_small_and_knows_no_machine() -> None:
    """To store it anew: jupyter nbconvert --execute --inplace --ClearMetadataPreprocessor.enabled=True, in a folder
    of its own."""
    path = ROOT / "docs" / "tutorial.ipynb"
    assert path.stat().st_size < 1_000_000
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(cell.metadata for cell in cells), "such as when each was run"
    outputs = json.dumps([cell.outputs for cell in cells])
    assert not re.findall(r"/(?:home|root|tmp|work|Users)/|[A-Z]:\\\\", outputs)
    assert not any(
        output.output_type == "error" or output.get("name") == "stderr" for cell in cells for output in cell.outputs
    )


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-t",
        "without_source",
        "-D",
        "nb_execution_mode=off",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path / "html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "html" / "reference.html").read_text()
    for name in ("videovq.model.load", "videovq.types.Sampling", "videovq.config.TrainPredictorConfig"):
        assert f'id="{name}"' in page, name


def test_the_files_named_on_the_walk_through_the_code_are_there() -> None:
    named = re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "videovq").rglob("*.py")]
    assert len(named) > 20
    assert not [name for name in named if not any(file.endswith(f"/{name}") or file == name for file in files)]
