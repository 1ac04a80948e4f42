"""``videovq evaluate sound``: bits, spectra of reconstructions, and sound that the prior draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from matplotlib import colormaps
from torch import Tensor
from torch.nn.functional import avg_pool2d

from videovq import __version__
from videovq.errors import UserError
from videovq.models.quantizers.contract import perplexity
from videovq.page import write_report
from videovq.papers.counted import markov_bits, unigram_bits
from videovq.papers.sound.config import EvaluateSoundConfig
from videovq.papers.sound.dilated import DilatedNetwork, draw
from videovq.papers.sound.folder import SoundFolder, read_sound, write_wav
from videovq.papers.sound.model import STRIDE, SoundVQVAE, codes_of
from videovq.papers.sound.runs import TrainedSound, load_sound, load_sound_prior
from videovq.papers.sound.waves import (
    MU_LAW_LEVELS,
    WINDOW,
    log_spectral_distance,
    power,
    spectral_convergence,
    to_levels,
    to_wave,
)
from videovq.parsing import to_plain
from videovq.pictures import drawn, new_figure
from videovq.progress import progress
from videovq.storage import write_json
from videovq.types import Sampling

PIECE = 16384  # samples, and codes, whose bits are computed at once; what lies before a piece is not known


@dataclass(frozen=True)
class Recording:
    """A file's levels, a multiple of 64, and their codes."""

    path: Path
    levels: Int64[Tensor, "t"]
    codes: Int64[Tensor, "n"]


