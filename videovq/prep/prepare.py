"""``videovq prep``: a folder of recorded episodes -> an EpisodeStore."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq import __version__
from videovq.config import PrepConfig
from videovq.data.resize import centre_resize
from videovq.data.store import (
    SPLITS,
    EpisodeStore,
    StoreHeader,
    claim_folder,
    read_shard_index,
    shard_is_complete,
    write_shard,
)
from videovq.data.video import read_video
from videovq.prep.parallel import run_all
from videovq.prep.sources.videos import ALIGNMENT, Sidecar, find_videos, read_sidecar
from videovq.progress import progress
from videovq.types import ActionSpec, EpisodeInfo


@dataclass(frozen=True)
class Shard:
    """One unit of work: the episodes (id -> path without ending) that go into a shard."""

    index: int
    split: str
    stems: dict[str, Path]


@dataclass(frozen=True)
class Plan:
    """What prep is going to do; a continued run must find the same plan."""

    shards: list[Shard]
    action_spec: ActionSpec
    fps: float
    frame_size: int
    frame_step: int
    merge_actions: str

    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the store's content, to compare with an interrupted run."""
        sizes = [
            {id_: sum(p.stat().st_size for p in _files(stem) if p.is_file()) for id_, stem in shard.stems.items()}
            for shard in self.shards
        ]
        settings = {k: getattr(self, k) for k in ("fps", "frame_size", "frame_step", "merge_actions")}
        return {**settings, "action_spec": self.action_spec.to_json(), "shards": sizes}


def prepare(config: PrepConfig) -> EpisodeStore:
    """Decode, crop, resize and split every episode of ``config.source`` into ``config.out``.

    Shards that an interrupted run completed are kept. An episode that cannot be used is skipped with a line that
    says why; the report counts them.

    Raises:
        ValueError: a setting cannot work, ``out`` holds another preparation, or no episode is usable.
    """
    _check(config)
    plan = make_plan(config)
    out = Path(config.out)
    claim_folder(out, "plan.json", plan.fingerprint(), "episodes or settings")

    todo = [shard for shard in plan.shards if not shard_is_complete(out, shard.index)]
    with progress(len(plan.shards), "prep", "shard", done=len(plan.shards) - len(todo)) as bar:
        for _ in run_all(partial(write_episodes, plan, out), todo, config.workers):
            bar.update()

    if not any(read_shard_index(out, shard.index)[0] for shard in plan.shards):
        first = read_shard_index(out, 0)[1][0]["reason"]
        raise ValueError(f"{config.source}: no usable episode; the first was skipped because: {first}")
    spec, fps = _stored_actions(plan), plan.fps / plan.frame_step
    StoreHeader(
        kind="episodes",
        grid=(config.frame_size, config.frame_size),
        fps=fps,
        action_spec=spec,
        alignment=ALIGNMENT,
        shards=len(plan.shards),
        provenance={"videovq": __version__, "reader": "videos", "frame_step": config.frame_step},
    ).write(out)
    store = EpisodeStore(out)
    print(report(store))
    return store


def _check(config: PrepConfig) -> None:
    for name in ("frame_size", "frame_step", "shard_episodes", "workers"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name}: must be at least 1")
    if min(config.validation_fraction, config.test_fraction) < 0:
        raise ValueError("validation_fraction and test_fraction: must be 0 or more")
    if config.validation_fraction + config.test_fraction >= 1:
        raise ValueError("validation_fraction + test_fraction: must leave something to train on")


def make_plan(config: PrepConfig) -> Plan:
    """Find the episodes, their splits and shards; reads no video."""
    stems = find_videos(Path(config.source), without=Path(config.out))
    declared: dict[str, str] = {}
    first: Sidecar | None = None
    for id_, stem in stems.items():
        try:
            sidecar = read_sidecar(stem.with_suffix(".json"))
        except ValueError:
            continue  # skipped, with its reason, when its shard is written
        declared[id_] = sidecar.split
        first = first or sidecar
    if first is None:
        read_sidecar(next(iter(stems.values())).with_suffix(".json"))  # says what is wrong with it
        raise AssertionError("unreachable")
    if config.frame_step > 1 and config.merge_actions == "refuse" and first.action_spec.kind != "none":
        raise ValueError(
            f"frame_step: {config.frame_step} merges {config.frame_step} actions into one;"
            " set merge_actions to stack to keep them all, or frame_step to 1"
        )
    splits = assign_splits(declared, config.validation_fraction, config.test_fraction)
    shards: list[Shard] = []
    for split in SPLITS:
        ids = [id_ for id_ in stems if splits.get(id_, "train") == split]
        for at in range(0, len(ids), config.shard_episodes):
            chunk = {id_: stems[id_] for id_ in ids[at : at + config.shard_episodes]}
            shards.append(Shard(len(shards), split, chunk))
    return Plan(shards, first.action_spec, first.fps, config.frame_size, config.frame_step, config.merge_actions)


