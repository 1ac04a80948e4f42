"""A double for ``torch.cuda.set_sync_debug_mode("error")`` on machines without a GPU: ``with NoSync(): step()``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense,
    aten.nonzero,
    aten.masked_select,
    aten.bincount,
    aten.multinomial,
    aten.equal,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
}
COUNTS = {aten.repeat_interleave.Tensor, aten.repeat_interleave.self_Tensor}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index, aten._index_put_impl_}
READING = ("cpu", "numpy", "tolist", "item", "__bool__", "__int__", "__float__", "__index__", "__array__")


class Waited(AssertionError):
    """Something in the step would have made the CPU wait for a GPU."""


class NoSync:
    """Refuses what makes the CPU wait for a GPU: reading a tensor's value, results whose size depends on values (also
    indexing with a mask), tensors made from Python numbers, and copies between devices.

    Where there is CUDA, its own check is on as well. Run on the meta device, it shows the tensors that are made on the
    CPU and moved.
    """

    def __enter__(self) -> NoSync:
        self.modes = ExitStack()
        if torch.cuda.is_available():
            self.modes.callback(torch.cuda.set_sync_debug_mode, torch.cuda.get_sync_debug_mode())
            torch.cuda.set_sync_debug_mode("error")
        self.modes.enter_context(_Operators())
        self.modes.enter_context(_Methods())
        return self

    def __exit__(self, *error: object) -> None:
        self.modes.close()


class _Operators(TorchDispatchMode):
    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kind = function.overloadpacket
        if kind in WAITING or kind is aten.lift_fresh or function in COUNTS:
            raise Waited(str(function))
        if kind in INDEXING and any(z is not None and z.dtype in (torch.bool, torch.uint8) for z in args[1]):
            raise Waited(f"{function} with a mask")
        found = function(*args, **(kwargs or {}))
        devices = {z.device for z in tree_leaves((args, kwargs, found)) if isinstance(z, Tensor) and z.dim()}
        if len(devices) > 1:
            raise Waited(f"{function} between {' and '.join(sorted(map(str, devices)))}")
        return found


class _Methods(TorchFunctionMode):
    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(function, "__name__", "") in READING and args and isinstance(args[0], Tensor):
            raise Waited(f"Tensor.{function.__name__}")
        return function(*args, **(kwargs or {}))
