"""The report of long rollouts: a table for the terminal, and a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from videovq.evaluation.bootstrap import format_interval, format_mean
from videovq.page import Tile, figure, heading, not_measured, page, paragraph, setting_parts, summary, table
from videovq.pictures import drawn, new_figure

MIRROR = {"psnr": "there and back", "last frame": "last frame to the first", "another rollout": "another rollout's"}

HEADS = ("perplexity of codes", "codes that change", "brightness", "contrast", "gradient energy", "distance")
TOLD = ("perplexity of codes", "codes that change", "gradient energy", "distance")  # in the summary


def text_table(metrics: dict[str, Any]) -> str:
    """The segments, for a terminal."""
    heads = ("perplexity", "changed", "brightness", "contrast", "gradients", "distance")
    lines = [f"{'frames':>10}" + "".join(f"{head:>12}" for head in heads)]
    for name, one in named_segments(metrics):
        lines.append(f"{name:>10}" + "".join(f"{cell:>12}" for cell in _cells(one, metrics["real"])))
    if metrics["collapse"]:
        lines.append(f"frames until collapse: {_collapse(metrics['collapse'])}")
    lines += [f"mirror test, {_mirror(one)}" for one in metrics.get("mirror", [])]
    if "full turn" in metrics:
        lines.append(f"after a full turn: {_turn(metrics['full turn'])}")
    lines += [f"not measured: {name}: {why}" for name, why in metrics["left_out"].items()]
    return "\n".join(lines)


def long_page(metrics: dict[str, Any], strip: np.ndarray) -> str:
    """The report as one page."""
    settings = metrics["settings"]
    rows = [[name, *_with_intervals(one, metrics["real"])] for name, one in named_segments(metrics)]
    parts = [
        summary(
            f"{settings['rollouts']} rollouts of {settings['frames']} frames from {settings['context_frames']} frames"
            f" of {settings['split']} episodes, with recorded actions, temperature {settings['temperature']:g}.",
            _numbers(metrics),
        ),
        figure(strip, "Some rollouts, after so many predicted frames"),
        figure(_chart(metrics), "Codes, gradients and distance over time; dashed: real episodes"),
        heading("Over time"),
        table(["frames", *HEADS], rows),
        paragraph(
            "Brackets: 95 % intervals, resampling whole episodes. Gradient energy: mean squared gradient of the frames"
            " over that of the real ones, decoded alike. Distance: Frechet, between the distributions of the VQ-VAE's"
            " code vectors, averaged over ninths of a frame, of these frames and of the real ones; for the real ones"
            " themselves, between two halves of them"
            " that share no episode (of a single episode: no frame); it depends on the number of frames, so that"
            " resampling them gives no interval."
        ),
    ]
    if metrics["collapse"]:
        parts += [heading("Frames until collapse"), paragraph(_collapse(metrics["collapse"]) + ".")]
    if "mirror" in metrics:
        rows = [
            [str(one["steps"]), *(format_mean(one[name], 2, absent="there is one only") for name in MIRROR)]
            for one in metrics["mirror"]
        ]
        parts += [
            heading("There and back again"),
            paragraph(
                "The mirror test: an action so many times, then as often the one that takes it back. PSNR (dB) of the"
                " frames of the way back against those of the way out from the same viewpoint; of the last of them"
                " against the last context frame; and, as a control, of the way back against another rollout's way out."
            ),
            table(["steps each way", *MIRROR.values()], rows),
        ]
    if "full turn" in metrics:
        parts += [heading("A full turn"), paragraph(_turn(metrics["full turn"]))]
    parts += not_measured(metrics["left_out"])
    return page(f"{metrics['name']}: long rollouts", [*parts, *setting_parts(settings)])


def _numbers(metrics: dict[str, Any]) -> list[Tile]:
    """How long the rollouts hold, and what has become of their last frames, beside the real ones."""
    real, last = metrics["real"], metrics["segments"][-1]
    frames, cells = f"frames {last['first']} to {last['last']}", dict(zip(HEADS, _cells(last, real), strict=True))
    tiles = []
    if collapse := metrics["collapse"]:
        interval = format_interval(collapse["low"], collapse["high"], 0)
        tiles.append(Tile(_median(collapse), "frames until collapse, median", interval))
    tiles += [
        Tile(cells[name], f"{name}, {frames}", f"real: {cell}")
        for name, cell in zip(HEADS, _cells(real, real), strict=True)
        if name in TOLD and cells[name]
    ]
    if turn := metrics.get("full turn"):
        tiles.append(Tile(f"{turn['psnr']:.2f}", "PSNR (dB) after a full turn", _ends(turn["psnr interval"])))
    return tiles


def named_segments(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The measures of the real episodes, then of every segment, with a name for each."""
    return [("real", metrics["real"]), *((f"{one['first']}-{one['last']}", one) for one in metrics["segments"])]


