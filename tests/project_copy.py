"""A copy of the project, in which a test may change the code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("configs", "tests", "videovq")
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")


def copy_into(folder: Path) -> None:
    """Copy what ``COPIED`` names; the rest, and the weights that ship, are links to the project's own."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("pretrained", "__pycache__"))
    for path in [ROOT / "videovq" / "pretrained", *(path for path in ROOT.iterdir() if path.name[0] != ".")]:
        if path.name not in COPIED:
            (folder / path.relative_to(ROOT)).symlink_to(path)


def python(folder: Path, *words: str) -> str:
    """What Python prints in a copy of the project, seeing that alone."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
