"""What is beside the main job: slices, each a folder of videovq/papers that can be deleted with its line in ``SLICES``.

A slice registers in its ``__init__`` what it adds, as ``SLICE``; like all settings, that imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple

SLICES = (
    "single_frames",
    "likelihoods",
    "two_levels",
    "sound",
)


class Command(NamedTuple):
    """``module.function(config)`` does the work; ``config`` is the dataclass of its settings.

    Attributes:
        bare: the settings whose values may come first, in this order, without their names.
    """

    module: str
    function: str
    config: type
    help: str
    bare: tuple[str, ...] = ()


class RunKind(NamedTuple):
    """A kind of run: the settings of its training, what it is called, and the option that takes it."""

    config: type
    what: str
    option: str


class Slice(NamedTuple):
    """What one slice adds.

    Attributes:
        commands: by their names.
        runs: kinds of runs, by the command that trains them: `videovq train NAME`.
        choices: configs of which a user chooses a subclass.
    """

    commands: Mapping[str, Command]
    runs: Mapping[str, RunKind]
    choices: tuple[type, ...] = ()


@cache
def slices() -> tuple[Slice, ...]:
    """All slices."""
    return tuple(import_module(f"videovq.papers.{name}").SLICE for name in SLICES)
