"""Curves with confidence bands and tables of measures by horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from videovq.page import table
from videovq.pictures import drawn, new_figure


def horizon_curves(lines: Sequence[tuple[str, dict[str, Any]]], label: str) -> np.ndarray:
    """Means with 95 % bands, where there are several episodes, against the horizon, one line for each summary."""
    chart = new_figure(6.4, 3.8)
    axis: Axes = chart.subplots()
    for name, found in lines:
        steps = range(1, len(found["by_horizon"]) + 1)
        means = _gaps(found["by_horizon"])
        (line,) = axis.plot(steps, means, marker="o" if len(steps) <= 30 else "", ms=3.5, label=name)
        if found["low"] is not None:
            low, high = _gaps(found["low_by_horizon"]), _gaps(found["high_by_horizon"])
            axis.fill_between(steps, low, high, alpha=0.15, color=line.get_color(), lw=0)
    axis.set(xlabel="horizon (frames)", ylabel=label)
    axis.grid(alpha=0.3)
    chart.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)  # where it hides no line
    return drawn(chart)


def _gaps(values: Sequence[float | None]) -> list[float]:
    """For a plot: nan where there is nothing."""
    return [math.nan if value is None else value for value in values]


def by_horizon(lines: Sequence[tuple[str, dict[str, Any]]], digits: int, caption: str = "") -> str:
    """Means and intervals at up to ten horizons; a cell is empty where nothing was measured."""
    length = len(lines[0][1]["by_horizon"])
    shown = sorted({round(h) for h in np.geomspace(1, length, 10)}) if length > 10 else range(1, length + 1)
    rows = []
    for name, found in lines:
        cells = ["" if mean is None else f"{mean:.{digits}f}" for mean in found["by_horizon"]]
        if found["low"] is not None:
            ends = zip(cells, found["low_by_horizon"], found["high_by_horizon"], strict=True)
            cells = [c if low is None else f"{c}\n±{(high - low) / 2:.{digits}f}" for c, low, high in ends]
        rows.append([name, *(cells[h - 1] for h in shown)])
    return table(["horizon", *map(str, shown)], rows, caption=caption)
