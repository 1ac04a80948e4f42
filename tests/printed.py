"""What the guides print: their pages, commands, and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDES = [
    ROOT / name
    for pattern in (
        "*.md",
        "docs/*.md",
        "data_prep/*.md",
        "train/*.md",
        "videovq/papers/*/*.md",
        "videovq/pretrained/*/*.md",
    )
    for name in sorted(path.relative_to(ROOT) for path in ROOT.glob(pattern))
    if name.name not in ("CHANGELOG.md", "EXPERIMENTS.md")  # which tell of what was
]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def block_lines(page: str) -> Iterator[str]:
    """The lines of a page's blocks of shell commands, those that go on put together."""
    for block in re.findall(r"```bash\n(.*?)```", page, flags=re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()


def in_a_shell(line: str) -> Iterator[list[str]]:
    """The words of every command in a line of shell."""
    command: list[str] = []
    for word in [*shlex.split(line, comments=True), "&&"]:
        if word not in ("&&", ";", "|"):
            command.append(word)
        elif command:
            yield command
            command = []


def commands(page: str) -> Iterator[list[str]]:
    """Every command that a page prints, in its blocks and within its text, as words."""
    for line in block_lines(page):
        yield from in_a_shell(line)
    for within in re.findall(r"(?<!`)`((?:videovq|python|make|pip) [^`]+)`(?!`)", page):
        yield from in_a_shell(within)


def links(page: str) -> list[tuple[str, str]]:
    """Of every link that leads to a file or a heading of the repository, the path and the anchor."""
    text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text)
    return [tuple(link.partition("#")[::2]) for link in found if "://" not in link]


def anchors(page: str) -> set[str]:
    """What the headings of a page are called in links, as GitHub and MyST do it."""
    text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
