import pytest
import torch

from videovq.config import VQVAEConfig
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
    assert VQVAE(VQVAEConfig(downsamplings=3)).encode(torch.zeros(1, 3, 64, 64)).shape == (1, 8, 8)


def test_a_code_is_local() -> None:
    """A change of pixels far away changes neither a code nor, through it, the picture here."""
    torch.manual_seed(0)
    network = VQVAE(VQVAEConfig(hidden=16, residual_hidden=8)).eval()
    frames = torch.rand(1, 3, 84, 84) - 0.5
    other = frames.clone()
    other[..., 70:] += 0.3
    assert torch.equal(network.encode(frames)[..., :8], network.encode(other)[..., :8])


@pytest.mark.parametrize("kind", ["ema", "codebook_loss"])
def test_learns_a_picture(kind: str) -> None:
    torch.manual_seed(0)
    frames = torch.rand(8, 3, 6, 6).repeat_interleave(4, 2).repeat_interleave(4, 3) - 0.5
    config = VQVAEConfig(hidden=32, residual_hidden=16, codebook_size=64, code_dim=8, quantizer=kind)  # type: ignore[arg-type]
    network = VQVAE(config, float(frames.var())).train()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    first = network(frames).nmse.item()
    for _ in range(150):
        optimizer.zero_grad()
        output = network(frames)
        output.loss.backward()
        optimizer.step()
    assert output.nmse.item() < 0.3 < 0.8 < first


def test_encode_and_forward_agree() -> None:
    torch.manual_seed(0)
    network = VQVAE(VQVAEConfig(hidden=16, residual_hidden=8)).eval()
    frames = torch.rand(3, 3, 24, 24) - 0.5
    output = network(frames)
    assert torch.equal(output.quantizer.codes, network.encode(frames))
    assert torch.allclose(output.reconstruction, network.decode(output.quantizer.codes), atol=1e-5)
    assert output.loss > output.nmse
