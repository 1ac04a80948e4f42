from __future__ import annotations

import itertools

import pytest
import torch

from videovq.models.sampling import gumbel, sample_codes
from videovq.papers.sound.config import DilatedConfig
from videovq.papers.sound.dilated import DilatedNetwork, Steps, draw
from videovq.types import Sampling

CONFIG = DilatedConfig(width=12, skip=10, layers=5, cycle=3, hidden_part=0.5)
SYMBOLS, STRIDE = 7, 4


def network(symbols: int = SYMBOLS, condition: int = 6) -> DilatedNetwork:
    torch.manual_seed(0)
    made = DilatedNetwork(CONFIG, symbols, STRIDE if condition else 1, condition).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def data(length: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    symbols = torch.randint(SYMBOLS, (2, length), generator=generator)
    return symbols, torch.randn(2, length // STRIDE, 6, generator=generator)


def test_a_symbol_depends_on_those_within_reach_before_it_and_no_other() -> None:
    made, (symbols, told) = network().double(), data()
    told = told.double()
    assert made.reach == 1 + (1 + 2 + 4) + (1 + 2)
    before = made.logits(symbols, told)
    for place in (0, 5, 21, 39):
        changed = symbols.clone()
        changed[:, place] = (changed[:, place] + 1) % SYMBOLS
        moved = (made.logits(changed, told) != before).any(dim=-1).all(dim=0)
        expected = torch.zeros(40, dtype=torch.bool)
        expected[place + 1 : place + 1 + made.reach] = True
        assert torch.equal(moved, expected)


def test_a_vector_of_the_condition_speaks_to_its_own_symbols_and_those_after() -> None:
    made, (symbols, told) = network(), data()
    changed = told.clone()
    changed[:, 3] += 1
    moved = (made.logits(symbols, changed) != made.logits(symbols, told)).any(dim=-1).all(dim=0)
    assert moved.nonzero()[0] == 3 * STRIDE
    assert moved[3 * STRIDE : 4 * STRIDE].all()


@pytest.mark.parametrize("condition", [6, 0])
@torch.no_grad()
def test_symbol_by_symbol_gives_what_one_pass_gives(condition: int) -> None:
    made, (symbols, vectors) = network(condition=condition).double(), data()
    told = vectors.double() if condition else None
    steps, given = Steps(made, 2, told), torch.full((2, 1), made.missing)
    found = []
    for t in range(symbols.shape[1]):
        found.append(steps.after(given))
        given = symbols[:, t : t + 1]
    assert torch.allclose(torch.cat(found, dim=1), made.logits(symbols, told), rtol=0, atol=1e-12)


@torch.no_grad()
def test_draws_are_those_of_a_whole_pass_for_every_symbol() -> None:
    made, (_, told) = network(), data()
    sampling, place = Sampling(temperature=0.9, top_k=5), torch.zeros(1, dtype=torch.int64)
    drawn = draw(made, 2, 40, told, sampling, torch.Generator().manual_seed(2))
    generator, slow = torch.Generator().manual_seed(2), torch.zeros(2, 40, dtype=torch.int64)
    for t in range(40):
        noise = gumbel((2, 1, SYMBOLS), generator)
        slow[:, t] = sample_codes(noise, sampling, made.logits(slow, told)[:, t : t + 1], place)[:, 0]
    assert torch.equal(drawn, slow)
    assert len(drawn.unique()) > 3


@torch.no_grad()
def test_the_density_sums_to_one() -> None:
    made = network(symbols=3)
    every = torch.tensor(list(itertools.product(range(3), repeat=STRIDE)))
    total = (-made(every, data()[1][:1, :1].expand(len(every), -1, -1)).sum(1)).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-4)


def test_training_hides_symbols_and_measuring_does_not() -> None:
    made, (symbols, told) = network(), data()
    assert torch.equal(made(symbols, told), made(symbols, told))
    made.train()
    assert not torch.equal(made(symbols, told), made(symbols, told))
