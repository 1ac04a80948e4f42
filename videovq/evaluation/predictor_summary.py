"""What a report of a predictor says first: one paragraph, and six numbers of its ``metrics.json``."""

from __future__ import annotations

from typing import Any

from videovq.evaluation.bootstrap import format_interval
from videovq.evaluation.prediction import CEILING, COPY, PREDICTION, SHUFFLED
from videovq.page import Tile

NO_CONTEXT = "without context"


def summary_text(metrics: dict[str, Any]) -> str:
    """What the model was asked, whether it beats copying, and whether it listens to the actions."""
    settings, bits = metrics["settings"], metrics["bits_per_code"]
    conditioning = "" if metrics["action_kind"] == "none" else " and the recorded actions"
    held, frames = frames_ahead(metrics), settings["frames"]
    until = "at every horizon" if held == frames else f"up to horizon {held}" if held else "not even at horizon 1"
    sentences = [
        f"From {settings['context_frames']} context frames{conditioning}, {metrics['name']} predicted {frames} frames"
        f" purely as codes, in {metrics['windows']} windows of {metrics['episodes']} {settings['split']} episodes.",
        f"Its mean PSNR is above that of copying the last context frame {until}.",
    ]
    if SHUFFLED in bits:
        own, other = bits[PREDICTION], bits[SHUFFLED]
        apart = own["low"] is not None and own["high"] < other["low"]
        listens = "it listens to the actions" if apart else "whether it listens to the actions is not certain"
        sentences.append(
            f"A true code takes it {own['mean']:.3f} bits, and {other['mean']:.3f} where it is told the actions of"
            f" another window: {listens}."
        )
    return " ".join(sentences)


def summary_numbers(metrics: dict[str, Any]) -> list[Tile]:
    """Six numbers, with their intervals."""
    bits = metrics["bits_per_code"]
    psnr = {method: found["psnr"] for method, found in metrics["methods"].items()}
    control, told = (SHUFFLED, "with other actions") if SHUFFLED in bits else (NO_CONTEXT, NO_CONTEXT)
    return [
        mean_tile("bits per code", bits[PREDICTION], 3),
        mean_tile(f"bits per code {told}", bits[control], 3),
        mean_tile("PSNR (dB)", psnr[PREDICTION], 2),
        mean_tile("PSNR (dB) of copying", psnr[COPY], 2),
        Tile(
            f"{frames_ahead(metrics)} of {metrics['settings']['frames']}",
            "frames ahead of copying",
            "by mean PSNR, from the first one on",
        ),
        mean_tile("PSNR (dB) of the ceiling", psnr[CEILING], 2),
    ]


def frames_ahead(metrics: dict[str, Any]) -> int:
    """How many of the first predicted frames are nearer to the truth than the last context frame, by mean PSNR."""
    ours, theirs = (metrics["methods"][method]["psnr"]["by_horizon"] for method in (PREDICTION, COPY))
    ahead = [one > other for one, other in zip(ours, theirs, strict=True)]
    return [*ahead, False].index(False)


def mean_tile(name: str, found: dict[str, Any], digits: int) -> Tile:
    """A mean with its 95 % interval."""
    return Tile(f"{found['mean']:.{digits}f}", name, format_interval(found["low"], found["high"], digits))
