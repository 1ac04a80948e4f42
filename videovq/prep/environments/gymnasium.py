"""Any Gymnasium environment with an RGB picture."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import UInt8

from videovq.config import GymnasiumSource
from videovq.errors import UserError
from videovq.packages import install
from videovq.prep.environments import Action, Environment, Observation, require
from videovq.prep.environments.spaces import Actions, Numbered, actions_of

INSTALL = install("record")
PICTURES = ("screen", "rgb", "pixels", "image")
BROUGHT = {"MiniGrid-": "minigrid", "BabyAI-": "minigrid", "MiniWorld-": "miniworld", "ALE/": "ale-py"}
USUAL_FPS = 30  # what Gymnasium's own recorder assumes where an environment has no render_fps


class GymnasiumEnvironment(Environment):
    """An environment that gymnasium.make makes.

    The picture is the observation, or its ``screen``, ``rgb``, ``pixels`` or ``image`` entry, where that is RGB and
    large enough, and else what ``render_mode="rgb_array"`` renders.

    Attributes:
        usual_repeat: engine steps of one action, unless the source says otherwise.

    Raises:
        UserError: there is no such environment, its actions cannot be recorded, or it has no picture; later, that it
            does not keep to Gymnasium's interface.
    """

    usual_repeat = 1

    def __init__(self, source: GymnasiumSource, frame_size: int) -> None:
        self.level = source.env
        self.action_repeat = self.usual_repeat if source.action_repeat == "auto" else source.action_repeat
        self._keywords = source.keywords
        self._gym = require("gymnasium", INSTALL)
        self._env = self._make()
        self._shape: tuple[int, ...] = ()  # of its pictures, once one was seen
        self._picture = find_picture(self._env.observation_space, frame_size)
        if self._picture is None:
            self._render_pictures(frame_size)
        self.engine_fps = self._frame_rate() if source.engine_fps == "auto" else source.engine_fps
        self.actions = self._find_actions()
        if source.action_names:
            self.actions = renamed(self.actions, source.action_names)

    def reset(self, seed: int) -> Observation:
        try:
            begun = self._env.reset(seed=seed)
        except TypeError as error:
            if "unexpected keyword argument 'seed'" not in str(error):
                raise
            raise too_old(self.level, "reset takes no seed") from error
        if not (isinstance(begun, tuple) and len(begun) == 2):
            raise too_old(self.level, "reset gives something else than observation and info")
        return self._observe(*begun)

    def step(self, action: Action) -> tuple[float, Observation | None, bool]:
        total = 0.0
        for _ in range(self._calls()):
            stepped = self._env.step(self.actions.native(action))
            if not (isinstance(stepped, tuple) and len(stepped) == 5):
                given = f"{len(stepped)} values" if isinstance(stepped, tuple) else f"a {type(stepped).__name__}"
                raise too_old(self.level, f"step gives {given} and not five")
            observed, reward, terminated, truncated, info = stepped
            total += finite(reward, self.level)
            if terminated or truncated:
                return total, None, bool(terminated and not truncated)  # ViZDoom says both where time ran out
        return total, self._observe(observed, info), False

    def close(self) -> None:
        self._env.close()

    def _options(self) -> dict[str, Any]:
        """Keyword arguments of gymnasium.make that are not the user's to choose."""
        return {}

    def _calls(self) -> int:
        """Calls of ``env.step`` that one action takes."""
        return self.action_repeat

    def _find_actions(self) -> Actions:
        """The actions that are recorded."""
        return actions_of(self._env, self._gym.spaces, self.level)

    def _frame_rate(self) -> float:
        """Engine steps a second, as the environment's metadata say."""
        rate = self._env.metadata.get("render_fps")
        return rate if isinstance(rate, (int, float)) and isfinite(rate) and rate > 0 else USUAL_FPS

    def _pose(self) -> tuple[float, ...] | None:
        """The pose of the agent, if it is known."""
        return None

    def _make(self, **options: Any) -> Any:
        # Without a time limit: the recording sets the length, and a restart within it is a cut.
        ours = {"max_episode_steps": -1, "disable_env_checker": True, **self._options(), **options}
        taken = sorted((ours.keys() | {"render_mode"}) & self._keywords.keys())
        if taken:
            raise UserError(f"source.kwargs: {taken[0]} is for videovq record to choose; leave it out")
        spec = self._spec()
        try:
            return self._gym.make(spec, **ours, **self._keywords)
        except (self._gym.error.Error, ImportError) as error:
            unregistered = isinstance(error, self._gym.error.NameNotFound) and ":" not in self.level
            remedy = f"; if a module brings it, name that first: MODULE:{self.level}" if unregistered else ""
            raise UserError(f"source.env: {self.level!r} cannot be made: {str(error).rstrip('.')}{remedy}") from None
        except (TypeError, ValueError, KeyError, AssertionError) as error:
            unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if unknown and unknown[1] not in self._keywords:
                raise UserError(f"source.env: {self.level} takes no keyword {unknown[1]!r}, which is needed") from None
            if self._keywords:
                raise UserError(f"source.kwargs: {self.level} cannot be made with these: {error}") from None
            raise

    def _spec(self) -> Any:
        """What gymnasium.make takes: an id, or a class that is not registered."""
        # Packages whose ids are known by how they begin need not be named: importing them registers the ids.
        package = next((one for start, one in BROUGHT.items() if self.level.startswith(start)), "")
        if package and self.level not in self._gym.registry:
            require(package.replace("-", "_"), f"run: pip install {package}")
        module, _, name = self.level.partition(":")
        if not name:
            return self.level
        try:
            import_module(module)
        except ImportError as error:
            raise UserError(f"source.env: {self.level!r} cannot be made: {error}") from None
        kind = getattr(sys.modules[module], name, None)
        found = isinstance(kind, type) and issubclass(kind, self._gym.Env) and name not in self._gym.registry
        return self._gym.envs.registration.EnvSpec(name, entry_point=self.level) if found else self.level

    def _render_pictures(self, frame_size: int) -> None:
        space, modes = self._env.observation_space, self._env.metadata.get("render_modes", [])
        self._env.close()
        if "rgb_array" not in modes:
            raise UserError(
                f"source.env: {self.level} shows no RGB picture of {frame_size}x{frame_size} pixels or more"
                f" (observations: {space}; render modes: {modes}); choose another environment, or a smaller frame_size"
            )
        self._env = self._make(render_mode="rgb_array")

    def _observe(self, observed: Any, info: dict[str, Any]) -> Observation:
        if self._picture is None:
            try:
                picture = self._env.render()
            except self._gym.error.DependencyNotInstalled as error:
                raise UserError(f"source.env: {self.level} cannot show itself: {error}") from None
        else:
            picture = observed[self._picture] if self._picture else observed
        frame = checked(picture, self.level)
        self._shape = self._shape or frame.shape
        if frame.shape != self._shape:
            raise UserError(
                f"source.env: {self.level} changed the size of its picture, from {self._shape[1]}x{self._shape[0]} to"
                f" {frame.shape[1]}x{frame.shape[0]} pixels; choose another environment, or resize in a wrapper"
            )
        return Observation(frame, self._pose(), observed, info)


