"""What ``--help`` of a command shows: its settings, with their types, defaults and docstrings."""

from __future__ import annotations

import ast
import inspect
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from videovq import config as all_settings
from videovq.config import PredictorConfig, choice_bases
from videovq.naming import kind_names, kinds_within
from videovq.shipped import shipped

INDENT = 30  # columns of a setting's name, before what is said of it
WORDS = {
    int: "N",
    float: "X",
    str: "TEXT",
    bool: "true|false",
    list: "[A, B, ...]",
    tuple: "[A, B]",
    dict: "{A: B, ...}",
}


def help_of(config: type[Any], prog: str, arguments: list[str]) -> str:
    """The help of a command.

    Args:
        arguments: of the command; where they choose a class, as ``--source NAME``, its settings are shown.
    """
    chosen = {
        name.removeprefix("--").removesuffix(".help"): value
        for name, value in pairwise(arguments)
        if name.startswith("--")
    }
    lines = [f"usage: {prog} [--config FILE.yaml] [--option VALUE ...]", "", *wrapped(config.__doc__ or "", 0), ""]
    lines += entry(
        "--config FILE.yaml",
        "YAML file with any of the settings below, or the name of one that ships: `videovq list configs`.",
    )
    lines += entry("--print_config", "Print all settings as YAML, and stop.")
    default = config()
    return "\n".join([*lines, *settings(default, documented(config), "", chosen, prog)])


def settings(default: Any, docs: dict[str, str], name: str, chosen: dict[str, str], prog: str) -> Iterator[str]:
    """Lines for every setting; those that are a whole group come last, under a title of their own."""
    hints, groups = get_type_hints(type(default)), []
    for one in fields(default):
        dotted, hint, value = f"{name}{one.name}", hints[one.name], getattr(default, one.name)
        if kinds_within(hint):
            groups.append((dotted, hint, value, docs.get(one.name) or str(type(value).__doc__)))
        else:
            text = with_default(docs.get(one.name, ""), value, one.name, hints)
            yield from entry(f"--{dotted} {type_word(hint)}", text)
    for dotted, hint, value, doc in groups:
        yield from ("", *wrapped(f"{dotted}: {doc}", 0))
        if hint in choice_bases():
            kinds = kind_names(hint)
            if chosen.get(dotted) in kinds:
                kind = getattr(all_settings, chosen[dotted])
                value = value if type(value) is kind else kind()
            yield from entry(f"--{dotted} CLASS", others(doc, kinds, type(value).__name__))
            if len(kinds) > 1:
                yield from entry("", f"{prog} --{dotted} CLASS --help shows another's settings. Those of this one:")
        yield from settings(value, documented(type(value)), f"{dotted}.", chosen, prog)


def others(doc: str, names: list[str], chosen: str) -> str:
    """The classes to choose from, unless a docstring names them all."""
    return f"(default: {chosen})" if all(name in doc for name in names) else f"{', '.join(names)}. (default: {chosen})"


def with_default(doc: str, value: Any, name: str, hints: dict[str, Any]) -> str:
    """A docstring, with the names that can be given where there are few, and with the default, where there is one."""
    if name in ("pretrained", "init"):
        part = "predictor" if "predictor" in hints or PredictorConfig in hints.values() else "vqvae"
        doc += f" There are {', '.join(shipped(part))}. The path of what ``videovq pack`` made serves as well, and a"
        doc += " world of the Hub: ``user/name``, ``user/name@revision``."
    shown = str(value).lower() if isinstance(value, bool) else value
    return doc if value in ("", [], {}, None) else f"{doc} (default: {shown})"


def type_word(hint: Any) -> str:
    """What a value looks like."""
    if get_origin(hint) is Literal:
        return "|".join(value or "''" for value in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return "|".join(map(type_word, get_args(hint)))
    return WORDS[get_origin(hint) or hint]


@cache
def classes_in(module: str) -> dict[str, ast.ClassDef]:
    """The source of every class of a module, parsed once: Tab waits for it."""
    parsed = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node for node in parsed.body if isinstance(node, ast.ClassDef)}


def documented(config: type[Any]) -> dict[str, str]:
    """The docstring of every field of a dataclass: the text that follows it, there or in a class above."""
    found: dict[str, str] = {}
    for kind in reversed(config.__mro__[:-1]):
        for line, after in pairwise(classes_in(kind.__module__)[kind.__name__].body):
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                assert isinstance(line.target, ast.Name)
                found[line.target.id] = str(after.value.value)
    return found


def entry(name: str, text: str) -> list[str]:
    """What is said of one setting, beside its name or, where that is long, below."""
    lines = wrapped(text, INDENT)
    first = f"  {name}"
    if len(first) < INDENT - 1 and lines:
        return [first.ljust(INDENT) + lines[0].lstrip(), *lines[1:]]
    return [first, *lines] if name else lines


def wrapped(text: str, indent: int) -> list[str]:
    """A docstring as lines as wide as the terminal, at most 120."""
    width = min(120, max(60, shutil.get_terminal_size().columns))
    margin = " " * indent
    words = " ".join(text.replace("``", "`").split())
    return textwrap.wrap(
        words, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