def assign_splits(declared: dict[str, str], validation: float, test: float) -> dict[str, str]:
    """Split of every episode: its own word for ``test`` and ``val``, else by a hash of its id.

    The hash puts an episode into the same split whatever else is prepared with it. Only where that leaves a wanted
    split empty, the episode of the split's nearest hash goes there.

    Args:
        declared: episode id -> what its recording says, ``""`` where it says nothing.
    """

    def place(id_: str) -> float:
        return int.from_bytes(hashlib.sha256(id_.encode()).digest()[:8], "big") / 2**64

    splits = {id_: split for id_, split in declared.items() if split in ("val", "test")}
    if "test" in splits.values():
        test = 0.0
    if "val" in splits.values():
        validation = 0.0
    free = sorted((id_ for id_ in declared if id_ not in splits), key=place)
    for id_ in free:
        u = place(id_)
        splits[id_] = "test" if u < test else "val" if u < test + validation else "train"
    for split, wanted in (("test", test), ("val", validation)):
        train = [id_ for id_ in free if splits[id_] == "train"]
        if wanted > 0 and split not in splits.values() and len(train) > 1:
            splits[train[0]] = split
    return splits


def write_episodes(plan: Plan, out: Path, shard: Shard) -> None:
    """Decode the episodes of a shard and write it."""
    infos: list[EpisodeInfo] = []
    frames: list[Tensor] = []
    actions: list[Tensor] = []
    skipped: list[dict[str, str]] = []
    start = 0
    for id_, stem in shard.stems.items():
        try:
            info, episode_frames, episode_actions = read_episode(plan, id_, stem)
        except ValueError as error:
            skipped.append({"source": id_, "reason": str(error)})
            print(f"skipped {id_}: {error}", flush=True)
            continue
        infos.append(replace(info, split=shard.split, shard=shard.index, start=start))
        frames.append(episode_frames)
        actions.append(episode_actions)
        start += info.length
    spec = _stored_actions(plan)
    none = torch.empty((0, plan.frame_size, plan.frame_size, 3), dtype=torch.uint8)
    tensors = {
        "frames": torch.cat(frames or [none]),
        "actions": torch.cat(actions or [torch.empty((0, spec.width), dtype=spec.dtype)]),
    }
    write_shard(out, shard.index, tensors, infos, skipped)


def read_episode(
    plan: Plan, id_: str, stem: Path
) -> tuple[EpisodeInfo, UInt8[Tensor, "t h w c"], Shaped[Tensor, "t a"]]:
    """Read one episode as it will be stored.

    Raises:
        ValueError: why it cannot be used.
    """
    video, json_path = _files(stem)
    sidecar = read_sidecar(json_path)
    if sidecar.action_spec != plan.action_spec:
        raise ValueError(f"{json_path}: its actions differ from the other episodes'")
    if sidecar.fps != plan.fps:
        raise ValueError(f"{json_path}: {sidecar.fps} frames/s, but the other episodes have {plan.fps}")
    actions = sidecar.action_spec.tensor(sidecar.actions, str(json_path))
    source = read_video(video)
    if len(source) != len(actions):
        raise ValueError(f"{json_path}: {len(actions)} actions, but {video.name} has {len(source)} frames")
    if len(source) < plan.frame_step:
        raise ValueError(f"{video}: has {len(source)} frame(s), fewer than frame_step {plan.frame_step}")
    frames = centre_resize(source[:: plan.frame_step][: len(source) // plan.frame_step], plan.frame_size, str(video))
    length = len(frames)
    stacked = actions[: length * plan.frame_step].reshape(length, -1)
    cuts = sorted({t // plan.frame_step for t in sidecar.discontinuities if 0 <= t < length * plan.frame_step})
    info = EpisodeInfo(
        id=id_,
        split="",
        shard=0,
        start=0,
        length=length,
        level=sidecar.level,
        source=f"{id_}.mp4",
        sha256=hashlib.sha256(video.read_bytes()).hexdigest(),
        discontinuities=tuple(cuts),
    )
    return info, frames, stacked


def report(store: EpisodeStore) -> str:
    """Episodes, frames, action histogram and skipped files of a store, as text."""
    lines = [f"{store.folder}: {len(store.episodes)} episodes, {sum(e.length for e in store.episodes)} frames"]
    for split in SPLITS:
        chosen = [info for info in store.episodes if info.split == split]
        lines.append(f"  {split:<6}{len(chosen):>6} episodes {sum(e.length for e in chosen):>8} frames")
    spec = store.header.action_spec
    if spec.kind == "discrete":
        counts = sum(
            torch.bincount(store.shard(i)["actions"][:, 0], minlength=spec.sizes[0]) for i in range(store.header.shards)
        )
        assert isinstance(counts, Tensor)
        for i, count in enumerate(counts.tolist()):
            name = spec.names[i] if spec.names else str(i)
            lines.append(f"  action {i:>2} {name:<24}{count:>8} ({100 * count / max(1, int(counts.sum())):.1f}%)")
    skipped = [row for i in range(store.header.shards) for row in read_shard_index(store.folder, i)[1]]
    lines.append(f"  skipped {len(skipped)} episode(s)")
    lines += [f"    {row['source']}: {row['reason']}" for row in skipped]
    return "\n".join(lines)


def _files(stem: Path) -> tuple[Path, Path]:
    return stem.with_suffix(".mp4"), stem.with_suffix(".json")


def _stored_actions(plan: Plan) -> ActionSpec:
    spec = plan.action_spec
    if plan.frame_step == 1 or spec.kind == "none":
        return spec
    if spec.kind == "continuous":
        return replace(spec, mean=spec.mean * plan.frame_step, std=spec.std * plan.frame_step)
    return ActionSpec("multi_discrete", spec.sizes * plan.frame_step)
