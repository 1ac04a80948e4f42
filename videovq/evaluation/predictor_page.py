"""The report of a predictor, and the comparison of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from videovq.evaluation.bootstrap import format_interval, format_mean
from videovq.evaluation.panels import Panel
from videovq.evaluation.predictor_summary import mean_tile, summary_numbers, summary_text
from videovq.evaluation.tables import by_horizon, horizon_curves
from videovq.evaluation.watched_page import following_parts, motion_lines, motion_parts, watched_curves
from videovq.page import figure, folded, grid, heading, page, paragraph, setting_parts, summary, table, warning

LABELS = {
    "bits_per_code": "Bits per code",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "accuracy": "part of the codes that are right",
    "lpips": "LPIPS",
    "gradient_energy": "gradient energy over that of the true frames",
    "gradient_energy_decoded": "gradient energy over that of the true frames, encoded and decoded",
}
CAPTIONS = {
    "motion": "PSNR (dB) of the prediction, by kind of motion",
    "visible_area": "PSNR (dB) of what was in view before the turn",
}
"""Of charts that are not of one measure by horizon."""
NOTES = {
    "gradient_energy": "Mean squared gradient of the frames over that of the true ones: below 1, edges and textures are"
    " lost; above 1, invented. The mean over samples, of all windows together.",
    "gradient_energy_decoded": "The same over what the codes of the true frames show: what the prediction loses beside"
    " what the VQ-VAE does.",
}
"""Notes on measures under their tables."""
COMPARED = {
    "bits_per_code": "bits per code",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "accuracy": "accuracy",
    "turns": "turns right",
    "gradient_energy": "gradient energy",
    "visible_area": "PSNR in view before a turn (dB)",
    "following": "actions recognised (macro F1)",
}
"""Columns of a comparison, by what reports call the measure."""


def curves(metrics: dict[str, Any]) -> dict[str, np.ndarray]:
    """Bits per code and every measure of quality against the horizon, by name."""
    charts = {"bits_per_code": horizon_curves(list(metrics["bits_per_code"].items()), "bits per code")}
    for measure in metrics["methods"]["prediction"]:
        lines = [(name, found[measure]) for name, found in metrics["methods"].items() if measure in found]
        charts[measure] = horizon_curves(lines, LABELS.get(measure, measure))
    return {**charts, **watched_curves(metrics)}


def predictor_page(
    metrics: dict[str, Any],
    charts: dict[str, np.ndarray],
    panels: Sequence[Panel],
    counterfactual: np.ndarray | None,
    card: str,
) -> str:
    """The report of one predictor: the summary, the pictures that tell most, figures, tables, settings."""
    settings = metrics["settings"]
    parts = [
        summary(summary_text(metrics), summary_numbers(metrics)),
        *_pictures(panels, counterfactual),
        heading("Figures"),
        paragraph(
            f"{settings['samples']} sample(s) of each window at temperature {settings['temperature']:g}, seed"
            f" {settings['seed']}. Brackets and bands: 95 % intervals, resampling whole episodes. Computed on"
            " arrays, never on compressed video."
        ),
        grid([figure(chart, CAPTIONS.get(name) or _by_horizon_caption(name)) for name, chart in charts.items()]),
        *_frame_by_frame(panels),
        *_likelihood(metrics),
        *_quality(metrics),
        *motion_parts(metrics),
        *_motion_agreement(metrics),
        *_outcomes(metrics),
    ]
    if card:
        parts += [heading("Model card"), folded("show", card)]
    return page(f"{metrics['name']}: video prediction", [*parts, *setting_parts(settings)])


def _by_horizon_caption(measure: str) -> str:
    label = LABELS.get(measure, measure)
    return f"{label[0].upper()}{label[1:]} by horizon"


def _pictures(panels: Sequence[Panel], counterfactual: np.ndarray | None) -> list[str]:
    """The best, the median and the worst window, and what the actions lead to."""
    parts = []
    if panels:
        parts += [heading("Windows to look at"), _moving(_first_of_each_word(panels))]
        parts.append(paragraph("By mean PSNR. Difference: grey is none."))
    if counterfactual is not None:
        parts += [heading("One context, many futures"), figure(counterfactual, "Each row holds one action")]
    return parts


def _frame_by_frame(panels: Sequence[Panel]) -> list[str]:
    if not panels:
        return []
    shown = _first_of_each_word(panels)
    others = [one for one in panels if not any(one is first for first in shown)]
    strips = [figure(one.strip, one.caption) for one in panels]
    return [heading("Windows, frame by frame"), *([_moving(others)] if others else []), *strips]


def _first_of_each_word(panels: Sequence[Panel]) -> list[Panel]:
    return [one for i, one in enumerate(panels) if one.word not in {before.word for before in panels[:i]}]


def _moving(panels: Sequence[Panel]) -> str:
    return grid([figure(one.gif, one.caption) for one in panels], small=True)


def _likelihood(metrics: dict[str, Any]) -> list[str]:
    rows = [
        [name, f"{one['mean']:.3f}", format_interval(one["low"], one["high"])]
        for name, one in metrics["bits_per_code"].items()
    ]
    return [
        heading("Likelihood"),
        table(["bits per code", "mean", "95 %"], rows),
        paragraph(
            f"Exact. {metrics['bits_per_frame']:.0f} bits a frame; with a Gaussian for what the decoder misses,"
            " integrated over each grey level, and the bits that tell its width, the pixels cost at most"
            f" {metrics['bits_per_dim_bound']:.3f} bits per dimension."
        ),
    ]


def _quality(metrics: dict[str, Any]) -> list[str]:
    parts = [heading("Quality by horizon")]
    for measure in metrics["methods"]["prediction"]:
        lines = [(name, found[measure]) for name, found in metrics["methods"].items() if measure in found]
        parts.append(by_horizon(lines, _digits(measure), _by_horizon_caption(measure)))
        parts += [paragraph(NOTES[measure])] if measure in NOTES else []
    return parts


def _motion_agreement(metrics: dict[str, Any]) -> list[str]:
    parts, turns = [], metrics["turns"]
    if turns["steps"]:
        parts.append(
            paragraph(
                f"In {turns['steps']} steps the true picture clearly moved sideways. The predicted one moved the same"
                f" way in {turns['same way']:.1%} of them, and as far in {turns['as far']:.1%}."
            )
        )
    rows = []
    for one in metrics["bits_by_action"]:
        true, shuffled = one["true"], one["shuffled"]
        rows.append([one["name"], str(one["frames"]), f"{true:.2f}", f"{shuffled:.2f}", f"{true - shuffled:+.2f}"])
    if rows:
        parts.append(table(["bits per code", "frames", "true actions", "shuffled", "difference"], rows))
    parts += following_parts(metrics)
    question = (
        "Does it move as the truth does?" if metrics["action_kind"] == "none" else "Does it listen to the actions?"
    )
    return [heading(question), *parts] if parts else []


def outcome_lines(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The results of :func:`videovq.evaluation.outcomes.outcome_report` as lines; None: the split has no rewards."""
    if found is None:
        return [("rewards", "none were recorded in this split")]
    reward, end = found["reward"], found["end"]
    error, bits = (
        f"{one['mean']:.4f} ({format_interval(one['low'], one['high'], 4)})" for one in (reward["error"], end["bits"])
    )
    precision = "" if end["precision"] is None else f"; average precision {end['precision']:.3f}, {end['rate']:.3f}"
    correlation = "" if reward["correlation"] is None else f"; correlation {reward['correlation']:.3f}"
    return [
        ("reward", f"error {error}, constant {reward['constant']:.4f}{correlation}; {found['steps']} steps"),
        ("end", f"bits {bits}, constant {end['constant']:.4f}{precision}; {end['number']} ends"),
    ]


