from __future__ import annotations

import torch

from videovq.papers.likelihoods.models.pixels import pixel_log_probability

EVERY = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)


def test_the_256_probabilities_sum_to_one() -> None:
    mean = torch.tensor([-3.0, -0.5, -0.1234, 0.0, 0.4999, 2.0]).view(1, 6, 1, 1).repeat(256, 1, 5, 1)
    log_scale = torch.tensor([-8.0, -6.0, -3.0, 0.0, 2.0]).view(1, 1, 5, 1).repeat(256, 6, 1, 1)
    found = pixel_log_probability(EVERY.expand(256, 6, 5, 1), mean, log_scale)
    assert found.isfinite().all()
    torch.testing.assert_close(found.double().exp().sum(dim=0), torch.ones(6, 5, 1).double(), atol=2e-4, rtol=0)


def test_it_is_the_integral_of_the_logistic_density_over_the_bin() -> None:
    mean, scale = 0.07, 0.05
    edges = (torch.arange(257, dtype=torch.float64) - 0.5) / 255 - 0.5
    cumulative = torch.sigmoid((edges - mean) / scale)
    cumulative[0], cumulative[-1] = 0, 1
    ones = torch.ones(256, 1, 1, 1)
    found = pixel_log_probability(EVERY, mean * ones, torch.tensor(scale).log() * ones).flatten()
    torch.testing.assert_close(found.double(), cumulative.diff().log(), atol=1e-4, rtol=1e-4)


def test_the_gradient_is_finite_far_from_the_mean() -> None:
    mean, log_scale = torch.full((256, 1, 1, 1), 5.0, requires_grad=True), torch.full((256, 1, 1, 1), -8.0)
    log_scale.requires_grad_()
    pixel_log_probability(EVERY, mean, log_scale).sum().backward()
    assert mean.grad is not None and log_scale.grad is not None
    assert mean.grad.isfinite().all() and log_scale.grad.isfinite().all()
