"""Settings of ``videovq record``: an environment, a policy, and how much to record."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from videovq.config.checks import SEEDS, CommandSettings, Settings, at_least, named, within, without_effect
from videovq.errors import UserError


@dataclass(frozen=True)
class SourceConfig(Settings):
    """An environment that episodes can be recorded from."""


@dataclass(frozen=True)
class GymnasiumSource(SourceConfig):
    """Any Gymnasium environment with a Discrete, MultiDiscrete, MultiBinary or Box action space and an RGB picture: an
    RGB observation, an observation dictionary with a ``screen``, ``rgb``, ``pixels`` or ``image`` entry, or
    ``render_mode="rgb_array"``.
    """

    env: str = "VizdoomMyWayHome-v1"
    """Environment id, of those Gymnasium knows and ViZDoom's; ``package.module:Id`` imports the module first,
    ``package.module:Class`` makes an environment of the class. The working folder is searched for modules, too."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the environment, as JSON: ``'{"size": 8, "continuous": true}'``."""
    action_repeat: int | Literal["auto"] = "auto"
    """Engine steps that one recorded action lasts; ``auto``: 4 in ViZDoom, which repeats inside the engine, and 1 in
    all others, which are stepped so often."""
    engine_fps: int | float | Literal["auto"] = "auto"
    """Engine steps a second; ``auto``: 35 in ViZDoom, elsewhere the environment's ``render_fps``, or 30, as Gymnasium
    has it, where it states none. The recording's frame rate is ``engine_fps / action_repeat``."""
    action_names: list[str] = field(default_factory=list)
    """Names of the numbered actions in order; empty: ViZDoom's buttons, or the names an environment gives itself (its
    ``get_action_meanings()``, ``actions`` or ``action_names``), else ``action_0`` ..."""

    def __post_init__(self) -> None:
        try:  # one spelling, whether the values come from Python, a command line or a file
            texts = {name: json.dumps(from_text(value)) for name, value in self.kwargs.items()}
        except TypeError as error:
            raise UserError(f"source.kwargs: must hold what JSON can write ({error})") from None
        object.__setattr__(self, "kwargs", texts)

    @property
    def keywords(self) -> dict[str, Any]:
        """``kwargs`` as they are given to the environment."""
        return {name: json.loads(text) for name, text in self.kwargs.items()}

    def check(self) -> None:
        named(self, "env", "action_names")
        at_least(self, 1, *(name for name in ("action_repeat", "engine_fps") if getattr(self, name) != "auto"))


def from_text(value: Any) -> Any:
    """A value in which texts that are JSON, or Python's ``True``, ``False`` and ``None``, became what they mean."""
    if isinstance(value, dict):
        return {key: from_text(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [from_text(one) for one in value]
    if not isinstance(value, str):
        return value
    if value in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[value]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


@dataclass(frozen=True)
class DeepMindLabSource(SourceConfig):
    """DeepMind Lab through its own ``deepmind_lab`` Python module, which you build from its repository."""

    level: str = "contributed/dmlab30/explore_goal_locations_small"
    """Level path as DeepMind Lab names it."""
    engine_fps: int = 60
    """Engine frames a second."""
    action_repeat: int = 4
    """Engine frames that one recorded action lasts. The recording's frame rate is ``engine_fps / action_repeat``."""
    look_pixels_per_frame: int = 20
    """Size of a look action, in the engine's pixels per frame."""

    def check(self) -> None:
        named(self, "level")
        at_least(self, 1, "engine_fps", "action_repeat", "look_pixels_per_frame")


@dataclass(frozen=True)
class RecordConfig(CommandSettings):
    """Record episodes from any Gymnasium environment or from DeepMind Lab, with a policy of yours or a seeded, sticky
    random one that turns away when it is blocked.
    """

    benchmark: str = ""
    """A recording that anyone can make, by name (``vizdoom-17``): its settings are those that ship, in
    configs/benchmarks, and every episode is compared with a checksum. Only ``out`` and ``workers`` are yours then."""
    out: str = "episodes"
    """Folder that receives ``episode_000000.mp4`` + ``.json`` and so on. Episodes already there are kept."""
    source: SourceConfig = field(default_factory=GymnasiumSource)
    """The environment: GymnasiumSource, with ``--source.env ID`` (ViZDoom's My Way Home unless told otherwise),
    ``--source.kwargs '{"size": 8}'`` for gymnasium.make, ``--source.action_repeat``, ``--source.engine_fps``,
    ``--source.action_names``; or DeepMindLabSource, with ``--source.level``."""
    policy: str = ""
    """Who acts: ``module:function`` or ``file.py:function``, called as ``function(observation, info, rng)``, with what
    the environment gave last and numpy's generator of this episode, returns an action of the environment's action space
    (or a numbered action's name); or ``PPO:agent.zip``, an agent that stable-baselines3 saved, after its algorithm.
    Empty: sticky random."""
    episodes: int = 20
    """Number of episodes."""
    frames: int = 300
    """Frames in an episode."""
    frame_size: int = 84
    """Height and width of the recorded frames, in pixels: centre crop, then area resize."""
    seed: int = 0
    """Seed of the first episode; episode i uses seed + i for the level and for the policy."""
    stick: int = 12
    """A random action is held for 1 to this many steps."""
    lossless: bool = False
    """Write lossless RGB H.264 (about three times larger) in place of visually lossless 4:4:4."""
    workers: int = 2
    """Processes that record at the same time."""

    def check(self) -> None:
        named(self, "out")
        at_least(self, 1, "episodes", "frames", "frame_size", "stick", "workers")
        within(self, 0, SEEDS, "seed")
        if self.policy:
            without_effect(self, "beside a policy, which chooses every action", "stick")
        if type(self.source) is SourceConfig:
            raise UserError("source: SourceConfig names no environment; use GymnasiumSource or DeepMindLabSource")