def _outcomes(metrics: dict[str, Any]) -> list[str]:
    if "outcomes" not in metrics:
        return []
    text = paragraph(
        "Of every recorded action of the split, from the true frames before it: the mean absolute error of the expected"
        " reward, and the bits for whether the world ended. The constant predicts the mean reward, and the rate of"
        " ends, of this split, which are not known beforehand; that rate is a constant's average precision."
    )
    return [heading("Rewards and ends"), text, table(["of", "found"], outcome_lines(metrics["outcomes"]))]


def comparison_page(
    reports: Sequence[dict[str, Any]], remarks: Sequence[str], unlike: Mapping[str, Sequence[str]]
) -> str:
    """Several predictors in one report; what cannot be compared stands in red.

    Args:
        remarks: in what the reports differ, and what of them can be compared.
        unlike: measure, as the reports call it, that cannot be compared -> what the reports differ in.
    """
    found = {name: [_mean_of(one, name) for one in reports] for name in COMPARED}
    shown = {name: column for name, column in found.items() if any(column) or name == "turns"}
    rows = [[one["name"], *(column[i] for column in shown.values())] for i, one in enumerate(reports)]
    heads = [COMPARED[name] for name in shown]
    tiles = [mean_tile(f"PSNR (dB) of {one['name']}", one["methods"]["prediction"]["psnr"], 2) for one in reports]
    asked = reports[0]["settings"]  # the same of all
    text = (
        f"{len(reports)} predictors of {asked['frames']} frames from {asked['context_frames']} context frames, on"
        f" split {asked['split']}."
    )
    known = [m for m in COMPARED if all(m in one["methods"]["prediction"] for one in reports)]
    lines = {
        "bits_per_code": [(one["name"], one["bits_per_code"]["prediction"]) for one in reports],
        **{
            m: [
                *((one["name"], one["methods"]["prediction"][m]) for one in reports),
                ("copy last", reports[0]["methods"]["copy last"][m]),
            ]
            for m in known
        },
    }
    charts = {m: figure(horizon_curves(some, COMPARED[m]), _by_horizon_caption(m)) for m, some in lines.items()}
    parts = [
        summary(text, [] if "psnr" in unlike else tiles),
        table(["predictor", *heads], rows, [i for i, name in enumerate(shown, start=1) if name in unlike]),
        paragraph("Means over windows and horizons, with 95 % intervals."),
        *([heading("What can be compared")] if remarks else []),
        *(warning(one) if "cannot be compared" in one else paragraph(one) for one in remarks),
        heading("Figures"),
        grid([f"<div>{''.join(_incomparable(m, unlike))}{chart}</div>" for m, chart in charts.items()]),
        heading("By horizon"),
    ]
    for m in known:
        parts += [*_incomparable(m, unlike), by_horizon(lines[m], _digits(m), _by_horizon_caption(m))]
    if all("motion" in one for one in reports):
        ours = [(f"{one['name']}: {name}", found) for one in reports for name, found in motion_lines(one)]
        parts += [*_incomparable("psnr", unlike), heading("PSNR by kind of motion"), by_horizon(ours, 2)]
    if all("visible_area" in one for one in reports):
        ours = [(one["name"], one["visible_area"]["methods"]["prediction"]) for one in reports]
        parts += [*_incomparable("visible_area", unlike), heading("In view before the turn"), by_horizon(ours, 2)]
    return page("Predictors compared", parts)


def _mean_of(report: dict[str, Any], measure: str) -> str:
    """A cell of a comparison; empty where a report does not have the measure."""
    if measure == "turns":
        return f"{report['turns']['same way']:.1%}" if report["turns"]["steps"] else ""
    if measure == "bits_per_code":
        return format_mean(report[measure]["prediction"])
    if measure in ("visible_area", "following"):
        found = report[measure]["methods"]["prediction"] if measure in report else None
        return format_mean(found["macro F1"] if found and measure == "following" else found)
    return format_mean(report["methods"]["prediction"].get(measure))


def _incomparable(measure: str, unlike: Mapping[str, Sequence[str]]) -> list[str]:
    if measure not in unlike:
        return []
    return [warning(f"{COMPARED[measure]} cannot be compared: not of the same {', '.join(unlike[measure])}")]


def _digits(measure: str) -> int:
    return 2 if measure == "psnr" else 3
