"""The one thread that computes with the networks.

Everything large that PyTorch does for ``videovq play`` happens in it, loading included: each further thread would
bring an OpenMP pool of its own, and where pools have more threads than there are cores, GNU OpenMP lets them sleep
between operations, which slows every step.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from videovq.memory import keep_freed_memory
from videovq.rollout.engine import decode_codes
from videovq.rollout.pair import Pair
from videovq.rollout.walks import Drawn, Walk, advance
from videovq.types import Sampling

R = TypeVar("R")


@dataclass(frozen=True)
class Job:
    """Something to compute, and where its result goes."""

    work: Any
    result: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True)
class Step:
    """A step of somebody's walk.

    Attributes:
        player: any number that tells players apart.
        keep: whether the walk after it is to be kept, and not only gone on from.
    """

    player: int
    walk: Walk
    action: Shaped[Tensor, "a"]
    sampling: Sampling
    keep: bool


@dataclass(frozen=True)
class Seen:
    """A step, decoded."""

    drawn: Drawn
    picture: UInt8[Tensor, "h w c"]


class ModelThread:
    """Takes whatever waits, computes all steps among it in one batch, and starts over.

    Before that it waits a little, a fifth of what the last batch took, for those who were in the last two batches:
    else four players would end up in two pairs that take turns. Nobody waits for anybody who stopped acting.

    Args:
        load: gives the networks; runs in the thread, and what it raises is raised here.

    Attributes:
        batches: who shared each of the last batches, the latest one last.
    """

    def __init__(self, load: Callable[[], Pair]) -> None:
        keep_freed_memory()
        self.batches: deque[set[int]] = deque(maxlen=100)
        self._took = 0.0  # seconds, the last batch
        self._ended = False
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()
        try:
            self.pair: Pair = self._put(load).result()
        except BaseException:
            self.close()
            raise

    async def step(self, player: int, walk: Walk, action: Shaped[Tensor, "a"], sampling: Sampling, keep: bool) -> Seen:
        """The next frame of a player's walk."""
        return await self._submit(Step(player, walk, action, sampling, keep))

    async def call(self, function: Callable[[Pair], R]) -> R:
        """What ``function`` makes of the networks."""
        return await self._submit(lambda: function(self.pair))

    def now(self, function: Callable[[Pair], R]) -> R:
        """The same for those who can wait: other threads than an event loop's."""
        return self._put(lambda: function(self.pair)).result()

    def close(self) -> None:
        """Finish what waits, and end; whatever comes later is cancelled."""
        self._waiting.put(None)
        self._thread.join()

    async def _submit(self, work: Any) -> Any:
        return await asyncio.wrap_future(self._put(work))

    def _put(self, work: Any) -> Future[Any]:
        job = Job(work)
        self._waiting.put(job)
        if self._ended:
            job.result.cancel()
        return job.result

    def _run(self) -> None:
        while True:
            jobs = self._gathered()
            wanted = [job for job in jobs if job is not None and job.result.set_running_or_notify_cancel()]
            for job in wanted:
                if not isinstance(job.work, Step):
                    self._settle([job], lambda jobs: [jobs[0].work()])
            steps = [job for job in wanted if isinstance(job.work, Step)]
            if steps:
                self._settle(steps, self._together)
            if None in jobs:
                break
        self._ended = True
        while not self._waiting.empty():
            late = self._waiting.get()
            if late is not None:
                late.result.cancel()

    def _gathered(self) -> list[Job | None]:
        jobs = [self._waiting.get()]
        end = time.monotonic() + self._took / 5
        expected: set[int] = set().union(*list(self.batches)[-2:])
        while True:
            acting = {job.work.player for job in jobs if job is not None and isinstance(job.work, Step)}
            patience = end - time.monotonic() if acting and acting < expected else 0.0
            try:
                jobs.append(self._waiting.get(timeout=max(0.0, patience)))
            except queue.Empty:
                return jobs

    def _settle(self, jobs: list[Job], compute: Callable[[list[Job]], list[Any]]) -> None:
        try:
            for job, result in zip(jobs, compute(jobs), strict=True):
                job.result.set_result(result)
        except Exception as error:
            for job in jobs:
                job.result.set_exception(error)

    @torch.inference_mode()
    def _together(self, jobs: list[Job]) -> list[Seen]:
        steps: list[Step] = [job.work for job in jobs]
        began = time.monotonic()
        drawn = advance(
            self.pair.predictor.network,
            [step.walk for step in steps],
            [step.action for step in steps],
            [step.sampling for step in steps],
        )
        pictures = decode_codes(self.pair.vqvae.network, torch.stack([one.codes for one in drawn])[:, None])[:, 0].cpu()
        seen = [
            Seen(replace(one, walk=one.walk.copy()) if step.keep else one, picture)
            for step, one, picture in zip(steps, drawn, pictures, strict=True)
        ]
        self.batches.append({step.player for step in steps})
        self._took = time.monotonic() - began
        return seen
