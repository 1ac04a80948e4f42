"""What a step may not do lest the CPU wait for the device, found also where both are the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
WAITING = {  # for a number, or for how large the result is
    aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.bincount, aten._unique2, aten.unique_dim,
    aten.unique_consecutive, aten.equal, aten.multinomial,
}  # fmt: skip
COPYING = {Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.item}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class Waited(AssertionError):
    """A step would have waited for the device."""


class _Operators(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = func.overloadpacket
        if kind in WAITING or func is aten.repeat_interleave.Tensor:
            raise Waited(str(func))
        if kind in INDEXING and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
            raise Waited(f"{func} by a mask")
        target = (kwargs or {}).get("device")
        if kind is aten._to_copy and target is not None and target != args[0].device:
            raise Waited(f"a copy from {args[0].device} to {target}")
        return func(*args, **(kwargs or {}))


class _Copies(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in COPYING:
            raise Waited(f"Tensor.{func.__name__}")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_sync() -> Iterator[None]:
    """Within, whatever would have the CPU wait for a device raises: reading a number, sizes that depend on values,
    copies; where there is CUDA, it says so itself, too.
    """
    cuda = torch.cuda.is_available()
    before = torch.cuda.get_sync_debug_mode() if cuda else 0
    if cuda:
        torch.cuda.set_sync_debug_mode("error")
    try:
        with _Copies(), _Operators():
            yield
    finally:
        if cuda:
            torch.cuda.set_sync_debug_mode(before)
