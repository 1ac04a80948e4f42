"""Packages that only some files need."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def optional(module: str, extra: str) -> Any:
    """A module that only some formats need.

    Raises:
        ValueError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(f"format: needs {module.split('.')[0]}; pip install 'videovq[{extra}]'") from None
