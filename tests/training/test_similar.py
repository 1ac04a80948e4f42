from __future__ import annotations

import pytest
import torch

from videovq.training import similar
from videovq.training.similar import SimilarCodes, similar_codes


def test_parts_of_the_distances_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    codebook = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    every = torch.arange(50)
    whole = similar_codes(codebook, every)
    monkeypatch.setattr(similar, "AT_ONCE", 200)
    assert torch.equal(similar_codes(codebook, every), whole)
    assert (whole != every[:, None]).all(), "itself not among them"


def test_a_codebook_without_a_table_gives_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    codebook = torch.randn(50, 3, generator=generator)
    codes, which = torch.randint(50, (2, 4, 3, 3), generator=generator), torch.randint(8, (2, 4, 3, 3))
    replaced = torch.rand(codes.shape, generator=generator) < 0.3
    expected = SimilarCodes(codebook)(codes, which, replaced)
    monkeypatch.setattr(similar, "WORTH_A_TABLE", 0)
    network = SimilarCodes(codebook)
    assert network.table is None
    assert torch.equal(network(codes, which, replaced), expected)
    assert torch.equal(expected[~replaced], codes[~replaced]) and (expected != codes)[replaced].all()
    assert torch.equal(network(codes, which, torch.zeros_like(replaced)), codes)
