"""The next batch is collated while a step computes with the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any, Generic, TypeVar

import torch

Chosen = TypeVar("Chosen")
Batch = TypeVar("Batch")


def prefetched(
    collate: Callable[[Chosen], Batch], chosen: Iterable[Chosen], device: torch.device | None = None
) -> Iterator[Batch]:
    """The batches of some choices of samples, in order. While one is in use, a thread collates the next; it ends with
    its batch, so that none is left where nobody asks for more.

    What ``collate`` raises is raised here, with its traceback, when the batch would have come.

    Args:
        device: that the batches will be copied to; for one of CUDA they come in pinned memory, which PyTorch keeps and
            reuses, and from where no copy need be waited for.
    """
    make = pinned(collate, device) if device is not None and device.type == "cuda" else collate
    choices = iter(chosen)
    ahead = _ahead(make, choices)
    while ahead is not None:
        batch = ahead.wait()
        ahead = _ahead(make, choices)
        yield batch


def pinned(collate: Callable[[Chosen], Any], device: torch.device) -> Callable[[Chosen], Any]:
    """``collate``, into pinned memory."""

    def collate_pinned(chosen: Chosen) -> Any:
        with torch.cuda.device(device):  # in a new thread it is the first card, whichever this rank's is
            return collate(chosen).pin_memory()

    return collate_pinned


class _Ahead(Thread, Generic[Chosen, Batch]):
    """A batch in the making."""

    def __init__(self, collate: Callable[[Chosen], Batch], chosen: Chosen) -> None:
        super().__init__(name="prefetch")
        self.collate, self.chosen = collate, chosen
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.batch = self.collate(self.chosen)
        except BaseException as error:
            self.error = error

    def wait(self) -> Batch:
        self.join()
        if self.error is not None:
            raise self.error
        return self.batch


def _ahead(collate: Callable[[Chosen], Batch], choices: Iterator[Chosen]) -> _Ahead[Chosen, Batch] | None:
    """A thread that collates the next choice; None: there is none."""
    for chosen in choices:
        thread = _Ahead(collate, chosen)
        thread.start()
        return thread
    return None
