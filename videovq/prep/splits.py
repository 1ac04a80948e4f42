"""Splits: which episodes, or which parts of them, are in ``train``, ``val`` and ``test``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping

from videovq.config import PrepConfig, TrainPredictorConfig
from videovq.data.store import SPLITS, Store
from videovq.prep.sources.contract import Entry

WINDOW = TrainPredictorConfig.window  # frames: an end is at least so long, and so far from what is trained on
SHORTEST_TRAIN = 2 * WINDOW  # frames that must be left to train on


def assign_splits(entries: dict[str, Entry], config: PrepConfig, frames: Callable[[str], int]) -> dict[str, str]:
    """Split of every episode: what its recording says, else a folder on its way, else by a hash of its id (or level).

    The hash puts an episode into the same split whatever else is prepared with it. Only where that leaves a wanted
    split without a usable episode, the usable one (or its level) of the nearest hash goes there.

    Args:
        frames: how many frames of the episode of an id will be stored; 0: it cannot be used. Asked of few.
    """
    if config.split_by == "level":
        by_level: dict[str, list[str]] = {}
        for id_, entry in entries.items():
            by_level.setdefault(entry.level, []).append(id_)
        levels = choose_splits(
            dict.fromkeys(by_level, ""),
            config.validation_fraction,
            config.test_fraction,
            usable=lambda level: any(map(frames, by_level[level])),
        )
        return {id_: levels[entry.level] for id_, entry in entries.items()}
    said, stated = stated_splits(entries)
    return choose_splits(said, config.validation_fraction, config.test_fraction, stated, lambda id_: frames(id_) > 0)


def stated_splits(entries: dict[str, Entry]) -> tuple[dict[str, str], set[str]]:
    """The split that recordings or folders state, ``""`` where neither does, and the ids of those that only the
    recording puts into ``train``.
    """
    said = {id_: entry.split for id_, entry in entries.items()}
    return said, {id_ for id_, entry in entries.items() if entry.stated and entry.split == "train"}


def choose_splits(
    said: dict[str, str],
    validation: float,
    test: float,
    stated_train: Collection[str] = (),
    usable: Callable[[str], bool] = lambda _: True,
) -> dict[str, str]:
    """See :func:`assign_splits`.

    Args:
        said: name -> the split that its recording or a folder says, ``""`` where neither does.
        stated_train: those whose recording says ``train``, while no folder does. A data set that calls everything so
            has nothing else to draw ``val`` and ``test`` from; where others say nothing, those are drawn from instead.
            What lies in a folder called ``train`` is the last from which ``val`` is drawn, and ``test`` never is.
    """

    def position(name: str) -> float:
        return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big") / 2**64

    splits = {name: split for name, split in said.items() if split}
    silent = sorted((name for name in said if name not in splits), key=position)
    pools = [pool for pool in (silent, sorted(stated_train, key=position)) if pool]
    last = sorted((name for name in said if said[name] == "train" and name not in stated_train), key=position)
    wanted = {"test": test, "val": validation}
    for split in wanted:
        if wanted[split] > 0 and any(usable(name) for name, one in splits.items() if one == split):
            wanted[split] = 0.0
    for name in pools[0] if pools else last:
        u, tested = position(name), wanted["test"] if pools else 0.0
        splits[name] = "test" if u < tested else "val" if u < tested + wanted["val"] else "train"
    for split in split_fractions(validation, test):
        if wanted.get(split) != 0 and not any(usable(name) for name in said if splits[name] == split):
            among = [*pools, last] if split == "val" else pools
            free = [name for one in ("train", "test", "val") for pool in among for name in pool if splits[name] == one]
            others = {name: [z for z in said if z != name and splits[z] == splits[name]] for name in free}
            moved = next((name for name in free if usable(name) and any(map(usable, others[name]))), None)
            if moved:
                splits[moved] = split
    return splits


def share_episodes(
    entries: dict[str, Entry], splits: dict[str, str], config: PrepConfig, frames: Callable[[str], int]
) -> dict[str, dict[str, slice]]:
    """Where there are too few episodes for a split each: which frames of an episode go to which split, by id.

    Validation and test frames are cut from the ends of every episode that is long enough, with a window of frames
    between them and what is trained on, which goes to none: frames that close are almost the same. An episode that is
    not named here goes whole to its split.

    Args:
        splits: of every episode, as :func:`assign_splits` says.
        frames: how many frames of an episode will be stored.
    """
    if config.split_by == "level":
        return {}  # a level that was seen is none to test with
    said, stated = stated_splits(entries)
    wanted = split_fractions(config.validation_fraction, config.test_fraction)

    def missing(split: str, among: dict[str, str]) -> bool:
        return not any(one == split and frames(id_) for id_, one in among.items())

    if "train" not in wanted or not any(missing(split, splits) for split in wanted):
        return {}
    fixed = {id_: split for id_, split in said.items() if split and id_ not in stated}
    parts = {split: part for split, part in wanted.items() if split != "train" and missing(split, fixed)}
    free = [id_ for id_ in entries if id_ not in fixed]
    return {id_: spans for id_ in free if (spans := cut_ends(frames(id_), parts))}


def split_fractions(validation: float, test: float) -> dict[str, float]:
    """The splits that are wanted, and which part of the episodes each gets."""
    parts = {"test": test, "val": validation, "train": 1 - validation - test}
    return {split: part for split, part in parts.items() if part > 1e-9}  # 1 - 0.3 - 0.7 is a little more than 0


def cut_ends(length: int, parts: Mapping[str, float]) -> dict[str, slice]:
    """The frames of an episode that go to each split; empty: it is too short.

    Args:
        length: number of frames.
        parts: split -> part of the frames that is to be cut from the end for it.
    """
    spans: dict[str, slice] = {}
    stop = length
    for split in ("test", "val"):
        if split in parts:
            first = stop - max(WINDOW, round(parts[split] * length))
            spans[split] = slice(first, stop)
            stop = first - WINDOW
    return {"train": slice(0, stop), **spans} if spans and stop >= SHORTEST_TRAIN else {}


def empty_splits(store: Store, validation: float, test: float) -> list[str]:
    """A line for each split that was wanted and has no episode."""
    more = "add recordings, or longer ones"
    remedies = {
        "train": f"{more}, or lower validation_fraction and test_fraction",
        "val": f"{more}, put some into a folder called val, or set validation_fraction to 0",
        "test": f"{more}, put some into a folder called test, or set test_fraction to 0",
    }
    there = {info.split for info in store.episodes}
    wanted = split_fractions(validation, test)
    return [
        f"WARNING: no episode in split {split}; {remedies[split]}"
        for split in SPLITS
        if split in wanted and split not in there
    ]
