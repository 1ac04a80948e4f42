"""Independent units of work in several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")


def run_all(work: Callable[[Item], None], items: Sequence[Item], workers: int) -> Iterator[None]:
    """Call ``work`` for every item, ``workers`` at a time; yields once for each that is done.

    Nothing is queued: when the user interrupts, only the items in hand are finished.
    """
    if workers == 1 or len(items) <= 1:
        for item in items:
            with single_thread():
                work(item)
            yield
        return
    workers = min(workers, len(items))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker) as pool:
        waiting = iter(items)
        running = {pool.submit(work, item) for item in islice(waiting, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                running |= {pool.submit(work, item) for item in islice(waiting, 1)}
                yield


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread: resizing a frame is too small a task to share, many times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the work, between items
    torch.set_num_threads(1)
