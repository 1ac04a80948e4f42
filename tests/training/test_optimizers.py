"""Which parameters decay, and which Muon learns."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import pytorch_optimizer
import torch
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5
from torch import nn

from tests.small import SMALL_PATCH, SMALL_PIXELCNN, SMALL_RASTER
from videovq.config import OptimizerConfig, PredictorConfig
from videovq.models.build import build_predictor
from videovq.training import muon
from videovq.training.optimizers import optimizer
from videovq.types import ActionSpec


class EveryKind(nn.Module):
    """A network with parameters of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.up = nn.Linear(4, 4), nn.ConvTranspose2d(4, 4, 2)
        self.sound, self.pixels, self.video = nn.Conv1d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv3d(4, 4, 3)
        self.norm, self.group, self.table = nn.LayerNorm((4, 4)), nn.GroupNorm(1, 4), nn.Embedding(5, 4)
        self.place, self.codebook = nn.Parameter(torch.zeros(4, 6, 6)), nn.Parameter(torch.zeros(8, 4))
        self.tied, self.frozen = nn.Linear(4, 5), nn.Linear(4, 4).requires_grad_(False)
        self.tied.weight = self.table.weight
        self.twice = nn.ModuleList([self.linear])


def groups(network: nn.Module, method: Literal["adamw", "muon"]) -> list[dict[str, Any]]:
    """The optimiser's groups, with the names of their parameters."""
    config = OptimizerConfig(method=method, weight_decay=0.1)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = optimizer(network, config, 10)["optimizer"].param_groups
    return [{**group, "names": [names[id(p)] for p in group["params"]]} for group in found]


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_only_weights_of_layers_decay(method: Literal["adamw", "muon"]) -> None:
    network = EveryKind()
    weights, rest = groups(network, method)
    assert sorted(weights["names"]) == [f"{name}.weight" for name in ("linear", "pixels", "sound", "up", "video")]
    assert (weights["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    learnt = [name for name, p in network.named_parameters() if p.requires_grad]
    assert sorted(weights["names"] + rest["names"]) == sorted(learnt), "each once"


@pytest.mark.parametrize("model", [SMALL_PATCH, SMALL_PIXELCNN, SMALL_RASTER], ids=lambda model: type(model).__name__)
def test_both_methods_decay_the_same_of_a_predictor(model: PredictorConfig) -> None:
    network = build_predictor(model, ActionSpec("discrete", (3,)), (6, 6), torch.randn(16, 4))
    adamw, muon = groups(network, "adamw"), groups(network, "muon")
    assert [group["names"] for group in adamw] == [group["names"] for group in muon]
    modules = dict(network.named_modules())
    for name in adamw[0]["names"]:
        assert isinstance(modules[name.rpartition(".")[0]], nn.Linear | nn.Conv2d | nn.ConvTranspose2d), name
    kept = [name for name in adamw[1]["names"] if dict(network.named_parameters())[name].ndim > 1]
    assert any("learned" in name or "tables" in name for name in kept), "there are embeddings"


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_without_a_gradient_only_layers_shrink(method: Literal["adamw", "muon"]) -> None:
    network = EveryKind()
    nn.init.ones_(network.place)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for p in network.parameters():
        p.grad = torch.zeros_like(p) if p.requires_grad else None
    found = optimizer(network, OptimizerConfig(method, learning_rate=0.1, warmup_steps=0, weight_decay=0.5), 10)
    found["optimizer"].step()
    for name in ("linear.weight", "pixels.weight", "sound.weight", "video.weight"):
        assert torch.allclose(dict(network.named_parameters())[name], 0.95 * before[name], atol=1e-6), name
    for name in ("place", "table.weight", "norm.weight", "linear.bias", "group.weight"):
        assert torch.equal(dict(network.named_parameters())[name], before[name]), name


SHAPES = [(6, 4), (4, 6), (4, 6), (6, 4, 3, 3), (5, 5)]


def stepped(method: type[torch.optim.Optimizer], steps: int) -> list[torch.Tensor]:
    """Weights of several shapes after some steps."""
    drawn = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape, generator=drawn)) for shape in SHAPES]
    group = {"params": weights, "use_muon": True, "lr": 0.1, "weight_decay": 0.5}
    muon = method([group], use_adjusted_lr=True)  # type: ignore[call-arg]
    for _ in range(steps):
        for one in weights:
            one.grad = torch.randn(one.shape, generator=drawn)
        muon.step()
    return [one.detach() for one in weights]


def test_muon_orthogonalises_in_float32_where_bfloat16_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "computes_bf16", lambda device: False)
    drawn = torch.Generator().manual_seed(0)
    before = [torch.randn(shape, generator=drawn) for shape in SHAPES]
    for one, found in zip(before, stepped(muon.Muon, 1), strict=True):
        matrix = torch.randn(one.shape, generator=drawn).double().flatten(1)
        update = zero_power_via_newton_schulz_5(matrix, 5, dtype=torch.float64).view_as(one)
        expected = one * (1 - 0.1 * 0.5) - 0.1 * 0.2 * max(matrix.shape) ** 0.5 * update
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
    for found, expected in zip(stepped(muon.Muon, 5), stepped(pytorch_optimizer.Muon, 5), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-2)


def test_muon_is_the_librarys_where_bfloat16_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon, "computes_bf16", lambda device: True)
    for found, expected in zip(stepped(muon.Muon, 3), stepped(pytorch_optimizer.Muon, 3), strict=True):
        assert torch.equal(found, expected)
