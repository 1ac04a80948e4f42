from __future__ import annotations

import torch

from videovq.config import EMAConfig
from videovq.papers.two_levels.config import VQVAE2Config
from videovq.papers.two_levels.vqvae2 import VQVAE2, Level

CONFIG = VQVAE2Config(
    hidden=16,
    residual_hidden=8,
    residual_blocks=1,
    code_dim=4,
    top=EMAConfig(codebook_size=16, commitment=0.25, restart_below=0.02),
    bottom=EMAConfig(codebook_size=8, commitment=0.25, restart_below=0.02),
)
FRAMES = torch.rand(4, 3, 16, 24, generator=torch.Generator().manual_seed(0)) - 0.5


def network() -> VQVAE2:
    torch.manual_seed(0)
    made = VQVAE2(CONFIG, 1 / 12).train()
    made(FRAMES)  # k-means places the codes
    return made.eval()


def test_codes_alone_give_the_reconstruction() -> None:
    made = network()
    with torch.no_grad():
        output = made(FRAMES)
        top, bottom = made.encode(FRAMES)
        assert (top.shape, bottom.shape) == ((4, 4, 6), (4, 8, 12))
        assert torch.equal(top, output.top.codes) and torch.equal(bottom, output.bottom.codes)
        torch.testing.assert_close(made.decode(top, bottom), output.reconstruction)


def test_both_levels_reach_the_picture_and_the_loss_reaches_every_weight() -> None:
    made = network()
    with torch.no_grad():
        top, bottom = made.encode(FRAMES)
        whole = made.decode(top, bottom)
        assert not torch.allclose(made.decode((top + 1) % 16, bottom), whole)
        assert not torch.allclose(made.decode(top, (bottom + 1) % 8), whole)
    output = made.train()(FRAMES)
    (output.nmse + output.top.loss + output.bottom.loss).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())


def test_a_level_alone_writes_the_same_codes() -> None:
    made = network()
    with torch.no_grad():
        both = made.encode(FRAMES)
        assert torch.equal(Level(made, "top").encode(FRAMES), both[0])
        assert torch.equal(Level(made, "bottom").encode(FRAMES), both[1])
    assert (Level(made, "top").stride, Level(made, "bottom").stride) == (4, 2)
    assert Level(made, "bottom").quantizer.codebook_size == 8
