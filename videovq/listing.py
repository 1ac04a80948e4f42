"""``videovq list``: the models that ship, the formats that are read, the files of settings."""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from videovq.prep.sources import readers
from videovq.shipped import shipped, shipped_configs, shipped_folder

WIDTH = 100


def models() -> Iterator[tuple[str, str]]:
    """Every model that ships, with its parts and the first sentence of its card."""
    predictors = shipped("predictor")
    for name in shipped("vqvae"):
        folder = shipped_folder(name)
        examples = len([*folder.rglob("*.mp4")])
        parts = ["VQ-VAE"] + ["predictor"] * (name in predictors)
        parts += [f"{examples} example{'s' * (examples > 1)}"] * (examples > 0)
        _, _, card = (folder / "README.md").read_text(encoding="utf-8").partition("\n")
        yield name, f"{', '.join(parts)}. {first_sentence(card)}"


def formats() -> Iterator[tuple[str, str]]:
    """Every format of recordings, with the first line that its reader's source says of it."""
    for name, place in readers.READERS.items():
        module, kind = place.split(":")
        source = ast.parse(Path(readers.__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
        [reader] = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == kind]
        which, _, _ = (ast.get_docstring(reader) or "").partition("; see the module")  # where a file has two
        about = (ast.get_docstring(source) or "").partition("\n")[0]
        yield name, f"{which}: {about}" if not which.startswith("See ") else about


def configs() -> Iterator[tuple[str, str]]:
    """Every file of settings, with the first sentence of its comment."""
    for name, path in shipped_configs().items():
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = [line.removeprefix("#") for line in takewhile(lambda line: line.startswith("#"), lines)]
        yield name, first_sentence(" ".join(line for line in comment if " --config configs/" not in line))


LISTS = {
    "models": (models, "Models that ship, for `--pretrained NAME`:"),
    "formats": (formats, "Formats of recordings, for `videovq prep --format NAME`; it finds out by itself, too:"),
    "configs": (configs, "Files of settings that ship, for `videovq COMMAND --config NAME`:"),
}


def listing(word: str = "") -> str:
    """What can be called by name.

    Args:
        word: one of ``LISTS``; empty: all of them.
    """
    chosen = [LISTS[word]] if word else [*LISTS.values()]
    return "\n\n".join("\n".join([title, *table([*rows()])]) for rows, title in chosen)


def table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Names, and beside them what is said of each, no wider than the terminal or 100 columns."""
    margin = " " * (max(len(name) for name, _ in rows) + 4)
    width = min(WIDTH, max(60, shutil.get_terminal_size().columns))
    for name, text in rows:
        words = text.replace("``", "`").replace("*", "")
        first = f"  {name}".ljust(len(margin))
        yield from textwrap.wrap(words, width, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False)


def first_sentence(text: str) -> str:
    """In one line."""
    return re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(text.split()))[0]
