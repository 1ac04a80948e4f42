"""What every quantizer promises, asked of each."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from typing import Any

import pytest
import torch

from videovq import config
from videovq.config.registry import QUANTIZERS
from videovq.models.build import build_quantizer
from videovq.models.quantizers.contract import Quantizer, perplexity

SIXTEEN_CODES: dict[str, dict[str, Any]] = {
    "FSQConfig": {"levels": [4, 4]},
    "ResidualConfig": {"codebook_size": 4, "layers": 2},
}


def small(name: str) -> config.QuantizerConfig:
    """Settings of 16 codes; the defaults, where nothing says what makes 16."""
    kind = getattr(config, name)
    usual = {one.name: 16 for one in fields(kind) if one.name == "codebook_size"}
    return kind(**SIXTEEN_CODES.get(name, usual))


def has_sixteen(settings: config.QuantizerConfig) -> bool:
    return type(settings).__name__ in SIXTEEN_CODES or hasattr(settings, "codebook_size")


every = pytest.mark.parametrize("settings", [small(name) for name in QUANTIZERS], ids=lambda s: type(s).__name__)


def build(settings: config.QuantizerConfig) -> Quantizer:
    torch.manual_seed(0)
    return build_quantizer(settings, 4)


def batch(seed: int) -> torch.Tensor:
    return torch.randn(8, 4, 6, 6, generator=torch.Generator().manual_seed(seed))


def trained(settings: config.QuantizerConfig) -> Quantizer:
    quantizer = build(settings).train()
    for seed in range(5):
        torch.manual_seed(seed)
        quantizer(batch(seed))
    return quantizer


@every
def test_codes_stand_for_the_quantized_vectors(settings: config.QuantizerConfig) -> None:
    quantizer = trained(settings).eval()
    output = quantizer(batch(9))
    size = quantizer.codebook_size
    assert size == 16 or not has_sixteen(settings)
    assert torch.equal(quantizer.encode(batch(9)), output.codes)
    assert torch.allclose(quantizer.decode(output.codes), output.quantized, atol=1e-5)
    assert torch.allclose(quantizer.code_vectors()[output.codes[0, 0]].T, output.quantized[0, :, 0], atol=1e-5)
    assert torch.equal(output.usage, torch.bincount(output.codes.flatten(), minlength=size).float())
    assert quantizer.encode(quantizer.decode(output.codes)).shape == output.codes.shape


@every
def test_more_than_one_code_and_none_out_of_range(settings: config.QuantizerConfig) -> None:
    quantizer = trained(settings).eval()
    usage = quantizer(batch(9)).usage
    assert perplexity(usage) > min(6, 0.4 * quantizer.codebook_size)
    assert len(usage) == quantizer.codebook_size


@every
def test_the_gradient_reaches_the_encoder(settings: config.QuantizerConfig) -> None:
    quantizer = trained(settings)
    z = batch(9).requires_grad_()
    output = quantizer(z)
    (output.quantized.sum() + output.loss).backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().sum() > 0


@every
def test_float32_inside_autocast(settings: config.QuantizerConfig) -> None:
    quantizer = trained(settings).eval()
    z = batch(9).bfloat16()
    plain = quantizer(z.float())
    with torch.autocast("cpu", torch.bfloat16):
        cast = quantizer(z)
        codes = quantizer.encode(z)
        decoded = quantizer.decode(codes)
    assert cast.quantized.dtype == decoded.dtype == torch.float32
    assert torch.equal(cast.quantized, plain.quantized)
    assert torch.equal(cast.codes, plain.codes)
    assert torch.equal(codes, plain.codes)


@every
def test_evaluation_changes_nothing(settings: config.QuantizerConfig) -> None:
    quantizer = trained(settings).eval()
    before = deepcopy(quantizer.state_dict())
    quantizer(batch(9))
    quantizer.encode(batch(10))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


@every
def test_a_resumed_codebook_goes_on_as_it_was(settings: config.QuantizerConfig) -> None:
    one, two = trained(settings), build(settings).train()
    two.load_state_dict(deepcopy(one.state_dict()))
    for seed in range(5, 60):
        outputs = []
        for quantizer in (one, two):
            torch.manual_seed(seed)
            outputs.append(quantizer(batch(seed)))
        assert torch.equal(outputs[0].codes, outputs[1].codes)
        assert torch.equal(outputs[0].loss, outputs[1].loss)
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (config.FSQConfig(levels=[8, 2]), "levels"),
        (config.LFQConfig(codebook_size=500), "power of two"),
        (config.ResidualConfig(codebook_size=512, layers=3), "fewer layers"),
        (config.QuantizerConfig(), "choose from EMAConfig"),
        (config.LearnedCodebookConfig(), "choose from EMAConfig"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: config.QuantizerConfig, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        build(settings)


def test_perplexity() -> None:
    assert perplexity(torch.ones(32)) == pytest.approx(32)
    assert perplexity(torch.eye(32)[3] * 100) == pytest.approx(1)
    assert perplexity(torch.zeros(32)) == pytest.approx(1), "of nothing: no code in use"
