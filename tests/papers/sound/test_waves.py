from __future__ import annotations

import math

import pytest
import torch

from videovq.papers.sound.waves import log_spectral_distance, spectral_convergence, to_levels, to_wave


def test_levels_are_those_of_the_mu_law() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 0.1, 1.0])
    expected = [0, 0, 128, round((math.log(1 + 25.5) / math.log(256) + 1) * 127.5), 255]
    assert to_levels(x).tolist() == expected
    assert torch.equal(to_levels(to_wave(torch.arange(256))), torch.arange(256))


def test_the_copy_is_fine_where_the_wave_is_quiet() -> None:
    wave = torch.linspace(-1, 1, 20_001)
    error = (to_wave(to_levels(wave)) - wave).abs()
    assert (error <= 0.0225 * wave.abs() + 1e-4).all()


def test_distances_are_zero_for_the_same_and_grow_with_what_differs() -> None:
    times = torch.arange(8000) / 8000
    tone, other = torch.sin(2 * math.pi * 440 * times), torch.sin(2 * math.pi * 1500 * times)
    for distance in (log_spectral_distance, spectral_convergence):
        assert distance(tone, tone) == 0
        assert 0 < distance(tone, tone + 0.01 * other) < distance(tone, other)
    assert spectral_convergence(tone, torch.zeros(8000)) == pytest.approx(1)
    assert log_spectral_distance(tone, 0.1 * tone) < 20, "what is below the floor is left out"
