"""ViZDoom's Gymnasium environments, seen as DeepMind Lab shows its own: no weapon, no status bar, no text."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from videovq.config import GymnasiumSource
from videovq.prep.environments import require
from videovq.prep.environments.gymnasium import INSTALL, GymnasiumEnvironment
from videovq.prep.environments.spaces import Numbered

FORWARD = "MOVE_FORWARD"
TURNS = ("TURN_LEFT", "TURN_RIGHT")
POSE = ("POSITION_X", "POSITION_Y", "POSITION_Z", "PITCH", "ANGLE", "ROLL")
ENGINE_FPS = 35
FASTEST = 30.0  # map units a tic; running straight is 17

# Without these sections the engine makes a folder for the scripts they could name, in the working folder.
SETTINGS = "".join(f"[{game}.AutoExec]\n" for game in ("Doom", "Heretic", "Hexen", "Strife", "Chex"))


class VizdoomEnvironment(GymnasiumEnvironment):
    """A ViZDoom scenario without its time limit.

    The actions are: press nothing, press any one of the scenario's buttons, or walk forward and turn at once.
    """

    usual_repeat = 4

    def __init__(self, source: GymnasiumSource, frame_size: int) -> None:
        self._vizdoom = require("vizdoom", INSTALL)
        require("vizdoom.gymnasium_wrapper", INSTALL)  # registers the ids
        # Otherwise the engine keeps its settings in the working folder, where all recordings would share them.
        self._folder = TemporaryDirectory(prefix="videovq-vizdoom-")
        self._settings = Path(self._folder.name, "vizdoom.ini")
        self._settings.write_text(SETTINGS, encoding="utf-8")
        super().__init__(source, frame_size)
        self.teleport = FASTEST * self.action_repeat

    def close(self) -> None:
        super().close()
        self._folder.cleanup()

    def _options(self) -> dict[str, Any]:
        return {
            "frame_skip": self.action_repeat,
            "max_buttons_pressed": 2,
            "episode_timeout": 0,
            "render_hud": False,
            "render_weapon": False,
            "render_crosshair": False,
            "render_messages": False,
            "doom_config_path": str(self._settings),
        }

    def _calls(self) -> int:
        return 1  # the engine repeats the action

    def _frame_rate(self) -> float:
        return ENGINE_FPS

    def _find_actions(self) -> Numbered:
        super()._find_actions()
        game = self._env.unwrapped
        buttons = [button.name for button in game.game.get_available_buttons()]
        numbers = {
            frozenset(name for name, down in zip(buttons, pressed, strict=True) if down): number
            for number, pressed in enumerate(game.button_map)
        }
        actions = {"noop": numbers[frozenset()]}
        actions |= {name.lower(): numbers[frozenset({name})] for name in buttons}
        walks = {turn: frozenset({FORWARD, turn}) for turn in TURNS}
        actions |= {f"{FORWARD}+{turn}".lower(): numbers[walk] for turn, walk in walks.items() if walk in numbers}
        return Numbered(actions)

    def _pose(self) -> tuple[float, ...]:
        game = self._env.unwrapped.game
        return tuple(float(game.get_game_variable(self._vizdoom.GameVariable.__members__[name])) for name in POSE)