def evaluate(config: EvaluateSoundConfig) -> dict[str, Any]:
    """Write ``metrics.json``, ``report.html``, ``spectrograms.png`` and wav files into ``config.out``, and
    print the figures.

    Raises:
        UserError: runs and folder do not belong together, a file or a setting cannot be used.
    """
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    trained, source = load_sound(config.sound), SoundFolder(config.source)
    prior = load_sound_prior(config.prior) if config.prior else None
    if prior is not None and prior.sound != trained.fingerprint:
        raise UserError(f"prior: {config.prior} was trained on codes of another VQ-VAE than {config.sound}")
    if config.split != "all" and source.fingerprint != trained.folder:
        raise UserError(f"source: other files than {config.sound} was trained on; measure them with split all")
    held = recordings(trained, source, config.split)
    train = [] if config.split == "all" else recordings(trained, source, "train")
    length = int(config.seconds * trained.rate) // STRIDE * STRIDE
    shortest = min(len(one.levels) for one in held)
    if not WINDOW <= length <= shortest:
        raise UserError(
            f"seconds: must be within {WINDOW / trained.rate:.3g} and {shortest / trained.rate:.3g},"
            " which is as long as the shortest recording"
        )
    usage = torch.cat([one.codes for one in held]).bincount(minlength=trained.network.quantizer.codebook_size).float()
    metrics: dict[str, Any] = {
        "videovq": __version__,
        "settings": to_plain(config),
        "seconds": sum(len(one.levels) for one in held) / trained.rate,
        "bits_per_second_of_codes": trained.rate / STRIDE * math.log2(len(usage)),
        "codes_used": int((usage > 0).sum()),
        "perplexity": float(perplexity(usage)),
        "bits_per_sample": sample_bits(trained.network, held, train),
    }
    generator = torch.Generator().manual_seed(config.seed)
    shown = [held[int(i)] for i in torch.linspace(0, len(held) - 1, min(config.shown, len(held)))]
    originals = torch.stack([read_sound(one.path, trained.rate)[:length] for one in shown])
    codes = torch.stack([one.codes[: length // STRIDE] for one in shown])
    rebuilt = to_wave(trained.network.decode(codes, generator, sampling))
    metrics["spectra"] = spectra(originals, rebuilt)
    sounds = {"original": originals, "reconstruction": rebuilt}
    if prior is not None:
        metrics["bits_per_code"] = code_bits(prior.network, held, train)
        new = draw(prior.network, config.samples, length // STRIDE, None, sampling, generator)
        sounds["sample"] = to_wave(trained.network.decode(new, generator, sampling))
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, waves in sounds.items():
        for i, wave in enumerate(waves):
            write_wav(out / f"{name}_{i}.wav", wave, trained.rate)
    write_json(out / "metrics.json", metrics)
    show(metrics)
    write_report(
        out,
        f"{Path(config.sound).name}: sound",
        f"{metrics['seconds']:.0f} s of split {config.split} of {config.source}; {metrics['codes_used']} codes used,"
        f" perplexity {metrics['perplexity']:.0f}, {metrics['bits_per_second_of_codes']:.0f} bits a second."
        " The sounds lie beside this page as wav files.",
        tables(metrics),
        {
            "spectrograms": (
                spectrograms(sounds, trained.rate),
                "Loudness over time and frequency; black: 50 dB below the loudest",
            )
        },
        config,
    )
    return metrics


def recordings(trained: TrainedSound, source: SoundFolder, split: str) -> list[Recording]:
    """Every recording of a split with its codes."""
    found = []
    for path, levels in zip(source.files[split], source.levels(split, trained.rate), strict=True):
        if len(levels) < STRIDE:
            raise UserError(f"{path}: is shorter than a code ({STRIDE} samples); take it out of the folder")
        whole = levels[: len(levels) // STRIDE * STRIDE].long()
        found.append(Recording(path, whole, codes_of(trained.network, whole)))
    return found


@torch.inference_mode()
def sample_bits(network: SoundVQVAE, held: list[Recording], train: list[Recording]) -> dict[str, float]:
    """Mean bits per sample with the codes, with those of another moment, and by models that count ``train``."""
    totals, count = {"with its codes": 0.0, "with another moment's codes": 0.0}, 0
    with progress(len(held), "bits", "recording") as bar:
        for one in held:
            moved = one.codes.roll(len(one.codes) // 2)
            for name, codes in zip(totals, (one.codes, moved), strict=True):
                pieces = zip(one.levels.split(PIECE), codes.split(PIECE // STRIDE), strict=True)
                totals[name] += sum(float(network.nll(part[None], given[None]).sum()) for part, given in pieces)
            count += len(one.levels)
            bar.update(1)
    bits = {name: total / count / math.log(2) for name, total in totals.items()}
    return bits | simple_bits([one.levels for one in held], [one.levels for one in train], MU_LAW_LEVELS)


@torch.inference_mode()
def code_bits(network: DilatedNetwork, held: list[Recording], train: list[Recording]) -> dict[str, float]:
    """Mean bits per code by the prior, and by models that count ``train``."""
    pieces = [part for one in held for part in one.codes.split(PIECE)]
    total = sum(float(network(part[None]).sum()) for part in pieces)
    bits = {"prior": total / sum(len(part) for part in pieces) / math.log(2)}
    return bits | simple_bits([one.codes for one in held], [one.codes for one in train], network.symbols)


def simple_bits(held: list[Int64[Tensor, "_"]], train: list[Int64[Tensor, "_"]], size: int) -> dict[str, float]:
    """Mean bits per symbol of models that count; without a training split only that of a uniform guess."""
    bits = {"uniform": math.log2(size)}
    if train:
        seen, asked = torch.cat(train)[None], torch.cat(held)[None]
        bits = {"Markov": markov_bits(seen, asked, size), "unigram": unigram_bits(seen, asked, size)} | bits
    return bits


def spectra(originals: Float[Tensor, "b t"], rebuilt: Float[Tensor, "b t"]) -> dict[str, dict[str, float]]:
    """Mean distances between waves: how far reconstructions are from their originals and from mu-law copies of those,
    beside how far these copies are, and the reconstructions of other recordings.
    """
    copies = to_wave(to_levels(originals))
    pairs = {
        "reconstruction": (originals, rebuilt),
        "reconstruction, from mu-law": (copies, rebuilt),
        "mu-law copy": (originals, copies),
    }
    if len(originals) > 1:
        pairs["another's reconstruction"] = (originals, rebuilt.roll(1, 0))
    measures = {"log_spectral_distance_db": log_spectral_distance, "spectral_convergence": spectral_convergence}
    return {
        name: {what: mean([measure(a, b) for a, b in zip(*pair, strict=True)]) for what, measure in measures.items()}
        for name, pair in pairs.items()
    }


def mean(values: list[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)


def spectrograms(sounds: dict[str, Float[Tensor, "_ t"]], rate: int) -> np.ndarray:
    """The first three sounds of each kind, loudness over time and frequency, a row for each kind, uint8 ``h w c``.

    Black is 50 dB below the loudest of each.
    """
    columns = min(3, *(len(waves) for waves in sounds.values()))
    figure = new_figure(3 * columns, 1.6 * len(sounds))
    axes = figure.subplots(len(sounds), columns, squeeze=False, sharex=True, sharey=True)
    for row, (name, waves) in zip(axes, sounds.items(), strict=True):
        row[0].set_ylabel(f"{name}\nkHz")
        for axis, wave in zip(row, waves, strict=False):
            seen = avg_pool2d(power(wave)[None], 2)[0]
            decibel = 10 * (seen / seen.max()).clamp(min=1e-6).log10()
            axis.imshow(
                decibel.numpy(),
                cmap=colormaps["magma"].resampled(16),
                vmin=-50,
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(0, len(wave) / rate, 0, rate / 2000),
            )
    for axis in axes[-1]:
        axis.set_xlabel("s")
    return drawn(figure)


def tables(metrics: dict[str, Any]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """The figures, for a page."""
    found = {}
    for name, what in (("bits_per_sample", "bits per sample"), ("bits_per_code", "bits per code")):
        if name in metrics:
            found[what.capitalize()] = (["model", what], [[k, f"{v:.3f}"] for k, v in metrics[name].items()])
    rows = [
        [name, f"{one['log_spectral_distance_db']:.2f}", f"{one['spectral_convergence']:.3f}"]
        for name, one in metrics["spectra"].items()
    ]
    return {**found, "Spectra": (["sound", "log-spectral distance (dB)", "spectral convergence"], rows)}


def show(metrics: dict[str, Any]) -> None:
    """Print the figures."""
    for name, value in metrics["bits_per_sample"].items():
        print(f"{name:<28} {value:.3f} bits per sample")
    for name, value in metrics.get("bits_per_code", {}).items():
        print(f"{name:<28} {value:.3f} bits per code")
    for name, values in metrics["spectra"].items():
        distance, convergence = values["log_spectral_distance_db"], values["spectral_convergence"]
        print(f"{name:<28} {distance:.2f} dB log-spectral distance, {convergence:.3f} spectral convergence")
    print(f"{metrics['codes_used']} codes used, perplexity {metrics['perplexity']:.0f}")
