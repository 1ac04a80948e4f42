"""How sure a mean is: resampling whole episodes, since windows of one episode say nearly the same."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

RESAMPLES = 1000


def interval(
    values: Float[Tensor, "w *n"], episodes: Int64[Tensor, "w"], seed: int = 0
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]] | None:
    """The 95 % percentile interval of the mean over windows (Efron and Tibshirani 1993, chapter 13); None where all are
    of one episode, which says nothing of how another would differ.

    Args:
        values: one or several for each window.
        episodes: number of the episode of each window.
    """
    known, member = episodes.unique(return_inverse=True)
    if len(known) < 2:
        return None
    flat = values.double().flatten(1) if values.ndim > 1 else values.double()[:, None]
    sums = torch.zeros(len(known), flat.shape[1], dtype=torch.float64).index_add_(0, member, flat)
    sizes = torch.bincount(member, minlength=len(known)).double()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(known), (RESAMPLES, len(known)), generator=generator)
    times = torch.zeros(RESAMPLES, len(known), dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones_like(drawn, dtype=torch.float64)
    )
    means = (times @ sums) / (times @ sizes)[:, None]
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    return low.view(values.shape[1:]).float(), high.view(values.shape[1:]).float()


def as_json(values: Float[Tensor, "w *n"], episodes: Int64[Tensor, "w"], seed: int = 0) -> tuple[Any, Any]:
    """The ends of the interval as JSON values, null where there is none."""
    found = interval(values, episodes, seed)
    return (None, None) if found is None else (found[0].tolist(), found[1].tolist())


def spelt(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval for people."""
    return "one episode: no interval" if low is None else f"{low:.{digits}f} to {high:.{digits}f}"
