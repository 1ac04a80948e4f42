"""Make the figures of README.md and the guides that show rollouts, by the commands printed under them.

    python docs/figures.py [NAME ...]

A figure is made where the paragraph under it has a command `videovq rollout ...`: that is run in an empty folder, and
the file that it writes with the figure's ending becomes the figure. NAME (rollout.gif) makes some only. Figures without
such a command need stores or trainings of one's own, or a browser.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from videovq.config import RolloutConfig
from videovq.parsing import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("videovq/pretrained/*/*.md"))]
FIGURE = re.compile(r"!\[[^]]*\]\(([^)]+)\)(?=\n\n(.+?)(?:\n\n|\Z))", re.DOTALL)
COMMAND = re.compile(r"`(videovq rollout [^`]+)`")


def figures() -> dict[Path, str]:
    """The command of every figure that is made of what ships."""
    found = {}
    for page in PAGES:
        for picture, below in FIGURE.findall(page.read_text(encoding="utf-8")):
            if command := COMMAND.search(below):
                found[(page.parent / picture).resolve()] = " ".join(command[1].split())
    return found


def settings(command: str) -> RolloutConfig:
    """What a printed command asks for.

    Raises:
        ValueError: it cannot be used.
    """
    return parse(RolloutConfig, shlex.split(command)[2:], "videovq rollout")


def make(figure: Path, command: str) -> None:
    """Run a command in an empty folder and keep what the figure's ending says."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "videovq", *shlex.split(command)[1:]], cwd=folder, check=True)
        out = Path(folder) / settings(command).out
        shutil.copy(out.with_name(out.name + figure.suffix), figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("NAME", nargs="*")
    wanted, known = parser.parse_args().NAME, figures()
    strangers = set(wanted) - {figure.name for figure in known}
    if strangers:
        parser.error(f"no figure {', '.join(sorted(strangers))}; choose from {', '.join(f.name for f in known)}")
    for figure, command in known.items():
        if not wanted or figure.name in wanted:
            print(f"{figure.relative_to(ROOT)}: {command}", flush=True)
            make(figure, command)
