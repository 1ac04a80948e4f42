"""Packages that only some files need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from videovq.errors import UserError


def optional(module: str, extra: str) -> Any:
    """A module that only some formats need.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise UserError(f"format: needs {module.split('.')[0]}; pip install 'videovq[{extra}]'") from None
