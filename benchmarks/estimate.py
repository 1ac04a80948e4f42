"""What a step of a training computes and keeps, worked out without taking it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Estimate:
    """One step of one device.

    Attributes:
        parameters: numbers that are learnt.
        flops: floating-point operations of the matrix products and convolutions, forward and backward.
        activation_bytes: what the forward pass keeps for the backward pass.
    """

    parameters: int
    flops: float
    activation_bytes: int


def estimate(build: Callable[[], nn.Module], loss: Callable[[nn.Module], Tensor], bf16: bool) -> Estimate:
    """Build a network and take a step with it in thought: shapes are followed, nothing is computed or allocated.

    Args:
        build: makes the network.
        loss: the loss of a batch, which it makes itself.
        bf16: whether the forward pass runs in bf16 where autocast says so.
    """
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with FakeTensorMode(), FlopCounterMode(display=False) as counter:
        network = build().train()
        weights = {p.untyped_storage()._cdata for p in [*network.parameters(), *network.buffers()]}
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=bf16),
        ):
            value = loss(network)
        value.backward()
        parameters = sum(p.numel() for p in network.parameters())
        activations = sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights)
    return Estimate(parameters, float(counter.get_total_flops()), activations)


def matrix_peak(device: torch.device, bf16: bool, size: int = 2048, seconds: float = 0.5) -> float:
    """Operations a second of the best of several square matrix products."""
    dtype = torch.bfloat16 if bf16 else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for a GPU
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
