"""Plots of the reports, each uint8 ``h w c``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from videovq.evaluation.reconstruction import Reconstruction
from videovq.pictures import drawn, new_figure


def short(level: str) -> str:
    """A level's name without the folders before it."""
    return level.rsplit("/", 1)[-1]


def code_usage(found: Reconstruction) -> np.ndarray:
    """How often each code is chosen, the most frequent first."""
    figure = new_figure(7, 3.6)
    axis: Axes = figure.subplots()
    share = found.usage.sort(descending=True).values / found.usage.sum()
    axis.bar(range(len(share)), share.numpy(), width=1.0)
    axis.axhline(1 / len(share), color="black", lw=0.8, ls="--", label="even share")
    axis.set(xlabel="code, by frequency", ylabel="share of all codes", yscale="log")
    axis.set_title(f"{found.codes_used} of {len(share)} codes used, perplexity {found.perplexity:.0f}")
    axis.legend(frameon=False)
    return drawn(figure)


def psnr_by_level(found: Reconstruction) -> np.ndarray:
    """PSNR of the frames of every level: median, quartiles, and the 5th and 95th percentile."""
    names = sorted(set(found.levels))
    groups = [found.psnr[torch.tensor([name == level for level in found.levels])].numpy() for name in names]
    figure = new_figure(7, 1.2 + 0.4 * len(names))
    axis: Axes = figure.subplots()
    labels = [f"{short(name)} ({len(group)})" for name, group in zip(names, groups, strict=True)]
    axis.boxplot(groups, orientation="horizontal", whis=(5, 95), showfliers=False, tick_labels=labels)
    mean = float(found.psnr.mean())
    axis.axvline(mean, color="black", lw=0.8, ls="--")
    axis.set(xlabel="PSNR of a frame (dB): median, quartiles, 5 and 95 %", title=f"mean of all frames {mean:.2f} dB")
    return drawn(figure)


def rate_distortion(reports: Sequence[dict[str, Any]]) -> np.ndarray:
    """PSNR against bits per pixel, a line for every grid and a point for every codebook size."""
    figure = new_figure(6, 4.2)
    axis: Axes = figure.subplots()
    named = set()
    for grid in sorted({tuple(r["grid"]) for r in reports}):
        group = sorted((r for r in reports if tuple(r["grid"]) == grid), key=lambda r: r["bits_per_pixel"])
        rates, ratios = [r["bits_per_pixel"] for r in group], [r["psnr"] for r in group]
        axis.plot(rates, ratios, marker="o", label=f"{grid[0]}x{grid[1]} codes")
        for report, rate, ratio in zip(group, rates, ratios, strict=True):
            label = f"K={report['codebook_size']}"
            if (label, rate) not in named:  # else they would stand in each other
                axis.annotate(label, (rate, ratio), textcoords="offset points", xytext=(5, -10), fontsize=8)
            named.add((label, rate))
    axis.set(xlabel="bits per pixel (codes of fixed length)", ylabel="PSNR (dB)", xscale="log")
    axis.margins(x=0.15, y=0.1)  # for the labels
    axis.set_xticks(apart(sorted({r["bits_per_pixel"] for r in reports})), minor=False)
    axis.xaxis.set_major_formatter("{x:.3g}")
    axis.set_xticks([], minor=True)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    return drawn(figure)


def apart(values: Sequence[float]) -> list[float]:
    """Those of some ascending values whose labels do not overlap on a logarithmic axis."""
    kept = [values[0]]
    for value in values[1:]:
        if value > kept[-1] * (values[-1] / values[0]) ** 0.1:
            kept.append(value)
    return kept
