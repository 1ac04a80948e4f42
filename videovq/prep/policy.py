"""Policies that record: sticky random actions, and turning away from walls."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import dist

import numpy as np

from videovq.prep.environments import Action, Observation

# Share of each kind of action in the DeepMind Lab recordings this policy imitates.
FORWARD, TURN, FORWARD_TURN, OTHER = 0.41, 0.17, 0.08, 0.025
BLOCKED_STEPS = 2  # a single slow step may be a start from rest
FREE_STEPS = 4
TURN_AWAY = (3, 8)  # steps
STILL_PICTURE = 8  # largest difference of two frames, out of 255: a small agent changes few pixels
SLOW = 0.3  # of the longest step so far


class StickyRandomPolicy:
    """A sticky random policy for discrete actions: holds each for a random number of steps, mostly walks forward, and
    turns away where that is blocked.

    What an action does is read off its name (``forward``, ``move_forward+turn_left``, ``look_right``). Where no name
    says forward, all actions are equally likely and nothing is avoided.

    Args:
        names: the actions' names.
        stick: an action is held for 1 to this many steps.
        seed: decides every choice.
    """

    def __init__(self, names: Sequence[str], stick: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._stick = stick
        self._all = list(range(len(names)))
        self._walks = [i for i, name in enumerate(names) if _forward(name)]
        self._turns = [i for i, name in enumerate(names) if _turn(name) and not _forward(name)]
        self._weights = np.array([weight(name) if self._walks else 1.0 for name in names])
        self._action = 0
        self._left = 0
        self._blocked = 0  # blocked steps forward in a row
        self._free = 0  # free steps forward in a row
        # Until the way is free again all turns go the same way: to and fro would keep the wall in view.
        self._escape = self._turns
        self._turning_away = False

    def act(self, blocked: bool) -> int:
        """The next action.

        Args:
            blocked: whether the action before led (almost) nowhere. Counts for forward actions only.
        """
        if self._action in self._walks:
            self._blocked = self._blocked + 1 if blocked else 0
            self._free = 0 if blocked else self._free + 1
        if self._free >= FREE_STEPS:
            self._escape = self._turns
        if self._blocked >= BLOCKED_STEPS and self._turns:
            self._hold(self._escape, TURN_AWAY)
            self._escape = [self._action]
            self._blocked, self._turning_away = 0, True
        elif self._left == 0:
            # Out of a turn away walk on, or the small rooms of a maze leave little but turning.
            self._hold(self._walks if self._turning_away else self._all, (1, self._stick))
            self._turning_away = False
        self._left -= 1
        return self._action

    def _hold(self, choices: list[int], steps: tuple[int, int]) -> None:
        """Sample an action, and the number of steps (from - to) for which it is held."""
        chances = self._weights[choices] / self._weights[choices].sum()
        self._action = int(self._random.choice(choices, p=chances))
        self._left = int(self._random.integers(*steps, endpoint=True))


class StandstillSense:
    """A detector of standstill: compares the agent's poses where they are known, else the pictures."""

    def __init__(self) -> None:
        self._longest = 0.0

    def __call__(self, before: Observation, after: Observation) -> bool:
        """Whether (almost) nothing changed from one observation to the next."""
        if before.pose is None or after.pose is None:
            change = np.abs(after.frame.astype(np.int16) - before.frame).max()
            return bool(change < STILL_PICTURE)
        step = dist(before.pose[:2], after.pose[:2])
        # Relative, for every engine has its own unit of length.
        self._longest = max(self._longest, step)
        return step <= SLOW * self._longest


class StickyDraws:
    """A sticky random policy for any kind of action: holds each for a random number of steps.

    Args:
        draw: an action, from a generator.
        stick: an action is held for 1 to this many steps.
        seed: decides every choice.
    """

    def __init__(self, draw: Callable[[np.random.Generator], Action], stick: int, seed: int) -> None:
        self._draw, self._stick, self._random = draw, stick, np.random.default_rng(seed)
        self._left = 0

    def act(self) -> Action:
        """The next action."""
        if self._left == 0:
            self._action = self._draw(self._random)
            self._left = int(self._random.integers(1, self._stick, endpoint=True))
        self._left -= 1
        return self._action


def weight(name: str) -> float:
    """Relative frequency of an action."""
    if _forward(name):
        return FORWARD_TURN if _turn(name) else FORWARD
    return TURN if _turn(name) else OTHER


def _forward(name: str) -> bool:
    return "forward" in _words(name)


def _turn(name: str) -> bool:
    words = _words(name)
    if not words & {"left", "right"}:
        return False
    return bool(words & {"turn", "look", "rotate"}) or words <= {"left", "right", "forward"}


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))
