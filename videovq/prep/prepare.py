"""``videovq prep``: recorded episodes of any known format -> an EpisodeStore."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from videovq import __version__
from videovq.config import PrepConfig
from videovq.data.folders import Folder, open_folder
from videovq.data.spool import Spool
from videovq.data.store import (
    EpisodeStore,
    StoreHeader,
    claimed,
    read_shard_index,
    remove_shard,
    shard_is_complete,
    shard_name,
    write_shard,
)
from videovq.errors import UserError
from videovq.prep.episode import Beside, naming, pieces, read_episode
from videovq.prep.parallel import run_all, run_on_ray
from videovq.prep.plan import Plan, Shard
from videovq.prep.possible import possible
from videovq.prep.report import drawn_from_train, report, shared
from videovq.prep.sources.formats import format_of, index_of
from videovq.prep.splits import empty_splits, split_fractions
from videovq.prep.staging import open_source
from videovq.prep.survey import make_plan
from videovq.progress import progress
from videovq.types import EpisodeInfo


def prepare(config: PrepConfig) -> EpisodeStore:
    """Decode, fit, resize and split every episode of ``config.source`` into ``config.out``.

    Shards that an interrupted run completed are kept. An episode that cannot be used is skipped with a line that
    says why; the report counts them.

    Raises:
        UserError: a setting cannot work, ``out`` holds another preparation, or no episode is usable.
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
        UserError: no episode is usable.
    """
    todo = [shard for shard in plan.shards if not shard_is_complete(out, shard.index)]
    with progress(len(plan.shards), "prep", "shard", done=len(plan.shards) - len(todo)) as bar:
        for _ in engine(plan.config)(partial(write_episodes, plan, out), todo, plan.config.workers):
            bar.update()

    if not any(read_shard_index(out, shard.index)[0] for shard in plan.shards):
        first = read_shard_index(out, 0)[1][0]["reason"]
        for shard in plan.shards:  # they would be in the way of another try
            remove_shard(out, shard.index)
        raise UserError(f"{plan.config.source}: no usable episode; the first was skipped because: {first}")
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
    """The function that runs the work: see :func:`videovq.prep.parallel.run_all`."""
    return run_all if config.engine == "local" else partial(run_on_ray, address=config.address)


def write_episodes(plan: Plan, out: Folder, shard: Shard) -> None:
    """Decode the episodes of a shard and write it; its frames may not fit into memory, and lie in a file meanwhile."""
    size, files = plan.config.frame_size, {file for entry in shard.entries.values() for file in entry.files}
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
    stored: list[Beside] = []
    skipped: list[dict[str, str]] = []
    sizes: Counter[str] = Counter()
    start = 0
    for id_, entry in shard.entries.items():
        first = frames.written
        try:
            with naming(id_):
                whole, beside, (height, width) = read_episode(plan, id_, entry, frames.append)
            part = shard.parts.get(id_)
            if part and shard.split != "train":
                whole = replace(whole, id=f"{id_}/{shard.split}")
            spans = pieces(whole, plan.config, part)
            sizes[f"{width}x{height}"] += 1 if shard.split == "train" or not part else 0
        except UserError as error:
            skipped.append({"source": id_, "reason": str(error)})
            print(f"skipped {id_}: {error}", flush=True)
            continue
        for info, span in spans:
            infos.append(replace(info, split=shard.split, shard=shard.index, start=start))
            frames.keep(first + span.start, first + span.stop)
            stored.append(Beside(beside.actions[span], beside.rewards[span], beside.poses[span]))
            start += info.length
    none = torch.empty((0, plan.stored.width), dtype=plan.stored.dtype)
    tensors = {"actions": torch.cat([none, *(one.actions for one in stored)])}
    if any(info.rewards for info in infos):
        tensors["rewards"] = torch.cat([one.rewards for one in stored])
    if any(one.poses.isfinite().any() for one in stored):
        tensors["poses"] = torch.cat([one.poses for one in stored])
    return tensors, infos, skipped, dict(+sizes)
