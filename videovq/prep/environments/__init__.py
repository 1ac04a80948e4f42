"""Environments that episodes are recorded from: one adapter a file, all behind :class:`Environment`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import inf
from types import ModuleType
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import UInt8

from videovq.config import DeepMindLabSource, GymnasiumSource, SourceConfig
from videovq.errors import UserError
from videovq.prep.environments.spaces import Action, Actions
from videovq.types import ActionSpec


@dataclass(frozen=True)
class Observation:
    """An observation.

    Attributes:
        frame: RGB, 0 to 255.
        pose: where the agent is, if the environment tells: x, y, z in its own units, then pitch, yaw, roll in degrees.
        own, info: the environment's own observation, and what it tells beside it.
    """

    frame: UInt8[np.ndarray, "h w c"]
    pose: tuple[float, ...] | None = None
    own: Any = None
    info: dict[str, Any] = field(default_factory=dict)


class Environment(ABC):
    """An environment to act in.

    Attributes:
        level: name of the world, for the recording.
        engine_fps, action_repeat: engine steps a second, and how many of them one action lasts.
        actions: that it takes.
        teleport: an agent further away than this after one action, in the units of its pose, did not walk there.
    """

    level: str
    engine_fps: float
    action_repeat: int
    actions: Actions
    teleport: float = inf

    @property
    def action_spec(self) -> ActionSpec:
        """The specification of its recorded actions."""
        return self.actions.spec

    @property
    def action_names(self) -> tuple[str, ...]:
        """Name of every numbered action, in order."""
        return self.action_spec.names

    def recorded(self, given: Any) -> Action:
        """The recorded form of one of the environment's own actions, or of the name of a numbered one.

        Raises:
            UserError: it is no action of this environment.
        """
        return self.actions.recorded(given)

    def draw(self, random: np.random.Generator) -> Action:
        """A random action."""
        return self.actions.draw(random)

    @abstractmethod
    def reset(self, seed: int) -> Observation:
        """Start the world of a seed."""

    @abstractmethod
    def step(self, action: Action) -> tuple[float, Observation | None, bool]:
        """Take one action. Returns the reward, what is seen then, or None where a reset is needed, and whether that is
        because the world ended: not where time ran out, or where the environment does not tell.
        """

    @abstractmethod
    def close(self) -> None:
        """Free everything; the environment is of no use any more."""


def open_environment(source: SourceConfig, frame_size: int) -> Environment:
    """Make the environment that ``source`` describes, with a picture of at least ``frame_size`` pixels a side.

    Raises:
        UserError: its package is missing, or its actions cannot be recorded, or it has no picture.
    """
    if isinstance(source, DeepMindLabSource):
        from videovq.prep.environments.deepmind_lab import DeepMindLabEnvironment

        return DeepMindLabEnvironment(source, frame_size)
    if is_vizdoom(source):
        from videovq.prep.environments.vizdoom import VizdoomEnvironment

        return VizdoomEnvironment(source, frame_size)
    if isinstance(source, GymnasiumSource):
        from videovq.prep.environments.gymnasium import GymnasiumEnvironment

        return GymnasiumEnvironment(source, frame_size)
    raise UserError(f"source: {type(source).__name__} names no environment; use GymnasiumSource or DeepMindLabSource")


def is_vizdoom(source: SourceConfig) -> TypeGuard[GymnasiumSource]:
    """Whether the environment is one of ViZDoom's."""
    return isinstance(source, GymnasiumSource) and source.env.startswith("Vizdoom")


def spelled_out(source: SourceConfig) -> SourceConfig:
    """The same source with the numbers that ``auto`` stands for in ViZDoom, where these are known without looking."""
    if not is_vizdoom(source):
        return source
    from videovq.prep.environments.vizdoom import ENGINE_FPS, VizdoomEnvironment

    repeat = VizdoomEnvironment.usual_repeat if source.action_repeat == "auto" else source.action_repeat
    rate = ENGINE_FPS if source.engine_fps == "auto" else source.engine_fps
    return replace(source, action_repeat=repeat, engine_fps=rate)


def require(module: str, remedy: str) -> ModuleType:
    """Import an optional package.

    Raises:
        UserError: it cannot be imported; the message ends with ``remedy``.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"recording needs the package {module.partition('.')[0]} ({error}); {remedy}") from None
