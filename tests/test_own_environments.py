"""From an environment of one's own to a GIF and a report, command by command, as the README shows it."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest

from videovq.cli import main
from videovq.data.store import EpisodeStore

gymnasium = pytest.importorskip("gymnasium")
spaces = gymnasium.spaces

TINY = "--training.steps 4 --training.batch_size 2 --training.validate_every 4 --training.checkpoint_every 4"
VQVAE = "--model.hidden 8 --model.residual_hidden 4 --model.code_dim 4 --model.quantizer.codebook_size 8"
PREDICTOR = (
    "--model.width 8 --model.embedding 4 --model.history 2 --model.blocks 1 --model.lookups 1 --model.decoder_blocks 1"
    " --model.transformer_width 8 --model.transformer_layers 1 --model.heads 2 --model.window 2 --window 6"
)


class Grid(gymnasium.Env):  # type: ignore[name-defined]
    """As MiniGrid: numbered actions with names, an observation that is no picture, tiles that are rendered."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    class Actions(IntEnum):
        left = 0
        right = 1
        forward = 2

    def __init__(self, size: int = 4, render_mode: str | None = None) -> None:
        self.size, self.render_mode, self.actions = size, render_mode, self.Actions
        self.action_space = spaces.Discrete(len(self.actions))
        picture = spaces.Box(0, 255, (7, 7, 3), np.uint8)
        self.observation_space = spaces.Dict({"image": picture, "direction": spaces.Discrete(4)})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at, self.facing = self.np_random.integers(self.size, size=2), 0
        return self.look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == self.actions.forward:
            ahead = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)][self.facing])
            self.at = np.clip(self.at + ahead, 0, self.size - 1)
        else:
            self.facing = (self.facing + (1 if action == self.actions.right else -1)) % 4
        return self.look(), 0.0, False, False, {}

    def render(self) -> np.ndarray:
        tiles = np.zeros((self.size, self.size, 3), np.uint8)
        tiles[tuple(self.at)] = (255, 60 * self.facing, 0)
        return tiles.repeat(8, axis=0).repeat(8, axis=1)

    def look(self) -> dict[str, Any]:
        return {"image": np.zeros((7, 7, 3), np.uint8), "direction": self.facing}


class Car(gymnasium.Env):  # type: ignore[name-defined]
    """As CarRacing: steering, gas and brake are real numbers, what is seen is the picture."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012
    action_space = spaces.Box(np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32))
    observation_space = spaces.Box(0, 255, (32, 32, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.road = self.np_random.integers(0, 256, (64, 3), dtype=np.uint8)
        self.at = 0.0
        return self.look(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.at += float(action[1] - action[2] / 2)
        return self.look(), float(action[1]), False, False, {}

    def look(self) -> np.ndarray:
        rows = (np.arange(32) // 4 + int(self.at)) % 64
        return self.road[rows][:, None].repeat(32, axis=1)


gymnasium.register("VideovqGrid-v0", Grid)
gymnasium.register("VideovqCar-v0", Car)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recorded", "kind", "actions"),
    [
        ("--source.env VideovqGrid-v0 --source.kwargs {size:3}", "discrete", "right"),
        ("--source.env VideovqCar-v0", "continuous", "turn.json"),
    ],
    ids=["grid", "car"],
)
def test_from_an_environment_to_a_gif_and_a_report(
    recorded: str, kind: str, actions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("turn.json").write_text("[[0.5, 1, 0], [0.5, 1, 0], [0, 0, 1]]")
    recorded = recorded.replace("{size:3}", '{"size":3}')
    for command in (
        f"record {recorded} --episodes 10 --frames 8 --frame_size 24 --workers 1",
        "prep --source episodes --frame_size 24 --validation_fraction 0.2 --test_fraction 0.2 --workers 1",
        f"train vqvae {TINY} {VQVAE}",
        "encode",
        f"train predictor {TINY} {PREDICTOR}",
        f"rollout --context stores/episodes --context_frames 2 --frames 3 --actions {actions} --out seen",
        "evaluate --context_frames 2 --frames 2 --samples 1 --out report",
    ):
        assert main(command.split()) == 0, command
    spec = EpisodeStore("stores/episodes").header.action_spec
    assert (spec.kind, spec.names) == (kind, ("left", "right", "forward") if kind == "discrete" else ())
    assert len(imageio.imread("seen.gif")) >= 3
    assert Path("report/report.html").is_file()
