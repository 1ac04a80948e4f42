"""Mu-law levels and spectra of sound: the only conversion between waves (float -1..1) and the 256 levels that networks
model, and distances between two waves.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

MU_LAW_LEVELS = 256
WINDOW, HOP = 256, 64  # samples of a spectrum, and from one to the next
FLOOR = 1e-6  # of the loudest value of a spectrogram: what is more than 60 dB below is not heard


def to_levels(wave: Float[Tensor, "*b t"]) -> Int64[Tensor, "*b t"]:
    """-1..1 (clipped) to 0..255 by the mu-law (ITU-T G.711, as van den Oord et al. 2016, section 2.2)."""
    wave = wave.clamp(-1, 1)
    companded = wave.sign() * torch.log1p((MU_LAW_LEVELS - 1) * wave.abs()) / math.log(MU_LAW_LEVELS)
    return companded.add(1).mul((MU_LAW_LEVELS - 1) / 2).round().long()


def companded(levels: Int64[Tensor, "*b t"]) -> Float[Tensor, "*b t"]:
    """The companded wave of levels: 0..255 to -1..1, linearly, without the inverse of the mu-law."""
    return levels.float().div((MU_LAW_LEVELS - 1) / 2).sub(1)


def to_wave(levels: Int64[Tensor, "*b t"]) -> Float[Tensor, "*b t"]:
    """0..255 to -1..1 by the inverse of the mu-law."""
    even = companded(levels)
    return even.sign() * torch.expm1(even.abs() * math.log(MU_LAW_LEVELS)) / (MU_LAW_LEVELS - 1)


def power(wave: Float[Tensor, "t"]) -> Float[Tensor, "bins frames"]:
    """Power spectrogram, by Hann windows of 256 samples, 64 apart."""
    spectrum = torch.stft(wave, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)
    return spectrum.abs().square()


def log_spectral_distance(wave: Float[Tensor, "t"], other: Float[Tensor, "t"]) -> float:
    """Root mean square over frequencies of the difference of two power spectra in dB, mean over time (Gray and Markel
    1976). What lies more than 60 dB below the loudest value of ``wave`` counts as 60 dB below.
    """
    first, second = power(wave), power(other)
    floor = float(first.max()) * FLOOR + 1e-20
    difference = 10 * (first.clamp(min=floor).log10() - second.clamp(min=floor).log10())
    return float(difference.square().mean(dim=0).sqrt().mean())


def spectral_convergence(wave: Float[Tensor, "t"], other: Float[Tensor, "t"]) -> float:
    """Norm of the difference of two magnitude spectrograms over that of the first (Arik et al. 2018, arXiv 1808.06719);
    1 for silence.
    """
    first, second = power(wave).sqrt(), power(other).sqrt()
    return float((first - second).norm() / first.norm().clamp(min=1e-10))
