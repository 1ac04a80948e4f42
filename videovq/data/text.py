"""Reading text and JSON lines in any encoding of Unicode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videovq.data.listing import refuse_pointers
from videovq.errors import UserError


def read_text(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, which is no part of the text.

    Raises:
        OSError, UnicodeDecodeError: it is missing, or is no text.
    """
    data = path.read_bytes()
    return data.decode(json.detect_encoding(data))


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of JSON lines, each with its number; empty ones are none.

    Raises:
        UserError: the file is missing, or is no text.
    """
    refuse_pointers([path])
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as JSON lines ({error})") from None
    # Only at line feeds: the text within may hold other separators that Python knows.
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The values of a file that holds one a line, each with the number of its line.

    Raises:
        UserError: it is missing or broken.
    """
    for number, line in text_lines(path):
        try:
            yield number, json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"{path}: not readable as JSON lines (line {number}: {error})") from None