def _turn(turn: dict[str, Any]) -> str:
    other, ends = turn["psnr to another context"], _ends(turn["psnr to another context, interval"])
    beside = "there is no other context" if other is None else f"{other:.2f} dB ({ends}) to that of another context"
    found = f"{turn['psnr']:.2f} dB ({_ends(turn['psnr interval'])})"
    return f"{found} to the frame before it, {turn['steps']} steps of {turn['action']}; {beside}"


def _collapse(found: dict[str, Any]) -> str:
    number = len(found["first"])
    return (
        f"median {_median(found)} ({format_interval(found['low'], found['high'], 0)}); {found['collapsed']} of {number}"
        " rollouts"
        f" collapse within {found['length']} frames: the perplexity of the codes of their last {found['span']}"
        f" frames falls below half of that of real stretches as long, which is {found['data']:.0f}"
        f" (median; {found['real']:.1%} of these are below half of it)"
    )


def _median(collapse: dict[str, Any]) -> str:
    return f"{collapse['median']} or more" if collapse["median"] == collapse["length"] else str(collapse["median"])


def _mirror(found: dict[str, Any]) -> str:
    parts = [f"{label} {format_mean(found[name], 2, ' ')}" for name, label in MIRROR.items() if found[name]]
    return f"{found['steps']} steps: PSNR {'; '.join(parts)}"


def _cells(one: dict[str, Any], real: dict[str, Any]) -> list[str]:
    return [
        f"{one['perplexity']:.0f}",
        f"{one['changed']:.2f}",
        f"{one['brightness']:.1f}",
        f"{one['contrast']:.1f}",
        f"{_sharpness(one, real):.2f}" if real["gradient_energy"] else "",
        "" if one["distance"] is None else f"{one['distance']:.3f}",
    ]


def _with_intervals(one: dict[str, Any], real: dict[str, Any]) -> list[str]:
    cells = _cells(one, real)
    for column, name, digits in ((0, "perplexity_interval", 0), (1, "changed_interval", 2)):
        if one.get(name):
            cells[column] += f"\n({_ends(one[name], digits)})"
    return cells


def _ends(interval: Sequence[float | None], digits: int = 2) -> str:
    low, high = interval
    return format_interval(low, high, digits)


def _sharpness(one: dict[str, Any], real: dict[str, Any]) -> float:
    return one["gradient_energy"] / real["gradient_energy"] if real["gradient_energy"] else math.nan


def _chart(metrics: dict[str, Any]) -> np.ndarray:
    chart = new_figure(9, 3)
    real, parts = metrics["real"], metrics["segments"]
    lasts = [one["last"] for one in parts]
    columns = [
        ("perplexity of codes", [one["perplexity"] for one in parts], real["perplexity"]),
        ("gradient energy over real", [_sharpness(one, real) for one in parts], 1.0),
        ("distance", [one["distance"] for one in parts], real["distance"]),
    ]
    columns = [one for one in columns if None not in one[1]]  # of few frames there is no distance
    axes: list[Axes] = list(chart.subplots(1, len(columns)))
    for axis, (label, values, yardstick) in zip(axes, columns, strict=True):
        axis.plot(lasts, values, "o-", ms=3.5)
        if yardstick is not None:
            axis.axhline(yardstick, ls="--", color="grey")
        axis.set(xlabel="horizon (frames)", ylabel=label, ylim=(0, None))
        axis.grid(alpha=0.3)
    bands = [one["perplexity_interval"] for one in parts]
    if all(bands):
        axes[0].fill_between(lasts, [low for low, _ in bands], [high for _, high in bands], alpha=0.15, lw=0)
    return drawn(chart)
