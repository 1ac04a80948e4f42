"""``videovq make syllables``: speech-like sound by rule, to try the sound VQ-VAE without a corpus.

A source and a filter (Fant 1960): the voice is a sum of harmonics, weighted by three formant resonances that glide from
sound to sound; consonants are hiss, closures or nasals. It is no language, and far simpler than speech.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from videovq.follow_up import free, typed
from videovq.papers.sound.config import MakeSyllablesConfig, TrainSoundConfig
from videovq.papers.sound.folder import write_wav
from videovq.progress import progress

TRACK = 200  # values a second of formants, pitch and loudness


@dataclass(frozen=True)
class Phone:
    """A sound: formants in Hz, loudness of the voice and of hiss around 2,200 and 3,300 Hz, seconds it lasts."""

    formants: tuple[int, int, int]
    voice: float
    low_hiss: float
    high_hiss: float
    seconds: float


VOWELS = [  # formants of men by Peterson and Barney 1952
    Phone((270, 2290, 3010), 1.0, 0.0, 0.0, 0.14),  # i
    Phone((530, 1840, 2480), 1.0, 0.0, 0.0, 0.14),  # e
    Phone((730, 1090, 2440), 1.0, 0.0, 0.0, 0.16),  # a
    Phone((570, 840, 2410), 1.0, 0.0, 0.0, 0.15),  # o
    Phone((300, 870, 2240), 1.0, 0.0, 0.0, 0.14),  # u
]
CONSONANTS = [
    [Phone((250, 1100, 2200), 0.3, 0.0, 0.0, 0.08)],  # m
    [Phone((360, 1300, 2800), 0.5, 0.0, 0.0, 0.07)],  # l
    [Phone((400, 1600, 2600), 0.0, 0.0, 0.25, 0.10)],  # s
    [Phone((400, 1600, 2400), 0.0, 0.3, 0.08, 0.10)],  # sh
    [Phone((300, 1700, 2600), 0.0, 0.0, 0.0, 0.06), Phone((300, 1700, 2600), 0.0, 0.2, 0.2, 0.015)],  # t
    [Phone((250, 800, 2200), 0.05, 0.0, 0.0, 0.06), Phone((300, 900, 2200), 0.4, 0.05, 0.0, 0.015)],  # b
]
PAUSE = Phone((500, 1500, 2500), 0.0, 0.0, 0.0, 0.2)


def make(config: MakeSyllablesConfig) -> None:
    """Write the files that are not there yet.

    Raises:
        UserError: a number is too small.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    with progress(config.files, "make syllables", "file") as bar:
        for i in range(config.files):
            path = out / f"speaker_{i % config.speakers}_{i:04d}.wav"
            if not path.exists():
                sound = spoken(config.seed, i % config.speakers, i, config.seconds, config.rate)
                write_wav(path, torch.from_numpy(sound), config.rate)
            bar.update(1)
    then = typed("train sound", source=config.out, run=free(TrainSoundConfig.run))
    print(f"{config.files} files of {config.seconds:g} s in {out}/; next: {then}")


def spoken(seed: int, speaker: int, number: int, seconds: float, rate: int) -> np.ndarray:
    """Words of two to four syllables by one speaker, float32 of -0.7..0.7; the same for the same arguments."""
    own = np.random.default_rng([seed, speaker])
    pitch = own.uniform(85, 230)
    throat = 0.92 + 0.25 * (pitch - 85) / 145 + own.uniform(-0.04, 0.04)  # short throats: high voices, high formants
    rng = np.random.default_rng([seed, speaker, number + 1])
    tracks, accents = _tracks(rng, seconds)
    tracks[:, :3] *= throat
    moments = np.arange(len(tracks)) / TRACK
    tone = pitch * accents * (1 + 0.02 * np.sin(2 * math.pi * (5 * moments + rng.uniform())))
    times = np.arange(int(seconds * rate)) / rate
    phase = 2 * math.pi * np.cumsum(np.interp(times, moments, tone)) / rate
    sound = np.zeros(len(times))
    for k in range(1, int(0.47 * rate / tone.min()) + 1):
        heard = tracks[:, 3] * _envelope(k * tone, tracks[:, :3]) * (k * tone < 0.47 * rate) / k
        sound += np.interp(times, moments, heard) * np.sin(k * phase)
    for column, centre in ((4, 2200), (5, 3300)):
        sound += np.interp(times, moments, tracks[:, column]) * _hiss(rng, len(times), rate, centre)
    sound += 0.002 * rng.standard_normal(len(times))
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)


def _tracks(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Formants, voice and hisses (``t 6``), and the height of the pitch (``t``), which falls along a word."""
    phones, heights = [PAUSE], [1.0]
    while sum(phone.seconds for phone in phones) < seconds:
        for syllable in range(rng.integers(2, 5)):
            height = 1.15 - 0.08 * syllable + rng.uniform(-0.05, 0.05)
            spoken = [*CONSONANTS[rng.integers(len(CONSONANTS))], VOWELS[rng.integers(len(VOWELS))]]
            phones += spoken
            heights += [height] * len(spoken)
        phones.append(PAUSE)
        heights.append(1.0)
    moments, values, at = [], [], 0.0
    for phone, height in zip(phones, heights, strict=True):
        lasts = phone.seconds * rng.uniform(0.8, 1.3)
        row = [*phone.formants, phone.voice, phone.low_hiss, phone.high_hiss, height]
        glide = min(0.02, lasts / 4)  # to either side; between the two it stays
        moments += [at + glide, at + lasts - glide]
        values += [row, row]
        at += lasts
    grid = np.arange(math.ceil(seconds * TRACK) + 1) / TRACK
    columns = [np.interp(grid, moments, column) for column in np.array(values).T]
    return np.stack(columns[:-1], axis=1), columns[-1]


def _envelope(frequency: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """How strongly three resonances let frequencies through."""
    through = np.ones_like(frequency)
    for formant, width in zip(formants.T, (80, 100, 150), strict=True):
        ratio = frequency / formant
        through /= np.sqrt((1 - ratio**2) ** 2 + (width * frequency / formant**2) ** 2)
    return through


def _hiss(rng: np.random.Generator, length: int, rate: int, centre: float) -> np.ndarray:
    """Noise around a frequency, of unit variance."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.exp(-0.5 * ((np.fft.rfftfreq(length, 1 / rate) - centre) / 500) ** 2)
    noise = np.fft.irfft(spectrum, length)
    return noise / noise.std()
