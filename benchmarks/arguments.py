"""What a benchmark is given: ``--help`` shows its docstring, and what is missing or not there is named at once."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType
from typing import Any


def there(path: str) -> str:
    """A file or folder that exists."""
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"{path}: no such file or folder")
    return path


def arguments(doc: str | None, **named: Any) -> list[Any]:
    """The values of a script's arguments, in order. From here on its errors that a user can mend are one line.

    Args:
        doc: of the script.
        named: for each argument what makes its value, such as :func:`there`, where it must be given; in a list, where
            there may be several of it; in a tuple, what it is chosen from. Where it may be left out its default, or a
            list of these. An option's is in small letters.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in named.items():
        if isinstance(what, tuple):
            parser.add_argument(name, choices=what)
            continue
        one, several = (what[0], "+" if callable(what[0]) else "*") if isinstance(what, list) else (what, None)
        if callable(one):
            parser.add_argument(name, type=one, nargs=several)
        else:
            default = {"type": type(one), "default": what, "help": "(default: %(default)s)"}
            if name.islower():
                parser.add_argument(f"--{name}", nargs="+" if several else None, **default)
            else:
                parser.add_argument(name, nargs=several or "?", **default)
    given = vars(parser.parse_args())
    sys.excepthook = _in_one_line
    return [given[name] for name in named]


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, ModuleNotFoundError):
        print(f"error: {error}; this script needs it", file=sys.stderr)
    elif issubclass(kind, ValueError):
        print(f"error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
