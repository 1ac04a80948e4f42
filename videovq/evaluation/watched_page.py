"""Report sections of :mod:`videovq.evaluation.watched`: charts, tables and terminal lines."""

from __future__ import annotations

from typing import Any

from videovq.evaluation.bootstrap import format_interval, horizon_cells
from videovq.evaluation.prediction import CEILING, PREDICTION, TRUTH
from videovq.evaluation.tables import by_horizon, horizon_curves
from videovq.page import heading, not_measured, paragraph, table

METHODS = {PREDICTION: "rollouts", CEILING: "true frames, encoded and decoded", TRUTH: "true frames"}


def motion_lines(metrics: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The summaries of PSNR by kind of motion, a name for each."""
    psnr = metrics["motion"]["psnr"]
    return [(f"{kind}, {method}", found[kind]) for kind in psnr[PREDICTION] for method, found in psnr.items()]


def watched_curves(metrics: dict[str, Any]) -> dict[str, Any]:
    """Charts by horizon, by name."""
    charts = {}
    if "motion" in metrics:
        lines = list(metrics["motion"]["psnr"][PREDICTION].items())
        charts["motion"] = horizon_curves(lines, "PSNR (dB)")
    if "visible_area" in metrics:
        charts["visible_area"] = horizon_curves(list(metrics["visible_area"]["methods"].items()), "PSNR (dB)")
    return charts


def motion_parts(metrics: dict[str, Any]) -> list[str]:
    """PSNR by kind of motion, and of what was in view before a turn; what was not measured, with the reason."""
    parts = []
    if "motion" in metrics:
        kinds = metrics["motion"]["psnr"][PREDICTION]
        first = ", ".join(f"{kind} {found['windows'][0]}" for kind, found in kinds.items())
        source = "recorded poses" if metrics["motion"]["told_by"] == "poses" else "the names of the actions"
        parts += [
            heading("By kind of motion"),
            paragraph(
                f"All motion from the last context frame to each horizon, by {source}. Windows at horizon 1: {first}."
            ),
            by_horizon(motion_lines(metrics), 2),
        ]
    if "visible_area" in metrics:
        view = metrics["visible_area"]
        parts += [
            heading("In view before the turn"),
            paragraph(
                "PSNR of windows in which one turned on the spot, over the part of the picture that was in view in the"
                f" last context frame, with a field of view of {metrics['settings']['field_of_view']:g} degrees;"
                f" windows by horizon: {', '.join(map(str, view['windows']))}. The last context frame, encoded, decoded"
                " and turned by the recorded angle, needs no predictor."
            ),
            by_horizon(list(view["methods"].items()), 2),
        ]
    return parts + not_measured(metrics.get("left_out", {}))


def following_parts(metrics: dict[str, Any]) -> list[str]:
    """Precision, recall and F1 of the actions recognised in rollouts."""
    if "following" not in metrics:
        return []
    methods = metrics["following"]["methods"]
    rows = [["all: macro F1", "", *(_cell(methods[m]["macro F1"]) for m in METHODS)]]
    for name, one in methods[PREDICTION]["actions"].items():
        for measure in ("precision", "recall", "F1"):
            taken = str(one["taken"]) if measure == "precision" else ""
            rows.append([f"{name}: {measure}", taken, *(_cell(methods[m]["actions"][name][measure]) for m in METHODS)])
    return [
        paragraph(
            "Accuracy of an inverse dynamics model, a network that classifies the action between two successive frames,"
            " trained on the true frames of split train. Its accuracy on true frames is the most that can be reached."
        ),
        table(["recognised", "taken", *METHODS.values()], rows),
    ]


def _cell(found: dict[str, Any]) -> str:
    if found["mean"] is None:
        return "never recognised"
    return f"{found['mean']:.3f}" + (
        "" if found["low"] is None else f"\n({format_interval(found['low'], found['high'])})"
    )


def watched_lines(metrics: dict[str, Any]) -> list[str]:
    """The measures of all sections, for a terminal."""
    lines = []
    if "motion" in metrics:
        lines.append("\npsnr by kind of motion")
        lines += [f"{name:<32}{horizon_cells(found, 2)}" for name, found in motion_lines(metrics)]
    if "visible_area" in metrics:
        lines.append("\npsnr of what was in view before a turn")
        lines += [f"{name:<32}{horizon_cells(found, 2)}" for name, found in metrics["visible_area"]["methods"].items()]
    if "following" in metrics:
        methods = metrics["following"]["methods"]
        said = "; ".join(f"{METHODS[m]} {methods[m]['macro F1']['mean'] or 0:.3f}" for m in METHODS)
        lines.append(f"\nactions recognised, macro F1: {said}")
        for name, one in methods[PREDICTION]["actions"].items():
            shares = [f"{m} {one[m]['mean']:.2f}" for m in ("precision", "recall", "F1") if one[m]["mean"] is not None]
            lines.append(f"{name:<24}{one['taken']:>7} {', '.join(shares)}")
    lines += [f"not measured: {name}: {why}" for name, why in metrics.get("left_out", {}).items()]
    return lines
