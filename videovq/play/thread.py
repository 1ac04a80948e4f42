"""The one thread that computes with the networks."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

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
    """A step of somebody's walk."""

    walk: Walk
    action: Shaped[Tensor, "a"]
    sampling: Sampling


@dataclass(frozen=True)
class Seen:
    """A step, decoded."""

    drawn: Drawn
    picture: UInt8[Tensor, "h w c"]


class ModelThread:
    """Takes whatever waits, computes all steps among it in one batch, and starts over.

    While it computes, the other players' actions gather: nobody waits for anybody who does not act.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.batches: list[int] = []  # how many steps shared each of the last batches
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    async def step(self, walk: Walk, action: Shaped[Tensor, "a"], sampling: Sampling) -> Seen:
        """The next frame of a walk."""
        return await self._submit(Step(walk, action, sampling))

    async def call(self, function: Callable[[Pair], R]) -> R:
        """What ``function`` makes of the networks."""
        return await self._submit(function)

    def close(self) -> None:
        """Finish what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    async def _submit(self, work: Any) -> Any:
        job = Job(work)
        self._waiting.put(job)
        return await asyncio.wrap_future(job.result)

    def _run(self) -> None:
        while True:
            jobs = [self._waiting.get()]
            while not self._waiting.empty():
                jobs.append(self._waiting.get())
            wanted = [job for job in jobs if job is not None and job.result.set_running_or_notify_cancel()]
            for job in wanted:
                if not isinstance(job.work, Step):
                    self._settle([job], lambda jobs: [jobs[0].work(self.pair)])
            steps = [job for job in wanted if isinstance(job.work, Step)]
            if steps:
                self._settle(steps, self._together)
            if None in jobs:
                return

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
        self.batches = [*self.batches[-99:], len(steps)]
        drawn = advance(
            self.pair.predictor.network,
            [step.walk for step in steps],
            [step.action for step in steps],
            [step.sampling for step in steps],
        )
        # Decoded one by one: a picture must not depend on who else is playing.
        return [Seen(one, decode_codes(self.pair.vqvae.network, one.codes[None, None])[0, 0].cpu()) for one in drawn]