def find_picture(space: Any, frame_size: int) -> str | None:
    """Entry of the observation that is a picture: "" for the observation itself, None where there is none."""
    if is_picture(space, frame_size):
        return ""
    entries = getattr(space, "spaces", None)
    if not isinstance(entries, dict):
        return None
    return next((name for name in PICTURES if name in entries and is_picture(entries[name], frame_size)), None)


def is_picture(space: Any, frame_size: int) -> bool:
    """Whether a space holds RGB pictures. Smaller ones may be no pictures at all, as MiniGrid's 7x7x3 ``image``."""
    shape: tuple[int, ...] = getattr(space, "shape", None) or ()
    return space.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3 and min(shape[:2]) >= frame_size


def checked(picture: Any, level: str) -> UInt8[np.ndarray, "h w c"]:
    """A copy of a picture, for environments reuse their buffers."""
    array = np.array(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise UserError(
            f"source.env: {level} gave a {array.dtype} array of shape {array.shape} as its picture,"
            " but recording needs uint8 RGB of shape (height, width, 3); choose another environment"
        )
    return array


def finite(reward: Any, level: str) -> float:
    """A reward as a number that can be learnt."""
    array = np.asarray(reward)
    if array.size != 1 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise UserError(f"source.env: {level} gave the reward {reward!r}, which is not one finite number")
    return float(array.item())


def too_old(level: str, what: str) -> UserError:
    """The error for an environment that keeps to the interface that Gym had before its version 0.26."""
    return UserError(
        f"source.env: {level}: its {what}, as in Gym before 0.26; recording needs Gymnasium's interface: wrap it in"
        " shimmy.GymV21CompatibilityV0, and register that"
    )


def renamed(actions: Actions, names: list[str]) -> Actions:
    """Numbered actions by the names that the user chose for them."""
    if not isinstance(actions, Numbered):
        raise UserError(f"source.action_names: only numbered actions have names, and these are {actions.spec.kind}")
    if len(names) != actions.spec.sizes[0] or len(set(names)) != len(names):
        there = actions.spec
        raise UserError(
            f"source.action_names: needs {there.sizes[0]} different names, in place of: {', '.join(there.names)}"
        )
    return Numbered(dict(zip(names, actions.numbers, strict=True)))
