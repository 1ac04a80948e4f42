"""``videovq evaluate density``: VAE, VIMCO and VQ-VAE in bits per dimension of the same frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from videovq import __version__
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.evaluation.bootstrap import format_interval, interval_json
from videovq.frames import psnr
from videovq.page import aligned, write_report
from videovq.papers.likelihoods.config import EvaluateDensityConfig
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder
from videovq.papers.likelihoods.models.quantized import QuantizedVAE
from videovq.papers.likelihoods.runs import TrainedAutoencoder, load_autoencoder
from videovq.papers.spread import spread
from videovq.parsing import to_plain
from videovq.pictures import labelled_rows
from videovq.progress import progress
from videovq.storage import write_json

BATCH = 16
HEAD = ["run", "bound", "bits/dim", "95 % interval", "of which latents", "PSNR of reconstructions"]

Bound = Callable[[UInt8[Tensor, "b h w c"]], Float[Tensor, "b"]]


def evaluate(config: EvaluateDensityConfig) -> dict[str, Any]:
    """Write ``metrics.json``, ``report.html``, ``reconstructions.png`` and ``samples.png`` into ``config.out``, and
    print the table.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    if not config.runs:
        raise UserError("runs: name one run of `videovq train density` or more")
    store = EpisodeStore(config.store)
    trained = {Path(run).name: load_autoencoder(run) for run in config.runs}
    for run, one in trained.items():
        if one.frame_size != store.header.grid:
            raise UserError(f"{run}: was trained on frames of {one.frame_size}, but {store} has {store.header.grid}")
    frames, episodes = spread(store, config.split, config.frames)
    rows: list[dict[str, Any]] = []
    for run, one in trained.items():
        rows += measure(run, one, frames, episodes, config.samples, config.seed)
    metrics = {"videovq": __version__, "settings": to_plain(config), "frames": len(frames), "bits_per_dim": rows}
    shown = frames[torch.linspace(0, len(frames) - 1, config.shown).long()]
    networks = {run: one.network for run, one in trained.items()}
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "metrics.json", metrics)
    print(table(rows))
    write_report(
        out,
        "Likelihood autoencoders",
        f"{len(frames)} frames of split {config.split} of {store}.",
        {"Bits per dimension": (HEAD, [cells(row) for row in rows])},
        {
            "reconstructions": (
                reconstructions(networks, shown, config.scale),
                "Frames, and what each model makes of them",
            ),
            "samples": (samples(networks, config.shown, config.seed, config.scale), "Drawn from each model's prior"),
        },
        config,
    )
    return metrics


def measure(
    run: str,
    trained: TrainedAutoencoder,
    frames: UInt8[Tensor, "n h w c"],
    episodes: Int64[Tensor, "n"],
    samples: int,
    seed: int,
) -> list[dict[str, Any]]:
    """The table's rows of one run: every bound on -log2 p(frame) that its model offers, in bits per dimension."""
    network, unit = trained.network, trained.network.dims * math.log(2)
    bounds = bounds_of(network, samples)
    values: dict[str, list[Tensor]] = {name: [] for name in (*bounds, "rate", "psnr")}
    torch.manual_seed(seed)
    with progress(len(frames), run, "frame") as bar, torch.inference_mode():
        for part in frames.split(BATCH):
            for name, bound in bounds.items():
                values[name].append(-bound(part) / unit)
            values["rate"].append(network.rate(part) / unit)
            values["psnr"].append(psnr(network.decode(network.encode(part)), part))
            bar.update(len(part))
    found = {name: torch.cat(parts) for name, parts in values.items()}
    first, rows = next(iter(bounds)), []
    for name in bounds:
        low, high = interval_json(found[name], episodes, seed)
        alone = name == first or isinstance(network, QuantizedVAE)  # else the samples share what the latents cost
        rows.append(
            {
                "run": run,
                "model": type(network).__name__,
                "bound": name,
                "bits_per_dim": float(found[name].mean()),
                "interval": None if low is None else [low, high],
                "rate": float((found["rate"] + found[name] - found[first]).mean()) if alone else None,
                "psnr": float(found["psnr"].mean()),
                "parameters": sum(p.numel() for p in network.parameters()),
            }
        )
    return rows


def bounds_of(network: LikelihoodAutoencoder, samples: int) -> dict[str, Bound]:
    """Name -> lower bound on log p(frame), in nats."""
    if isinstance(network, QuantizedVAE):
        return {
            "its code, uniform prior": lambda frames: network.multi_sample_bound(frames, 1),
            "its code, learned prior": network.learned_prior_bound,
        }
    return {f"{n} sample{'s'[: n > 1]}": _bound(network, n) for n in sorted({1, samples})}


def _bound(network: LikelihoodAutoencoder, samples: int) -> Bound:
    return lambda frames: network.multi_sample_bound(frames, samples)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """What was measured, a line a bound."""
    return aligned([HEAD, *map(cells, rows)])


def cells(row: dict[str, Any]) -> list[str]:
    """A bound's cells of the table."""
    interval = format_interval(*(row["interval"] or (None, None)))
    rate = "" if row["rate"] is None else f"{row['rate']:.3f}"
    return [row["run"], row["bound"], f"{row['bits_per_dim']:.3f}", interval, rate, f"{row['psnr']:.2f} dB"]


@torch.inference_mode()
def reconstructions(
    networks: dict[str, LikelihoodAutoencoder], frames: UInt8[Tensor, "n h w c"], scale: int
) -> np.ndarray:
    """Frames above what each model makes of them, uint8 ``h w c``."""
    rows = [("frames", list(frames.numpy()))]
    rows += [(run, list(one.decode(one.encode(frames)).numpy())) for run, one in networks.items()]
    return labelled_rows([str(i + 1) for i in range(len(frames))], rows, scale)


@torch.inference_mode()
def samples(networks: dict[str, LikelihoodAutoencoder], count: int, seed: int, scale: int) -> np.ndarray:
    """Mean frames of latents that each model's prior drew, a row each, uint8 ``h w c``."""
    rows = []
    for run, one in networks.items():
        latents = one.draw(count, torch.Generator().manual_seed(seed))
        rows.append((run, list(one.decode(latents).numpy())))
    return labelled_rows([str(i + 1) for i in range(count)], rows, scale)
