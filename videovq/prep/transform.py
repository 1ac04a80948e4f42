"""Transforms of actions and of their outcomes before they are stored: rename, discretise, merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from videovq.errors import UserError
from videovq.types import ActionSpec


def rename(
    spec: ActionSpec, actions: Shaped[Tensor, "t a"], table: dict[str, str]
) -> tuple[ActionSpec, Shaped[Tensor, "t a"]]:
    """Rename discrete actions; those that get the same name become one.

    Raises:
        UserError: the actions have no names, or the table names one that there is not.
    """
    if not table:
        return spec, actions
    unknown = sorted(set(table) - set(spec.names))
    if unknown:
        raise UserError(f"rename_actions: no action {unknown[0]!r}; there are: {', '.join(spec.names) or 'no names'}")
    wanted = [table.get(name, name) for name in spec.names]
    names = tuple(dict.fromkeys(wanted))
    numbers = torch.tensor([names.index(name) for name in wanted])
    return ActionSpec("discrete", (len(names),), names), numbers[actions]


def discretise(
    spec: ActionSpec, actions: Shaped[Tensor, "t a"], steps: int
) -> tuple[ActionSpec, Shaped[Tensor, "t a"]]:
    """Discretise continuous actions: steps of equal width, from two standard deviations below their mean to two above;
    what lies outside falls into the first or last.

    Raises:
        UserError: the actions are not continuous, or there is a single step.
    """
    if not steps:
        return spec, actions
    if spec.kind != "continuous" or steps < 2:
        raise UserError(f"discretise: needs continuous actions and at least 2 steps; these are {spec.kind}")
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    numbers = (((actions - mean) / std + 2) / 4 * steps).floor().clamp(0, steps - 1).long()
    sizes = (steps,) * spec.width
    return ActionSpec("discrete" if spec.width == 1 else "multi_discrete", sizes), numbers


def merge(
    spec: ActionSpec, actions: Shaped[Tensor, "t a"], step: int, how: str
) -> tuple[ActionSpec, Shaped[Tensor, "n b"]]:
    """Merge every ``step`` actions into one; a remainder at the end is dropped.

    Args:
        how: ``stack``: side by side; ``majority``: the most frequent, the earliest of equals; ``sum``.

    Raises:
        UserError: it cannot be done with such actions, or ``refuse``.
    """
    if step == 1 or spec.kind == "none":
        return spec, actions[: len(actions) // step * step : step]
    groups = actions[: len(actions) // step * step].reshape(-1, step, spec.width)
    if how == "stack" and spec.kind == "continuous":
        return replace(spec, mean=spec.mean * step, std=spec.std * step), groups.flatten(1)
    if how == "stack":
        return ActionSpec("multi_discrete", spec.sizes * step), groups.flatten(1)
    if how == "majority" and spec.kind != "continuous":
        votes = (groups[:, :, None] == groups[:, None]).all(-1).sum(-1)  # how often each action of a group occurs in it
        first = votes.argmax(dim=1)
        return spec, groups[torch.arange(len(groups)), first]
    if how == "sum" and spec.kind == "continuous":
        # Neighbouring actions are alike in recordings of people and policies, so the deviation grows as the sum does.
        mean, std = (tuple(step * v for v in values) for values in (spec.mean, spec.std))
        return replace(spec, mean=mean, std=std), groups.sum(dim=1)
    if how == "refuse":
        raise UserError(
            f"frame_step: {step} merges {step} actions into one; set merge_actions to stack to keep them all,"
            " to majority or to sum, or frame_step to 1"
        )
    raise UserError(f"merge_actions: {how} does not go with {spec.kind} actions")


def merge_outcomes(
    rewards: Float[Tensor, "t"], ends: Sequence[int], cuts: Sequence[int], step: int
) -> tuple[Float[Tensor, "n"], tuple[int, ...]]:
    """The outcomes of every ``step`` actions in the world that the first of their frames shows: the sum of its rewards,
    and whether it ended.

    A remainder at the end is dropped, as its actions are; but an end of the world there counts with the last actions
    that are kept, or hardly any episode would keep its end.

    Args:
        ends: every t where the world ended with action t.
        cuts: every t where frame t + 1 does not follow from action t.
    """
    count, length = len(rewards), len(rewards) // step
    into = torch.arange(count) // step
    if any(t >= length * step for t in ends):
        into = into.clamp(max=length - 1)
    last = torch.zeros(count, dtype=torch.int64)
    last[[t for t in {*ends, *cuts} if 0 <= t < count]] = 1
    world = last.cumsum(0) - last
    kept = into < length
    kept &= world == world[into.clamp(max=length - 1) * step]
    summed = torch.zeros(length).index_add(0, into[kept], rewards[kept])
    return summed, tuple(sorted({int(into[t]) for t in ends if 0 <= t < count and kept[t]}))


def measured(spec: ActionSpec, actions: Shaped[Tensor, "t a"]) -> ActionSpec:
    """A continuous spec with the mean and standard deviation of these actions; numbers that never change keep 1."""
    mean, std = actions.double().mean(dim=0), actions.double().std(dim=0, unbiased=False)
    std = torch.where(std > 0, std, torch.ones_like(std))
    return replace(spec, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
