"""One value a frame, in whatever kind of file lies beside a video: JSON lines, arrays, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from videovq.data.text import json_lines, read_text
from videovq.prep.sources.arrays import array_names, read_array

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
TRUTHS = {"true": 1.0, "false": 0.0}
UNKNOWN = ("", "null", "none", "na")


class Columns(ABC):
    """The columns of a file.

    Args:
        path: of the file.
        key: name of the column of actions, or names of several, separated by commas; empty: the usual one.

    Attributes:
        names: of all columns.

    Raises:
        ValueError: the file is missing or broken.
    """

    usual = "action"
    names: list[str]

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key or self.usual

    @abstractmethod
    def column(self, name: str, unknown: bool = False) -> list[Any]:
        """The values of a column.

        Args:
            unknown: whether a value may be missing.

        Raises:
            ValueError: there is no such column, or it is broken.
        """

    def actions(self) -> list[Any]:
        """The actions: one value each, or as many as there are columns of them.

        Raises:
            ValueError: a column is missing or broken.
        """
        wanted = self.wanted()
        if len(wanted) == 1:
            return self.column(wanted[0])
        columns = [self.column(name) for name in wanted]
        if len({len(one) for one in columns}) > 1:
            raise ValueError(f"{self.path}: {self.key} are not as many values each")
        return [list(row) for row in zip(*columns, strict=True)]

    def wanted(self) -> list[str]:
        """Names of the columns of actions."""
        return [self.key] if self.key in self.names else [name.strip() for name in self.key.split(",")]


class JsonLines(Columns):
    """A value a line, or an object with a field for each column."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        self._rows = list(json_lines(path))
        self.names = list(dict.fromkeys(name for _, row in self._rows if isinstance(row, dict) for name in row))

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        for number, row in self._rows:
            if isinstance(row, dict) and name not in row:
                raise ValueError(f"{self.path}: line {number} has no {name!r}; name the field with declare.actions_key")
        return [row[name] if isinstance(row, dict) else row for _, row in self._rows]


class Arrays(Columns):
    """An ``.npz`` with an array for each column, or an ``.npy`` of actions."""

    usual = "actions"

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        self.names = sorted(array_names(path)) if path.suffix == ".npz" else []

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        values = read_array(self.path, name).tolist()
        return values if isinstance(values, list) else [values]


class Parquet(Columns):
    """Needs pyarrow."""

    def __init__(self, path: Path, key: str) -> None:
        from videovq.prep.sources.parquet import column_names

        super().__init__(path, key)
        self.names = column_names(path)

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        from videovq.prep.sources.parquet import read_columns

        return read_columns(self.path, [name])[0]


class Table(Columns):
    """CSV with a header: separated by commas, semicolons or tabs, whichever part its first line.

    Blanks around a field, empty lines, and empty fields after the last column mean nothing.
    """

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path, key)
        tables: dict[str, list[tuple[int, list[str]]]] = {}
        why: Exception | str = "it is empty"
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            text, why = "", error
        for separator in SEPARATORS:
            try:
                tables[separator] = _rows(text, separator)
            except csv.Error as error:
                why = error
        if not any(tables.values()):
            raise ValueError(f"{path}: not readable as CSV with a header ({why})")
        parted = [one for one, rows in tables.items() if len(rows[0][1]) > 1] or list(tables)[:1]
        if len(parted) > 1:  # only one of them can be what finds the actions
            wanted = {name.strip() for name in self.key.split(",")}
            parted = [one for one in parted if wanted <= set(tables[one][0][1])]
        if len(parted) != 1:
            raise ValueError(
                f"{path}: line 1 does not tell whether {' or '.join(SEPARATORS.values())} separate columns"
            )
        (_, self.names), *self._rows = tables[parted[0]]

    def column(self, name: str, unknown: bool = False) -> list[Any]:
        if name not in self.names:
            there = ", ".join(self.names)
            raise ValueError(f"{self.path}: no column {name!r}, only {there}; name it with declare.actions_key")
        if self.names.count(name) > 1:
            raise ValueError(f"{self.path}: several columns are called {name!r}")
        return [self._number(line, fields, name, unknown) for line, fields in self._rows]

    def _number(self, line: int, fields: list[str], name: str, unknown: bool) -> float:
        if any(fields[len(self.names) :]):
            raise ValueError(f"{self.path}: line {line} has {len(fields)} fields, but line 1 has {len(self.names)}")
        at = self.names.index(name)
        field = fields[at] if at < len(fields) else ""
        if unknown and field.lower() in UNKNOWN:
            return math.nan
        try:
            return TRUTHS[field.lower()] if field.lower() in TRUTHS else float(field)
        except ValueError:
            raise ValueError(f"{self.path}: line {line}, column {name!r}: {field!r} is not a number") from None


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The rows of a table, each with the number of its line; empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    rows = [(reader.line_num, [field.strip() for field in fields]) for fields in reader]
    while rows and not any(rows[-1][1]):  # spreadsheets end in rows of empty fields
        rows.pop()
    return [(line, fields) for line, fields in rows if fields and fields != [""]]


KINDS: dict[str, type[Columns]] = {
    ".jsonl": JsonLines,
    ".npz": Arrays,
    ".npy": Arrays,
    ".csv": Table,
    ".parquet": Parquet,
}
