"""``videovq prep``: recorded episodes of any known format -> an EpisodeStore."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache, partial
from itertools import pairwise
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
    StoreHeader,
    claimed,
    read_shard_index,
    read_sizes,
    remove_shard,
    shard_is_complete,
    shard_name,
    write_shard,
)
from videovq.parsing import to_plain
from videovq.prep.parallel import run_all, run_on_ray, single_thread
from videovq.prep.possible import possible
from videovq.prep.sources.contract import AFTER, BEFORE, OUTCOME_KEYS, PIXEL_KEYS, WITHOUT, Place, RawEpisode, Reader
from videovq.prep.sources.formats import format_of, index_of, open_reader
from videovq.prep.splits import WINDOW, assign_splits, empty_splits, share_episodes, split_fractions
from videovq.prep.staging import Source, open_source
from videovq.prep.transform import discretise, measured, merge, merge_outcomes, rename
from videovq.progress import progress
from videovq.types import ActionSpec, EpisodeInfo

SAME_RATE = 0.02  # cameras hold their rate no better: 29.97 and 30.02 frames a second are the same


@dataclass(frozen=True)
class Shard:
    """One unit of work: the episodes that go into a shard.

    Attributes:
        places: id of an episode -> where it is.
        parts: id of an episode that is shared between splits -> the frames of it that belong here, as they are stored.
    """

    index: int
    split: str
    places: dict[str, Place]
    parts: dict[str, slice] = field(default_factory=dict)


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
        parts = [[part.start, part.stop] for shard in self.shards for part in shard.parts.values()]
        elsewhere = ("source", "out", "workers", "engine", "address")
        settings = {name: value for name, value in to_plain(self.config).items() if name not in elsewhere}
        said = settings["declare"].items()
        later = (*OUTCOME_KEYS, *PIXEL_KEYS)  # a plan from before them goes on
        settings["declare"] = {name: value for name, value in said if value or name not in later}
        if not self.config.cut_every:
            del settings["cut_every"]
        spec = self.measured.to_json()
        found = {"reader": type(self.reader).__name__, "fps": self.fps, "action_spec": spec, "shards": sizes}
        return {**settings, **found, **({"parts": parts} if parts else {})}

    @property
    def alignment(self) -> str:
        """How actions and frames lie in the source."""
        silent = self.recorded.kind == "none" and self.reader.alignment in (AFTER, BEFORE)
        return WITHOUT if silent else self.reader.alignment

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
    wanted = split_fractions(config.validation_fraction, config.test_fraction)
    warnings = empty_splits(store, config.validation_fraction, config.test_fraction)
    print("\n".join([report(store), *drawn_from_train(plan), *shared(plan), *warnings, *possible(store, wanted)]))
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
        for shard in plan.shards:  # they would be in the way of another try
            remove_shard(out, shard.index)
        raise ValueError(f"{plan.config.source}: no usable episode; the first was skipped because: {first}")
    StoreHeader(
        kind="episodes",
        grid=(plan.config.frame_size, plan.config.frame_size),
        fps=plan.fps / plan.config.frame_step,
        action_spec=plan.stored,
        alignment=plan.alignment,
        shards=len(plan.shards),
        provenance={
            "videovq": __version__,
            "format": format_of(plan.reader),
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
    frames = cache(partial(stored_frames, plan, wanted))
    splits = assign_splits(wanted, config, frames)
    shares = share_episodes(wanted, splits, config, frames)
    if spec.kind == "continuous" and set(spec.std) == {1.0} and not any(spec.mean):  # nobody measured them
        known = [(id_, first), *((id_, raw) for id_, raw in episodes if raw.action_spec == spec)]
        trained = [raw.actions[trained_on(id_, splits, shares, config)] for id_, raw in known]
        spec = measured(spec, torch.cat([some for some in trained if len(some)] or [first.actions]))
    shards: list[Shard] = []
    for split in SPLITS:
        ids = [id_ for id_ in wanted if (split in shares[id_] if id_ in shares else splits[id_] == split)]
        for at in range(0, len(ids), config.shard_episodes):
            chunk = ids[at : at + config.shard_episodes]
            parts = {id_: shares[id_][split] for id_ in chunk if id_ in shares}
            shards.append(Shard(len(shards), split, {id_: wanted[id_] for id_ in chunk}, parts))
    plan = replace(plan, shards=shards, measured=spec)
    plan.stored  # noqa: B018  refuses what cannot be done to such actions, before anything is written
    return plan


def trained_on(id_: str, splits: dict[str, str], shares: dict[str, dict[str, slice]], config: PrepConfig) -> slice:
    """The recorded frames of an episode that are trained on."""
    if id_ in shares:
        return slice(0, shares[id_]["train"].stop * config.frame_step)
    return slice(None) if splits[id_] == "train" else slice(0)


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


def stored_frames(plan: Plan, places: dict[str, Place], id_: str) -> int:
    """How many frames of an episode can be stored, 0 if it cannot be used; decodes it."""
    with plan.source.staged(places[id_].files), single_thread():
        try:
            info = read_episode(plan, id_, places[id_], lambda frames: None)[0]
            pieces(info, plan.config)
        except ValueError:
            return 0
    return info.length


def write_episodes(plan: Plan, out: Folder, shard: Shard) -> None:
    """Decode the episodes of a shard and write it; its frames may not fit into memory, and lie in a file meanwhile."""
    size, files = plan.config.frame_size, {file for place in shard.places.values() for file in place.files}
    spooled = out.path / f"{shard_name(shard.index)}.frames.{os.getpid()}.partial"
    with plan.source.staged(files), Spool(spooled, torch.uint8, (size, size, 3)) as frames:
        tensors, infos, skipped, sizes = decode_shard(plan, shard, frames)
        write_shard(out, shard.index, {"frames": frames, **tensors}, infos, skipped, sizes)


def decode_shard(
    plan: Plan, shard: Shard, frames: Spool
) -> tuple[dict[str, Tensor], list[EpisodeInfo], list[dict[str, str]], dict[str, int]]:
    """The tensors of a shard beside its frames, the episodes in it, those that could not be used, and how many
    recordings were of which size (width x height).
    """
    infos: list[EpisodeInfo] = []
    actions: list[Tensor] = []
    rewards: list[Tensor] = []
    skipped: list[dict[str, str]] = []
    sizes: Counter[str] = Counter()
    start = 0
    for id_, place in shard.places.items():
        first = frames.written
        try:
            whole, episode_actions, episode_rewards, (height, width) = read_episode(plan, id_, place, frames.append)
            part = shard.parts.get(id_)
            if part and shard.split != "train":
                whole = replace(whole, id=f"{id_}/{shard.split}")
            spans = pieces(whole, plan.config, part)
            sizes[f"{width}x{height}"] += 1 if shard.split == "train" or not part else 0
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
    return tensors, infos, skipped, dict(+sizes)


def read_episode(
    plan: Plan, id_: str, place: Place, keep: Callable[[UInt8[Tensor, "n h w c"]], None]
) -> tuple[EpisodeInfo, Shaped[Tensor, "t a"], Float[Tensor, "t"], tuple[int, int]]:
    """Read one episode as it will be stored: actions, rewards, NaN where they are not known, and the height and width
    of its frames as they were recorded.

    Args:
        keep: takes its frames, some at a time, and perhaps a few more after them.

    Raises:
        ValueError: why it cannot be used.
    """
    config, raw = plan.config, plan.reader.read(place)
    if raw.action_spec != plan.recorded:
        raise ValueError(f"{place.files[-1]}: its actions differ from the other episodes'")
    if not math.isclose(raw.fps, plan.fps, rel_tol=SAME_RATE):
        raise ValueError(
            f"{place.files[-1]}: {raw.fps} frames/s, but the other episodes have {plan.fps}; convert it, or say what"
            " all have: declare.fps"
        )
    count, size = 0, (0, 0)
    for piece in raw.frames():
        chosen = piece[-count % config.frame_step :: config.frame_step]
        count += len(piece)
        size = (piece.shape[1], piece.shape[2])
        if len(chosen):
            keep(resize(chosen, config.frame_size, config.fit, str(place.path)))
    recorded = raw.actions if raw.action_spec.kind != "none" else raw.actions.new_empty((count, 0))
    if count != len(recorded):
        raise ValueError(f"{place.files[-1]}: {len(recorded)} actions, but {place.path.name} has {count} frames")
    rewards = torch.full((count,), torch.nan) if raw.rewards is None else raw.rewards
    if len(rewards) != count:
        raise ValueError(f"{place.files[-1]}: {len(rewards)} rewards, but {place.path.name} has {count} frames")
    if count < config.frame_step:
        raise ValueError(f"{place.path}: has {count} frame(s), fewer than frame_step {config.frame_step}")
    length = count // config.frame_step
    actions = transformed(plan, recorded)[1]
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
    return info, actions, rewards, size


def pieces(info: EpisodeInfo, config: PrepConfig, part: slice | None = None) -> list[tuple[EpisodeInfo, slice]]:
    """The parts of an episode that are stored as episodes: all of it, or what lies between discontinuities, or so many
    frames at a time.

    Args:
        part: the frames that may be stored; None: all.

    Raises:
        ValueError: none is long enough.
    """
    first, stop = (part.start, part.stop) if part else (0, info.length)
    inner = [t + 1 for t in info.discontinuities if first < t + 1 < stop] if config.cut else []
    stretches = list(pairwise([first, *inner, stop]))
    if config.cut_every:
        stretches = [(at, min(at + config.cut_every, end)) for start, end in stretches
                     for at in range(start, end, config.cut_every)]  # fmt: skip
    found = []
    for number, (start, end) in enumerate(stretches):
        if end - start >= config.shortest:
            name = f"{info.id}/{number:03d}" if config.cut or config.cut_every else info.id
            cuts, over = (
                tuple(t - start for t in some if start <= t < end) for some in (info.discontinuities, info.ends)
            )
            piece = replace(info, id=name, length=end - start, discontinuities=cuts, ends=over)
            found.append((piece, slice(start, end)))
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


def fitted(store: EpisodeStore) -> list[str]:
    """What became of pictures that were not square, a line for each size."""
    found: Counter[str] = Counter()
    for index in range(store.header.shards):
        found.update(read_sizes(store.place, index))
    lines = []
    for name, number in found.items():
        side, longer = sorted(map(int, name.split("x")))
        if side != longer and store.header.provenance["fit"] == "crop":
            lines.append(
                f"  cropped: {number} recording(s) of {name} to the {side}x{side} in the middle,"
                f" {1 - side / longer:.0%} of the picture is gone; --fit letterbox keeps it within black bars,"
                " --fit stretch distorts it"
            )
    return lines


def drawn_from_train(plan: Plan) -> list[str]:
    """That episodes which lie in a folder called ``train`` are validated with."""
    places = [place for shard in plan.shards if shard.split == "val" for place in shard.places.values()]
    drawn = sum(place.split == "train" and not place.told for place in places)
    return [f"  val: {drawn} episode(s) of the folder train, since nothing is called val"] if drawn else []


def shared(plan: Plan) -> list[str]:
    """What was done where there are too few episodes for all splits."""
    ids = {id_ for shard in plan.shards for id_ in shard.parts}
    if not ids:
        return []
    splits = [split for split in SPLITS[1:] if any(shard.parts for shard in plan.shards if shard.split == split)]
    return [
        f"  too few recordings for every split: {' and '.join(splits)} are cut from the end of {len(ids)} of them,"
        f" {WINDOW} frames between the parts are left out"
    ]


def report(store: EpisodeStore) -> str:
    """Episodes, frames, action histogram and skipped files of a store, as text."""
    lines = [f"{store}: {len(store.episodes)} episodes, {sum(e.length for e in store.episodes)} frames"]
    lines.append(f"  read as {store.header.provenance['format']}: {store.header.alignment}")
    lines += fitted(store)
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
