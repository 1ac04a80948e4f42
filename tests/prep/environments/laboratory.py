"""A stand-in for the ``deepmind_lab`` module."""

from __future__ import annotations

import numpy as np

LAB_ACTIONS = (
    "noop",
    "forward",
    "backward",
    "strafe_left",
    "strafe_right",
    "look_left",
    "look_right",
    "forward+look_left",
    "forward+look_right",
)


class FakeLab:
    """The part of ``deepmind_lab.Lab`` that recording uses. Step 4 teleports, step 8 ends the level."""

    made: list[FakeLab] = []  # noqa: RUF012

    def __init__(
        self,
        level: str,
        observations: list[str],
        config: dict[str, str] | None = None,
        renderer: str = "software",
    ) -> None:
        if level == "missing":
            raise RuntimeError("no such level")
        self.arguments = (level, observations, config, renderer)
        self.size = int((config or {})["width"])
        self.seeds: list[int] = []
        self.steps: list[tuple[list[int], int]] = []
        self.closed = False
        FakeLab.made.append(self)

    def reset(self, episode: int = -1, seed: int | None = None) -> bool:
        assert seed is not None
        self.seeds.append(seed)
        self.at, self.running = 0.0, True
        return True

    def is_running(self) -> bool:
        return self.running

    def observations(self) -> dict[str, np.ndarray]:
        assert self.running
        frame = np.full((self.size, self.size, 3), len(self.steps) * 10, np.uint8)
        rotation = np.array([0.0, 90.0, 0.0])
        return {"RGB_INTERLEAVED": frame, "DEBUG.POS.TRANS": np.array([self.at, 0, 0]), "DEBUG.POS.ROT": rotation}

    def step(self, action: np.ndarray, num_steps: int = 1) -> float:
        assert action.dtype == np.intc
        self.steps.append((action.tolist(), num_steps))
        self.at += 300 if len(self.steps) == 4 else 20
        self.running = len(self.steps) != 8
        return 1.0

    def close(self) -> bool:
        self.closed = True
        return True
