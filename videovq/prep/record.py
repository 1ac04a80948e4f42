"""``videovq record``: an environment -> a folder of ``episode_000000.mp4`` + ``.json``.

Frames are at the environment's own rate divided by the action repeat; ``actions[t]`` leads to frame t + 1 and earns
``rewards[t]``. Where the world ends within a recording it is started again and the recording goes on: a discontinuity.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from math import dist
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from videovq.config import RecordConfig
from videovq.data.resize import centre_resize
from videovq.data.store import read_json
from videovq.data.video import write_video
from videovq.errors import UserError
from videovq.follow_up import typed
from videovq.parsing import read_config, to_yaml
from videovq.prep.benchmark import Benchmark, Witness, open_benchmark
from videovq.prep.environments import Action, Environment, Observation, open_environment, spelled_out
from videovq.prep.own_policy import OwnPolicy
from videovq.prep.parallel import run_all
from videovq.prep.policy import StandstillSense, StickyDraws, StickyRandomPolicy
from videovq.progress import progress
from videovq.storage import LOCK, claim, write_json, write_text
from videovq.types import ActionSpec

SETTINGS = "record.yaml"  # no .json: beside an episode that would be read as one
Policy = Callable[[Observation, bool], Action]  # what is seen, and whether the action before led nowhere
NOT_BINDING = ("out", "episodes", "workers")  # may differ when a recording is continued


@dataclass
class Recording:
    """A recorded episode: T frames with the action taken after each.

    Attributes:
        frames: RGB of ``size`` x ``size`` pixels each.
        rewards: of each action.
        poses: x, y, z, pitch, yaw, roll at each frame; empty where the environment does not tell.
        discontinuities: every t where frame t + 1 does not follow from action t.
        ends: those where the world ended with action t, in contrast to a time limit or a teleport.
    """

    frames: list[UInt8[Tensor, "size size c"]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    poses: list[tuple[float, ...]] = field(default_factory=list)
    discontinuities: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


def record(config: RecordConfig) -> None:
    """Record the episodes that ``config.out`` does not hold yet.

    Every episode depends on the settings and its own seed only: a continued recording equals an uninterrupted one, file
    by file where it is lossless, and up to x264's rounding where it is not.

    Raises:
        UserError: a setting cannot work, the environment is missing or unsuitable, ``out`` holds something else, or an
            episode of a benchmark is not what it should be.
    """
    benchmark = open_benchmark(config.benchmark) if config.benchmark else None
    if benchmark:
        config = benchmark.settings_for(config)
    out = Path(config.out)
    with claim(out, config.out, partial(check_claim, out, config)):
        write_text(out / SETTINGS, to_yaml(config))
        todo = [index for index in range(config.episodes) if not episode_is_complete(out, index)]
        with progress(config.episodes, "record", "episode", done=config.episodes - len(todo)) as bar:
            for _ in run_all(partial(record_episode, config, benchmark), todo, config.workers):
                bar.update()
    fields = read_json(episode_stem(out, 0).with_suffix(".json"))
    spec = ActionSpec.from_json(fields["action_spec"])
    print(
        f"{out}: {config.episodes} episodes of {config.frames} frames at {fields['fps']:g} a second; actions:"
        f" {', '.join(spec.names) or f'{spec.kind}, {spec.width} numbers each'}; next: "
        + typed("prep", source=config.out)
    )


def check_claim(out: Path, config: RecordConfig) -> None:
    """Check that a folder is empty, or holds an earlier part of this recording.

    Raises:
        UserError: it holds episodes that were recorded with other settings, or something else altogether.
    """
    path = out / SETTINGS
    if path.is_file():
        if any(out.glob("episode_*.json")):  # else it is nobody's
            before = read_config(RecordConfig, path)
            for name in RecordConfig.__dataclass_fields__:
                same = getattr(before, name) == getattr(config, name)
                if name == "source":  # ViZDoom's numbers, which older recordings state
                    same = spelled_out(before.source) == spelled_out(config.source)
                if name not in NOT_BINDING and not same:
                    raise UserError(
                        f"{out}: was recorded with other settings ({name} was {getattr(before, name)!r} and is now"
                        f" {getattr(config, name)!r}); choose another out, or remove it"
                    )
    elif out.exists() and (not out.is_dir() or any(file.name != LOCK for file in out.iterdir())):
        raise UserError(f"{out}: exists and holds no recording; choose another out")


def episode_stem(out: Path, index: int) -> Path:
    return out / f"episode_{index:06d}"


def episode_is_complete(out: Path, index: int) -> bool:
    """Whether an episode was written to its end: its ``.json`` is written after its ``.mp4``."""
    stem = episode_stem(out, index)
    return stem.with_suffix(".mp4").is_file() and stem.with_suffix(".json").is_file()


def record_episode(config: RecordConfig, benchmark: Benchmark | None, index: int) -> None:
    """Record one episode and write it.

    Raises:
        UserError: it is not that of the benchmark.
    """
    recording, fields, checksum = watch_episode(config, index)
    if benchmark:
        fields["split"] = benchmark.confirm(index, checksum)
    stem = episode_stem(Path(config.out), index)
    quality: Literal["lossless", "archive"] = "lossless" if config.lossless else "archive"
    write_video(stem.with_suffix(".mp4"), torch.stack(recording.frames), fields["fps"], quality)
    write_json(stem.with_suffix(".json"), fields)


def watch_episode(config: RecordConfig, index: int) -> tuple[Recording, dict[str, Any], str]:
    """What happens in an episode, the JSON of it, and for a benchmark its checksum (see :class:`Witness`).

    The environment is made anew, so that nothing of an earlier episode can leak into this one.
    """
    seed = config.seed + index
    if str(Path.cwd()) not in sys.path:  # where environments and policies of one's own are, after all packages
        sys.path.append(str(Path.cwd()))
    with closing(open_environment(config.source, config.frame_size)) as environment:
        chosen = choose_policy(config, environment, seed)
        policy = Witness(chosen) if config.benchmark else chosen
        recording = play(environment, policy, seed, config.frames, config.frame_size)
        fields = describe(environment, recording, seed, config.frame_size)
    return recording, fields, policy.checksum if isinstance(policy, Witness) else ""


def choose_policy(config: RecordConfig, environment: Environment, seed: int) -> Policy:
    """The policy that ``config`` names, or else the sticky random one for such actions."""
    if config.policy:
        own = OwnPolicy(config.policy, environment, seed)
        return lambda seen, blocked: own.act(seen)
    if environment.action_spec.kind == "discrete":
        sticky = StickyRandomPolicy(environment.action_names, config.stick, seed)
        return lambda seen, blocked: sticky.act(blocked)
    draws = StickyDraws(environment.draw, config.stick, seed)
    return lambda seen, blocked: draws.act()


def play(environment: Environment, policy: Policy, seed: int, frames: int, frame_size: int) -> Recording:
    """Let the policy act for ``frames`` steps.

    Args:
        seed: of the world, and of every world that is started when one ends.
    """
    recording = Recording()
    restarts = np.random.default_rng([seed, 1])
    standstill = StandstillSense()
    blocked = False
    now = environment.reset(seed)
    for t in range(frames):
        action = policy(now, blocked)
        reward, after, ended = environment.step(action)
        picture = torch.from_numpy(now.frame)[None]
        recording.frames.append(centre_resize(picture, frame_size, environment.level)[0])
        recording.actions.append(action)
        recording.rewards.append(reward)
        if now.pose is not None:
            recording.poses.append(now.pose)
        if ended:
            recording.ends.append(t)
        if after is None or teleported(environment, now, after):
            recording.discontinuities.append(t)
            blocked = False
        else:
            blocked = standstill(now, after)
        now = after or environment.reset(int(restarts.integers(2**31)))
    return recording


def teleported(environment: Environment, before: Observation, after: Observation) -> bool:
    """Whether the agent is further away than one action can have taken it."""
    if before.pose is None or after.pose is None:
        return False
    return dist(before.pose[:3], after.pose[:3]) > environment.teleport


def describe(environment: Environment, recording: Recording, seed: int, frame_size: int) -> dict[str, Any]:
    """The metadata of a recording, for the JSON beside its video."""
    fields: dict[str, Any] = {
        "level": environment.level,
        "seed": seed,
        "policy_seed": seed,
        "fps": environment.engine_fps / environment.action_repeat,
        "engine_fps": environment.engine_fps,
        "action_repeat": environment.action_repeat,
        "width": frame_size,
        "height": frame_size,
        "num_frames": len(recording.frames),
        "action_spec": environment.action_spec.to_json(),
        "actions": recording.actions,
        "rewards": recording.rewards,
        "discontinuities": recording.discontinuities,
        "ends": recording.ends,
    }
    if environment.action_names:
        fields["action_legend"] = {str(number): name for number, name in enumerate(environment.action_names)}
    if recording.poses:
        fields["poses"] = [[round(value, 3) for value in pose] for pose in recording.poses]
    return fields
