"""Small Gymnasium environments, and recordings of them and of ViZDoom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videovq.config import GymnasiumSource, RecordConfig

gymnasium = pytest.importorskip("gymnasium")


class Corridor(gymnasium.Env):  # type: ignore[name-defined]
    """A stripe that moves one pixel to the right with action ``start + 1``, a world that ends after five moves."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, show: str = "render", actions: Any = None, render_mode: str | None = None) -> None:
        self.show, self.render_mode = show, render_mode
        self.action_space = actions or gymnasium.spaces.Discrete(2, start=3)
        picture = gymnasium.spaces.Box(0, 255, (20, 20, 3), np.uint8)
        position = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
        self.observation_space = {
            "observation": picture,
            "dictionary": gymnasium.spaces.Dict({"image": picture, "position": position}),
            "render": gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (7, 7, 3), np.uint8)}),
        }[show]
        self.picture = np.zeros((20, 20, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at = 10 + int(self.np_random.integers(3))
        self.moves = 0
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        moved = action == 4
        self.at += moved
        self.moves += moved
        return self._look(), float(moved), self.moves == 5, False, {}

    def render(self) -> np.ndarray:
        assert self.render_mode == "rgb_array"
        return self.picture

    def _look(self) -> Any:
        self.picture[:] = 0  # one buffer for all frames, as many environments have
        self.picture[:, self.at % 20] = (255, 128, 0)
        encoded = np.zeros((7, 7, 3), np.uint8)
        dictionary = {"image": self.picture, "position": np.zeros(1)}
        return {"observation": self.picture, "dictionary": dictionary, "render": {"image": encoded}}[self.show]


class Odd(Corridor):
    """What does not keep to Gymnasium's interface: ``step`` of four values, ``reset`` without info, and so on."""

    def __init__(self, what: str) -> None:
        super().__init__("observation")
        self.what = what

    def reset(self, **kwargs: Any) -> Any:
        if self.what == "unseeded" and kwargs:
            raise TypeError("Odd.reset() got an unexpected keyword argument 'seed'")
        begun = super().reset(**kwargs)
        return begun[0] if self.what == "reset" else begun

    def step(self, action: int) -> Any:
        seen, reward, terminated, truncated, info = super().step(action)
        if self.what == "four":
            return seen, reward, terminated, info
        if self.what == "size" and self.moves == 3:
            seen = np.zeros((24, 32, 3), np.uint8)
        return seen, float("nan") if self.what == "reward" else reward, terminated, truncated, info


class Blind(gymnasium.Env):  # type: ignore[name-defined]
    """Numbered actions, but nothing to see."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1, 1, (4,))


gymnasium.register("VideovqCorridor-v0", Corridor, max_episode_steps=2)


gymnasium.register("VideovqBlind-v0", Blind)


gymnasium.register("VideovqOdd-v0", Odd)


def vizdoom(out: str, **changes: Any) -> RecordConfig:
    return replace(RecordConfig(out=out, episodes=1, frames=25, frame_size=40, workers=1), **changes)


def corridor(out: str, show: str = "render", **changes: Any) -> RecordConfig:
    gymnasium.registry["VideovqCorridor-v0"].kwargs = {"show": show}
    source = GymnasiumSource("VideovqCorridor-v0", action_repeat=1, engine_fps=10)
    return replace(vizdoom(out, frames=30, frame_size=20, lossless=True, source=source), **changes)


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("episode_*")}


def sidecar(folder: str, index: int = 0) -> dict[str, Any]:
    return json.loads(Path(folder, f"episode_{index:06d}.json").read_text())
