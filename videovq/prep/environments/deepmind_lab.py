"""DeepMind Lab through its own Python module."""

from __future__ import annotations

import numpy as np

from videovq.config import DeepMindLabSource
from videovq.errors import UserError
from videovq.prep.environments import Action, Environment, Observation, require
from videovq.prep.environments.spaces import Numbered

INSTALL = "build it from https://github.com/google-deepmind/lab (docs/users/build.md) and pip install the wheel"
OBSERVATIONS = ["RGB_INTERLEAVED", "DEBUG.POS.TRANS", "DEBUG.POS.ROT"]
FASTEST = 15.0  # world units an engine frame at 60 frames/s; walking is 5

# look (in units of look_pixels_per_frame, left is negative), strafe (left is negative), move (back is negative)
ACTIONS = {
    "noop": (0, 0, 0),
    "forward": (0, 0, 1),
    "backward": (0, 0, -1),
    "strafe_left": (0, -1, 0),
    "strafe_right": (0, 1, 0),
    "look_left": (-1, 0, 0),
    "look_right": (1, 0, 0),
    "forward+look_left": (-1, 0, 1),
    "forward+look_right": (1, 0, 1),
}


class DeepMindLabEnvironment(Environment):
    """A DeepMind Lab level, rendered in software at the recording's frame size.

    Raises:
        UserError: ``deepmind_lab`` is not installed, or cannot load the level.
    """

    def __init__(self, source: DeepMindLabSource, frame_size: int) -> None:
        lab = require("deepmind_lab", INSTALL)
        self.level = source.level
        self.engine_fps = source.engine_fps
        self.action_repeat = source.action_repeat
        self.actions = Numbered({name: number for number, name in enumerate(ACTIONS)})
        self.teleport = FASTEST * 60 / source.engine_fps * source.action_repeat
        # look left-right, look down-up, strafe, move, fire, jump, crouch
        self._vectors = [
            np.array([look * source.look_pixels_per_frame, 0, strafe, move, 0, 0, 0], dtype=np.intc)
            for look, strafe, move in ACTIONS.values()
        ]
        settings = {"width": str(frame_size), "height": str(frame_size), "fps": str(source.engine_fps)}
        try:
            self._lab = lab.Lab(source.level, OBSERVATIONS, config=settings, renderer="software")
        except RuntimeError as error:
            raise UserError(f"source.level: DeepMind Lab cannot load {source.level!r} ({error})") from None

    def reset(self, seed: int) -> Observation:
        self._lab.reset(seed=seed)
        return self._observe()

    def step(self, action: Action) -> tuple[float, Observation | None, bool]:
        reward = float(self._lab.step(self._vectors[self.actions.native(action)], num_steps=self.action_repeat))
        # Its levels end with their time, and nothing tells the few that end otherwise.
        return reward, self._observe() if self._lab.is_running() else None, False

    def close(self) -> None:
        self._lab.close()

    def _observe(self) -> Observation:
        seen = self._lab.observations()
        pose = [*seen["DEBUG.POS.TRANS"], *seen["DEBUG.POS.ROT"]]
        return Observation(np.array(seen["RGB_INTERLEAVED"]), tuple(float(value) for value in pose), seen)
