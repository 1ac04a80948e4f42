"""Bootstrap confidence intervals that resample whole episodes, since windows of one episode are strongly correlated."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RESAMPLES = 1000
ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)


def resample_episodes(episodes: Int64[Tensor, "w"], seed: int) -> tuple[Int64[Tensor, "w"], Float[Tensor, "r e"]]:
    """Bootstrap resamples: episodes drawn with replacement, as many as there are, ``RESAMPLES`` times.

    Returns:
        The index of the episode of each window; how often each resample has each episode.
    """
    known, member = episodes.unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(known), (RESAMPLES, len(known)), generator=generator)
    times = torch.zeros(RESAMPLES, len(known), dtype=torch.float64)
    return member, times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))


def bootstrap_means(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> Float[Tensor, "r *n"] | None:
    """The mean over windows in every bootstrap resample; None where all are of one episode, which says nothing of the
    variance between episodes.

    Args:
        values: one or several for each window.
        episodes: number of the episode of each window.
        over: denominators of a ratio of sums: weights, for instance, or the true values. A mean whose denominators are
            nonzero in a single episode is nan.
    """
    member, times = resample_episodes(episodes, seed)
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


def bootstrap_interval(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]] | None:
    """The 95 % bootstrap confidence interval of the mean over windows, by percentiles (Efron and Tibshirani 1993,
    chapter 13). Arguments and None as in :func:`bootstrap_means`.
    """
    means = bootstrap_means(values, episodes, seed, over)
    return None if means is None else percentile_interval(means)


def percentile_interval(means: Float[Tensor, "r *n"]) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """The 95 % percentile interval of resampled means; nan where there are none."""
    low, high = torch.nanquantile(means, ENDS, dim=0)
    return low.float(), high.float()


def interval_json(
    values: Float[Tensor, "w *n"],
    episodes: Int64[Tensor, "w"],
    seed: int = 0,
    over: Float[Tensor, "w *n"] | None = None,
) -> tuple[Any, Any]:
    """The bounds of :func:`bootstrap_interval` as JSON values, null where there is none."""
    found = bootstrap_interval(values, episodes, seed, over)
    return (None, None) if found is None else (json_values(found[0]), json_values(found[1]))


def mean_summary(values: Float[Tensor, "w"], episodes: Int64[Tensor, "w"], seed: int) -> dict[str, float | None]:
    """Mean over windows and its 95 % bootstrap confidence interval as JSON values, without bounds where there is one
    episode only.
    """
    low, high = interval_json(values, episodes, seed)
    return {"mean": float(values.mean()), "low": low, "high": high}


def json_values(values: Float[Tensor, "*n"]) -> Any:
    """A number, or a list of them, as JSON values: null for nan."""
    if values.ndim:
        return [json_values(value) for value in values]
    return float(values) if values.isfinite() else None


def horizon_summary(
    values: Float[Tensor, "w n"], episodes: Int64[Tensor, "w"], seed: int, over: Float[Tensor, "w n"] | None = None
) -> dict[str, Any]:
    """Mean and 95 % bootstrap confidence interval by horizon, and of the mean over horizons. The bounds are None where
    there is one episode only; everything is None where nothing was measured.

    Args:
        over: denominators of a ratio of sums, see :func:`bootstrap_means`.
    """
    over = torch.ones_like(values) if over is None else over
    means, again = values.double().sum(dim=0) / over.double().sum(dim=0), bootstrap_means(values, episodes, seed, over)
    low, high = (None, None) if again is None else map(json_values, percentile_interval(again))
    all_low, all_high = (None, None) if again is None else map(json_values, percentile_interval(again.nanmean(dim=1)))
    return {
        "mean": json_values(means.nanmean()),
        "low": all_low,
        "high": all_high,
        "by_horizon": json_values(means),
        "low_by_horizon": low,
        "high_by_horizon": high,
    }


def format_interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """A confidence interval as text."""
    return "one episode: no interval" if low is None else f"{low:.{digits}f} to {high:.{digits}f}"


def format_mean(found: dict[str, Any] | None, digits: int = 3, between: str = "\n", absent: str = "") -> str:
    """A mean with its confidence interval as text; ``absent`` where there is none."""
    if found is None or found["mean"] is None:
        return absent
    return f"{found['mean']:.{digits}f}{between}({format_interval(found['low'], found['high'], digits)})"


def horizon_cells(found: dict[str, Any], digits: int) -> str:
    """The means by horizon of a :func:`horizon_summary`, as cells of a line for a terminal."""
    return "".join(f"{'-':>7}" if mean is None else f"{mean:>7.{digits}f}" for mean in found["by_horizon"])
