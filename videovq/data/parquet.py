"""Columns of Parquet files, for the formats that keep their actions in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from videovq.data.listing import refuse_pointers
from videovq.errors import UserError
from videovq.packages import optional


def column_names(path: Path) -> list[str]:
    """Names of the columns of a file.

    Raises:
        UserError: the file is missing or broken, or pyarrow is not installed.
    """
    with _readable(path) as parquet:
        return list(parquet.read_schema(path).names)


def read_columns(path: Path, names: Sequence[str], rows: tuple[str, int] | None = None) -> list[list[Any]]:
    """The values of some columns.

    Args:
        rows: a column, and the number that it holds in the rows wanted; None: all rows.

    Raises:
        UserError: the file is missing or broken, lacks a column, or pyarrow is not installed.
    """
    with _readable(path) as parquet:
        there = list(parquet.read_schema(path).names)
        wanted = [*names, *([rows[0]] if rows else [])]
        missing = [name for name in wanted if name not in there]
        if missing:
            raise UserError(f"it has no column {missing[0]!r}, only {', '.join(there)}")
        filters = [(rows[0], "==", rows[1])] if rows else None
        found = parquet.read_table(path, columns=list(names), filters=filters, partitioning=None)
        return [found.column(name).to_pylist() for name in names]


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    """``pyarrow.parquet``, for a block in which any error means that the file cannot be read."""
    parquet, pyarrow = optional("pyarrow.parquet", "parquet"), optional("pyarrow", "parquet")
    refuse_pointers([path])
    try:
        yield parquet
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
