"""``videovq prep``: recorded episodes of any known format -> an EpisodeStore."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from videovq import __version__
from videovq.config import PrepConfig
from videovq.data.folders import Folder, open_folder
from videovq.data.listing import in_any_locale
from videovq.data.resize import resize
from videovq.data.spool import Spool
from videovq.data.store import (
    SPLITS,
    EpisodeStore,
    Store,
    StoreHeader,
    claimed,
    read_shard_index,
    shard_is_complete,
    shard_name,
    write_shard,
)
from videovq.parsing import to_plain
from videovq.prep.parallel import run_all, run_on_ray, single_thread
from videovq.prep.sources.contract import OUTCOME_KEYS, PIXEL_KEYS, Place, RawEpisode, Reader
from videovq.prep.sources.formats import index_of, open_reader
from videovq.prep.staging import Source, open_source
from videovq.prep.transform import discretise, measured, merge, merge_outcomes, rename
from videovq.progress import progress
from videovq.types import ActionSpec, EpisodeInfo


@dataclass(frozen=True)
class Shard:
    """One unit of work: the episodes (id -> where it is) that go into a shard."""

    index: int
    split: str
    places: dict[str, Place]


@dataclass(frozen=True)
class Plan:
    """What prep is going to do; a continued run must find the same plan.

    Attributes:
        recorded: the actions that every episode must have.
        measured: the same, with mean and deviation where the recordings do not say them.
    """

    shards: list[Shard]
    source: Source
    reader: Reader
    recorded: ActionSpec
    measured: ActionSpec
    fps: float
    config: PrepConfig

    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the store's content, to compare with an interrupted run."""
        sizes = [
            {id_: sum(p.stat().st_size for p in place.files if p.is_file()) for id_, place in shard.places.items()}
            for shard in self.shards
        ]
        elsewhere = ("source", "out", "workers", "engine", "address")
        settings = {name: value for name, value in to_plain(self.config).items() if name not in elsewhere}
        said = settings["declare"].items()
        later = (*OUTCOME_KEYS, *PIXEL_KEYS)  # a plan from before them goes on
        settings["declare"] = {name: value for name, value in said if value or name not in later}
        spec = self.measured.to_json()
        return {**settings, "reader": type(self.reader).__name__, "fps": self.fps, "action_spec": spec, "shards": sizes}

    @cached_property
    def stored(self) -> ActionSpec:
        """The actions as they are stored."""
        return transformed(self, torch.empty((0, self.measured.width), dtype=self.measured.dtype))[0]


def prepare(config: PrepConfig) -> EpisodeStore:
    """Decode, fit, resize and split every episode of ``config.source`` into ``config.out``.

    Shards that an interrupted run completed are kept. An episode that cannot be used is skipped with a line that
    says why; the report counts them.

    Raises:
        ValueError: a setting cannot work, ``out`` holds another preparation, or no episode is usable.
    """
    with open_source(config.source, index_of(config.format)) as source:
        plan = make_plan(config, source)
        out = open_folder(config.out)
        with claimed(out, "plan.json", plan.fingerprint(), "episodes or settings"):
            write_store(plan, out)
    store = EpisodeStore(config.out)
    print("\n".join([report(store), *empty_splits(store, config.validation_fraction, config.test_fraction)]))
    return store


def write_store(plan: Plan, out: Folder) -> None:
    """Write every shard that is not there yet, and the header.

    Raises:
        ValueError: no episode is usable.
    """
    todo = [shard for shard in plan.shards if not shard_is_complete(out, shard.index)]
    with progress(len(plan.shards), "prep", "shard", done=len(plan.shards) - len(todo)) as bar:
        for _ in engine(plan.config)(partial(write_episodes, plan, out), todo, plan.config.workers):
            bar.update()

    if not any(read_shard_index(out, shard.index)[0] for shard in plan.shards):
        first = read_shard_index(out, 0)[1][0]["reason"]
        raise ValueError(f"{plan.config.source}: no usable episode; the first was skipped because: {first}")
    StoreHeader(
        kind="episodes",
        grid=(plan.config.frame_size, plan.config.frame_size),
        fps=plan.fps / plan.config.frame_step,
        action_spec=plan.stored,
        alignment=plan.reader.alignment,
        shards=len(plan.shards),
        provenance={
            "videovq": __version__,
            "reader": type(plan.reader).__name__,
            "frame_step": plan.config.frame_step,
            "fit": plan.config.fit,
        },
    ).write(out)


