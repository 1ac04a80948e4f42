"""``videovq compare``: the reports of several predictors on one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videovq.config import RENAMED, CompareConfig, EvaluateConfig
from videovq.errors import UserError
from videovq.evaluation.predictor_page import comparison_page
from videovq.storage import write_text

SAME = ("split", "context_frames", "frames", "stride")
DRAWN = ("temperature", "top_k", "top_p")
MATTERS = {
    "bits per code": ("store", "VQ-VAE"),
    "PSNR, SSIM and turns": ("store", *DRAWN),
    "accuracy": ("store", "VQ-VAE", *DRAWN),
}
"""Settings that must be equal for a measure to be comparable."""
REPORTED_AS = {
    "bits per code": ("bits_per_code",),
    "PSNR, SSIM and turns": ("psnr", "ssim", "turns", "gradient_energy", "visible_area", "following"),
    "accuracy": ("accuracy",),
}
ALSO_NAMED = ("samples", "seed")  # on which a mean depends by chance only


def compare(config: CompareConfig) -> None:
    """Write ``config.out``.

    Raises:
        UserError: fewer than two reports, one that cannot be read, or reports of different protocols.
    """
    if len(config.reports) < 2:
        raise UserError("reports: name two folders of `videovq evaluate` or more")
    found = [read_metrics(Path(folder)) for folder in config.reports]
    for name in SAME:
        values = {str(one["settings"][name]) for one in found}
        if len(values) > 1:
            raise UserError(f"reports: measured with different `{name}`: {', '.join(sorted(values))}; evaluate alike")
    said = remarks(found)
    blamed = report_differences(found)
    unlike = {
        name: blame
        for measure, needed in MATTERS.items()
        for name in REPORTED_AS[measure]
        if (blame := [one for one in needed if one in blamed])
    }
    if "inverse dynamics" in blamed:
        unlike.setdefault("following", []).append("inverse dynamics")
    out = Path(config.out)
    if out.is_dir():
        raise UserError(f"out: {out} is a folder; name the page, such as {out / 'comparison.html'}")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, comparison_page(found, said, unlike))
    print("\n".join([f"wrote {out}: {', '.join(one['name'] for one in found)}", *said]))


def report_differences(reports: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The settings in which the reports differ, with the value of each report."""
    values: dict[str, list[str]] = {
        name: [str(one["settings"][name]) for one in reports] for name in (*DRAWN, *ALSO_NAMED)
    }
    values["VQ-VAE"] = [one["vqvae"][:12] for one in reports]
    values["decoder"] = [one.get("decoder", "its own")[:12] for one in reports]
    values["store"] = [one.get("episodes_sha256", "")[:12] for one in reports]
    if not all(values["store"]):  # of an older videovq, which wrote down the folder only
        values["store"] = [one["settings"]["store"] for one in reports]
    if all("following" in one for one in reports):  # judged by a network that learnt from a store
        values["inverse dynamics"] = [one["following"]["network"][:12] for one in reports]
    return {name: some for name, some in values.items() if len(set(some)) > 1}


def remarks(reports: Sequence[dict[str, Any]]) -> list[str]:
    """The settings in which the reports differ, and which of their measures are comparable, a line each."""
    unlike = report_differences(reports)
    lines = [
        f"{name} differs: " + ", ".join(f"{one['name']} {value}" for one, value in zip(reports, values, strict=True))
        for name, values in unlike.items()
    ]
    for measure, needed in MATTERS.items():
        blame = [name for name in needed if name in unlike]
        verdict = f"cannot be compared: not of the same {', '.join(blame)}" if blame else "can be compared"
        lines.append(f"{measure}: {verdict}")
    return lines


def read_metrics(folder: Path) -> dict[str, Any]:
    """``metrics.json`` of a report.

    Raises:
        UserError: there is none, or it is another file.
    """
    path = folder / "metrics.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        settings = {RENAMED[EvaluateConfig].get(name, name): value for name, value in found["settings"].items()}
        return {**found, "methods": found["methods"], "settings": settings}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"reports: {path} is not of `videovq evaluate` ({error})") from None
