"""Settings of ``videovq prep``, ``import tokens`` and ``inspect``: recordings, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import CommandSettings, Settings, at_least, named, within, without_effect
from videovq.errors import UserError


@dataclass(frozen=True)
class DeclareActionsConfig(Settings):
    """What the file beside a video leaves open of its actions. Empty: as it says itself, or as is usual."""

    actions_at: Literal["", "after", "before"] = ""
    """Which action is stored beside a frame: the one taken ``after`` it was seen, or the one taken ``before``, which
    led to it."""
    actions_key: str = ""
    """Name of the array or column of actions; several columns: separated by commas."""


@dataclass(frozen=True)
class DeclareConfig(DeclareActionsConfig):
    """What recordings leave open. Empty: as they say themselves, or as their format always has it."""

    fps: float = 0.0
    """Frames a second."""
    action_names: list[str] = field(default_factory=list)
    """What the numbers 0, 1, ... of a discrete action mean."""
    action_sizes: list[int] = field(default_factory=list)
    """Number of choices of each number in an action; one: discrete; several: multi-discrete."""
    colours: Literal["", "rgb", "bgr"] = ""
    """Order of the colour channels."""
    frames_key: str = ""
    """Name of the array of frames in files that hold several arrays."""
    rewards_key: str = ""
    """Name of the array or column of rewards."""
    ends_key: str = ""
    """Name of the array or column that is 1 (or true) where the world ended with the action, else 0."""
    breaks_key: str = ""
    """Name of the array or column that is 1 (or true) where the next frame does not follow, else 0: time-outs."""
    frames_range: Literal["", "0..1", "0..255"] = ""
    """Smallest and largest value of frames that are not stored as bytes."""
    channels: Literal["", "first", "last"] = ""
    """Where the colour channels of a frame are: ``last`` (height, width, 3) or ``first`` (3, height, width)."""

    def check(self) -> None:
        named(self, "action_names")
        at_least(self, 0, "fps")
        at_least(self, 1, "action_sizes")
        if self.action_names:
            without_effect(self, "beside action_names", "action_sizes")


@dataclass(frozen=True)
class PrepConfig(CommandSettings):
    """Turn recorded episodes into an EpisodeStore."""

    source: str = "episodes"
    """Folder searched, with its subfolders, for episodes."""
    out: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    format: str = "auto"
    """Format of the recordings (a wrong name lists them); ``auto``: recognised by looking."""
    declare: DeclareConfig = DeclareConfig()
    frame_size: int = 84
    """Height and width of the stored frames, in pixels."""
    fit: Literal["crop", "letterbox", "stretch"] = "crop"
    """How other shapes become square before they are resized by area: ``crop`` keeps the centre, ``letterbox`` adds
    black bars, ``stretch`` distorts."""
    frame_step: int = 1
    """Keep every n-th frame. Larger than 1 merges n actions into one: see ``merge_actions``."""
    merge_actions: Literal["refuse", "stack", "majority", "sum"] = "refuse"
    """What becomes of merged actions: ``stack`` keeps all n as one action of n parts; ``majority`` keeps the most
    frequent (discrete); ``sum`` adds them up (continuous); ``refuse`` stops."""
    rename_actions: dict[str, str] = field(default_factory=dict)
    """Discrete actions to call something else; those that get the same name become one."""
    discretise: int = 0
    """Cut each number of a continuous action into that many steps, from two standard deviations below its mean to two
    above; 0: no."""
    levels: list[str] = field(default_factory=list)
    """Keep episodes of these levels only; ``*`` stands for anything."""
    episodes: int = 0
    """Prepare that many of the episodes only, spread evenly over all; 0: every one."""
    cut: bool = False
    """Cut episodes at their discontinuities into several."""
    cut_every: int = 0
    """Cut episodes into several of that many stored frames; 0: no."""
    shortest: int = 1
    """Leave out episodes, or pieces of them, of fewer frames."""
    split_by: Literal["episode", "level"] = "episode"
    """What ``val`` and ``test`` are chosen from: ``level`` puts whole levels aside: places never seen."""
    validation_fraction: float = 0.05
    """Part of the episodes that goes to the split ``val``, chosen by a hash of the episode's id (or level). Where there
    are too few: of each one's frames, from its end."""
    test_fraction: float = 0.05
    """Part that goes to ``test``, likewise. Not used when the recordings name their own test episodes."""
    shard_episodes: int = 8
    """Episodes in a shard, the unit of work and of resumption."""
    engine: Literal["local", "ray"] = "local"
    """What decodes: processes of this machine, or a Ray cluster; the shards are the same."""
    workers: int = 2
    """Processes that decode at the same time; with ``ray`` at most that many, over the whole cluster."""
    address: str = ""
    """Address of a running Ray cluster; empty: the one of this machine's environment, or one started for the run."""

    def check(self) -> None:
        named(self, "source", "out", "format", "rename_actions")
        at_least(self, 1, "frame_size", "frame_step", "shortest", "shard_episodes", "workers")
        at_least(self, 0, "discretise", "episodes", "cut_every")
        within(self, 0, 1, "validation_fraction", "test_fraction")
        if self.validation_fraction + self.test_fraction > 1:
            raise UserError("validation_fraction + test_fraction: must be 1 at most")
        if self.discretise == 1:
            raise UserError("discretise: needs at least 2 steps, or 0 for none")
        if self.frame_step == 1:
            without_effect(self, "while frame_step is 1", "merge_actions")
        if self.engine == "local":
            without_effect(self, "while engine is local", "address")


@dataclass(frozen=True)
class ImportTokensConfig(CommandSettings):
    """Turn a 1X World Model token dump into a CodeStore: frames that another tokenizer encoded."""

    source: str = "train_v1.1"
    """Folder with ``metadata.json``, ``video.bin``, ``segment_ids.bin`` and ``actions/``."""
    out: str = "stores/tokens"
    """Folder of the CodeStore."""
    actions: str = "joint_pos,driving_command"
    """Files of ``actions/`` that make an action, without their ending; empty: none."""
    validation_fraction: float = 0.05
    """Part of the recordings that goes to ``val``, chosen by a hash."""
    test_fraction: float = 0.05
    """Part that goes to ``test``, likewise."""
    shard_episodes: int = 64
    """Recordings in a shard."""

    def check(self) -> None:
        named(self, "source", "out")
        at_least(self, 1, "shard_episodes")
        within(self, 0, 1, "validation_fraction", "test_fraction")
        if self.validation_fraction + self.test_fraction > 1:
            raise UserError("validation_fraction + test_fraction: must be 1 at most")


@dataclass(frozen=True)
class InspectConfig(CommandSettings):
    """Say what is in a store or in recordings, what is odd about it, and whether its actions fit its frames."""

    store: str = "stores/episodes"
    """Folder of the EpisodeStore."""
    source: str = ""
    """Folder of recordings to look at in place of a store."""
    format: str = "auto"
    """Format of the recordings, as for ``videovq prep``."""
    declare: DeclareConfig = DeclareConfig()
    episodes: int = 60
    """Recordings to look at, spread evenly over all."""
    out: str = "reports/inspect"
    """Folder of ``findings.json`` and ``report.html``."""

    def check(self) -> None:
        named(self, "store", "format", "out")
        at_least(self, 1, "episodes")
        if self.source:
            without_effect(self, "beside source", "store")
        else:
            without_effect(self, "without source", "format", "declare", "episodes")