def engine(config: PrepConfig) -> Callable[[Callable[[Shard], None], Sequence[Shard], int], Iterator[None]]:
    """What runs the work: see :func:`videovq.prep.parallel.run_all`."""
    return run_all if config.engine == "local" else partial(run_on_ray, address=config.address)


def make_plan(config: PrepConfig, source: Source) -> Plan:
    """Find the episodes, their splits and shards; decodes one or two only, so that no wanted split is left without any
    that can be used.

    Raises:
        ValueError: there are none, the first that can be read cannot be transformed as ``config`` wants, or none can be
            read.
    """
    out = source.local(config.out)
    reader = open_reader(config.format, config.declare, source.path, without=out)
    places = {
        in_any_locale(id_): replace(place, level=in_any_locale(place.level))
        for id_, place in reader.find(source.path, without=out).items()
    }
    wanted = {id_: p for id_, p in places.items() if any(fnmatchcase(p.level, one) for one in config.levels or ["*"])}
    if not wanted:
        found = ", ".join(sorted({p.level for p in places.values()})[:20])
        raise ValueError(f"levels: no episode is of such a level; there are: {found}")
    if 0 < config.episodes < len(wanted):
        chosen = torch.linspace(0, len(wanted) - 1, config.episodes).long().tolist()
        wanted = {id_: wanted[id_] for id_ in [list(wanted)[i] for i in chosen]}
    episodes = readable(reader, source, wanted)
    id_, first = next(episodes, ("", None))
    if first is None:
        place = next(iter(wanted.values()))
        with source.staged(place.files):
            reader.read(place)  # says what is wrong with it
        raise AssertionError("unreachable")
    spec = first.action_spec
    plan = Plan([], source, reader, spec, spec, first.fps, config)
    splits = assign_splits(wanted, config, cache(partial(usable, plan, wanted)))
    if spec.kind == "continuous" and set(spec.std) == {1.0} and not any(spec.mean):  # nobody measured them
        same = [first.actions] if splits[id_] == "train" else []
        same += [raw.actions for id_, raw in episodes if raw.action_spec == spec and splits[id_] == "train"]
        spec = measured(spec, torch.cat(same or [first.actions]))
    shards: list[Shard] = []
    for split in SPLITS:
        ids = [id_ for id_ in wanted if splits[id_] == split]
        for at in range(0, len(ids), config.shard_episodes):
            chunk = {id_: wanted[id_] for id_ in ids[at : at + config.shard_episodes]}
            shards.append(Shard(len(shards), split, chunk))
    plan = replace(plan, shards=shards, measured=spec)
    plan.stored  # noqa: B018  refuses what cannot be done to such actions, before anything is written
    return plan


def readable(reader: Reader, source: Source, places: dict[str, Place]) -> Iterator[tuple[str, RawEpisode]]:
    """The episodes that can be read; the others are skipped, with their reason, when their shard is written."""
    for id_, place in places.items():
        with source.staged(place.files):
            try:
                raw = reader.read(place)
            except ValueError:
                continue
            yield id_, raw


def transformed(plan: Plan, actions: Shaped[Tensor, "t a"]) -> tuple[ActionSpec, Shaped[Tensor, "n b"]]:
    """Actions as they are stored, and what they mean."""
    spec, found = rename(plan.measured, actions, plan.config.rename_actions)
    spec, found = discretise(spec, found, plan.config.discretise)
    return merge(spec, found, plan.config.frame_step, plan.config.merge_actions)


def usable(plan: Plan, places: dict[str, Place], id_: str) -> bool:
    """Whether an episode will be stored; decodes it."""
    with plan.source.staged(places[id_].files), single_thread():
        try:
            pieces(read_episode(plan, id_, places[id_], lambda frames: None)[0], plan.config)
        except ValueError:
            return False
    return True


def assign_splits(places: dict[str, Place], config: PrepConfig, usable: Callable[[str], bool]) -> dict[str, str]:
    """Split of every episode: what its recording says, else a folder on its way, else by a hash of its id (or level).

    The hash puts an episode into the same split whatever else is prepared with it. Only where that leaves a wanted
    split without a usable episode, the usable one (or its level) of the nearest hash goes there.

    Args:
        usable: whether the episode of an id will be stored; asked of few.
    """
    if config.split_by == "level":
        by_level: dict[str, list[str]] = {}
        for id_, place in places.items():
            by_level.setdefault(place.level, []).append(id_)
        levels = choose_splits(
            dict.fromkeys(by_level, ""),
            config.validation_fraction,
            config.test_fraction,
            usable=lambda level: any(map(usable, by_level[level])),
        )
        return {id_: levels[place.level] for id_, place in places.items()}
    said = {id_: place.split for id_, place in places.items()}
    told = {id_ for id_, place in places.items() if place.told and place.split == "train"}
    return choose_splits(said, config.validation_fraction, config.test_fraction, told, usable)


