"""The report of long rollouts: a table for the terminal, and a page."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from videovq.page import figure, heading, page, paragraph, table
from videovq.pictures import drawn, new_figure


def text_table(metrics: dict[str, Any]) -> str:
    """The segments, for a terminal."""
    heads = ("perplexity", "changed", "brightness", "contrast", "distance")
    lines = [f"{'frames':>10}" + "".join(f"{head:>12}" for head in heads)]
    for name, one in segments(metrics):
        lines.append(f"{name:>10}" + "".join(f"{cell:>12}" for cell in _cells(one)))
    if "full turn" in metrics:
        lines.append(f"after a full turn: {_turn(metrics['full turn'])}")
    return "\n".join(lines)


def long_page(metrics: dict[str, Any], strip: np.ndarray) -> str:
    """The report as one page."""
    settings = metrics["settings"]
    rows = [[name, *_cells(one)] for name, one in segments(metrics)]
    parts = [
        paragraph(
            f"{settings['rollouts']} rollouts of {settings['frames']} frames from {settings['context']} frames of"
            f" {settings['split']} episodes, with recorded actions, temperature {settings['temperature']:g}."
        ),
        figure(strip, "Some rollouts, after so many predicted frames"),
        heading("Over time"),
        table(["frames", "perplexity of codes", "codes that change", "brightness", "contrast", "distance"], rows),
        paragraph(
            "Distance: Frechet, between the distributions of the VQ-VAE's code vectors, averaged over ninths of a"
            " frame, of these frames and of the real ones; for the real ones themselves, between two halves of them"
            " that share no episode (of a single episode: no frame)."
        ),
        figure(_chart(metrics), "Perplexity of the codes over time; dashed: real episodes"),
    ]
    if "full turn" in metrics:
        parts += [heading("A full turn"), paragraph(_turn(metrics["full turn"]))]
    return page(f"{metrics['name']}: long rollouts", parts)


def segments(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The measures of the real episodes, then of every segment, with a name for each."""
    return [("real", metrics["real"]), *((f"{one['first']}-{one['last']}", one) for one in metrics["segments"])]


def _turn(turn: dict[str, float | None]) -> str:
    other = turn["psnr to another context"]
    beside = "there is no other context" if other is None else f"{other:.2f} dB to that of another context"
    return f"{turn['psnr']:.2f} dB to the frame before it; {beside}"


def _cells(one: dict[str, Any]) -> list[str]:
    distance = "" if one["distance"] is None else f"{one['distance']:.3f}"
    return [
        f"{one['perplexity']:.0f}",
        f"{one['changed']:.2f}",
        f"{one['brightness']:.1f}",
        f"{one['contrast']:.1f}",
        distance,
    ]


def _chart(metrics: dict[str, Any]) -> np.ndarray:
    chart = new_figure(6.4, 3.2)
    axis: Axes = chart.subplots()
    axis.plot([one["last"] for one in metrics["segments"]], [one["perplexity"] for one in metrics["segments"]], "o-")
    axis.axhline(metrics["real"]["perplexity"], ls="--", color="grey")
    axis.set(xlabel="horizon (frames)", ylabel="perplexity of codes", ylim=(0, None))
    axis.grid(alpha=0.3)
    return drawn(chart)
