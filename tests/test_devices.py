"""The same on every kind of device that there is, and no step waits for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import GPUS
from tests.models.predictors.test_contract import GRID, SMALL, SPECS, K
from tests.models.quantizers.test_contract import every as every_quantizer
from tests.no_sync import NoSync, Waited
from videovq import config
from videovq.config import (
    EncodeConfig,
    EvaluateConfig,
    EvaluateLongConfig,
    EvaluateVQVAEConfig,
    LossConfig,
    PredictorConfig,
    QuantizerConfig,
    ShowCodebookConfig,
    TrainPredictorConfig,
    VQVAEConfig,
)
from videovq.data.store import EpisodeStore
from videovq.evaluation import evaluate, long
from videovq.evaluation import vqvae as evaluate_vqvae
from videovq.evaluation.codebook import show_codebook
from videovq.models.build import build_predictor, build_quantizer
from videovq.models.losses import ReconstructionLoss
from videovq.models.quantizers.contract import perplexity
from videovq.models.sampling import gumbel
from videovq.models.tf32 import without_tf32
from videovq.models.vqvae import VQVAE
from videovq.training.corruption import add_noise, add_own_frames, choose_targets, drop_actions
from videovq.training.encode import encode, encode_frames
from videovq.training.similar import SimilarCodes

OF_THE_LIBRARY = (config.RotationConfig, config.ResidualConfig)  # whose codebooks ask the device at every step
every_predictor = pytest.mark.parametrize("kind", SMALL.values(), ids=SMALL)


def test_what_waits_is_found() -> None:
    z, mask = torch.arange(4.0), torch.tensor([True, False, True, False])
    waiting: list[Callable[[], Any]] = [
        z.sum().item, z.tolist, z.cpu, z.numpy, mask.nonzero, lambda: float(z[0]), lambda: z[mask], lambda: bool(z[0]),
        lambda: z.long().bincount(), lambda: z.masked_fill_(mask, 0)[mask], z.unique,
    ]  # fmt: skip
    for one in waiting:
        with pytest.raises(Waited), NoSync():
            one()
    with NoSync():
        torch.where(mask, z, 0.0).sum()


@every_quantizer
def test_a_quantizer_learns_without_waiting(settings: QuantizerConfig, device: torch.device) -> None:
    if isinstance(settings, OF_THE_LIBRARY):
        pytest.skip("the library's codebooks ask the device at every step")
    torch.manual_seed(0)
    quantizer = build_quantizer(settings, 4).to(device).train()
    z = torch.randn(8, 4, 6, 6).to(device).requires_grad_()
    quantizer(z)  # finds out whether the codebook is initialised
    if isinstance(settings, config.LearnedCodebookConfig):
        quantizer.mean_usage[:3] = 0  # to be restarted
    with NoSync():
        output = quantizer(z)
        (output.quantized.sum() + output.loss).backward()
        perplexity(output.usage)
    if isinstance(settings, config.LearnedCodebookConfig):
        assert (quantizer.mean_usage[:3] > 0).all(), "restarted"


@every_quantizer
def test_a_quantizer_computes_in_float32_on_every_device(settings: QuantizerConfig, device: torch.device) -> None:
    torch.manual_seed(0)
    quantizer = build_quantizer(settings, 4).to(device).train()
    z = torch.randn(8, 4, 6, 6).to(device)
    quantizer(z)
    quantizer.eval()
    with torch.autocast(device.type, torch.bfloat16):
        output = quantizer(z.bfloat16())
        assert torch.equal(quantizer.encode(z.bfloat16()), output.codes)
        assert quantizer.decode(output.codes).dtype == output.quantized.dtype == torch.float32
    torch.testing.assert_close(float(perplexity(output.usage)), float(perplexity(output.usage.cpu())))


@pytest.mark.parametrize("restart_at", ["random", "far"])
def test_a_vqvae_trains_without_waiting(restart_at: Any, device: torch.device) -> None:
    quantizer = config.EMAConfig(codebook_size=16, restart_at=restart_at)
    network = VQVAE(VQVAEConfig(hidden=8, residual_hidden=4, code_dim=4, quantizer=quantizer)).to(device).train()
    loss = ReconstructionLoss(
        LossConfig(gradients=0.1), 1.0, 24
    )  # torchmetrics makes the weights of its SSIM on the CPU each time
    frames = (torch.rand(4, 3, 24, 24) - 0.5).to(device)
    network(frames)
    with NoSync():
        output = network(frames)
        (loss(output.reconstruction, frames) + output.quantizer.loss).backward()


@every_predictor
def test_a_predictor_trains_and_draws_without_waiting(kind: PredictorConfig, device: torch.device) -> None:
    torch.manual_seed(0)
    predictor = build_predictor(kind, SPECS[1], GRID, torch.randn(K, 4)).to(device).train()
    similar = SimilarCodes(predictor.codebook)
    settings = TrainPredictorConfig(model=kind, window=7, own_frames=0.5, own_length=2)
    codes = torch.randint(K, (4, 7, *GRID)).to(device)
    actions, noise = torch.randint(3, (4, 7, 1)).to(device), torch.zeros(4, *GRID, K).to(device)
    with NoSync():
        seen = add_noise(codes, similar, 0.1, 0.5, kind.corruption_levels)
        (given, levels), first = add_own_frames(predictor, seen, actions, settings)
        targets = choose_targets(7, 3, first)
        predictor(codes, drop_actions(actions, 0.3), given, targets, None, levels).loss.backward()
        with torch.inference_mode():
            state = predictor.start(codes[:, :3], actions[:, :2])
            for _ in range(2):
                _, state = predictor.step(state, actions[:, 2], noise)


@every_predictor
@torch.no_grad()
def test_a_predictor_finds_the_same_on_every_device(kind: PredictorConfig, device: torch.device) -> None:
    torch.manual_seed(0)
    predictor = build_predictor(kind, SPECS[1], GRID, torch.randn(K, 4)).eval()
    codes, actions = torch.randint(K, (2, 5, *GRID)), torch.randint(3, (2, 5, 1))
    noise = gumbel((2, *GRID, K), torch.Generator().manual_seed(0))
    expected = predictor(codes, actions).nll
    predictor.to(device)
    with without_tf32():
        found = predictor(codes.to(device), actions.to(device)).nll
        drawn, _ = predictor.step(
            predictor.start(codes.to(device), actions[:, :4].to(device)), actions[:, 4].to(device), noise.to(device)
        )
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)
    assert drawn.device.type == device.type and drawn.shape == (2, *GRID)


def test_codes_are_found_without_tf32_which_is_as_before_afterwards(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = VQVAE(VQVAEConfig(hidden=8, residual_hidden=4, code_dim=4)).eval()
    frames = torch.randint(256, (6, 24, 24, 3), dtype=torch.uint8)
    expected, seen = encode_frames(network, frames, 4), []
    network.to(device)
    encoded = network.encode

    def watched(z: torch.Tensor) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), z.device.type))
        return encoded(z)

    monkeypatch.setattr(network, "encode", watched)
    torch.set_float32_matmul_precision("high")
    try:
        found = encode_frames(network, frames, 4)
        assert seen == [(False, "highest", device.type)] * 2
        assert torch.backends.cudnn.allow_tf32 and torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (found == expected).float().mean() > 0.99


@pytest.mark.slow
def test_every_command_that_computes_refuses_a_device_that_is_not_there(
    episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    one: dict[str, Any] = {"store": str(episode_store), "vqvae": str(vqvae_run), "out": str(tmp_path / "out")}
    both = {**one, "predictor": str(predictor_run)}
    for command in (
        lambda: encode(EncodeConfig(**one, device="cuda:99")),
        lambda: evaluate_vqvae.evaluate(EvaluateVQVAEConfig(**one, device="cuda:99")),
        lambda: show_codebook(ShowCodebookConfig(**one, device="cuda:99")),
        lambda: evaluate.evaluate(EvaluateConfig(**both, device="cuda:99")),
        lambda: long.evaluate(EvaluateLongConfig(**both, device="cuda:99")),
    ):
        with pytest.raises(ValueError, match="device: 'cuda:99' is not on this machine"):
            command()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("gpu", GPUS)
def test_an_evaluation_finds_the_same_on_a_gpu(
    gpu: str, episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    found = {}
    for name in ("cpu", gpu):
        evaluate.evaluate(
            EvaluateConfig(
                store=str(episode_store), vqvae=str(vqvae_run), predictor=str(predictor_run), device=name, frames=4,
                temperature=0.0, out=str(tmp_path / name),
            )
        )  # fmt: skip
        found[name] = json.loads((tmp_path / name / "metrics.json").read_text())
    bits = [one["bits_per_code"]["prediction"]["mean"] for one in found.values()]
    assert bits[0] == pytest.approx(bits[1], abs=0.01)
    ceilings = [one["methods"]["ceiling"]["psnr"]["mean"] for one in found.values()]
    assert ceilings[0] == pytest.approx(ceilings[1], abs=0.1)
