"""Rollouts that come, go back and branch on their own, and are computed together.

A walk is a value: a step makes a new one, and one that was kept is a place to go back to. Each has its own noise, so
that its codes are those of :func:`videovq.rollout.engine.generate` with the same seed, context and actions, whoever
else is in the batch; a batch of another size may round scores otherwise in the last bit of float32, which shows only
where two codes are as good as equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor

from videovq.models.embeddings import unknown
from videovq.models.predictors.predictor import Predictor, PredictorState
from videovq.models.sampling import choose, entropy, gumbel
from videovq.types import Sampling


@dataclass(frozen=True)
class Walk:
    """A rollout in progress.

    Attributes:
        state: the predictor's; with guidance in two rows: in the second, no action is known.
        noise: state of the generator of the sampling noise.
    """

    state: PredictorState
    noise: UInt8[Tensor, "bytes"]

    @property
    def rows(self) -> int:
        return len(self.state.codes)

    def copy(self) -> Walk:
        """The same walk, to be kept: those of a batch share their memory."""
        return Walk(self.state.rows(list(range(self.rows))), self.noise)


@dataclass(frozen=True)
class Drawn:
    """A step of a walk.

    Attributes:
        codes: of the next frame.
        bits: entropy of the predictor about each code when it drew it, before any sampling setting.
        walk: from which the next step goes on.
    """

    codes: Int64[Tensor, "y x"]
    bits: Float[Tensor, "y x"]
    walk: Walk


@torch.inference_mode()
def begin(
    predictor: Predictor,
    contexts: Int64[Tensor, "b t y x"],
    context_actions: Shaped[Tensor, "b t_minus_1 a"],
    seeds: Sequence[int],
    guided: bool = False,
) -> list[Walk]:
    """A walk from each context.

    Args:
        contexts: codes of the given frames.
        context_actions: the actions between them.
        seeds: of the sampling noise of each.
        guided: whether guidance other than 1 will be asked for.
    """
    number = len(seeds)
    if guided:
        contexts = contexts.repeat(2, 1, 1, 1)
        context_actions = torch.cat([context_actions, unknown(context_actions)])
    state = predictor.start(contexts, context_actions)
    noises = [torch.Generator().manual_seed(seed).get_state() for seed in seeds]
    return [Walk(state.rows([i, number + i] if guided else [i]), noise) for i, noise in enumerate(noises)]


@torch.inference_mode()
def advance(
    predictor: Predictor,
    walks: Sequence[Walk],
    actions: Sequence[Shaped[Tensor, "a"]],
    samplings: Sequence[Sampling],
) -> list[Drawn]:
    """One step of every walk; those that remember equally many frames share a batch."""
    groups: dict[tuple[int, str], list[int]] = {}
    for i, (walk, sampling) in enumerate(zip(walks, samplings, strict=True)):
        if (walk.rows == 2) != (sampling.guidance != 1):
            raise ValueError("guidance: is chosen when a walk begins, and kept")
        groups.setdefault((walk.state.remembered, sampling.sampler), []).append(i)
    drawn: dict[int, Drawn] = {}
    for (_, sampler), group in groups.items():
        some = [walks[i] for i in group], [actions[i] for i in group], [samplings[i] for i in group]
        drawn |= zip(group, _advance(predictor, *some, sampler), strict=True)
    return [drawn[i] for i in range(len(walks))]


@torch.inference_mode()
def follow(
    predictor: Predictor, walk: Walk, action: Shaped[Tensor, "a"], codes: Int64[Tensor, "y x"]
) -> Walk:  # fmt: skip
    """The walk after a step whose codes are known already."""
    device = predictor.codebook.device
    _, after = _noise(predictor, walk)
    known = codes.to(device).flatten()
    rows = _action_rows(walk, action.to(device))
    _, state = predictor.draw(walk.state, rows, lambda scores, places: known[places].expand(len(scores), -1))
    return Walk(state, after)


class Choices:
    """Draws codes for several walks at once, each in its own way, and keeps the scores that they came from.

    Args:
        blocks: walks that are next to each other in the batch and drawn alike: their rows, noise and sampling.
        grid: rows and columns of a frame's codes.
    """

    def __init__(self, blocks: Sequence[tuple[int, Float[Tensor, "_ n k"], Sampling]], grid: tuple[int, int]) -> None:
        self.blocks = blocks
        rows, noise = sum(block[0] for block in blocks), blocks[0][1]
        self.scores = noise.new_empty(rows, grid[0] * grid[1], noise.shape[-1])

    def __call__(self, scores: Float[Tensor, "n p k"], places: Int64[Tensor, "p"]) -> Int64[Tensor, "n p"]:
        self.scores[:, places] = scores
        parts = scores.split([rows for rows, _, _ in self.blocks])
        drawn = [
            choose(noise, sampling, part, places) for part, (_, noise, sampling) in zip(parts, self.blocks, strict=True)
        ]
        return torch.cat(drawn) if len(drawn) > 1 else drawn[0]

    def bits(self) -> Float[Tensor, "n p"]:
        """Entropy of the predictor about every code when it was last drawn: of a frame at once, which is faster."""
        return entropy(self.scores)


def _advance(
    predictor: Predictor,
    walks: Sequence[Walk],
    actions: Sequence[Shaped[Tensor, "a"]],
    samplings: Sequence[Sampling],
    sampler: str,
) -> list[Drawn]:
    device = predictor.codebook.device
    noises, after = zip(*(_noise(predictor, walk) for walk in walks), strict=True)
    blocks: list[tuple[int, list[Tensor], Sampling]] = []
    for walk, noise, sampling in zip(walks, noises, samplings, strict=True):
        if blocks and walk.rows == 1 and blocks[-1][2] == sampling:
            rows, before, _ = blocks.pop()
            blocks.append((rows + 1, [*before, noise], sampling))
        else:
            blocks.append((walk.rows, [noise], sampling))
    choices = Choices([(rows, torch.cat(some), sampling) for rows, some, sampling in blocks], predictor.grid)
    taken = [_action_rows(walk, action.to(device)) for walk, action in zip(walks, actions, strict=True)]
    state = PredictorState.joined([walk.state for walk in walks])
    codes, state = predictor.draw(state, torch.cat(taken), choices, sampler)
    bits = choices.bits().view_as(codes)
    drawn, first = [], 0
    for walk, noise in zip(walks, after, strict=True):
        own = state.rows(slice(first, first + walk.rows))
        drawn.append(Drawn(codes[first], bits[first], Walk(own, noise)))
        first += walk.rows
    return drawn


def _noise(predictor: Predictor, walk: Walk) -> tuple[Float[Tensor, "one n k"], UInt8[Tensor, "bytes"]]:
    """The walk's noise for a frame, and the state of its generator after it."""
    generator = torch.Generator()
    generator.set_state(walk.noise)
    noise = gumbel((*predictor.grid, len(predictor.codebook)), generator)
    return noise.to(predictor.codebook.device).flatten(0, 1)[None], generator.get_state()


def _action_rows(walk: Walk, action: Shaped[Tensor, "a"]) -> Shaped[Tensor, "rows a"]:
    one = action[None]
    return torch.cat([one, unknown(one)]) if walk.rows == 2 else one
