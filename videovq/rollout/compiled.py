"""torch.compile for rollouts: CUDA graphs on a GPU, and eager code where compiling fails, except for want of memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map_only

from videovq.errors import UserError
from videovq.models.predictors.predictor import Predictor

OUT_OF_MEMORY = ("out of memory", "allocate memory")  # in what PyTorch and compilers say, whatever they raise


def compile_predictor(predictor: Predictor) -> None:
    """Compile what a step of a rollout runs: the context network, and the sampling of a frame.

    It starts when the KV cache is full, since shapes no longer change from then on, and takes about a minute. On a GPU
    each of the two becomes a CUDA graph; on a CPU it gains next to nothing.

    Raises:
        UserError: in a step, where memory runs out.
    """
    on_gpu = predictor.codebook.is_cuda
    predictor.context.forward = _compiled(predictor.context.forward, on_gpu)  # type: ignore[method-assign]
    predictor.decoder.draw = _compiled(predictor.decoder.draw, on_gpu)  # type: ignore[method-assign]


def _compiled(eager: Callable[..., Any], on_gpu: bool) -> Callable[..., Any]:
    fast = torch.compile(eager, mode="reduce-overhead" if on_gpu else None, dynamic=False)
    failed, before = False, None

    def call(*args: Any) -> Any:
        nonlocal failed, before
        shapes = [tuple(z.shape) for z in tree_flatten(args)[0] if isinstance(z, torch.Tensor)]
        steady, before = shapes == before, shapes
        if failed or not steady:
            return eager(*args)
        try:
            if not on_gpu:
                return fast(*args)
            torch.compiler.cudagraph_mark_step_begin()
            return tree_map_only(torch.Tensor, torch.clone, fast(*args))  # the graph's own are overwritten next time
        except Exception as error:
            said = str(error) or type(error).__name__
            first = said.splitlines()[0]
            if isinstance(error, MemoryError) or any(words in said.lower() for words in OUT_OF_MEMORY):
                raise UserError(f"compile: ran out of memory ({first}); lower samples, or set compile false") from error
            failed = True
            warnings.warn(f"torch.compile failed, going on without: {first}", stacklevel=2)
            return eager(*args)

    return call
