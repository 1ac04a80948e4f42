"""The noise of rollouts: the very bits that are promised, and their statistics."""

from __future__ import annotations

import math

import pytest
import torch

from videovq.models.noise import WORD, FrameNoise, seed_tensor

POSITIONS, CODES = 60, 512


def bits(seed: int, frame: int, positions: int = POSITIONS, codes: int = CODES) -> torch.Tensor:
    noise = FrameNoise(positions, codes)
    return noise.bits(seed_tensor([seed], torch.device("cpu")), torch.tensor([frame]))[0].long() & WORD


def gumbels(seed: int, frame: int) -> torch.Tensor:
    return FrameNoise(POSITIONS, CODES)(seed_tensor([seed], torch.device("cpu")), torch.tensor([frame]))[0].double()


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([WORD] * 4, [WORD] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_words_that_its_authors_publish(counter: list[int], key: list[int], words: list[int]) -> None:
    found = FrameNoise(1, 1).philox(*([torch.tensor([[word]]) for word in some] for some in (counter, key)))
    assert found.flatten().tolist() == words


def test_the_bits_are_those_of_plain_arithmetic_and_stay_what_they_are() -> None:
    """A slow twin in whole numbers of Python, and six words that no later version may change: replays rely on them."""

    def slow(seed: int, frame: int, position: int, code: int) -> int:
        (a, b, c, d), keys = (position, frame, 0, 0), [seed & WORD, seed >> 32 & WORD]
        for _ in range(10):
            left, right = a * 0xD2511F53, c * 0xCD9E8D57
            a, b, c, d = right >> 32 ^ b ^ keys[0], right & WORD, left >> 32 ^ d ^ keys[1], left & WORD
            keys = [keys[0] + 0x9E3779B9 & WORD, keys[1] + 0xBB67AE85 & WORD]
        x = a + code * 0x9E3779B9 & WORD
        x = (x ^ x >> 16) * 0x7FEB352D & WORD ^ b
        x = (x ^ x >> 15) * 0x846CA68B & WORD
        return x ^ x >> 16

    for seed, frame in ((0, 1), (2**53 - 1, 7), (2**63 - 1, 2**31), (-1, 3000)):
        found = bits(seed, frame, 5, 7)
        assert found.tolist() == [[slow(seed, frame, s, k) for k in range(7)] for s in range(5)]
    kept = [769729802, 1876853451, 471421607, 2094726279, 3158974600, 1836217455]
    assert bits(2**53 - 1, 7, 2, 3).flatten().tolist() == kept


def test_a_rollouts_noise_does_not_depend_on_its_batch_or_on_the_size_of_frames() -> None:
    noise, seeds, frames = FrameNoise(9, 6), seed_tensor([4, 2**63, 4], torch.device("cpu")), torch.tensor([1, 1, 2])
    together = noise(seeds, frames)
    for i in range(3):
        assert torch.equal(together[i : i + 1], noise(seeds[i : i + 1], frames[i : i + 1]))
    assert torch.equal(bits(4, 1, 9, 6), bits(4, 1)[:9, :6])
    assert len({tuple(rows.flatten().tolist()) for rows in together}) == 3
    assert torch.equal(bits(2**64 + 5, 1, 2, 2), bits(5, 1, 2, 2)), "seeds are whole numbers modulo 2^64"


def test_the_noise_is_gumbels() -> None:
    """Mean, variance, and the largest distance from the distribution function (Kolmogorov-Smirnov)."""
    for seed, frame in ((0, 1), (1, 1), (0, 2), (2**62, 2999)):
        found = gumbels(seed, frame).flatten()
        n = len(found)
        assert abs(float(found.mean()) - 0.5772156649) < 4.5 * math.pi / math.sqrt(6 * n)
        assert abs(float(found.var()) - math.pi**2 / 6) < 4.5 * math.sqrt(4.4 * (math.pi**2 / 6) ** 2 / n)
        expected = (-(-found.sort().values).exp()).exp()
        steps = torch.arange(n + 1, dtype=torch.float64) / n
        distance = torch.maximum(expected - steps[:-1], steps[1:] - expected).max()
        assert float(distance) * math.sqrt(n) < 2.2, "passed once in 8,000 draws"


def test_it_is_finite_and_as_precise_as_promised_for_all_bits() -> None:
    """The smallest and largest words and some between, against float64: the tolerance between devices."""
    words = torch.cat([torch.arange(4096), WORD // 2 - torch.arange(4096), bits(0, 1).flatten() & 0x7FFFFFFF])
    noise = FrameNoise(1, len(words))
    noise._bits = lambda *_: (words.int()[None, None], torch.empty(1, 1, len(words), dtype=torch.int32))  # type: ignore[method-assign]
    found = noise(torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)).flatten().double()
    uniform = (words.float() * (2**-31 * (1 - 2**-24)) + 2**-32).double()
    exact = -(-(-uniform).log1p()).log()
    assert found.isfinite().all() and 22 < float(found.max()) < 22.2 and -2.9 < float(found.min()) < -2.7
    assert float(((found - exact).abs() - 2e-7 * exact.abs()).max()) < 1e-6


def test_seeds_frames_positions_and_codes_are_independent() -> None:
    """Correlations of neighbours, of every kind of neighbour, and of their squares."""
    found = gumbels(7, 5)
    pairs = [
        (found, gumbels(8, 5)),
        (found, gumbels(7 + 2**32, 5)),
        (found, gumbels(7, 6)),
        (found, gumbels(5, 7)),
        (found[:-1], found[1:]),
        (found[:, :-1], found[:, 1:]),
        (found[:, :-3], found[:, 3:]),
        (found[:-1, :-1], found[1:, 1:]),
        (found[1:, :-1], found[:-1, 1:]),
    ]
    for one, other in pairs:
        for power in (1, 2):
            both = torch.stack([one.flatten() ** power, other.flatten() ** power])
            assert abs(float(torch.corrcoef(both)[0, 1])) * math.sqrt(both.shape[1]) < 4.5


def test_neighbours_show_no_lattice() -> None:
    """Chi-square of pairs of neighbours on a 32 x 32 board, by their upper and by their lower bits."""
    words = torch.stack([bits(11, frame) for frame in range(1, 5)])
    for shift in (27, 0):
        x = words >> shift & 31
        for one, other in ((x[:, :, :-1], x[:, :, 1:]), (x[:, :-1], x[:, 1:]), (x[:-1], x[1:])):
            counts = torch.bincount((one * 32 + other).flatten(), minlength=1024).double()
            expected = counts.sum() / 1024
            chi_square = float(((counts - expected) ** 2 / expected).sum())
            assert abs(chi_square - 1023) < 5 * math.sqrt(2 * 1023)


@pytest.mark.parametrize("word", ["seed", "frame", "position", "code"])
def test_every_bit_of_the_input_turns_half_of_the_output(word: str) -> None:
    """Avalanche: whichever bit changes, each output bit changes with a probability of 1/2."""
    for bit in range(0, 63 if word == "seed" else 6, 5 if word == "seed" else 1):
        if word in ("seed", "frame"):
            changed = bits(5 ^ 1 << bit, 9) if word == "seed" else bits(5, 9 ^ 1 << bit)
            turned = bits(5, 9) ^ changed
        else:
            every = bits(5, 9, 64, 512)
            other = torch.arange(every.shape[word == "code"]) ^ 1 << bit
            turned = every ^ (every[other] if word == "position" else every[:, other])
        share = (turned.flatten()[:, None] >> torch.arange(32) & 1).double().mean(dim=0)
        assert float((share - 0.5).abs().max()) * 2 * math.sqrt(turned.numel()) < 7, "pairs are counted twice"
