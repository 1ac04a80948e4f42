"""Each slice can be taken out: what is left is whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.project_copy import COPIED, PYTEST, ROOT, copy_into, python
from videovq.cli import COMMANDS, CORE, usage
from videovq.slices import SLICES, slices

QUICK = [
    "tests/test_cli.py::test_help_of_every_command_imports_no_torch",
    "tests/test_completion.py",
    "tests/test_listing.py",
    "tests/test_parsing.py::test_every_shipped_yaml_is_parsed",
    "tests/test_shipped.py",
]
IMPORT_ALL = """
import pkgutil
import videovq
from videovq import runs
for one in pkgutil.walk_packages(videovq.__path__, "videovq."):
    one.name.endswith("__main__") or __import__(one.name)
assert [*runs.run_kinds()] == ["vqvae", "predictor"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("gone", [*([name] for name in SLICES), SLICES], ids=[*SLICES, "all"])
def test_without_a_slices_folders_and_line_the_core_is_whole(gone: list[str], tmp_path: Path) -> None:
    copy_into(tmp_path)
    listed = tmp_path / "videovq" / "slices.py"
    for name in gone:
        for folder in COPIED:
            shutil.rmtree(tmp_path / folder / "papers" / name)
        text, lines = re.subn(rf'^    "{name}",\n', "", listed.read_text(), flags=re.MULTILINE)
        assert lines == 1, "its line"
        listed.write_text(text)
    python(tmp_path, *PYTEST, "--noconftest", *QUICK)
    if len(gone) == len(SLICES):
        python(tmp_path, "-c", IMPORT_ALL)
        python(tmp_path, *PYTEST, "--collect-only", "tests")


@pytest.mark.parametrize("name", SLICES)
def test_beside_its_folders_one_line_of_the_readme_tells_of_a_slice(name: str) -> None:
    pages = [page for pattern in ("*.md", "docs/*.md", "train/*.md", "data_prep/*.md") for page in ROOT.glob(pattern)]
    lines = [(page.name, line) for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert [page for page, line in lines if f"papers/{name}" in line] == ["README.md"]


def test_the_cores_commands_come_first_and_those_of_papers_under_a_heading() -> None:
    core, _, papers = usage().partition("\nExperiments of papers")
    assert all(f"\n  {name} " in core for name in CORE)
    beside = [name for one in slices() for name in one.commands]
    assert all(f"\n  {name} " in papers for name in beside)
    assert [*COMMANDS] == [*CORE, *beside], "none has the name of another"
