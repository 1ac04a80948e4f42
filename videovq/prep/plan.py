"""The plan of a preparation: which episodes go into which shard, and how their actions are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from videovq.config import PrepConfig
from videovq.parsing import to_plain
from videovq.prep.sources.contract import AFTER, BEFORE, OUTCOME_KEYS, PIXEL_KEYS, WITHOUT, Entry, Reader
from videovq.prep.staging import Source
from videovq.prep.transform import discretise, merge, rename
from videovq.types import ActionSpec


@dataclass(frozen=True)
class Shard:
    """One unit of work: the episodes that go into a shard.

    Attributes:
        entries: id of an episode -> its index entry.
        parts: id of an episode that is shared between splits -> the frames of it that belong here, as they are stored.
    """

    index: int
    split: str
    entries: dict[str, Entry]
    parts: dict[str, slice] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The plan of a preparation; a continued run must find the same.

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
        """All that decides the content of the store, as JSON values, to compare with an interrupted run."""
        sizes = [
            {id_: sum(p.stat().st_size for p in entry.files if p.is_file()) for id_, entry in shard.entries.items()}
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
        """The alignment of actions and frames in the source."""
        silent = self.recorded.kind == "none" and self.reader.alignment in (AFTER, BEFORE)
        return WITHOUT if silent else self.reader.alignment

    @cached_property
    def stored(self) -> ActionSpec:
        """The specification of the actions as they are stored."""
        return transformed(self, torch.empty((0, self.measured.width), dtype=self.measured.dtype))[0]


def transformed(plan: Plan, actions: Shaped[Tensor, "t a"]) -> tuple[ActionSpec, Shaped[Tensor, "n b"]]:
    """The specification of stored actions, and recorded actions turned into them."""
    spec, found = rename(plan.measured, actions, plan.config.rename_actions)
    spec, found = discretise(spec, found, plan.config.discretise)
    return merge(spec, found, plan.config.frame_step, plan.config.merge_actions)
