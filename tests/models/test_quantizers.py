from copy import deepcopy

import numpy as np
import pytest
import torch

from videovq.config import VQVAEConfig
from videovq.models.quantizers import VectorQuantizer, build_quantizer, perplexity

KINDS = ["ema", "codebook_loss"]


def quantizer(kind: str, **changes: object) -> VectorQuantizer:
    torch.manual_seed(0)
    settings = {"codebook_size": 16, "code_dim": 4, "restart_below": 0.0, **changes}
    return build_quantizer(VQVAEConfig(quantizer=kind, **settings))  # type: ignore[arg-type]


def batch(seed: int, n: int = 8) -> torch.Tensor:
    return torch.randn(n, 4, 6, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_nearest_code_recomputed_in_numpy(kind: str) -> None:
    q = quantizer(kind).eval()
    z = batch(1)
    out = q(z)
    vectors = z.permute(0, 2, 3, 1).reshape(-1, 4).numpy()
    distances = ((vectors[:, None] - q.codebook.detach().numpy()[None]) ** 2).sum(-1)
    assert np.array_equal(out.codes.flatten().numpy(), distances.argmin(1))
    assert np.array_equal(out.usage.numpy(), np.bincount(distances.argmin(1), minlength=16))


@pytest.mark.parametrize("kind", KINDS)
def test_decode_of_codes_is_the_quantized_output(kind: str) -> None:
    q = quantizer(kind).eval()
    out = q(batch(1))
    assert torch.allclose(q.decode(out.codes), out.quantized, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_goes_straight_through(kind: str) -> None:
    q = quantizer(kind).eval()
    z = batch(1).requires_grad_()
    weight = batch(2)
    (q(z).quantized * weight).sum().backward()
    assert torch.allclose(z.grad, weight)


@pytest.mark.parametrize("kind", KINDS)
def test_beta_multiplies_the_commitment_term(kind: str) -> None:
    """d loss / d z comes from the commitment term alone, d loss / d codebook from the codebook term alone."""
    gradients = {}
    for beta in (0.25, 0.5):
        q = quantizer(kind, commitment=beta).eval()
        z = batch(1).requires_grad_()
        q(z).loss.backward()
        gradients[beta] = (z.grad.clone(), q.codebook.grad)
    assert torch.allclose(gradients[0.5][0], 2 * gradients[0.25][0])
    if kind == "codebook_loss":
        assert torch.allclose(gradients[0.5][1], gradients[0.25][1])


def test_ema_update_recomputed_in_numpy() -> None:
    q = quantizer("ema").train()
    q(batch(0))  # initialises
    for seed in range(1, 4):
        mass, sums, codebook = (v.double().numpy().copy() for v in (q.mean_usage, q.mean_sum, q.codebook))
        z = batch(seed).permute(0, 2, 3, 1).reshape(-1, 4).double().numpy()
        codes = ((z[:, None] - codebook[None]) ** 2).sum(-1).argmin(1)
        q(batch(seed))
        counts = np.bincount(codes, minlength=16)
        mass = 0.99 * mass + 0.01 * counts
        sums = 0.99 * sums + 0.01 * np.stack([z[codes == k].sum(0) for k in range(16)])
        assert np.allclose(q.codebook.numpy(), sums / mass[:, None], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_kmeans_starts_on_the_data(kind: str) -> None:
    q = quantizer(kind).train()
    centres = torch.eye(4).repeat(4, 1) * torch.arange(1, 17)[:, None] * 10
    z = centres[torch.randint(16, (8 * 36,))] + 0.01 * torch.randn(8 * 36, 4)
    q(z.reshape(8, 6, 6, 4).permute(0, 3, 1, 2))
    assert bool(q.initialised)
    distances = torch.cdist(z, q.codebook.detach()).min(1).values
    assert distances.median() < 0.1, "codes sit on clusters of the data, not where they were drawn at first"


@pytest.mark.parametrize("kind", KINDS)
def test_dead_codes_restart_at_the_data(kind: str) -> None:
    q = quantizer(kind, restart_below=0.02).train()
    q(batch(0))
    with torch.no_grad():
        q.codebook[3:] = 1e3  # far from all data
    for seed in range(400):
        out = q(batch(seed))
    assert (out.usage > 0).sum() >= 15
    never = quantizer(kind, restart_below=0.0).train()
    never(batch(0))
    with torch.no_grad():
        never.codebook[3:] = 1e3
    usage = sum(never(batch(seed)).usage for seed in range(50))
    assert (usage[3:] == 0).all() or kind == "ema", "0 switches restarts off"


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_codebook_goes_on_as_it_was(kind: str) -> None:
    one = quantizer(kind, restart_below=0.02).train()
    for seed in range(5):
        one(batch(seed))
    two = quantizer(kind, restart_below=0.02).train()
    two.load_state_dict(deepcopy(one.state_dict()))
    for seed in range(5, 60):
        a, b = one(batch(seed)), two(batch(seed))
        assert torch.equal(a.codes, b.codes)
    assert torch.equal(one.codebook, two.codebook)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_inside_autocast_and_unchanged_in_eval(kind: str) -> None:
    q = quantizer(kind).train()
    z = batch(0)
    q(z)
    q.eval()
    before = deepcopy(q.state_dict())
    plain = q(z.bfloat16().float())
    with torch.autocast("cpu", torch.bfloat16):
        cast = q(z.bfloat16())
        vectors = z.permute(0, 2, 3, 1).reshape(-1, 4)
        assert torch.equal(q.nearest(vectors).reshape(8, 6, 6), q(z).codes)
    assert cast.quantized.dtype == torch.float32
    assert torch.equal(cast.codes, plain.codes)
    assert all(torch.equal(v, before[k]) for k, v in q.state_dict().items())


def test_perplexity() -> None:
    assert perplexity(torch.ones(32)) == pytest.approx(32)
    assert perplexity(torch.eye(32)[3] * 100) == pytest.approx(1)
