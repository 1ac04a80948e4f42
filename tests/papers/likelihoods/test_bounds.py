"""Bounds and gradients against exact values on models small enough to enumerate."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from videovq.config import EMAConfig
from videovq.papers.config import PixelCNNConfig
from videovq.papers.likelihoods.config import GaussianVAEConfig, LikelihoodConfig, QuantizedVAEConfig, VIMCOConfig
from videovq.papers.likelihoods.models.build import build_autoencoder
from videovq.papers.likelihoods.models.contract import LikelihoodAutoencoder
from videovq.papers.likelihoods.models.vimco import VIMCO, vimco

pytestmark = pytest.mark.slow

TINY = {"hidden": 8, "residual_hidden": 4, "residual_blocks": 1, "code_dim": 4}
SMALL_VIMCO = VIMCOConfig(**TINY, latents=2, codebook_size=3, samples=5)  # type: ignore[arg-type]
SMALL_QUANTIZED = QuantizedVAEConfig(
    **TINY,  # type: ignore[arg-type]
    latents=2,
    quantizer=EMAConfig(codebook_size=3, commitment=0.25, restart_below=0.02),
    prior=PixelCNNConfig(width=8, embedding=4, decoder_layers=2),
)
SMALL_GAUSSIAN = GaussianVAEConfig(**TINY, latents=2)  # type: ignore[arg-type]
FRAMES = torch.randint(256, (3, 4, 4, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def density(config: LikelihoodConfig) -> LikelihoodAutoencoder:
    torch.manual_seed(0)
    return build_autoencoder(config, (4, 4)).eval()


def every_latent(size: int, places: int) -> Tensor:
    return torch.tensor(list(itertools.product(range(size), repeat=places)))


def exact(network: VIMCO) -> Tensor:
    """log p(frame), summed over all latents."""
    codes = every_latent(3, 2).view(9, 1, 2, 1, 1).expand(-1, len(FRAMES), -1, -1, -1)
    return network._log_joint(FRAMES, codes).logsumexp(dim=0)


def test_vimcos_bound_comes_from_below_and_agrees_with_the_exact_likelihood() -> None:
    network = density(SMALL_VIMCO)
    assert isinstance(network, VIMCO)
    with torch.no_grad():
        network.vectors.mul_(5)
        truth = exact(network)
        torch.manual_seed(1)
        weights = network.log_weights(FRAMES, 5000)
    bounds = {n: (weights.unflatten(0, (-1, n)).logsumexp(dim=1) - math.log(n)).mean(dim=0) for n in (1, 5, 5000)}
    assert (bounds[1] <= bounds[5] + 0.01).all() and (bounds[5] <= truth + 0.05).all()
    assert (truth - bounds[1] > 0.1).any(), "or the test would not tell"
    torch.testing.assert_close(bounds[5000], truth, atol=0.05, rtol=0)


@pytest.mark.parametrize("samples", [2, 3])
def test_vimcos_gradient_is_that_of_the_expected_bound(samples: int) -> None:
    """Both expectations by enumeration of all draws from a posterior over four values."""
    torch.manual_seed(0)
    scores = torch.randn(4, dtype=torch.float64, requires_grad=True)
    joint = torch.randn(4, dtype=torch.float64, requires_grad=True)  # log p(x, z)
    draws = every_latent(4, samples).T
    log_posterior = scores.log_softmax(dim=0)[draws]
    chance = log_posterior.sum(dim=0).exp()
    bound, surrogate = vimco(joint[draws] - log_posterior, log_posterior)
    wanted = torch.autograd.grad((chance * bound).sum(), [scores, joint], retain_graph=True)
    found = torch.autograd.grad((chance.detach() * surrogate).sum(), [scores, joint])
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-8)
    assert wanted[0].abs().max() > 1e-3


def test_the_decoder_learns_from_one_sample_what_it_would_from_all() -> None:
    network = density(SMALL_VIMCO)
    assert isinstance(network, VIMCO)
    bias = network.decoder[-1].bias  # type: ignore[index, union-attr]
    unit = -len(FRAMES) * network.dims
    torch.manual_seed(0)
    found = torch.stack([torch.autograd.grad(network(FRAMES).loss * unit, bias)[0] for _ in range(300)])
    wanted = [torch.autograd.grad(network.multi_sample_bound(FRAMES, 5).sum(), bias)[0] for _ in range(300)]
    error = (found.var(dim=0) / 300 + torch.stack(wanted).var(dim=0) / 300).sqrt()
    difference = (found.mean(dim=0) - torch.stack(wanted).mean(dim=0)).abs()
    assert (difference < 4 * error + 1e-3).all()
    assert (error < 0.1 * found.mean(dim=0).abs()).any(), "or the test would not tell"


def test_the_vaes_two_ways_to_its_bound_agree() -> None:
    network = density(SMALL_GAUSSIAN)
    with torch.no_grad():
        torch.manual_seed(0)
        closed = torch.stack([network(FRAMES).bound for _ in range(400)]).mean(0)
        sampled = network.log_weights(FRAMES, 2000).mean(0)
        tighter = network.multi_sample_bound(FRAMES, 50)
    torch.testing.assert_close(closed, sampled, atol=0.5, rtol=0)
    assert (tighter > sampled).all()


def test_the_vqvaes_bound_is_one_term_of_the_exact_likelihood() -> None:
    network = density(SMALL_QUANTIZED)
    with torch.no_grad():
        network.decoder[0].weight.mul_(5)  # type: ignore[operator, index, union-attr]
        codes = every_latent(3, 2).view(9, 2, 1)
        latents = network._together(network.quantizer.decode(codes))  # type: ignore[operator, union-attr]
        every = latents[:, None].expand(-1, len(FRAMES), -1, -1, -1)
        likelihoods = network.log_likelihood(FRAMES, every)
        truth = (likelihoods - 2 * math.log(3)).logsumexp(dim=0)
        learned = (likelihoods - network._prior_nll(codes)[:, None]).logsumexp(dim=0)  # type: ignore[operator]
        output = network(FRAMES)
        assert (output.bound < truth).all()
        assert (network.learned_prior_bound(FRAMES) < learned).all()  # type: ignore[operator]
    assert output.rate.tolist() == pytest.approx([2 * math.log(3)] * 3)
    found = (likelihoods - 2 * math.log(3) - output.bound).abs().min(dim=0).values
    assert found.max() < 1e-3


@pytest.mark.parametrize("config", [SMALL_GAUSSIAN, SMALL_VIMCO, SMALL_QUANTIZED])
def test_every_parameter_learns(config: LikelihoodConfig) -> None:
    network = density(config).train()
    network(FRAMES).loss.backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not still


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="model.samples"):
        build_autoencoder(VIMCOConfig(samples=1), (8, 8))
    with pytest.raises(ValueError, match="model.downsamplings"):
        build_autoencoder(GaussianVAEConfig(), (10, 8))
