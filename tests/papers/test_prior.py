from __future__ import annotations

import itertools
import math

import pytest
import torch

from videovq.models.sampling import gumbel
from videovq.papers.config import PixelCNNConfig
from videovq.papers.prior import FramePrior
from videovq.types import Sampling

PLAIN = PixelCNNConfig(width=16, embedding=8, decoder_layers=3)
ATTENTIVE = PixelCNNConfig(width=16, embedding=8, decoder_layers=4, attention_every=2, heads=2)


def prior(config: PixelCNNConfig, grid: tuple[int, int] = (6, 5), size: int = 7) -> FramePrior:
    torch.manual_seed(0)
    network = FramePrior(config, grid, torch.randn(size, 4), levels=2).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("config", [PLAIN, ATTENTIVE])
def test_a_code_depends_on_those_before_it_and_no_other(config: PixelCNNConfig) -> None:
    network, levels = prior(config), torch.tensor([1])
    codes = torch.randint(7, (1, 6, 5), generator=torch.Generator().manual_seed(1))
    before = network(codes, levels).flatten()
    for place in (0, 4, 13, 29):
        changed = codes.flatten().clone()
        changed[place] = (changed[place] + 1) % 7
        after = network(changed.view_as(codes), levels).flatten()
        same = (after - before).abs() < 1e-6
        assert same[:place].all()
        assert not same[place]
        assert place == 29 or not same[place + 1 :].all()


@pytest.mark.parametrize("config", [PLAIN, ATTENTIVE])
def test_the_density_sums_to_one(config: PixelCNNConfig) -> None:
    network = prior(config, grid=(2, 2), size=3)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    for level in (0, 2):
        total = (-network(every, torch.full((81,), level)).flatten(1).sum(1)).exp().sum()
        assert float(total) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("config", [PLAIN, ATTENTIVE])
def test_draws_follow_the_density(config: PixelCNNConfig) -> None:
    network, count = prior(config, grid=(1, 2), size=3), 4000
    generator = torch.Generator().manual_seed(0)
    noise = gumbel((count, 1, 2, 3), generator)
    drawn = network.draw(torch.zeros(count, dtype=torch.int64), noise)
    every = torch.tensor(list(itertools.product(range(3), repeat=2))).view(-1, 1, 2)
    expected = (-network(every, torch.zeros(9, dtype=torch.int64)).flatten(1).sum(1)).exp() * count
    found = (drawn.flatten(1) * torch.tensor([3, 1])).sum(1).bincount(minlength=9)
    assert float(((found - expected) ** 2 / expected).sum()) < 26.1, "chi-square of 8 degrees, 0.1 %"


@torch.no_grad()
def test_guidance_leans_towards_the_level() -> None:
    network = prior(PLAIN)
    noise = gumbel((64, 6, 5, 7), torch.Generator().manual_seed(0))
    levels = torch.ones(64, dtype=torch.int64)
    plain, strong = (network.draw(levels, noise, Sampling(guidance=g)) for g in (1.0, 3.0))
    gain = [
        float((network(codes, torch.full_like(levels, 2)) - network(codes, levels)).mean()) / math.log(2)
        for codes in (plain, strong)
    ]
    assert gain[1] > gain[0] > 0