def choose_splits(
    said: dict[str, str],
    validation: float,
    test: float,
    told_train: Collection[str] = (),
    usable: Callable[[str], bool] = lambda _: True,
) -> dict[str, str]:
    """See :func:`assign_splits`.

    Args:
        said: name -> the split that its recording or a folder says, ``""`` where neither does.
        told_train: those whose recording says ``train``, while no folder does. A data set that calls everything so has
            nothing else to draw ``val`` and ``test`` from; where others say nothing, those are drawn from instead.
    """

    def position(name: str) -> float:
        return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big") / 2**64

    splits = {name: split for name, split in said.items() if split}
    silent = sorted((name for name in said if name not in splits), key=position)
    pools = [pool for pool in (silent, sorted(told_train, key=position)) if pool]
    wanted = {"test": test, "val": validation}
    for split in wanted:
        if wanted[split] > 0 and any(usable(name) for name, one in splits.items() if one == split):
            wanted[split] = 0.0
    for name in pools[0] if pools else []:
        u = position(name)
        splits[name] = "test" if u < wanted["test"] else "val" if u < wanted["test"] + wanted["val"] else "train"
    for split, part in wanted.items():
        if part > 0 and not any(usable(name) for name in said if splits[name] == split):
            free = (name for pool in pools for name in pool if splits[name] == "train" and usable(name))
            moved = next(free, None)
            if moved and any(usable(name) for name in said if splits[name] == "train" and name != moved):
                splits[moved] = split
    return splits


def write_episodes(plan: Plan, out: Folder, shard: Shard) -> None:
    """Decode the episodes of a shard and write it; its frames may not fit into memory, and lie in a file meanwhile."""
    size, files = plan.config.frame_size, {file for place in shard.places.values() for file in place.files}
    spooled = out.path / f"{shard_name(shard.index)}.frames.{os.getpid()}.partial"
    with plan.source.staged(files), Spool(spooled, torch.uint8, (size, size, 3)) as frames:
        tensors, infos, skipped = decode_shard(plan, shard, frames)
        write_shard(out, shard.index, {"frames": frames, **tensors}, infos, skipped)


def decode_shard(
    plan: Plan, shard: Shard, frames: Spool
) -> tuple[dict[str, Tensor], list[EpisodeInfo], list[dict[str, str]]]:
    """The tensors of a shard beside its frames, the episodes in it, and those that could not be used."""
    infos: list[EpisodeInfo] = []
    actions: list[Tensor] = []
    rewards: list[Tensor] = []
    skipped: list[dict[str, str]] = []
    start = 0
    for id_, place in shard.places.items():
        first = frames.written
        try:
            whole, episode_actions, episode_rewards = read_episode(plan, id_, place, frames.append)
            spans = pieces(whole, plan.config)
        except ValueError as error:
            skipped.append({"source": id_, "reason": str(error)})
            print(f"skipped {id_}: {error}", flush=True)
            continue
        for info, span in spans:
            infos.append(replace(info, split=shard.split, shard=shard.index, start=start))
            frames.keep(first + span.start, first + span.stop)
            actions.append(episode_actions[span])
            rewards.append(episode_rewards[span])
            start += info.length
    tensors = {"actions": torch.cat(actions or [torch.empty((0, plan.stored.width), dtype=plan.stored.dtype)])}
    if any(info.rewards for info in infos):
        tensors["rewards"] = torch.cat(rewards)
    return tensors, infos, skipped


