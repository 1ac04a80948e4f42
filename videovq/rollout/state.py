"""States of rollouts that start, rewind and branch independently, and are computed in batches.

A state is immutable: a step makes a new one, and a kept one can be returned to. Its sampling noise depends on its seed
and the frame's number alone, so that its codes are those of :func:`videovq.rollout.engine.generate` with the same seed,
context and actions, whatever else is in the batch; a batch of another size may round logits differently in the last bit
of float32, which shows only where two codes are almost equally likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from videovq.errors import UserError
from videovq.models.embeddings import unknown
from videovq.models.noise import seed_tensor
from videovq.models.predictors.predictor import Predictor, PredictorState
from videovq.models.sampling import entropy, sample_codes
from videovq.types import Sampling


@dataclass(frozen=True)
class RolloutState:
    """The state of a rollout.

    Attributes:
        predictor: the predictor's state; with guidance of two rollouts, the second without actions.
        seed: of the sampling noise, see videovq.models.noise.
        frame: number of the last frame, counted from the end of the context.
    """

    predictor: PredictorState
    seed: Int64[Tensor, "one"]
    frame: Int64[Tensor, "one"]

    @property
    def batch_size(self) -> int:
        """Of the predictor's state: 1, or 2 with guidance."""
        return len(self.predictor.codes)

    def copy(self) -> RolloutState:
        """A copy to keep: the states of a batch share their tensors."""
        return replace(self, predictor=self.predictor.copy())


@dataclass(frozen=True)
class RolloutStep:
    """A step of a rollout.

    Attributes:
        codes: of the next frame.
        entropy: of the predictor's distribution over each code, in bits, before any sampling setting.
        state: after the step.
    """

    codes: Int64[Tensor, "y x"]
    entropy: Float[Tensor, "y x"]
    state: RolloutState


@torch.inference_mode()
def start_rollouts(
    predictor: Predictor,
    contexts: Int64[Tensor, "b t y x"],
    context_actions: Shaped[Tensor, "b t_minus_1 a"],
    seeds: Sequence[int],
    guided: bool = False,
) -> list[RolloutState]:
    """The state after each context.

    Args:
        contexts: codes of the context frames.
        context_actions: the actions between them.
        seeds: of the sampling noise of each.
        guided: whether guidance other than 1 will be asked for.
    """
    number = len(seeds)
    if guided:
        contexts = contexts.repeat(2, 1, 1, 1)
        context_actions = torch.cat([context_actions, unknown(context_actions)])
    state = predictor.start(contexts, context_actions)
    return [
        RolloutState(state.select(slice(i, None, number)).copy(), seed, torch.zeros_like(seed))
        for i, seed in enumerate(seed_tensor(seeds, predictor.codebook.device).split(1))
    ]


@torch.inference_mode()
def step_rollouts(
    predictor: Predictor,
    states: Sequence[RolloutState],
    actions: Sequence[Shaped[Tensor, "a"]],
    samplings: Sequence[Sampling],
) -> list[RolloutStep]:
    """One step of every rollout; states with the same KV cache length share a batch."""
    groups: dict[tuple[int, str], list[int]] = {}
    for i, (state, sampling) in enumerate(zip(states, samplings, strict=True)):
        if (state.batch_size == 2) != (sampling.guidance != 1):
            raise UserError("guidance: is chosen when a rollout starts, and kept")
        groups.setdefault((state.predictor.cache_length, sampling.sampler), []).append(i)
    drawn: dict[int, RolloutStep] = {}
    for (_, sampler), group in groups.items():
        some = [states[i] for i in group], [actions[i] for i in group], [samplings[i] for i in group]
        drawn |= zip(group, _step_batch(predictor, *some, sampler), strict=True)
    return [drawn[i] for i in range(len(states))]


@torch.inference_mode()
def force_step(
    predictor: Predictor, state: RolloutState, action: Shaped[Tensor, "a"], codes: Int64[Tensor, "y x"]
) -> RolloutState:  # fmt: skip
    """The state after a step whose codes are forced to known ones."""
    device = predictor.codebook.device
    known = codes.to(device, non_blocking=device.type == "cuda").flatten()
    actions = _guided_actions(state, action.to(device, non_blocking=device.type == "cuda"))
    _, after = predictor.draw(
        state.predictor, actions, lambda logits, positions: known[positions].expand(len(logits), -1)
    )
    return RolloutState(after, state.seed, state.frame + 1)


class BatchCodeSampler:
    """Samples codes of several rollouts at once, each with its own settings, and keeps their logits.

    Args:
        blocks: of neighbouring rollouts with equal settings: size in the batch, noise, and settings.
        grid: rows and columns of a frame's codes.
    """

    def __init__(self, blocks: Sequence[tuple[int, Float[Tensor, "_ n k"], Sampling]], grid: tuple[int, int]) -> None:
        self.blocks = blocks
        size, noise = sum(block[0] for block in blocks), blocks[0][1]
        self.logits = noise.new_empty(size, grid[0] * grid[1], noise.shape[-1])

    def __call__(self, logits: Float[Tensor, "n p k"], positions: Int64[Tensor, "p"]) -> Int64[Tensor, "n p"]:
        self.logits[:, positions] = logits
        parts = logits.split([size for size, _, _ in self.blocks])
        drawn = [
            sample_codes(noise, sampling, part, positions)
            for part, (_, noise, sampling) in zip(parts, self.blocks, strict=True)
        ]
        return torch.cat(drawn) if len(drawn) > 1 else drawn[0]

    def entropy(self) -> Float[Tensor, "n p"]:
        """Entropy of the distribution that every code was last sampled from, in bits: of a whole frame, for speed."""
        return entropy(self.logits)


def _step_batch(
    predictor: Predictor,
    states: Sequence[RolloutState],
    actions: Sequence[Shaped[Tensor, "a"]],
    samplings: Sequence[Sampling],
    sampler: str,
) -> list[RolloutStep]:
    device = predictor.codebook.device
    frames = torch.cat([state.frame for state in states]) + 1
    noise = predictor.noise(torch.cat([state.seed for state in states]), frames)
    blocks: list[tuple[int, Tensor, Sampling]] = []
    for i, (state, sampling) in enumerate(zip(states, samplings, strict=True)):
        if blocks and state.batch_size == 1 and blocks[-1][2] == sampling:
            size, before, _ = blocks.pop()
            blocks.append((size + 1, noise[i - len(before) : i + 1], sampling))
        else:
            blocks.append((state.batch_size, noise[i : i + 1], sampling))
    sample = BatchCodeSampler(blocks, predictor.grid)
    taken = [
        _guided_actions(state, action.to(device, non_blocking=device.type == "cuda"))
        for state, action in zip(states, actions, strict=True)
    ]
    joint = PredictorState.cat([state.predictor for state in states])
    codes, joint = predictor.draw(joint, torch.cat(taken), sample, sampler)
    entropies = sample.entropy().view_as(codes)
    steps, first = [], 0
    for state, frame in zip(states, frames.split(1), strict=True):
        own = joint.select(slice(first, first + state.batch_size))
        steps.append(RolloutStep(codes[first], entropies[first], RolloutState(own, state.seed, frame)))
        first += state.batch_size
    return steps


def _guided_actions(state: RolloutState, action: Shaped[Tensor, "a"]) -> Shaped[Tensor, "b a"]:
    one = action[None]
    return torch.cat([one, unknown(one)]) if state.batch_size == 2 else one
