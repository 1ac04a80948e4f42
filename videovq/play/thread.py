"""The one thread that computes with the networks, in batches over the players.

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

from videovq.allocator import keep_freed_memory
from videovq.rollout.engine import decode_codes
from videovq.rollout.pair import Pair
from videovq.rollout.state import RolloutState, RolloutStep, step_rollouts
from videovq.types import Sampling

R = TypeVar("R")


@dataclass(frozen=True)
class Job:
    """A unit of work, and the future of its result."""

    work: Any
    result: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True)
class StepRequest:
    """A request for a step of a player's rollout.

    Attributes:
        player: identifies the player.
        keep: whether the state after the step is to be kept for rewinding: it is a copy then.
    """

    player: int
    state: RolloutState
    action: Shaped[Tensor, "a"]
    sampling: Sampling
    keep: bool


@dataclass(frozen=True)
class DecodedStep:
    """A step of a rollout, and its decoded frame."""

    step: RolloutStep
    picture: UInt8[Tensor, "h w c"]


class ModelThread:
    """A worker thread that takes all waiting jobs, computes the steps among them in one batch, and repeats.

    Before each batch it waits for the players of the last two batches, at most a fifth of the time that the last batch
    took: otherwise four players would end up in two batches of two that alternate. Nobody waits for a player who
    stopped acting.

    Args:
        load: gives the networks; runs in the thread, and what it raises is raised here.

    Attributes:
        batches: the players of each of the last batches, the latest one last.
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

    async def step(
        self, player: int, state: RolloutState, action: Shaped[Tensor, "a"], sampling: Sampling, keep: bool
    ) -> DecodedStep:
        """The next frame of a player's rollout."""
        return await self._submit(StepRequest(player, state, action, sampling, keep))

    async def call(self, function: Callable[[Pair], R]) -> R:
        """Run ``function`` on the networks."""
        return await self._submit(lambda: function(self.pair))

    def now(self, function: Callable[[Pair], R]) -> R:
        """The same, blocking: not for an event loop's thread."""
        return self._put(lambda: function(self.pair)).result()

    def close(self) -> None:
        """Finish the waiting jobs, and end; later jobs are cancelled."""
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
            running = [job for job in jobs if job is not None and job.result.set_running_or_notify_cancel()]
            for job in running:
                if not isinstance(job.work, StepRequest):
                    self._settle([job], lambda jobs: [jobs[0].work()])
            steps = [job for job in running if isinstance(job.work, StepRequest)]
            if steps:
                self._settle(steps, self._step_together)
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
            acting = {job.work.player for job in jobs if job is not None and isinstance(job.work, StepRequest)}
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
    def _step_together(self, jobs: list[Job]) -> list[DecodedStep]:
        steps: list[StepRequest] = [job.work for job in jobs]
        began = time.monotonic()
        found = step_rollouts(
            self.pair.predictor.network,
            [step.state for step in steps],
            [step.action for step in steps],
            [step.sampling for step in steps],
        )
        pictures = decode_codes(self.pair.vqvae.network, torch.stack([one.codes for one in found])[:, None])[:, 0].cpu()
        decoded = [
            DecodedStep(replace(one, state=one.state.copy()) if step.keep else one, picture)
            for step, one, picture in zip(steps, found, pictures, strict=True)
        ]
        self.batches.append({step.player for step in steps})
        self._took = time.monotonic() - began
        return decoded
