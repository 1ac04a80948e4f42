"""Make docs/messages.md, every message of one line that a person can meet, from the code that gives it.

    python docs/messages.py

``docs/troubleshooting.md`` has a section of remedies for each group.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "messages.md"
ANYTHING = "…"  # what the message names: a file, a setting, a number
GROUPS = {  # where messages come from: the longest beginning of a module's path decides
    "Commands and settings": (
        *(
            "__",
            "cli",
            "completion",
            "config",
            "demo",
            "help",
            "listing",
            "naming",
            "page",
            "parser_messages",
            "parsing",
        ),
        *("packages", "pictures", "progress", "shipped", "slices", "storage", "threads", "writable"),
    ),
    "Recording": ("prep/record", "prep/environments", "prep/own_policy", "prep/policy"),
    "Reading recordings": ("prep", "data", "frames"),
    "Stores": ("data/store", "data/folders", "data/windows", "data/modules", "data/pool", "data/codes"),
    "Models, runs and worlds": ("runs", "worlds", "pack", "cards", "push", "hub", "model", "models", "rollout/pair"),
    "Training and encoding": ("training",),
    "Rollouts": ("rollout", "session", "types"),
    "Evaluation": ("evaluation",),
    "Play, Gymnasium, export": ("play", "gym", "export"),
    "Experiments of papers": ("papers",),
}
HEAD = """# Every message

What a person can mend is said in one line, `error: ...`, that names the setting or file and, after a semicolon, the
remedy; the command ends with exit code 2. Anything else that stops a command, with a traceback, is a fault of videovq.
`--traceback` shows where a message comes from. `…` stands for what a message names.
[Troubleshooting](troubleshooting.md) has the same groups, with what to do.

*Made from the code by `make tables`.*
"""


def group_of(path: str) -> str | None:
    """The group of a module, by its path below ``videovq/``; None: it has none yet."""
    fitting = [(len(start), group) for group, starts in GROUPS.items() for start in starts if path.startswith(start)]
    return max(fitting)[1] if fitting else None


def template(node: ast.expr) -> str:
    """A text as it stands in the code, with ``…`` for everything that is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(template, node.values))
    if isinstance(node, ast.FormattedValue):
        called = getattr(getattr(node.value, "func", None), "id", "")
        return f"run: pip install {ANYTHING}" if called == "install" else ANYTHING  # videovq.packages.install
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return template(node.left) + template(node.right)
    return ANYTHING


def messages_in(source: str) -> Iterator[str]:
    """The messages of every ``UserError`` in a module that says something of its own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError" and node.args:
            said = " ".join(template(node.args[0]).split())
            if any(letter.isalpha() for letter in said):
                yield said


def texts_in(source: str) -> set[str]:
    """Every text in a module."""
    nodes = ast.walk(ast.parse(source))
    return {" ".join(template(node).split()) for node in nodes if isinstance(node, (ast.Constant, ast.JoinedStr))}


@cache
def modules() -> dict[str, str]:
    """The source of every module, by its path below ``videovq/``."""
    package = ROOT / "videovq"
    found = {path.relative_to(package).as_posix(): path for path in sorted(package.rglob("*.py"))}
    return {name: path.read_text(encoding="utf-8") for name, path in found.items()}


def page() -> str:
    """The whole of docs/messages.md."""
    found: dict[str, set[str]] = {group: set() for group in GROUPS}
    for name, source in modules().items():
        for said in messages_in(source):
            group = group_of(name)
            if group is None:
                raise SystemExit(f"error: {name} gives messages and has no group; add it to GROUPS in docs/messages.py")
            found[group].add(said)
    parts = [HEAD]
    for group, messages in found.items():
        lines = [f"- ``{said}``" if "`" in said else f"- `{said}`" for said in sorted(messages, key=str.lower)]
        lines = [line.replace("- ```", "- `` `").replace("```", "` ``") for line in lines]
        parts.append("\n".join([f"## {group}", "", *lines]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
