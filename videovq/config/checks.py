"""What a setting may be: the checks that the dataclasses of videovq.config make.

Each takes a config and the names of some of its fields, and refuses what cannot be used with a UserError of one line
that names the field and says what it may be. Numbers in a list are checked one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from os import PathLike
from typing import Any

from videovq.errors import UserError

LARGEST_FLOAT = 3.4e38  # of float32, in which networks compute
LARGEST_INT = 2**63 - 1
SEEDS = 2**32 - 1  # the largest seed that every library takes


@dataclass(frozen=True)
class Settings:
    """Some settings, a dataclass. They may be made of anything; :func:`checked` says whether they can be used."""

    def check(self) -> None:
        """Refuse what cannot be used.

        Raises:
            UserError: such a setting; the message begins with its name.
        """


@dataclass(frozen=True)
class CommandSettings(Settings):
    """All settings of a command, which can be used if they can be made."""

    def __post_init__(self) -> None:
        checked(self)


def checked(config: Settings, name: str = "") -> None:
    """Refuse settings that cannot be used, those within them first.

    Args:
        name: what they are called, for the message; empty: nothing, as they are a command's.

    Raises:
        UserError: the first such setting, by its dotted name.
    """
    for key, value in vars(config).items():
        if isinstance(value, Settings):
            checked(value, f"{name}.{key}" if name else key)
    try:
        config.check()
    except UserError as error:
        raise UserError(f"{name}.{error}" if name else str(error)) from None


def at_least(config: Any, least: float, *names: str) -> None:
    """Numbers that are no smaller."""
    _numbers(config, names, lambda value: value >= least, f"at least {least}" if least else "0 or more")


def above(config: Any, limit: float, *names: str) -> None:
    """Numbers that are larger."""
    _numbers(config, names, lambda value: value > limit, f"above {limit}")


def within(config: Any, least: float, most: float, *names: str) -> None:
    """Numbers within two limits, or equal to one."""
    _numbers(config, names, lambda value: least <= value <= most, f"within {least} and {most}")


def part(config: Any, *names: str) -> None:
    """Numbers of 0 or more, and below 1."""
    _numbers(config, names, lambda value: 0 <= value < 1, "at least 0 and below 1")


def named(config: Any, *names: str) -> None:
    """Text that is not empty, or a list or a table of such texts."""
    for name in names:
        value = getattr(config, name)
        texts = [*value, *value.values()] if isinstance(value, dict) else value if _several(value) else [value]
        if not all(isinstance(text, (str, PathLike)) for text in texts):
            raise UserError(f"{name}: must be text, not {value!r}")
        if not all(str(text).strip() for text in texts):
            raise UserError(f"{name}: must not be empty")


def without_effect(config: Any, why: str, *names: str) -> None:
    """Refuse fields that differ from their defaults; ``why`` goes on after "has no effect"."""
    for one in fields(config):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name in names and getattr(config, one.name) != default:
            raise UserError(f"{one.name}: has no effect {why}")


def divides(config: Any, name: str, times: int, by: str) -> None:
    """A number that is a multiple of ``times`` another field."""
    number, other = getattr(config, name), getattr(config, by)
    if number % (times * other):
        words = {2: "twice", 4: "four times", 16: "sixteen times"}
        raise UserError(f"{name}: must be a multiple of {words[times]} {by}, which is {times * other}, not {number}")


def shared(config: Any, parts: int) -> None:
    """A batch that divides among devices, nodes and accumulated parts."""
    if config.batch_size % parts:
        raise UserError(
            f"batch_size: {config.batch_size} does not divide by {parts} (devices x nodes x accumulated parts)"
        )


def convolutional(config: Any) -> None:
    """Sizes of a convolutional encoder and decoder."""
    within(config, 1, 16, "downsamplings")
    at_least(config, 2 if config.downsamplings > 1 else 1, "hidden")  # all but one convolution have half as many
    at_least(config, 1, "residual_hidden", "code_dim")
    at_least(config, 0, "residual_blocks")


def sampling(config: Any) -> None:
    """How codes are sampled from logits."""
    at_least(config, 0, "temperature", "top_k")
    _numbers(config, ["top_p"], lambda value: 0 < value <= 1, "above 0 and at most 1 (all codes)")


def device(config: Any) -> None:
    """The name of a device: ``gpu`` is CUDA or MPS, whatever there is."""
    if not re.fullmatch(r"auto|gpu|(cpu|cuda|mps|xpu)(:\d+)?", config.device):
        raise UserError(f"device: no {config.device!r}; choose from auto, cpu, gpu, cuda, cuda:1 ..., mps")


def _numbers(config: Any, names: Sequence[str], fits: Callable[[Any], bool], allowed: str) -> None:
    for name in names:
        value = getattr(config, name)
        for number in value if _several(value) else [value]:
            if not isinstance(number, (int, float)) or isinstance(number, bool):
                raise UserError(f"{name}: must be a number, not {number!r}")
            if not fits(number):  # so too where it is not a number (NaN)
                raise UserError(f"{name}: must be {allowed}, not {number}")
            if number > (LARGEST_INT if isinstance(number, int) else LARGEST_FLOAT):
                raise UserError(f"{name}: {number} is too large a number")


def _several(value: Any) -> bool:
    return isinstance(value, (list, tuple))
