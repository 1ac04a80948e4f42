"""Where parameters may get no gradient, which several devices would wait for, their module says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from tests.models.predictors.test_contract import SMALL, SPECS, make, sample
from tests.models.quantizers.test_contract import batch, build, small
from videovq.config import CodebookLossConfig, EMAConfig, PredictorConfig, QuantizerConfig
from videovq.config.registry import QUANTIZERS
from videovq.types import ActionSpec


def says_so(network: nn.Module) -> bool:
    return any(getattr(part, "sometimes_unused", False) for part in network.modules())


@pytest.mark.parametrize("latent_loss", [0.0, 0.5])
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
@pytest.mark.parametrize("kind", SMALL.values(), ids=SMALL)
def test_of_every_predictor(kind: PredictorConfig, spec: ActionSpec, latent_loss: float) -> None:
    predictor = make(replace(kind, latent_loss=latent_loss), spec).train()
    predictor(*sample(spec)).loss.backward()
    unused = {name for name, value in predictor.named_parameters() if value.grad is None}
    assert bool(unused) == says_so(predictor) == (latent_loss == 0), unused


@pytest.mark.parametrize(
    "settings",
    [
        *map(small, QUANTIZERS),
        CodebookLossConfig(codebook_size=16, start_after=1),
        EMAConfig(codebook_size=16, start_after=1),
    ],
    ids=str,
)
def test_of_every_quantizer(settings: QuantizerConfig) -> None:
    quantizer = build(settings).train()
    output = quantizer(batch(0).requires_grad_())
    (output.quantized.sum() + output.loss).backward()
    unused = {name for name, value in quantizer.named_parameters() if value.grad is None}
    assert bool(unused) == says_so(quantizer), unused
