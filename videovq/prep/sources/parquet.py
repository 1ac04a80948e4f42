"""Columns of Parquet files, for the formats that keep their actions in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videovq.prep.sources.contract import optional


def read_columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """The values of some columns.

    Raises:
        ValueError: the file is missing or broken, lacks a column, or pyarrow is not installed.
    """
    parquet, pyarrow = optional("pyarrow.parquet", "parquet"), optional("pyarrow", "parquet")
    try:
        with path.open("rb") as file:
            table = parquet.ParquetFile(file)
            missing = [name for name in names if name not in table.schema_arrow.names]
            if missing:
                raise ValueError(f"it has no column {missing[0]!r}, only {', '.join(table.schema_arrow.names)}")
            found = table.read(columns=list(names))
            return [found.column(name).to_pylist() for name in names]
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
