import torch

from videovq.models.sampling import sampling_noise


def draws(logits: torch.Tensor, temperature: float, n: int = 20_000) -> torch.Tensor:
    noise = sampling_noise((n, len(logits)), temperature, torch.Generator().manual_seed(0))
    return torch.bincount((logits + noise).argmax(-1), minlength=len(logits)) / n


def test_frequencies_are_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([1.0, 0.0, -1.0, 2.5])
    for temperature in (0.5, 1.0, 2.0):
        expected = (logits / temperature).softmax(-1)
        chi_square = 20_000 * ((draws(logits, temperature) - expected) ** 2 / expected).sum()
        assert chi_square < 16.3, "the 0.1% point of chi-square with 3 degrees of freedom"
    assert draws(logits, 0.0).tolist() == [0, 0, 0, 1]


def test_noise_depends_on_the_generator_alone() -> None:
    one, two = (sampling_noise((3, 5), 1.0, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.isfinite(sampling_noise((1000, 512), 1.0, torch.Generator().manual_seed(1))).all()
