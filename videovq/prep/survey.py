"""Finding the episodes of a source, and planning their splits and shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, partial

import torch

from videovq.config import PrepConfig
from videovq.data.listing import in_any_locale
from videovq.data.store import SPLITS
from videovq.errors import UserError
from videovq.prep.episode import naming, pieces, read_episode
from videovq.prep.parallel import single_thread
from videovq.prep.plan import Plan, Shard
from videovq.prep.sources.contract import Entry, RawEpisode, Reader
from videovq.prep.sources.formats import open_reader
from videovq.prep.splits import assign_splits, share_episodes
from videovq.prep.staging import Source
from videovq.prep.transform import measured


def make_plan(config: PrepConfig, source: Source) -> Plan:
    """Find the episodes, their splits and shards; decodes one or two only, so that no wanted split is left without any
    that can be used.

    Raises:
        UserError: there are none, the first that can be read cannot be transformed as ``config`` wants, or none can be
            read.
    """
    out = source.local(config.out)
    reader = open_reader(config.format, config.declare, source.path, without=out)
    entries = {
        in_any_locale(id_): replace(entry, level=in_any_locale(entry.level))
        for id_, entry in reader.find(source.path, without=out).items()
    }
    wanted = {id_: p for id_, p in entries.items() if any(fnmatchcase(p.level, one) for one in config.levels or ["*"])}
    if not wanted:
        found = ", ".join(sorted({p.level for p in entries.values()})[:20])
        raise UserError(f"levels: no episode is of such a level; there are: {found}")
    if 0 < config.episodes < len(wanted):
        chosen = torch.linspace(0, len(wanted) - 1, config.episodes).long().tolist()
        wanted = {id_: wanted[id_] for id_ in [list(wanted)[i] for i in chosen]}
    episodes = readable(reader, source, wanted)
    id_, first = next(episodes, ("", None))
    if first is None:
        entry = next(iter(wanted.values()))
        with source.staged(entry.files):
            reader.read(entry)  # says what is wrong with it
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


def readable(reader: Reader, source: Source, entries: dict[str, Entry]) -> Iterator[tuple[str, RawEpisode]]:
    """The episodes that can be read; the others are skipped, with their reason, when their shard is written."""
    for id_, entry in entries.items():
        with source.staged(entry.files):
            try:
                with naming(id_):
                    raw = reader.read(entry)
            except UserError:
                continue
            yield id_, raw


def stored_frames(plan: Plan, entries: dict[str, Entry], id_: str) -> int:
    """The number of frames of an episode that will be stored; 0: it cannot be used. Decodes it."""
    with plan.source.staged(entries[id_].files), single_thread():
        try:
            with naming(id_):
                info = read_episode(plan, id_, entries[id_], lambda frames: None)[0]
            pieces(info, plan.config)
        except UserError:
            return 0
    return info.length
