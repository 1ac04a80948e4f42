"""Environments that episodes are recorded from: one adapter a file, all behind :class:`Environment`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from math import inf
from types import ModuleType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from videovq.config import DeepMindLabSource, GymnasiumSource, SourceConfig


@dataclass(frozen=True)
class Observation:
    """What the agent sees.

    Attributes:
        frame: RGB, 0 to 255.
        pose: where the agent is, if the environment tells: x, y, z in its own units, then pitch, yaw, roll in degrees.
    """

    frame: UInt8[np.ndarray, "h w c"]
    pose: tuple[float, ...] | None = None


@runtime_checkable
class Environment(Protocol):
    """A world with numbered actions.

    Attributes:
        level: name of the world, for the recording.
        engine_fps, action_repeat: engine steps a second, and how many of them one action lasts.
        action_names: name of every action, in order.
        teleport: an agent further away than this after one action, in the units of its pose, did not walk there.
    """

    level: str
    engine_fps: int
    action_repeat: int
    action_names: tuple[str, ...]
    teleport: float = inf

    def reset(self, seed: int) -> Observation:
        """Start the world that belongs to ``seed``."""

    def step(self, action: int) -> tuple[float, Observation | None, bool]:
        """Take one action. Returns the reward, what is seen then, or None where a reset is needed, and whether that is
        because the world ended: not where time ran out, or where the environment does not tell.
        """

    def close(self) -> None:
        """Free everything; the environment is of no use any more."""


def open_environment(source: SourceConfig, frame_size: int) -> Environment:
    """Make the environment that ``source`` describes, with a picture of at least ``frame_size`` pixels a side.

    Raises:
        ValueError: its package is missing, or it has no numbered actions or no picture.
    """
    if isinstance(source, DeepMindLabSource):
        from videovq.prep.environments.deepmind_lab import DeepMindLabEnvironment

        return DeepMindLabEnvironment(source, frame_size)
    if isinstance(source, GymnasiumSource) and source.env.startswith("Vizdoom"):
        from videovq.prep.environments.vizdoom import VizdoomEnvironment

        return VizdoomEnvironment(source, frame_size)
    if isinstance(source, GymnasiumSource):
        from videovq.prep.environments.gymnasium import GymnasiumEnvironment

        return GymnasiumEnvironment(source, frame_size)
    raise ValueError(f"source: {type(source).__name__} names no environment; use GymnasiumSource or DeepMindLabSource")


def require(module: str, remedy: str) -> ModuleType:
    """Import an optional package.

    Raises:
        ValueError: it cannot be imported; the message ends with ``remedy``.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ValueError(f"recording needs the package {module.partition('.')[0]} ({error}); {remedy}") from None
