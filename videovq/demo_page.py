"""The page of ``videovq demo``: what is there so far, written anew after every stage and every new picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videovq.data.store import read_json
from videovq.evaluation.predictor_summary import summary_numbers
from videovq.page import figure, grid, heading, page, paragraph, summary
from videovq.storage import write_text

PICTURES = (
    ("DeepMind Lab, predicted by the world that ships", "rollouts/deepmind-lab/*.gif"),
    ("ViZDoom, predicted by the world that ships", "rollouts/vizdoom/*.gif"),
    ("Your own VQ-VAE while it trains: frames through its codes", "progress/vqvae.png"),
    ("Your own predictor while it trains: predicted purely as codes, after six frames", "progress/predictor.png"),
    ("ViZDoom, predicted by your own", "rollouts/trained/*.gif"),
)
AGAIN = 20  # seconds after which a browser reads the page again, until the demo has ended


def write_demo_page(out: Path, now: str, notes: Sequence[str]) -> None:
    """Write ``index.html`` with the pictures that there are.

    Args:
        now: the stage that runs; empty: the demo has ended.
        notes: paragraphs above the pictures; under the first, the numbers of the report, once there is one.
    """
    parts = [f'<meta http-equiv="refresh" content="{AGAIN}">', paragraph(f"Now: {now}")] if now else []
    measured = out / "report" / "metrics.json"
    numbers = summary_numbers(read_json(measured)) if measured.is_file() else []
    parts += [summary(note, numbers if i == 0 else []) for i, note in enumerate(notes)]
    for title, pattern in PICTURES:
        found = [path.relative_to(out).as_posix() for path in sorted(out.glob(pattern))]
        if found:
            figures = [figure(name, name) for name in found]
            parts += [heading(title), grid(figures) if len(figures) > 1 else figures[0]]
    report = out / "report" / "report.html"
    if report.is_file():
        parts.append(f'<p><a href="{report.relative_to(out).as_posix()}">The report: how good it is, measured</a></p>')
    write_text(out / "index.html", page("videovq: worlds learnt from video", parts))
