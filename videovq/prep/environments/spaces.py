"""Conversion between the action spaces of Gymnasium and recorded actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from videovq.errors import UserError
from videovq.types import ActionSpec

Action: TypeAlias = int | list[int] | list[float]  # as recorded: a number, or as many as the ActionSpec is wide


class Actions(ABC):
    """The actions of one environment.

    Attributes:
        spec: of the actions as they are recorded.
    """

    spec: ActionSpec

    @abstractmethod
    def native(self, action: Action) -> Any:
        """The form of a recorded action that ``env.step`` takes."""

    @abstractmethod
    def recorded(self, given: Any) -> Action:
        """The recorded form of an action that ``env.step`` takes.

        Raises:
            UserError: it is no action of this environment.
        """

    @abstractmethod
    def draw(self, random: np.random.Generator) -> Action:
        """A random action."""


class Numbered(Actions):
    """A Discrete space, or some of its actions.

    Args:
        numbers: name of every action -> its number in the space.
    """

    def __init__(self, numbers: dict[str, int]) -> None:
        self.spec = ActionSpec("discrete", (len(numbers),), tuple(numbers))
        self.numbers = list(numbers.values())

    def native(self, action: Action) -> int:
        assert isinstance(action, int)
        return self.numbers[action]

    def recorded(self, given: Any) -> int:
        if isinstance(given, str) and given in self.spec.names:
            return self.spec.names.index(given)
        try:
            return self.numbers.index(np.asarray(given).item())
        except ValueError:
            raise UserError(f"no action: choose from {self.numbers} or {', '.join(self.spec.names)}") from None

    def draw(self, random: np.random.Generator) -> int:
        return int(random.integers(len(self.numbers)))


class Several(Actions):
    """A MultiDiscrete or MultiBinary space: several numbers at a time, recorded from 0 on.

    Args:
        space: the space.
        sizes: number of choices of each number.
        start: smallest of each.
    """

    def __init__(self, space: Any, sizes: np.ndarray, start: np.ndarray) -> None:
        self.spec = ActionSpec("multi_discrete", tuple(sizes.flatten().tolist()))
        self._space, self._start = space, start

    def native(self, action: Action) -> Any:
        return (np.reshape(action, self._space.shape) + self._start).astype(self._space.dtype)

    def recorded(self, given: Any) -> list[int]:
        numbers = shaped(given, self._space)
        whole = (numbers - self._start).astype(np.int64)
        if not (whole == numbers - self._start).all() or not self._space.contains(self.native(whole.tolist())):
            raise UserError(f"no action of {self._space}")
        return whole.flatten().tolist()

    def draw(self, random: np.random.Generator) -> list[int]:
        return random.integers(self.spec.sizes).tolist()


class Continuous(Actions):
    """A Box space: real numbers, each within its limits. ``prep`` measures their mean and standard deviation."""

    def __init__(self, space: Any) -> None:
        width = int(np.prod(space.shape))
        self.spec = ActionSpec("continuous", mean=(0.0,) * width, std=(1.0,) * width)
        self._space = space

    def native(self, action: Action) -> Any:
        return np.reshape(np.asarray(action, dtype=self._space.dtype), self._space.shape)

    def recorded(self, given: Any) -> list[float]:
        numbers = shaped(given, self._space).astype(self._space.dtype)
        if not np.isfinite(numbers).all() or not self._space.contains(numbers):
            raise UserError(f"no action of {self._space}; keep each number within its limits, as np.clip does")
        return numbers.flatten().astype(np.float64).tolist()

    def draw(self, random: np.random.Generator) -> list[float]:
        """Each number evenly within its limits, and normally distributed from the one it has, or around 0."""
        low, high = (np.asarray(limit, dtype=np.float64).flatten() for limit in (self._space.low, self._space.high))
        bounded = np.isfinite(low) & np.isfinite(high)
        evenly, far = random.random(low.size), random.normal(size=low.size)
        found = np.where(np.isfinite(low), low + abs(far), np.where(np.isfinite(high), high - abs(far), far))
        found[bounded] = low[bounded] + evenly[bounded] * (high - low)[bounded]
        if np.issubdtype(self._space.dtype, np.integer):
            found = found.round()
        return self.recorded(found)


def shaped(given: Any, space: Any) -> np.ndarray:
    """Numbers in the shape of a space."""
    try:
        numbers = np.asarray(given, dtype=np.float64)
        return numbers.reshape(space.shape) if numbers.size == np.prod(space.shape) else numbers[()].reshape(-1)[:0]
    except (TypeError, ValueError):
        raise UserError(f"no action of {space}") from None


def actions_of(env: Any, spaces: Any, level: str) -> Actions:
    """The actions of an environment, with the names that it gives them.

    Args:
        spaces: the module ``gymnasium.spaces``.

    Raises:
        UserError: its actions are of a kind that cannot be recorded.
    """
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        numbers = range(int(space.start), int(space.start) + int(space.n))
        own = names_of(env.unwrapped, numbers) if env.unwrapped.action_space == space else {}
        return Numbered(own or {f"action_{i}": number for i, number in enumerate(numbers)})
    if isinstance(space, spaces.MultiDiscrete):
        return Several(space, space.nvec, getattr(space, "start", np.zeros_like(space.nvec)))
    if isinstance(space, spaces.MultiBinary):
        return Several(space, np.full(space.shape, 2), np.zeros(space.shape, dtype=np.int64))
    if isinstance(space, spaces.Box) and space.shape and 0 not in space.shape:
        return Continuous(space)
    raise UserError(
        f"source.env: {level} has the action space {space}, but recording needs a Discrete, MultiDiscrete, MultiBinary"
        " or Box one; choose another environment, or register yours with a wrapper that translates its actions"
    )


def names_of(env: Any, numbers: range) -> dict[str, int]:
    """The names that an environment gives its numbered actions, each with its number; none where it names not all.

    As the Arcade Learning Environment (``get_action_meanings()``), MiniGrid and MiniWorld (an Enum, ``actions``), and
    Crafter (``action_names``) do.
    """
    kinds = getattr(env, "actions", None)
    if callable(getattr(env, "get_action_meanings", None)):
        names = dict(zip(numbers, env.get_action_meanings(), strict=False))
    elif isinstance(kinds, type) and issubclass(kinds, Enum):
        names = {kind.value: kind.name for kind in kinds}
    else:
        there = getattr(env, "action_names", None)
        names = dict(zip(numbers, there, strict=False)) if isinstance(there, (list, tuple)) else {}
    found = {str(names[number]).lower(): number for number in numbers if number in names}
    return found if len(found) == len(numbers) else {}
