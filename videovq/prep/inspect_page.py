"""The findings about a store as one page."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped
from matplotlib.axes import Axes
from torch import Tensor

from videovq.page import Tile, figure, heading, page, paragraph, summary, table
from videovq.pictures import drawn, new_figure
from videovq.types import ActionSpec


def action_table(actions: Shaped[Tensor, "n a"], spec: ActionSpec) -> list[dict[str, Any]]:
    """A row for every choice of every discrete component, or for every real-valued component."""
    if spec.kind == "continuous":
        return [
            {
                "name": f"component {i}",
                "mean": float(column.mean()),
                "std": float(column.std(correction=0)),
                "low": float(column.min()),
                "high": float(column.max()),
            }
            for i, column in enumerate(actions.unbind(1))
        ]
    rows = []
    for i, size in enumerate(spec.sizes):
        counts = actions[:, i].bincount(minlength=size).tolist()
        for choice, number in enumerate(counts):
            name = spec.names[choice] if spec.names else (f"{i}: {choice}" if len(spec.sizes) > 1 else str(choice))
            rows.append({"name": name, "count": number, "share": number / max(1, len(actions))})
    return rows


def inspect_page(found: dict[str, Any], sheet: np.ndarray, spec: ActionSpec) -> str:
    """The whole report."""
    store, aligned = found["store"], found["alignment"]
    total, (height, width) = sum(found["durations"]), store["frame_size"]
    numbers = [
        Tile(str(len(found["durations"])), "episodes"),
        Tile(str(total), "frames", f"of {height}x{width}, at {store['fps']:g} frames/s"),
        Tile(str(len(found["warnings"])), "things to check"),
        Tile(f"{found['repeated']:.1%}", "frames as the one before"),
        Tile(str(sum(found["leaked"].values())), "frames outside train that occur in it"),
        *([Tile(f"{aligned['explained']['0']:.0%}", "sideways motion that the actions explain")] if aligned else []),
    ]
    said = f" Stated alignment: {store['alignment']}." if aligned else " Without actions."
    parts = [
        summary(f"{len(found['durations'])} episodes, {total} frames of {height}x{width}.{said}", numbers),
        figure(sheet, "Some episodes, from their beginning (0%) to their end"),
        heading("To look at"),
        *([paragraph(one) for one in found["warnings"]] or [paragraph("Nothing odd.")]),
        *(_fit(aligned) if aligned else []),
        heading("Frames"),
        table(
            ["split", "episodes", "frames"],
            [[split, str(one["episodes"]), str(one["frames"])] for split, one in found["splits"].items()],
        ),
        table(
            ["frames", "number"],
            [
                ["of one colour", str(found["flat"])],
                ["black", str(found["black"])],
                ["exactly as the one before", f"{found['repeated']:.1%}"],
                ["breaks within episodes", str(found["discontinuities"])],
                *([f"of {split} that occur in train", str(n)] for split, n in found["leaked"].items()),
            ],
        ),
        figure(_durations(found["durations"]), "Lengths of the episodes"),
    ]
    if found["actions"]:
        parts.append(heading("Actions"))
    if spec.kind == "continuous":
        rows = [[one["name"], *(f"{one[k]:.3g}" for k in ("mean", "std", "low", "high"))] for one in found["actions"]]
        parts.append(table(["component", "mean", "std", "least", "most"], rows))
    elif found["actions"]:
        rows = [[one["name"], str(one["count"]), f"{one['share']:.1%}"] for one in found["actions"]]
        parts.append(table(["action", "times", "share"], rows))
    if found["skipped"]:
        skipped = [[one["source"], one["reason"]] for one in found["skipped"]]
        parts += [heading("Skipped"), table(["recording", "why"], skipped)]
    return page(f"What is in {store['folder']}", parts)


def _fit(aligned: dict[str, Any]) -> list[str]:
    return [
        heading("Do the actions fit the frames?"),
        paragraph(aligned["verdict"]),
        figure(_explained(aligned["explained"]), "Part of the sideways motion that the actions explain, by shift"),
    ]


def _explained(explained: dict[str, float]) -> np.ndarray:
    chart = new_figure(5, 2.8)
    axis: Axes = chart.subplots()
    axis.bar(list(explained), list(explained.values()))
    axis.set(xlabel="shift of the actions (steps)", ylabel="explained variance", ylim=(0, None))
    return drawn(chart)


def _durations(lengths: list[int]) -> np.ndarray:
    chart = new_figure(5, 2.8)
    axis: Axes = chart.subplots()
    axis.hist(lengths, bins=min(40, max(5, len(set(lengths)))))
    axis.set(xlabel="frames", ylabel="episodes")
    return drawn(chart)
