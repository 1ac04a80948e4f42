"""The summary that ``prep`` prints of the store it made."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from videovq.data.store import SPLITS, EpisodeStore, read_sizes
from videovq.prep.plan import Plan
from videovq.prep.splits import WINDOW


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
    placed = sum(bool(store.poses(info).isfinite().all()) for info in store.episodes)
    lines += [f"  poses of {placed} episodes"] if placed else []
    lines.append(f"  skipped {len(store.skipped)} episode(s)")
    lines += [f"    {row['source']}: {row['reason']}" for row in store.skipped]
    return "\n".join(lines)


def fitted(store: EpisodeStore) -> list[str]:
    """Lines about recordings whose frames were cropped, one for each frame size."""
    found: Counter[str] = Counter()
    for index in range(store.header.shards):
        found.update(read_sizes(store.folder, index))
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
    """A line about validation episodes that come from a folder called ``train``."""
    entries = [entry for shard in plan.shards if shard.split == "val" for entry in shard.entries.values()]
    drawn = sum(entry.split == "train" and not entry.stated for entry in entries)
    return [f"  val: {drawn} episode(s) of the folder train, since nothing is called val"] if drawn else []


def shared(plan: Plan) -> list[str]:
    """A line about episodes that are shared between splits, where there are too few for one split each."""
    ids = {id_ for shard in plan.shards for id_ in shard.parts}
    if not ids:
        return []
    splits = [split for split in SPLITS[1:] if any(shard.parts for shard in plan.shards if shard.split == split)]
    return [
        f"  too few recordings for every split: {' and '.join(splits)} are cut from the end of {len(ids)} of them,"
        f" {WINDOW} frames between the parts are left out"
    ]
