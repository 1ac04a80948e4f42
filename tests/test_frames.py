import pytest
import torch

from videovq.frames import psnr, to_float, to_uint8


def test_conversion_is_exact_both_ways() -> None:
    frames = torch.arange(256).repeat(3).reshape(1, 16, 16, 3).to(torch.uint8)
    there = to_float(frames)
    assert there.shape == (1, 3, 16, 16)
    assert (there.min(), there.max()) == (-0.5, 0.5)
    assert torch.equal(to_uint8(there), frames)
    assert to_uint8(there * 9).max() == 255, "out of range is clipped"


def test_psnr() -> None:
    black = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    other = black.clone()
    other[1] = 255
    assert psnr(black, other)[0] > 70
    assert psnr(black, other)[1] == pytest.approx(0)
    assert float(psnr(black[:1], black[:1] + 16)) == pytest.approx(10 * torch.log10(torch.tensor(255**2 / 256)).item())
