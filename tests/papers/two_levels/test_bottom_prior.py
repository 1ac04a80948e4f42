from __future__ import annotations

import itertools
import math

import pytest
import torch

from videovq.models.sampling import gumbel
from videovq.papers.config import PixelCNNConfig
from videovq.papers.two_levels.bottom_prior import BottomPrior
from videovq.types import Sampling

CONFIG = PixelCNNConfig(width=16, embedding=8, decoder_layers=3)


def prior(grid: tuple[int, int] = (6, 4), size: int = 5) -> BottomPrior:
    torch.manual_seed(0)
    network = BottomPrior(CONFIG, grid, torch.randn(7, 4), torch.randn(size, 4)).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return network


def test_a_code_depends_on_those_before_it_and_on_top_codes_all_around() -> None:
    network, generator = prior(), torch.Generator().manual_seed(1)
    bottom = torch.randint(5, (1, 6, 4), generator=generator)
    top = torch.randint(7, (1, 3, 2), generator=generator)
    with torch.no_grad():
        before = network(bottom, top).flatten()
        for place in (0, 3, 13, 23):
            changed = bottom.flatten().clone()
            changed[place] = (changed[place] + 1) % 5
            same = (network(changed.view_as(bottom), top).flatten() - before).abs() < 1e-6
            assert same[:place].all() and not same[place]
            assert place == 23 or not same[place + 1 :].all()
        for place in range(6):
            changed = top.flatten().clone()
            changed[place] = (changed[place] + 1) % 7
            after = network(bottom, changed.view_as(top)).flatten()
            assert (after - before).abs()[0] > 1e-6, "the first code is told of top codes below and to the right"


def test_the_density_sums_to_one_and_draws_follow_it() -> None:
    network, count = prior(grid=(2, 2), size=3), 4000
    top = torch.full((1, 1, 1), 2)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        chances = (-network(every, top.expand(81, 1, 1)).flatten(1).sum(1)).exp()
    assert float(chances.sum()) == pytest.approx(1.0, abs=1e-4)
    noise = gumbel((count, 2, 2, 3), torch.Generator().manual_seed(0))
    drawn = network.draw(top.expand(count, 1, 1), noise).flatten(1)
    found = (drawn * torch.tensor([27, 9, 3, 1])).sum(1).bincount(minlength=81)
    likely = chances > 5 / count
    wanted = chances[likely] * count
    degrees = int(likely.sum())
    assert degrees > 5, "or the test would not tell"
    assert float(((found[likely] - wanted) ** 2 / wanted).sum()) < degrees + 4 * math.sqrt(2 * degrees)


def test_guidance_leans_towards_the_top_codes() -> None:
    network = prior()
    noise = gumbel((64, 6, 4, 5), torch.Generator().manual_seed(0))
    top = torch.randint(7, (64, 3, 2), generator=torch.Generator().manual_seed(1))
    gain = []
    for guidance in (1.0, 3.0):
        codes = network.draw(top, noise, Sampling(guidance=guidance))
        with torch.no_grad():
            gain.append(float((network(codes, torch.full_like(top, network.missing)) - network(codes, top)).mean()))
    assert gain[1] > gain[0] > 0


def test_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="attention_every"):
        BottomPrior(PixelCNNConfig(attention_every=2), (4, 4), torch.zeros(2, 2), torch.zeros(2, 2))
