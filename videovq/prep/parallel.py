"""Independent units of work in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import torch

from videovq.errors import UserError
from videovq.packages import optional
from videovq.progress import escape_what_cannot_be_shown

Item = TypeVar("Item")


def run_all(work: Callable[[Item], None], items: Sequence[Item], workers: int) -> Iterator[None]:
    """Call ``work`` for every item, ``workers`` at a time; yields once for each that is done.

    Nothing is queued: when the user interrupts, only the items in hand are finished.

    Raises:
        UserError: a process was ended from outside.
    """
    if workers == 1 or len(items) <= 1:
        for item in items:
            _in_single_thread(work, item)
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
                try:
                    future.result()
                except BrokenProcessPool:
                    raise UserError(
                        "workers: one of the processes was killed, perhaps since memory is short, or crashed; run the"
                        " same command again with fewer workers, and it continues"
                    ) from None
                running |= {pool.submit(work, item) for item in islice(waiting, 1)}
                yield


def run_on_ray(work: Callable[[Item], None], items: Sequence[Item], workers: int, address: str) -> Iterator[None]:
    """The same on a Ray cluster, whose machines must all see the folders that ``work`` reads and writes.

    Args:
        address: of the cluster; empty: the one that the environment names, or one of this machine for the time being.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """
    ray = optional("ray", "ray", "engine")
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and not host.startswith("ray:"):
        try:
            socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would try for minutes
        except (OSError, OverflowError) as error:
            raise UserError(f"address: no Ray cluster answers at {address!r} ({error})") from None
    ours = not ray.is_initialized()
    if ours:
        ray.init(address=address or None, num_cpus=None if address else workers, log_to_driver=False)
    one: Any = ray.remote(num_cpus=1)(_in_single_thread)
    try:
        waiting = iter(items)
        running = [one.remote(work, item) for item in islice(waiting, workers)]
        while running:
            done, running = ray.wait(running)
            ray.get(done)
            running += [one.remote(work, item) for item in islice(waiting, 1)]
            yield
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread: resizing a frame is too small a task to share, many times slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _in_single_thread(work: Callable[[Item], None], item: Item) -> None:
    escape_what_cannot_be_shown()
    with single_thread():
        work(item)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the work, between items
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
