"""Bits by models that count, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from videovq.papers.counted import markov_bits, unigram_bits


def test_baselines_by_hand() -> None:
    three = torch.tensor([[[0, 0, 0, 1]]])
    assert unigram_bits(three, three, 2) == pytest.approx(-(3 * math.log2(4 / 6) + math.log2(2 / 6)) / 4)
    turns = torch.tensor([0, 1]).repeat(500).view(1, 1, 1000)
    assert unigram_bits(turns, turns, 2) == pytest.approx(1.0)
    assert markov_bits(turns, turns, 2) < 0.02, "after a 0 comes a 1"
    assert markov_bits(turns, turns.flip(2), 2) < 0.02
    held = torch.zeros(1, 1, 1000, dtype=torch.int64)
    assert 5 < markov_bits(turns, held, 2) < 20, "what never happened is unlikely, not impossible"


def test_markov_bits_count_only_what_occurs_of_a_large_codebook() -> None:
    size = 2**18
    turns = torch.tensor([[0, size - 1] * 8, [size - 1, 0] * 8])
    single = 17 / (32 + size)
    expected = -(30 * math.log2((15 + single) / 16) + 2 * math.log2(single)) / 32
    assert markov_bits(turns, turns, size) == pytest.approx(expected)
