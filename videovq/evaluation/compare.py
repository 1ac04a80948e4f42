"""``videovq compare``: the reports of several predictors on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from videovq.config import CompareConfig
from videovq.data.store import write_text
from videovq.evaluation.predictor_page import comparison_page

SAME = ("split", "context", "frames", "stride")


def compare(config: CompareConfig) -> None:
    """Write ``config.out``.

    Raises:
        ValueError: fewer than two reports, one that cannot be read, or reports of different protocols.
    """
    if len(config.reports) < 2:
        raise ValueError("reports: name two folders of `videovq evaluate` or more")
    found = [read_metrics(Path(folder)) for folder in config.reports]
    for name in SAME:
        values = {str(one["settings"][name]) for one in found}
        if len(values) > 1:
            raise ValueError(f"reports: measured with different `{name}`: {', '.join(sorted(values))}; evaluate alike")
    out = Path(config.out)
    if out.is_dir():
        raise ValueError(f"out: {out} is a folder; name the page, such as {out / 'comparison.html'}")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, comparison_page(found))
    print(f"wrote {out}: {', '.join(one['name'] for one in found)}")


def read_metrics(folder: Path) -> dict[str, Any]:
    """``metrics.json`` of a report.

    Raises:
        ValueError: there is none, or it is another file.
    """
    path = folder / "metrics.json"
    try:
        found = json.loads(path.read_text())
        return {**found, "methods": found["methods"], "settings": found["settings"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"reports: {path} is not of `videovq evaluate` ({error})") from None
