"""Columns of one value a frame, in files beside a video: JSON lines, arrays, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from videovq.data.arrays import array_names, read_array
from videovq.data.parquet import column_names, read_columns
from videovq.data.text import json_lines, read_text
from videovq.errors import UserError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
TRUTHS = {"true": 1.0, "false": 0.0}
UNKNOWN = ("", "null", "none", "na")


class Columns(ABC):
    """The columns of a file.

    Args:
        path: of the file.
        key: name of the column of actions, or names of several, separated by commas; empty: the first of the usual
            names that there is.

    Attributes:
        names: of all columns.

    Raises:
        UserError: the file is missing or broken.
    """

    usual: tuple[str, ...] = ("action", "actions")
    names: list[str]

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key

    @property
    def key(self) -> str:
        return self._key or next((name for name in self.usual if name in self.names), self.usual[0])

    @abstractmethod
    def column(self, name: str, unknown: bool = False) -> list[Any]:
        """The values of a column.

        Args:
            unknown: whether a value may be missing.

        Raises:
            UserError: there is no such column, or it is broken.
        """

    def actions(self) -> list[Any]:
        """The actions: one value each, or as many as there are columns of them.

        Raises:
            UserError: a column is missing or broken.
        """
        columns = self.action_columns()
        if len(columns) == 1:
            return self.column(columns[0])
        values = [self.column(name) for name in columns]
        if len({len(one) for one in values}) > 1:
            raise UserError(f"{self.path}: {self.key} are not as many values each")
        return [list(row) for row in zip(*values, strict=True)]

    def action_columns(self) -> list[str]:
        """Names of the columns of actions."""
        return [self.key] if self.key in self.names else [name.strip() for name in self.key.split(",")]


class JsonLines(Columns):
    """JSON lines: a value a line, or an object with a field for each column."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        self._rows = list(json_lines(path))
        self.names = list(dict.fromkeys(name for _, row in self._rows if isinstance(row, dict) for name in row))

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        for number, row in self._rows:
            if isinstance(row, dict) and name not in row:
                raise UserError(f"{self.path}: line {number} has no {name!r}; name the field with declare.actions_key")
        return [row[name] if isinstance(row, dict) else row for _, row in self._rows]


class Arrays(Columns):
    """An ``.npz`` with an array for each column, or an ``.npy`` of actions."""

    usual = ("actions",)

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        self.names = sorted(array_names(path)) if path.suffix == ".npz" else []

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        values = read_array(self.path, name).tolist()
        return values if isinstance(values, list) else [values]


class Parquet(Columns):
    """The columns of a Parquet file; needs pyarrow."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        self.names = column_names(path)

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        return read_columns(self.path, [name])[0]


class Table(Columns):
    """CSV with a header: separated by commas, semicolons or tabs, whichever split its first line.

    Blanks around a field, empty lines, and empty fields after the last column mean nothing.
    """

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        try:
            text = read_text(path)
            (_, self.names), *rows = _rows(text, self._separator(text)) or [(0, [])]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"{path}: not readable as CSV with a header ({error})") from None
        if not self.names:
            raise UserError(f"{path}: not readable as CSV with a header (it is empty)")
        count = len(self.names)
        for line, fields in rows:
            if any(fields[count:]):
                raise UserError(f"{path}: line {line} has {len(fields)} fields, but line 1 has {count}")
        self._rows = [(line, [*fields, *[""] * count][:count]) for line, fields in rows]

    def _separator(self, text: str) -> str:
        """The separator: the one that splits the first line or, where several do, that finds the actions in it."""
        headers = {}
        for separator in SEPARATORS:
            with suppress(csv.Error, StopIteration):
                headers[separator] = next(_filled(text, separator))[1]
        parted = [one for one, header in headers.items() if len(header) > 1]
        if len(parted) > 1:
            parted = [one for one in parted if self._holds_actions(headers[one])]
            if len(parted) != 1:
                those = " or ".join(SEPARATORS.values())
                raise UserError(f"{self.path}: line 1 does not tell whether {those} separate columns")
        return parted[0] if parted else ","

    def _holds_actions(self, names: list[str]) -> bool:
        if self._key:
            return {name.strip() for name in self._key.split(",")} <= set(names)
        return any(name in names for name in self.usual)

    def actions(self) -> list[Any]:
        columns = self.action_columns()
        named = self._named(columns[0]) if len(columns) == 1 else []
        return named or super().actions()

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        if name not in self.names:
            there = ", ".join(self.names)
            raise UserError(f"{self.path}: no column {name!r}, only {there}; name it with declare.actions_key")
        if self.names.count(name) > 1:
            raise UserError(f"{self.path}: several columns are called {name!r}")
        return [self._number(line, fields, name, unknown) for line, fields in self._rows]

    def _named(self, name: str) -> list[str]:
        """A column of words; empty: some of its fields hold none, or there is no such column."""
        if self.names.count(name) != 1:
            return []
        fields = [row[self.names.index(name)] for _, row in self._rows]
        return fields if all(map(_is_word, fields)) else []

    def _number(self, line: int, fields: list[str], name: str, unknown: bool) -> float:
        field = fields[self.names.index(name)]
        if unknown and field.lower() in UNKNOWN:
            return math.nan
        try:
            return TRUTHS[field.lower()] if field.lower() in TRUTHS else float(field)
        except ValueError:
            raise UserError(f"{self.path}: line {line}, column {name!r}: {field!r} is not a number") from None


def _is_word(field: str) -> bool:
    """Whether a field holds a name, such as an action's, where numbers and truth values are none."""
    if field.lower() in TRUTHS or not any(map(str.isalpha, field)):
        return False
    try:
        float(field)
    except ValueError:
        return True
    return False


def _filled(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its line; empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    for fields in reader:
        stripped = [field.strip() for field in fields]
        if stripped not in ([], [""]):
            yield reader.line_num, stripped


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """All rows, but for those of empty fields in which spreadsheets end."""
    rows = list(_filled(text, separator))
    while rows and not any(rows[-1][1]):
        rows.pop()
    return rows


KINDS: dict[str, type[Columns]] = {
    ".jsonl": JsonLines,
    ".npz": Arrays,
    ".npy": Arrays,
    ".csv": Table,
    ".parquet": Parquet,
}
