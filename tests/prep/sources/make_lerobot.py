"""Wrote ``lerobot_v30/`` and ``lerobot_v21/`` with LeRobot's own library, which pins another torch than this project.

In an environment that has it: ``python make_lerobot.py lerobot_v30`` with lerobot 0.4.4, ``python make_lerobot.py
lerobot_v21`` with lerobot 0.3.3.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

LENGTHS, TASKS, SIZE = (9, 11, 10), ("push the block", "open the drawer", "push the block"), 64


def frame(episode: int, t: int) -> np.ndarray:
    """Red and blue above; below, grey that grows with time and grey that grows with the episode."""
    picture = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    half = SIZE // 2
    picture[:half, :half, 0] = picture[:half, half:, 2] = 200
    picture[half:, :half], picture[half:, half:] = 20 + 20 * t, 60 * (episode + 1)
    return picture


def action(episode: int, t: int) -> np.ndarray:
    return np.array([episode + t / 8, -t], dtype=np.float32)


if __name__ == "__main__":
    names = ["height", "width", "channels"]
    image = {"dtype": "video", "shape": (SIZE, SIZE, 3), "names": names}
    dataset = LeRobotDataset.create(
        "tests/tiny",
        fps=10,
        root=Path(sys.argv[1]),
        use_videos=True,
        features={
            "observation.images.top": image,
            "observation.images.wrist": image,
            "action": {"dtype": "float32", "shape": (2,), "names": ["x", "y"]},
        },
    )
    separate = "task" in inspect.signature(dataset.add_frame).parameters
    for episode, (length, task) in enumerate(zip(LENGTHS, TASKS, strict=True)):
        for t in range(length):
            one = {
                "observation.images.top": frame(episode, t),
                "observation.images.wrist": 255 - frame(episode, t),
                "action": action(episode, t),
            }
            if separate:
                dataset.add_frame(one, task=task)
            else:
                dataset.add_frame({**one, "task": task})
        dataset.save_episode()
    if hasattr(dataset, "finalize"):
        dataset.finalize()
