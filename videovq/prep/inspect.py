"""``videovq inspect``: a report on a store: its content, its oddities, and the alignment of its actions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from io import StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from videovq import __version__
from videovq.config import InspectConfig, PrepConfig
from videovq.data.motion import brightness, horizontal_shift
from videovq.data.store import SPLITS, EpisodeStore
from videovq.errors import UserError
from videovq.pictures import labelled_rows, scale_to
from videovq.prep.alignment import Alignment, alignment
from videovq.prep.inspect_page import action_table, inspect_page
from videovq.prep.prepare import prepare
from videovq.prep.sources.formats import index_of
from videovq.prep.staging import open_source
from videovq.prep.survey import make_plan, readable
from videovq.progress import progress
from videovq.storage import write_json, write_text

FLAT = 1.0  # grey levels: a frame that varies less is of one colour
BLACK = 8.0  # grey levels: a frame that is darker is black
FEW = 16  # recordings that are read before other processes have started
SHEET = 12  # episodes, and frames of each, on the contact sheet
BELIEVED = 5  # a picture that moves by more than a fifth of its width was most likely not recognised
ORANGE_SKY = 20.0  # grey levels by which red outshines blue in the top of the picture, where the sky should be


@dataclass(frozen=True)
class Findings:
    """The findings about a store, as JSON values.

    Attributes:
        store: folder, frames a second, frame size, the stated alignment, and the picture sizes of recordings.
        splits: episodes and frames of every split.
        durations: length of every episode, in frames.
        actions: how often each choice of each component occurs, or mean and range of real numbers.
        flat, black: frames of one colour, and frames that are black.
        repeated: part of the frames that are exactly as the one before.
        leaked: frames of ``val`` and ``test`` that occur in ``train`` too, exactly.
        discontinuities: number of breaks within episodes.
        colours: mean red, green and blue of the top quarter and of the rest of the pictures.
        skipped: recordings that prep could not use.
    """

    store: dict[str, Any]
    splits: dict[str, dict[str, int]]
    durations: list[int]
    actions: list[dict[str, Any]]
    flat: int
    black: int
    repeated: float
    leaked: dict[str, int]
    discontinuities: int
    colours: dict[str, list[float]]
    skipped: list[dict[str, str]]

    @property
    def frames(self) -> int:
        return sum(self.durations)

    def warnings(self) -> list[str]:
        """Lines about what a user should check before training."""
        found = []
        for kind, number in (("of one colour", self.flat), ("black", self.black)):
            if number > 0.01 * self.frames:
                found.append(f"{number} frames ({number / self.frames:.1%}) are {kind}")
        if self.repeated > 0.2:
            found.append(f"{self.repeated:.0%} of the frames are as the one before: recorded faster than shown?")
        for split, number in self.leaked.items():
            if number:
                found.append(f"{number} frames of {split} occur in train too, exactly")
        red, _, blue = self.colours["top"]
        low_red, _, low_blue = self.colours["rest"]
        if red - blue > ORANGE_SKY and red - blue > low_red - low_blue:
            found.append("the top of the pictures is more red than blue: are they stored as BGR?")
        if self.skipped:
            found.append(f"{len(self.skipped)} recordings were skipped; the first: {self.skipped[0]['reason']}")
        return found


def inspect(config: InspectConfig) -> dict[str, Any]:
    """Write ``findings.json`` and ``report.html`` into ``config.out``, and print what they say.

    Raises:
        UserError: there is no usable store.
    """
    if not config.source:
        return describe(EpisodeStore(config.store), {}, Path(config.out))
    with TemporaryDirectory(prefix="videovq-inspect-") as scratch:
        settings = PrepConfig(
            config.source, f"{scratch}/store", config.format, config.declare, episodes=config.episodes
        )
        sizes = recorded_sizes(settings)
        smallest = min(int(side) for size in sizes for side in size.split("x"))
        with redirect_stdout(StringIO()):  # its report; what it skips stands in the findings
            workers = settings.workers if sum(sizes.values()) > FEW else 1
            store = prepare(replace(settings, frame_size=min(settings.frame_size, smallest), workers=workers))
        return describe(store, sizes, Path(config.out), config.source)


def recorded_sizes(config: PrepConfig) -> dict[str, int]:
    """How many recordings have which picture size (``640x360``: width, height).

    Raises:
        UserError: no recording has frames that can be read.
    """
    found: Counter[str] = Counter()
    with open_source(config.source, index_of(config.format)) as source:
        plan = make_plan(config, source)
        entries = {id_: entry for shard in plan.shards for id_, entry in shard.entries.items()}
        for _, raw in readable(plan.reader, source, entries):
            try:
                height, width = next(raw.frames()).shape[1:3]
            except (UserError, StopIteration):
                continue
            found[f"{width}x{height}"] += 1
    if not found:
        raise UserError(f"{config.source}: no recording has frames that can be read")
    return dict(found)


def describe(store: EpisodeStore, sizes: dict[str, int], out: Path, name: str = "") -> dict[str, Any]:
    """Examine a store and write down what is in it.

    Args:
        sizes: picture sizes of the recordings, where these are inspected.
        name: what to call the store; empty: its folder.
    """
    found, fitting = examine(store)
    found = replace(found, store={**found.store, "folder": name or found.store["folder"], "recorded_sizes": sizes})
    value = {
        **asdict(found),
        "warnings": found.warnings(),
        "alignment": fitting and aligned(fitting),
        "videovq": __version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.html", inspect_page(value, contact_sheet(store), store.header.action_spec))
    write_json(out / "findings.json", value)
    print(text(value))
    print(f"written to {out}/")
    return value


def aligned(found: Alignment) -> dict[str, Any]:
    """An alignment as JSON values."""
    return {
        "explained": {str(shift): part for shift, part in found.explained.items()},
        "best": found.best,
        "margin": found.margin,
        "confidence": found.confidence,
        "verdict": found.verdict(),
    }


def examine(store: EpisodeStore) -> tuple[Findings, Alignment | None]:
    """The findings about a store, from every frame of it, and the alignment of its actions; None: it has none."""
    seen: dict[str, set[bytes]] = {split: set() for split in SPLITS}
    twice: Counter[str] = Counter()
    motions, actions, cuts, lengths = [], [], [], []
    flat = black = repeated = 0
    colours = {"top": torch.zeros(3, dtype=torch.float64), "rest": torch.zeros(3, dtype=torch.float64)}
    order = sorted(store.episodes, key=lambda info: SPLITS.index(info.split))  # train first
    with progress(len(order), "inspect", "episode") as bar:
        for info in order:
            episode = store.read(info)
            grey = brightness(episode.frames)
            flat += int((grey.flatten(1).std(dim=1, correction=0) < FLAT).sum())
            black += int((grey.mean(dim=(1, 2)) < BLACK).sum())
            hashes = [hashlib.blake2b(frame.numpy().tobytes(), digest_size=16).digest() for frame in episode.frames]
            repeated += sum(a == b for a, b in pairwise(hashes))
            if info.split != "train":
                twice[info.split] += sum(one in seen["train"] for one in hashes)
            seen[info.split].update(hashes)
            quarter = max(1, grey.shape[1] // 4)
            for name, part in (("top", episode.frames[:, :quarter]), ("rest", episode.frames[:, quarter:])):
                colours[name] += part.double().mean(dim=(0, 1, 2)) * info.length
            motions.append(horizontal_shift(grey[:-1], grey[1:]))
            actions.append(episode.actions)
            cuts.append(info.discontinuities)
            lengths.append(info.length)
            bar.update(1)
    total, spec = sum(lengths), store.header.action_spec
    found = Findings(
        store={
            "folder": str(store),
            "fps": store.header.fps,
            "frame_size": list(store.header.grid),
            "alignment": store.header.alignment,
        },
        splits={
            split: {
                "episodes": sum(info.split == split for info in store.episodes),
                "frames": sum(info.length for info in store.episodes if info.split == split),
            }
            for split in SPLITS
        },
        durations=lengths,
        actions=action_table(torch.cat(actions), spec),
        flat=flat,
        black=black,
        repeated=repeated / max(1, total - len(lengths)),
        leaked={split: twice[split] for split in SPLITS if split != "train"},
        discontinuities=sum(len(breaks) for breaks in cuts),
        colours={name: (value / total).tolist() for name, value in colours.items()},
        skipped=store.skipped,
    )
    if spec.kind == "none":
        return found, None
    return found, alignment(motions, actions, cuts, spec, store.header.grid[1] // BELIEVED)


def contact_sheet(store: EpisodeStore) -> np.ndarray:
    """Evenly spaced frames of evenly spaced episodes, a row for each under its name, uint8 ``h w c``."""
    chosen: Sequence[Any] = store.episodes[:: max(1, len(store.episodes) // SHEET)][:SHEET]
    rows = []
    for info in chosen:
        indices = np.linspace(0, info.length - 1, SHEET).astype(int)
        rows.append((info.id, list(store.read(info).frames[indices].numpy())))
    titles = [f"{part:.0%}" for part in np.linspace(0, 1, SHEET)]
    return labelled_rows(titles, rows, scale_to(72, rows[0][1][0]), "episode, part")


def text(found: dict[str, Any]) -> str:
    """The findings, for a terminal."""
    store, durations = found["store"], torch.tensor(found["durations"]).double()
    lines = [
        f"{store['folder']}: {len(durations)} episodes, {int(durations.sum())} frames of"
        f" {store['frame_size'][0]}x{store['frame_size'][1]} at {store['fps']:g} frames/s",
        f"  length {int(durations.min())} to {int(durations.max())} frames, median {int(durations.median())};"
        f" {found['discontinuities']} breaks within episodes",
    ]
    if store["recorded_sizes"]:
        lines.append("  recorded as " + ", ".join(f"{size} ({n})" for size, n in store["recorded_sizes"].items()))
    lines += [
        f"  {split:<6}{one['episodes']:>6} episodes {one['frames']:>8} frames" for split, one in found["splits"].items()
    ]
    for one in found["actions"]:
        if "count" in one:
            lines.append(f"  action {one['name']:<28}{one['count']:>8} ({one['share']:.1%})")
        else:
            spread = f"mean {one['mean']:.3g}, std {one['std']:.3g}, {one['low']:.3g} to {one['high']:.3g}"
            lines.append(f"  action {one['name']:<28}{spread}")
    if found["alignment"]:
        lines.append("  explained by the actions, moved by -2 to 2 steps: "
                     + " ".join(f"{part:.3f}" for part in found["alignment"]["explained"].values()))  # fmt: skip
        lines.append(f"  {found['alignment']['verdict']}")
    else:
        lines.append("  without actions")
    lines += [f"  WARNING: {one}" for one in found["warnings"]]
    return "\n".join(lines)
