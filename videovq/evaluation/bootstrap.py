"""How sure a mean is: resampling whole episodes, since windows of one episode say nearly the same."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RESAMPLES = 1000
ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)


def draws(episodes: Int64[Tensor, "w"], seed: int) -> tuple[Int64[Tensor, "w"], Float[Tensor, "r e"]]:
    """Episodes drawn with replacement, as many as there are, again and again.

    Returns:
        Which of the episodes each window is of; how often every draw has each episode.
    """
    known, member = episodes.unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(known), (RESAMPLES, len(known)), generator=generator)
    times = torch.zeros(RESAMPLES, len(known), dtype=torch.float64)
    return member, times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def resampled(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> Float[Tensor, "r *n"] | None:
    """The mean over windows, in draws of as many episodes; None where all are of one episode, which says nothing of how
    another would differ.

    Args:
        values: one or several for each window.
        episodes: number of the episode of each window.
        over: of a ratio of sums, what ``values`` are over: their weights, say, or the true values. What has a sum other
            than 0 in one episode only is nan.
    """
    member, times = draws(episodes, seed)
    if times.shape[1] < 2:
        return None
    over = torch.ones_like(values) if over is None else over
    sums, sizes = (
        torch.zeros(times.shape[1], math.prod(z.shape[1:]), dtype=torch.float64).index_add_(
            0, member, z.double().reshape(len(z), -1)
        )
        for z in (values, over)
    )
    means = (times @ sums) / (times @ sizes)
    means[:, (sizes != 0).sum(dim=0) < 2] = torch.nan
    return means.view(RESAMPLES, *values.shape[1:])


def interval(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]] | None:
    """The 95 % percentile interval of the mean over windows (Efron and Tibshirani 1993, chapter 13); the arguments are
    those of :func:`resampled`, and None means the same.
    """
    means = resampled(values, episodes, seed, over)
    return None if means is None else ends_of(means)


def ends_of(means: Float[Tensor, "r *n"]) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """The percentile interval of what was resampled; nan where there is nothing."""
    low, high = torch.nanquantile(means, ENDS, dim=0)
    return low.float(), high.float()


def as_json(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> tuple[Any, Any]:
    """The ends of the interval as JSON values, null where there is none."""
    found = interval(values, episodes, seed, over)
    return (None, None) if found is None else (plain(found[0]), plain(found[1]))


def plain(values: Float[Tensor, "*n"]) -> Any:
    """A number, or a list of them, as JSON values: null for nan."""
    if values.ndim:
        return [plain(value) for value in values]
    return float(values) if values.isfinite() else None


def summary(
    values: Float[Tensor, "w n"], episodes: Int64[Tensor, "w"], seed: int, over: Float[Tensor, "w n"] | None = None
) -> dict[str, Any]:
    """Mean and 95 % interval by horizon, and of the mean of all horizons; the interval's ends are None where there is
    one episode only, and everything where there is nothing.

    Args:
        over: of a ratio of sums, see :func:`resampled`.
    """
    over = torch.ones_like(values) if over is None else over
    means, again = values.double().sum(dim=0) / over.double().sum(dim=0), resampled(values, episodes, seed, over)
    low, high = (None, None) if again is None else map(plain, ends_of(again))
    all_low, all_high = (None, None) if again is None else map(plain, ends_of(again.nanmean(dim=1)))
    return {
        "mean": plain(means.nanmean()),
        "low": all_low,
        "high": all_high,
        "by_horizon": plain(means),
        "low_by_horizon": low,
        "high_by_horizon": high,
    }


def spelt(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval for people."""
    return "one episode: no interval" if low is None else f"{low:.{digits}f} to {high:.{digits}f}"


def cells(found: dict[str, Any], digits: int) -> str:
    """The means of all horizons of a :func:`summary`, as cells of a line for a terminal."""
    return "".join(f"{'-':>7}" if mean is None else f"{mean:>7.{digits}f}" for mean in found["by_horizon"])
