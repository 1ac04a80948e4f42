"""Any Gymnasium environment with numbered actions and an RGB picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

from videovq.config import GymnasiumSource
from videovq.prep.environments import Environment, Observation, require

INSTALL = 'run: pip install "videovq[record]"'
PICTURES = ("screen", "rgb", "pixels", "image")


class GymnasiumEnvironment(Environment):
    """An environment that gymnasium.make makes.

    The picture is the observation, or its ``screen``, ``rgb``, ``pixels`` or ``image`` entry, where that is RGB and
    large enough, and else what ``render_mode="rgb_array"`` renders.

    Raises:
        ValueError: there is no such environment, its actions are not numbered, or it has no picture; later, that it
            does not keep to Gymnasium's interface.
    """

    def __init__(self, source: GymnasiumSource, frame_size: int) -> None:
        self.level = source.env
        self.engine_fps = source.engine_fps
        self.action_repeat = source.action_repeat
        self._gym = require("gymnasium", INSTALL)
        self._env = self._make()
        self._shape: tuple[int, ...] = ()  # of its pictures, once one was seen
        self._picture = find_picture(self._env.observation_space, frame_size)
        if self._picture is None:
            self._render_pictures(frame_size)
        actions = self._actions()
        self._numbers = list(actions.values())
        self.action_names = name_actions(list(actions), source.action_names)

    def reset(self, seed: int) -> Observation:
        try:
            begun = self._env.reset(seed=seed)
        except TypeError as error:
            if "unexpected keyword argument 'seed'" not in str(error):
                raise
            raise too_old(self.level, "reset takes no seed") from error
        if not (isinstance(begun, tuple) and len(begun) == 2):
            raise too_old(self.level, "reset gives something else than observation and info")
        return self._observe(begun[0])

    def step(self, action: int) -> tuple[float, Observation | None, bool]:
        total = 0.0
        for _ in range(self._calls()):
            stepped = self._env.step(self._numbers[action])
            if not (isinstance(stepped, tuple) and len(stepped) == 5):
                given = f"{len(stepped)} values" if isinstance(stepped, tuple) else f"a {type(stepped).__name__}"
                raise too_old(self.level, f"step gives {given} and not five")
            observed, reward, terminated, truncated, _ = stepped
            total += finite(reward, self.level)
            if terminated or truncated:
                return total, None, bool(terminated and not truncated)  # ViZDoom says both where time ran out
        return total, self._observe(observed), False

    def close(self) -> None:
        self._env.close()

    def _options(self) -> dict[str, Any]:
        """Keyword arguments of gymnasium.make."""
        return {}

    def _calls(self) -> int:
        """Calls of ``env.step`` that one action takes."""
        return self.action_repeat

    def _actions(self) -> dict[str, int]:
        """Name of every action -> its number in the action space."""
        space = self._env.action_space
        if not isinstance(space, self._gym.spaces.Discrete):
            raise ValueError(
                f"source.env: {self.level} has the action space {space}, but recording needs a Discrete one;"
                " choose another environment, or register yours with a wrapper that numbers the actions"
            )
        return {f"action_{i}": int(space.start) + i for i in range(int(space.n))}

    def _pose(self) -> tuple[float, ...] | None:
        """Where the agent is, if that is known."""
        return None

    def _make(self, **options: Any) -> Any:
        try:
            # Without a time limit: the recording sets the length, and a restart within it is a cut.
            return self._gym.make(
                self.level, max_episode_steps=-1, disable_env_checker=True, **self._options(), **options
            )
        except (self._gym.error.Error, ImportError) as error:
            raise ValueError(f"source.env: {self.level!r} cannot be made: {error}") from None

    def _render_pictures(self, frame_size: int) -> None:
        space, modes = self._env.observation_space, self._env.metadata.get("render_modes", [])
        self._env.close()
        if "rgb_array" not in modes:
            raise ValueError(
                f"source.env: {self.level} shows no RGB picture of {frame_size}x{frame_size} pixels or more"
                f" (observations: {space}; render modes: {modes}); choose another environment, or a smaller frame_size"
            )
        self._env = self._make(render_mode="rgb_array")

    def _observe(self, observed: Any) -> Observation:
        if self._picture is None:
            picture = self._env.render()
        else:
            picture = observed[self._picture] if self._picture else observed
        frame = checked(picture, self.level)
        self._shape = self._shape or frame.shape
        if frame.shape != self._shape:
            raise ValueError(
                f"source.env: {self.level} changed the size of its picture, from {self._shape[1]}x{self._shape[0]} to"
                f" {frame.shape[1]}x{frame.shape[0]} pixels; choose another environment, or resize in a wrapper"
            )
        return Observation(frame, self._pose())


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
        raise ValueError(
            f"source.env: {level} gave a {array.dtype} array of shape {array.shape} as its picture,"
            " but recording needs uint8 RGB of shape (height, width, 3); choose another environment"
        )
    return array


def finite(reward: Any, level: str) -> float:
    """A reward as a number that can be learnt."""
    array = np.asarray(reward)
    if array.size != 1 or array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"source.env: {level} gave the reward {reward!r}, which is not one finite number")
    return float(array.item())


def too_old(level: str, what: str) -> ValueError:
    """The error for an environment that keeps to the interface that Gym had before its version 0.26."""
    return ValueError(
        f"source.env: {level}: its {what}, as in Gym before 0.26; recording needs Gymnasium's interface: wrap it in"
        " shimmy.GymV21CompatibilityV0, and register that"
    )


def name_actions(names: list[str], chosen: list[str]) -> tuple[str, ...]:
    """The names the user chose for the actions, or those they have."""
    if chosen and (len(chosen) != len(names) or len(set(chosen)) != len(chosen)):
        raise ValueError(f"source.action_names: needs {len(names)} different names, in place of: {', '.join(names)}")
    return tuple(chosen or names)
