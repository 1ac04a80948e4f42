"""Two processes that train together hold the codebook of one process that sees both their batches."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from videovq.config import CodebookLossConfig, CosineConfig, EMAConfig, QuantizerConfig, RotationConfig, VQVAEConfig
from videovq.models.build import build_quantizer
from videovq.models.vqvae import VQVAE

pytestmark = pytest.mark.slow

KINDS = [EMAConfig, CodebookLossConfig, CosineConfig]
STEPS, SIZE = 12, 4


def network_state(settings: QuantizerConfig, rank: int) -> dict[str, torch.Tensor]:
    """One of two ranks' VQ-VAE after some steps on its own frames."""
    torch.manual_seed(0)
    network = VQVAE(VQVAEConfig(hidden=8, residual_hidden=4, code_dim=4, quantizer=settings), 1 / 12).train()
    model = DistributedDataParallel(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    for _ in range(STEPS):
        output = model(torch.rand(SIZE, 3, 24, 24, generator=generator) - 0.5)
        assert output.quantizer.usage.sum() == 2 * SIZE * 36
        optimizer.zero_grad()
        (output.nmse + output.quantizer.loss).backward()
        optimizer.step()
    return network.state_dict()


def quantizer_state(settings: QuantizerConfig, rank: int | None) -> dict[str, torch.Tensor]:
    """A quantizer after some steps: of one of two ranks, or (None) of one process with both batches."""
    torch.manual_seed(0)
    quantizer = build_quantizer(settings, 4).train()
    learns = list(quantizer.parameters())
    model = quantizer if rank is None or not learns else DistributedDataParallel(quantizer)
    for step in range(STEPS):
        both = torch.randn(2 * SIZE, 4, 6, 6, generator=torch.Generator().manual_seed(step))
        output = model(both if rank is None else both[rank * SIZE : (rank + 1) * SIZE])
        if learns:
            learns[0].grad = None
            output.loss.backward()
            with torch.no_grad():
                learns[0] -= 2 * learns[0].grad
    return quantizer.state_dict()


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for kind in KINDS:
        settings = kind(codebook_size=24, restart_below=0.5)
        states = network_state(settings, rank), quantizer_state(settings, rank)
        torch.save(states, f"{folder}/{kind.__name__}-{rank}.pt")
    try:
        build_quantizer(RotationConfig(), 4)(torch.zeros(1, 4, 2, 2))
    except ValueError as error:
        Path(f"{folder}/refused-{rank}").write_text(str(error))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(folder),), nprocs=2)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_both_ranks_hold_the_codebook_of_the_union(kind: type, ranks: Path) -> None:
    one, two = (torch.load(ranks / f"{kind.__name__}-{rank}.pt") for rank in (0, 1))
    for states in zip(one, two, strict=True):
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items()), "to the last bit"
    single = quantizer_state(kind(codebook_size=24, restart_below=0.5), None)
    assert single["updates"] == STEPS
    assert single["mean_usage"].min() > 0
    for name, value in single.items():
        assert torch.allclose(one[1][name].float(), value.float(), rtol=1e-4, atol=1e-5), name


def test_a_quantizer_that_cannot_share_its_codebook_refuses(ranks: Path) -> None:
    for rank in (0, 1):
        assert "set training.devices to 1" in (ranks / f"refused-{rank}").read_text()
