"""The double refuses what it is there to refuse, and nothing else; what uses it would else pass by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.no_sync import NoSync, Waited

WAITING: dict[str, Callable[[Tensor], object]] = {
    "item": lambda z: z[0].item(),
    "float": lambda z: float(z[0]),
    "bool": lambda z: bool(z[0] > 0),
    "index": lambda z: [1, 2, 3][z[0].long()],
    "tolist": lambda z: z.tolist(),
    "cpu": lambda z: z.cpu(),
    "numpy": lambda z: z.numpy(),
    "nonzero": lambda z: z.nonzero(),
    "where": lambda z: torch.where(z > 0),
    "mask": lambda z: z[z > 0],
    "mask_write": lambda z: z.clone().__setitem__(z > 0, 1.0),
    "masked_select": lambda z: z.masked_select(z > 0),
    "equal": lambda z: torch.equal(z, z),
    "unique": lambda z: z.unique(),
    "list": lambda z: torch.tensor([1.0, 2.0]) + z[:2],
    "repeat": lambda z: z.repeat_interleave(z.long()),
    "copy": lambda z: z.to("meta"),
}


@pytest.mark.parametrize("work", WAITING.values(), ids=WAITING)
def test_what_waits_is_refused(work: Callable[[Tensor], object]) -> None:
    z = torch.ones(3)
    work(z)
    with NoSync(), pytest.raises(Waited):
        work(z)
    work(z)


def test_what_does_not_wait_is_let_through() -> None:
    z, which = torch.ones(3, 3), torch.tensor([2, 0])
    with NoSync():
        found = z[which].where(z[which] > 0, 0).masked_fill(z[which] > 5, 0) + torch.arange(3) + torch.full((3,), 2.0)
        found[:, which] = found[:, which] * 2
        found = found.to(torch.float64).repeat_interleave(2, dim=0)
    assert found.shape == (4, 3)
