"""One look for every long command: what is done, how fast, how long it still takes."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from tqdm import tqdm


def escape_what_cannot_be_shown() -> None:
    """Let names in letters that the locale does not have be printed with escapes in their place, not end the work."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def progress(total: int, what: str, unit: str, done: int = 0) -> tqdm:
    """A progress bar on stderr: redrawn ten times a second on a terminal, a line each 15 seconds in a log."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=unit,
        file=sys.stderr,
        mininterval=0.1 if terminal else 15,
        ascii=not terminal,
        dynamic_ncols=terminal,
        leave=True,
    )
