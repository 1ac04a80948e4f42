import pytest
import torch

from videovq.config import CodebookLossConfig, EMAConfig, VQVAEConfig
from videovq.models.vqvae import VQVAE


def test_the_published_architecture() -> None:
    network = VQVAE(VQVAEConfig())
    frames = torch.rand(2, 3, 84, 84) - 0.5
    assert network.encode(frames).shape == (2, 21, 21)
    assert network.decode(network.encode(frames)).shape == frames.shape
    strided = [m for m in network.encoder.modules() if isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2)]
    assert [m.kernel_size for m in strided] == [(4, 4), (4, 4)]
    upward = [m for m in network.decoder.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [(m.kernel_size, m.stride) for m in upward] == [((4, 4), (2, 2))] * 2


@pytest.mark.parametrize(("downsamplings", "size"), [(1, 42), (2, 84), (3, 168), (4, 336), (5, 96)])
def test_frames_of_a_power_of_two_times_the_grid(downsamplings: int, size: int) -> None:
    network = VQVAE(VQVAEConfig(hidden=16, residual_hidden=8, downsamplings=downsamplings))
    frames = torch.zeros(1, 3, size, size)
    codes = network.encode(frames)
    assert codes.shape == (1, size // 2**downsamplings, size // 2**downsamplings)
    assert network.decode(codes).shape == frames.shape


def test_a_code_is_local() -> None:
    """A change of pixels far away changes neither a code nor, through it, the picture here."""
    torch.manual_seed(0)
    network = VQVAE(VQVAEConfig(hidden=16, residual_hidden=8)).eval()
    frames = torch.rand(1, 3, 84, 84) - 0.5
    other = frames.clone()
    other[..., 70:] += 0.3
    assert torch.equal(network.encode(frames)[..., :8], network.encode(other)[..., :8])


@pytest.mark.parametrize("kind", [EMAConfig, CodebookLossConfig])
def test_learns_a_picture(kind: type) -> None:
    torch.manual_seed(0)
    frames = torch.rand(8, 3, 6, 6).repeat_interleave(4, 2).repeat_interleave(4, 3) - 0.5
    config = VQVAEConfig(
        hidden=32, residual_hidden=16, code_dim=8, quantizer=kind(codebook_size=64, commitment=0.25, restart_below=0.02)
    )
    network = VQVAE(config, float(frames.var())).train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    first = network(frames).nmse.item()
    for _ in range(150):
        optimizer.zero_grad()
        output = network(frames)
        (output.nmse + output.quantizer.loss).backward()
        optimizer.step()
    assert output.nmse.item() < 0.3 < 0.8 < first


def test_encode_and_forward_agree() -> None:
    torch.manual_seed(0)
    network = VQVAE(VQVAEConfig(hidden=16, residual_hidden=8)).eval()
    frames = torch.rand(3, 3, 24, 24) - 0.5
    output = network(frames)
    assert torch.equal(output.quantizer.codes, network.encode(frames))
    assert torch.allclose(output.reconstruction, network.decode(output.quantizer.codes), atol=1e-5)
