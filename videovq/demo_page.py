"""The page of ``videovq demo``: what is there so far, written anew after every stage and every new picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from videovq.page import figure, heading, page, paragraph, summary
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
        notes: paragraphs above the pictures.
    """
    parts = [f'<meta http-equiv="refresh" content="{AGAIN}">', paragraph(f"Now: {now}")] if now else []
    parts += [summary(note, []) for note in notes]
    for title, pattern in PICTURES:
        found = [path.relative_to(out).as_posix() for path in sorted(out.glob(pattern))]
        if found:
            parts += [heading(title), *(figure(name, name) for name in found)]
    report = out / "report" / "report.html"
    if report.is_file():
        parts.append(f'<p><a href="{report.relative_to(out).as_posix()}">The report: how good it is, measured</a></p>')
    write_text(out / "index.html", page("videovq: worlds learnt from video", parts))
