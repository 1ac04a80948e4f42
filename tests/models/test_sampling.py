import pytest
import torch

from videovq.models.sampling import gumbel, sample_codes
from videovq.types import Sampling


def draws(logits: torch.Tensor, temperature: float, n: int = 20_000, **settings: float) -> torch.Tensor:
    noise = gumbel((1, n, len(logits)), torch.Generator().manual_seed(0))
    codes = sample_codes(noise, Sampling(temperature, **settings), logits.expand(1, n, -1), torch.arange(n))
    return torch.bincount(codes[0], minlength=len(logits)) / n


def test_frequencies_are_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0, 2.5])
    for temperature in (0.5, 1.0, 2.0):
        expected = (logits / temperature).softmax(-1)
        chi_square = 20_000 * ((draws(logits, temperature) - expected) ** 2 / expected).sum()
        assert chi_square < 16.3, "the 0.1% point of chi-square with 3 degrees of freedom"
    assert draws(logits, 0.0).tolist() == [0, 0, 0, 1]


def test_noise_depends_on_the_generator_alone() -> None:
    one, two = (gumbel((3, 5), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.isfinite(gumbel((1000, 512), torch.Generator().manual_seed(1))).all()


def test_top_k_and_top_p_draw_from_the_most_likely_codes_in_the_models_proportions() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0, 2.5])  # probabilities 0.16, 0.06, 0.02, 0.75
    for settings, allowed in (({"top_k": 2}, [0, 3]), ({"top_p": 0.8}, [0, 3]), ({"top_p": 0.7}, [3])):
        expected = torch.zeros(4)
        expected[allowed] = logits[allowed].softmax(-1)
        drawn = draws(logits, 1.0, **settings)
        assert (drawn[expected == 0] == 0).all()
        assert torch.allclose(drawn, expected, atol=0.01)
    assert torch.equal(draws(logits, 1.0, top_k=99, top_p=1.0), draws(logits, 1.0))


def test_guidance_mixes_the_logits_with_and_without_actions() -> None:
    known, unknown = torch.tensor([[[0.0, 1.0, 0.4]]]), torch.tensor([[[0.0, 1.5, 0.0]]])
    noise, both, place = torch.zeros(1, 1, 3), torch.cat([known, unknown]), torch.tensor([0])
    assert sample_codes(noise, Sampling(0.0, guidance=0.5), both, place).tolist() == [[1], [1]], (
        "both halves go on alike"
    )
    assert sample_codes(noise, Sampling(0.0, guidance=4.0), both, place).tolist() == [[2], [2]]  # 0, -0.5, 1.6


@pytest.mark.parametrize("field", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}, {"guidance": -1}])
def test_bad_settings_are_named(field: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(field))):
        Sampling(**field)