def read_episode(
    plan: Plan, id_: str, place: Place, keep: Callable[[UInt8[Tensor, "n h w c"]], None]
) -> tuple[EpisodeInfo, Shaped[Tensor, "t a"], Float[Tensor, "t"]]:
    """Read one episode as it will be stored: actions, and rewards, NaN where they are not known.

    Args:
        keep: takes its frames, some at a time, and perhaps a few more after them.

    Raises:
        ValueError: why it cannot be used.
    """
    config, raw = plan.config, plan.reader.read(place)
    if raw.action_spec != plan.recorded:
        raise ValueError(f"{place.files[-1]}: its actions differ from the other episodes'")
    if raw.fps != plan.fps:
        raise ValueError(f"{place.files[-1]}: {raw.fps} frames/s, but the other episodes have {plan.fps}")
    count = 0
    for piece in raw.frames():
        chosen = piece[-count % config.frame_step :: config.frame_step]
        count += len(piece)
        if len(chosen):
            keep(resize(chosen, config.frame_size, config.fit, str(place.path)))
    if count != len(raw.actions):
        raise ValueError(f"{place.files[-1]}: {len(raw.actions)} actions, but {place.path.name} has {count} frames")
    rewards = torch.full((count,), torch.nan) if raw.rewards is None else raw.rewards
    if len(rewards) != count:
        raise ValueError(f"{place.files[-1]}: {len(rewards)} rewards, but {place.path.name} has {count} frames")
    if count < config.frame_step:
        raise ValueError(f"{place.path}: has {count} frame(s), fewer than frame_step {config.frame_step}")
    length = count // config.frame_step
    actions = transformed(plan, raw.actions)[1]
    rewards, ends = merge_outcomes(rewards, raw.ends, raw.discontinuities, config.frame_step)
    cuts = sorted({t // config.frame_step for t in raw.discontinuities if t < length * config.frame_step})
    info = EpisodeInfo(
        id=id_,
        split="",
        shard=0,
        start=0,
        length=length,
        level=place.level,
        source=id_ + (place.path.suffix if not place.key else ""),
        sha256=digest(place.path),
        discontinuities=tuple(cuts),
        ends=ends,
        rewards=raw.rewards is not None,
    )
    return info, actions, rewards


def pieces(info: EpisodeInfo, config: PrepConfig) -> list[tuple[EpisodeInfo, slice]]:
    """The parts of an episode that are stored as episodes: all of it, or what lies between discontinuities.

    Raises:
        ValueError: none is long enough.
    """
    ends = [*(t + 1 for t in info.discontinuities if t + 1 < info.length), info.length] if config.cut else [info.length]
    firsts = [0, *ends[:-1]]
    found = []
    for number, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        if end - first >= config.shortest:
            name = f"{info.id}/{number:03d}" if config.cut else info.id
            cuts = () if config.cut else info.discontinuities
            over = tuple(t - first for t in info.ends if first <= t < end)
            piece = replace(info, id=name, length=end - first, discontinuities=cuts, ends=over)
            found.append((piece, slice(first, end)))
    if not found:
        raise ValueError(f"{info.source}: has {info.length} frames and no {config.shortest} without a break in a row")
    return found


@lru_cache(maxsize=4)
def digest(path: Path) -> str:
    """sha256 of a file; many episodes may lie in one."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def empty_splits(store: Store, validation: float, test: float) -> list[str]:
    """A line for each split that was wanted and has no episode."""
    remedies = {
        "train": "add recordings, or lower validation_fraction and test_fraction",
        "val": "add recordings, put some into a folder called val, or set validation_fraction to 0",
        "test": "add recordings, put some into a folder called test, or set test_fraction to 0",
    }
    there = {info.split for info in store.episodes}
    wanted = {"train": validation + test < 1, "val": validation > 0, "test": test > 0}
    return [
        f"WARNING: no episode in split {split}; {remedies[split]}"
        for split in SPLITS
        if wanted[split] and split not in there
    ]


def report(store: EpisodeStore) -> str:
    """Episodes, frames, action histogram and skipped files of a store, as text."""
    lines = [f"{store}: {len(store.episodes)} episodes, {sum(e.length for e in store.episodes)} frames"]
    reader = str(store.header.provenance.get("reader", "")).removesuffix("Reader")
    lines.append(f"  read as {reader}: {store.header.alignment}")
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
    if store.rewarded:
        known = [info for info in store.episodes if info.rewards]
        rewards = torch.cat([store.outcomes(info).rewards for info in known])
        lines.append(
            f"  rewards of {len(known)} episodes: {int((rewards != 0).sum())} frames earn some, from"
            f" {float(rewards.min()):g} to {float(rewards.max()):g}; {sum(len(info.ends) for info in known)} ends"
        )
    skipped = [row for i in range(store.header.shards) for row in read_shard_index(store.place, i)[1]]
    lines.append(f"  skipped {len(skipped)} episode(s)")
    lines += [f"    {row['source']}: {row['reason']}" for row in skipped]
    return "\n".join(lines)
