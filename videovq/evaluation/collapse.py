"""Collapse of code diversity in rollouts, and bootstrap confidence intervals of code statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.evaluation.bootstrap import bootstrap_interval, json_values, percentile_interval, resample_episodes
from videovq.models.quantizers.contract import count, perplexity

SPAN = 30  # frames whose codes are counted together
HALF = 0.5  # of the data's perplexity: less is a collapse


def running_perplexity(codes: Int64[Tensor, "n y x"], codebook_size: int) -> Float[Tensor, "m"]:
    """Perplexity of the codes of every ``SPAN`` consecutive frames."""
    spans = codes.flatten(1).unfold(0, SPAN, 1).flatten(1)
    return torch.tensor([float(perplexity(count(one, codebook_size))) for one in spans])


def collapse(
    rolled: Int64[Tensor, "b n y x"],
    real: Sequence[Int64[Tensor, "_ y x"]],
    episodes: Int64[Tensor, "b"],
    codebook_size: int,
    seed: int,
) -> dict[str, Any] | None:
    """Frames until collapse: the first frame with which the perplexity of the codes of the last ``SPAN`` frames of a
    rollout falls below half of the data's, which is the median over stretches of as many frames of real episodes.

    Args:
        rolled: codes of rollouts.
        real: codes of real episodes.
        episodes: index of the episode that each rollout started in.
        seed: of the bootstrap confidence interval.

    Returns:
        JSON values: the ``median`` over rollouts with the 95 % interval over episodes (``low``, ``high``), where a
        rollout that did not collapse counts with its length: a median as long as that is a bound; ``first``: the frame
        of each rollout, or null; ``collapsed``: how many did; ``data``: the data's perplexity; ``real``: the part of
        the real stretches that are below half of it, too. None: rollouts or episodes are shorter than ``SPAN``.
    """
    stretches = [part for one in real for part in one.split(SPAN) if len(part) == SPAN]
    length = rolled.shape[1]
    if length < SPAN or not stretches:
        return None
    known = torch.tensor([float(perplexity(count(part.flatten(), codebook_size))) for part in stretches])
    data = float(known.median())
    below = torch.stack([running_perplexity(one, codebook_size) < HALF * data for one in rolled])
    collapsed = below.any(dim=1)
    first = torch.where(collapsed, below.int().argmax(dim=1) + SPAN, length)
    low, high = median_interval(first, episodes, seed)
    return {
        "span": SPAN,
        "data": data,
        "real": float((known < HALF * data).float().mean()),
        "length": length,
        "median": int(first.median()),
        "low": low,
        "high": high,
        "collapsed": int(collapsed.sum()),
        "first": [int(t) if fell else None for t, fell in zip(first, collapsed, strict=True)],
    }


def median_interval(
    values: Int64[Tensor, "b"], episodes: Int64[Tensor, "b"], seed: int
) -> tuple[int | None, int | None]:
    """The 95 % bootstrap confidence interval of the (lower) median over episodes; None where there is only one."""
    member, times = resample_episodes(episodes, seed)
    if times.shape[1] < 2:
        return None, None
    rising = values.argsort()
    weights = times[:, member[rising]].cumsum(dim=1)
    middle = (weights < weights[:, -1:] / 2).sum(dim=1)
    low, high = percentile_interval(values[rising][middle].double())
    return int(low), int(high)


def code_intervals(
    codes: Int64[Tensor, "b n y x"], episodes: Int64[Tensor, "b"], codebook_size: int, seed: int
) -> dict[str, list[float] | None]:
    """The 95 % bootstrap confidence intervals over episodes of the code statistics of a segment of rollouts: the
    perplexity of its codes, and the part of them that change from frame to frame.
    """
    changed = (codes[:, 1:] != codes[:, :-1]).flatten(1).float().mean(dim=1) if codes.shape[1] > 1 else None
    found = None if changed is None else bootstrap_interval(changed, episodes, seed)
    return {
        "perplexity_interval": _perplexity_interval(codes, episodes, codebook_size, seed),
        "changed_interval": None if found is None else [json_values(end) for end in found],
    }


def _perplexity_interval(
    codes: Int64[Tensor, "b n y x"], episodes: Int64[Tensor, "b"], codebook_size: int, seed: int
) -> list[float] | None:
    member, times = resample_episodes(episodes, seed)
    if times.shape[1] < 2:
        return None
    usage = torch.zeros(times.shape[1], codebook_size, dtype=torch.float64)
    for number, one in zip(member.tolist(), codes, strict=True):
        usage[number] += torch.bincount(one.flatten(), minlength=codebook_size)
    usage = usage[:, usage.sum(dim=0) > 0]
    found = torch.tensor([float(perplexity(one @ usage)) for one in times], dtype=torch.float64)
    return [json_values(end) for end in percentile_interval(found)]
