"""Packages that only some commands need, each in an extra of this one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from videovq.errors import UserError
from videovq.shipped import CONFIGS, PACKAGE


def install(extra: str) -> str:
    """The command that installs an extra: in a checkout from its own folder, else by the package's name."""
    return f"run: pip install '{'videovq' if CONFIGS.parent == PACKAGE else '.'}[{extra}]'"


def optional(module: str, extra: str, setting: str = "format") -> Any:
    """A module of a package that only some settings need.

    Args:
        setting: which needs it, for the error message.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise UserError(f"{setting}: needs {module.partition('.')[0]}; {install(extra)}") from None


def require(packages: tuple[str, ...], extra: str, command: str) -> None:
    """Check that packages are installed, without importing them.

    Raises:
        UserError: some are not.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UserError(f"{command}: needs {', '.join(missing)}; {install(extra)}")
