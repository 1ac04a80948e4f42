import urllib.request
from pathlib import Path

import pytest
import torch
from torchvision.models import squeezenet1_1

from videovq.config import LossConfig
from videovq.models.discriminator import PatchDiscriminator, adaptive_weight, hinge_loss
from videovq.models.losses import ReconstructionLoss, load_lpips, ssim_weights


def pair(size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    frames = torch.rand(2, 3, size // 4, size // 4).repeat_interleave(4, 2).repeat_interleave(4, 3) - 0.5
    return frames + 0.05 * torch.randn_like(frames), frames


def test_pixel_losses_are_measured_in_the_datas_spread() -> None:
    worse, frames = pair()
    error = (worse - frames).double().numpy()
    mse = ReconstructionLoss(LossConfig(pixels="mse"), 0.04, 48)(worse, frames)
    assert float(mse) == pytest.approx((error**2).mean() / 0.04, rel=1e-5)
    l1 = ReconstructionLoss(LossConfig(pixels="l1"), 0.04, 48)(worse, frames)
    assert float(l1) == pytest.approx(abs(error).mean() / 0.2, rel=1e-5)


def test_gradient_differences_ask_for_the_strength_of_a_texture_not_its_place() -> None:
    torch.manual_seed(0)
    frames = torch.rand(2, 3, 48, 48) - 0.5
    loss = ReconstructionLoss(LossConfig(gradients=1.0), 0.01, 48)
    cost = {name: float(loss(one, frames)) - float((one - frames).pow(2).mean()) / 0.01 for name, one in (
        ("same", frames), ("flat", 0 * frames), ("half", 0.5 * frames), ("moved", frames.roll((3, 3), (2, 3)))
    )}  # fmt: skip
    assert cost["same"] == 0
    assert cost["moved"] < 0.1 * cost["flat"]
    assert cost["half"] == pytest.approx(cost["flat"] / 4, rel=0.02), "the strength is half"
    strength = (torch.nn.functional.avg_pool2d(frames.diff(dim=-1).pow(2), 8, 4) + 1e-6).sqrt()
    along = 100 * float((strength - 1e-3).pow(2).mean())
    assert 1.5 * along < cost["flat"] < 3 * along, "both directions, and coarser scales where less is left"
    wide = torch.rand(1, 3, 4, 16)
    assert torch.isfinite(loss(wide, 0.5 * wide)), "smaller than a window"


def test_ssim_adds_what_blur_costs_and_teaches() -> None:
    _, frames = pair()
    loss = ReconstructionLoss(LossConfig(ssim=1.0), 1e9, 48)  # the squared error counts for nothing
    blurred = torch.nn.functional.avg_pool2d(frames, 5, 1, 2).requires_grad_()
    value = loss(blurred, frames)
    assert loss(frames, frames).item() == pytest.approx(0, abs=1e-5)
    assert 0.05 < value.item() < 1
    value.backward()
    assert loss(blurred.detach() - 0.1 * blurred.grad / blurred.grad.norm(), frames) < value


@pytest.mark.parametrize(("side", "scales"), [(11, 1), (24, 2), (64, 3), (84, 3), (400, 5)])
def test_ssim_takes_the_scales_that_fit(side: int, scales: int) -> None:
    weights = ssim_weights(side)
    assert len(weights) == scales
    assert sum(weights) == pytest.approx(1)
    frames = torch.rand(1, 3, side, side) - 0.5
    loss = ReconstructionLoss(LossConfig(ssim=1.0), 1.0, side)
    assert torch.isfinite(loss.dissimilarity(frames, 0.9 * frames))


def test_ssim_refuses_frames_smaller_than_its_window() -> None:
    with pytest.raises(ValueError, match=r"loss\.ssim"):
        ssim_weights(8)


def test_lpips_with_weights_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in the place of ImageNet's: the loading and the distance are the real ones."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    worse, frames = pair()
    worse.requires_grad_()
    loss = ReconstructionLoss(LossConfig(lpips=1.0, lpips_network="squeeze"), 1e9, 48)
    assert loss(frames, frames).item() == pytest.approx(0, abs=1e-6)
    value = loss(worse, frames)
    assert value > 0
    value.backward()
    assert worse.grad.abs().sum() > 0


def test_lpips_without_weights_says_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: no network
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers proxies, for later tests too
    with pytest.raises(ValueError, match=f"{tmp_path}/hub/checkpoints") as caught:
        load_lpips("squeeze", "loss.lpips")
    assert "leave loss.lpips out" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_discriminator_learns_to_tell_blur_from_edges() -> None:
    _, frames = pair()
    blurred = torch.nn.functional.avg_pool2d(frames, 5, 1, 2)
    discriminator = PatchDiscriminator(8)
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-3)
    first = hinge_loss(discriminator(frames), discriminator(blurred))
    for _ in range(60):
        optimizer.zero_grad()
        loss = hinge_loss(discriminator(frames), discriminator(blurred))
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * first
    assert discriminator(frames).shape[2] > 4, "a score for every patch"
    assert torch.allclose(discriminator(frames)[:1], discriminator(frames[:1]), atol=1e-5), "frame by frame"


def test_the_adaptive_weight_makes_both_pulls_equal() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    one, other = (3 * weight).sum(), (weight * torch.tensor([0.0, 0.5])).sum()
    assert adaptive_weight(one, other, weight).item() == pytest.approx(3 * 2**0.5 / 0.5, rel=1e-3)
