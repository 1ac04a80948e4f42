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


def arguments(doc: str | None, **wanted: Any) -> list[Any]:
    """The values of a script's arguments, in order. From here on its errors that a user can mend are one line.

    Args:
        doc: of the script.
        wanted: for each argument what makes its value, such as :func:`there`, where it must be given; in a list, where
            there may be several of it. Where it may be left out its default, or a list of these.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in wanted.items():
        one, several = (what[0], "+" if callable(what[0]) else "*") if isinstance(what, list) else (what, None)
        if callable(one):
            parser.add_argument(name, type=one, nargs=several)
        else:
            parser.add_argument(name, type=type(one), nargs=several or "?", default=what, help="(default: %(default)s)")
    given = vars(parser.parse_args())
    sys.excepthook = _in_one_line
    return [given[name] for name in wanted]


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, ModuleNotFoundError):
        print(f"error: {error}; this script needs it", file=sys.stderr)
    elif issubclass(kind, ValueError):
        print(f"error: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
