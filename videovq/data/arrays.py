"""Reading arrays of ``.npz`` and ``.npy`` files."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from videovq.errors import UserError

BROKEN = (OSError, ValueError, EOFError, KeyError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)


def array_names(path: Path) -> set[str]:
    """Names of the arrays in an ``.npz``; none where it is broken."""
    try:
        with np.load(path) as arrays:
            return set(arrays.files)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return set()


def read_array(path: Path, name: str) -> np.ndarray:
    """One array of an ``.npz``, or that of an ``.npy``; pickles are refused, since they could run anything.

    Raises:
        UserError: the file is missing or broken, or holds no such array.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            if isinstance(loaded, np.ndarray):
                return loaded
            if name not in loaded:
                raise UserError(f"it has no array {name!r}, only {', '.join(loaded.files)}")
            found = loaded[name]
            if not isinstance(found, np.ndarray):  # without its heading it is just bytes
                raise UserError(f"{name!r} is no array")
            return found
    except BROKEN as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
