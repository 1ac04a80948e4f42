from __future__ import annotations

import math

import pytest
import torch

from videovq.evaluation.pixel_bits import WIDTH_BITS, bits_per_value, grey_levels, log_probability


@pytest.mark.parametrize("width", [1 / 16, 0.5, 5.0, 300.0])
@pytest.mark.parametrize("around", [0.0, 3.0, 128.0, 255.0])
def test_probabilities_of_all_grey_levels_sum_to_one(width: float, around: float) -> None:
    logs = log_probability(torch.arange(256.0).double(), torch.full((256,), around).double(), width)
    assert logs.isfinite().all()
    assert float(logs.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_a_wide_error_costs_the_entropy_of_its_gaussian() -> None:
    generator = torch.Generator().manual_seed(0)
    around = torch.randint(80, 170, (200, 10, 10, 3), generator=generator)
    truth = (around + 8 * torch.randn(around.shape, generator=generator)).round()
    found = bits_per_value(grey_levels(truth.to(torch.uint8), around.to(torch.uint8)))
    assert found == pytest.approx(0.5 * math.log2(2 * math.pi * math.e * (64 + 1 / 12)), abs=0.02)


def test_an_exact_reconstruction_costs_what_tells_the_width() -> None:
    frames = torch.randint(256, (2, 8, 8, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert bits_per_value(grey_levels(frames, frames)) == pytest.approx(WIDTH_BITS / frames.numel(), abs=1e-9)


def test_it_is_a_code_that_could_be_sent() -> None:
    """No scheme beats the entropy of uniform noise; one that fits its width to what it scores for nothing would."""
    generator = torch.Generator().manual_seed(0)
    truth, around = (torch.randint(256, (50, 16, 16, 3), generator=generator, dtype=torch.uint8) for _ in range(2))
    assert bits_per_value(grey_levels(truth, around)) > 8
    few = torch.tensor([0, 1], dtype=torch.uint8).view(1, 1, 2, 1)
    assert bits_per_value(grey_levels(few, few)) > WIDTH_BITS / 2 - 0.01
