"""Which commands can run on a store after ``prep``, and which comes next."""

from __future__ import annotations

from collections.abc import Collection

from videovq.config import EvaluateConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.data.store import SPLITS, EpisodeStore
from videovq.data.windows import segments
from videovq.follow_up import free, typed

NEEDS = {  # command -> frames in a row that it needs in each split, as it is set up unless told otherwise
    "train vqvae": {"train": 1, "val": 1},
    "train predictor": dict.fromkeys(("train", "val"), TrainPredictorConfig.window),
    "evaluate": {"test": EvaluateConfig.context_frames + EvaluateConfig.frames},
}
SHORTER = {"train predictor": "choose a smaller --window", "evaluate": "choose a smaller --context_frames and --frames"}


def possible(store: EpisodeStore, wanted: Collection[str] = SPLITS) -> list[str]:
    """Lines for people: what can be done with a store, what cannot and why, and the next command.

    Args:
        wanted: splits that were wanted; for lack of another nothing is said.
    """
    longest = dict.fromkeys(SPLITS, 0)
    for info in store.episodes:
        longest[info.split] = max(longest[info.split], *(stop - start for start, stop in segments(info)))
    lacking = {name: [s for s, frames in needs.items() if longest[s] < frames] for name, needs in NEEDS.items()}
    able = [name for name, splits in lacking.items() if not splits]
    lines = [f"  enough for: {', '.join(able) or 'none of the usual commands'}"]
    for name, splits in lacking.items():
        for split in splits:
            if split in wanted:
                lines.append(f"  not for: {name} ({_why(name, split, longest[split])})")
    if "train vqvae" in able:
        lines.append(f"next: {typed('train vqvae', store=str(store), run=free(TrainVQVAEConfig.run))}")
    elif "evaluate" in able:
        lines.append(f"next: {typed('evaluate', store=str(store))}")
    return lines


def _why(name: str, split: str, longest: int) -> str:
    needed = NEEDS[name][split]
    if longest == 0:
        return f"{split} is empty: add recordings"
    if longest == 1:
        return f"in {split} no frame follows from the one before"
    return (
        f"needs {needed} frames in a row in {split}, where {longest} are the most: add longer ones, or {SHORTER[name]}"
    )
