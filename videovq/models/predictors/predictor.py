"""The action-conditioned autoregressive predictor of code grids: frames and actions -> p(next frame's codes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding, mse_loss
from torch.utils._pytree import tree_map

from videovq.config import PredictorConfig
from videovq.models.embeddings import ActionEmbedding, CodeEmbedding
from videovq.models.noise import FrameNoise
from videovq.models.predictors.contract import (
    CodeSampler,
    ContextNetwork,
    FrameDecoder,
    OutcomeOutput,
    PredictorOutput,
)
from videovq.models.predictors.outcome import OutcomeHead
from videovq.models.sampling import predictive, sample_codes, uncached
from videovq.types import ActionSpec, Outcomes, Sampling

CLEAN, SAMPLED = 0, 1  # levels of corruption of a rollout's frames: those of the context, and the predicted ones


@dataclass(frozen=True)
class PredictorState:
    """The state of a batch of rollouts.

    Attributes:
        codes: of the last frames, as :meth:`Predictor.forward` sees them.
        actions: embeddings of the last actions.
        cache: the context network's KV cache, or None.
        outcome: the expected outcome of the last action; no later step depends on it. None at the start, in repeated
            or concatenated states, and of a predictor without an outcome head.
    """

    codes: Int64[Tensor, "b history y x"]
    actions: Float[Tensor, "b history_minus_1 e"]
    cache: Any
    outcome: OutcomeOutput | None = None

    def repeat(self, times: int) -> PredictorState:
        """Every rollout of the batch ``times`` times in a row."""
        return self._of_each(lambda z: z.repeat_interleave(times, dim=0))

    def select(self, indices: list[int] | slice) -> PredictorState:
        """Some rollouts of the batch: a copy, or with a slice a view, which keeps the whole batch in memory."""
        outcome = OutcomeOutput(self.outcome.rewards[indices], self.outcome.ends[indices]) if self.outcome else None
        return replace(self._of_each(lambda z: z[indices]), outcome=outcome)

    def copy(self) -> PredictorState:
        """A copy, which shares no memory with the batch."""
        outcome = OutcomeOutput(self.outcome.rewards.clone(), self.outcome.ends.clone()) if self.outcome else None
        return replace(self._of_each(torch.clone), outcome=outcome)

    @property
    def cache_length(self) -> int:
        """Number of frames in the KV cache; only states of the same length can be concatenated."""
        return self.cache.length if self.cache else 0

    @staticmethod
    def cat(states: Sequence[PredictorState]) -> PredictorState:
        """The rollouts of several states in one batch."""
        first, *rest = states
        return first._of_each(lambda *z: torch.cat(z), *rest) if rest else first

    def _of_each(self, change: Callable[..., Tensor], *others: PredictorState) -> PredictorState:
        """A state of what ``change`` makes of each tensor of this one, and the same ones of others."""
        trees = [(state.codes, state.actions, state.cache) for state in (self, *others)]
        return PredictorState(*tree_map(lambda *z: None if z[0] is None else change(*z), *trees))


class Predictor(nn.Module):
    """p(codes | actions), autoregressive over frames and over groups of codes within a frame.

    ``forward`` gives the likelihood of frames; ``start`` and ``step`` sample new ones. ``step`` repeated gives the same
    conditionals as ``forward`` on the same prefix, and no code or action changes an earlier conditional: frame t
    depends on the codes of frames before it and on the actions before it, ``actions[..t - 1]``.

    Args:
        config: widths, and the weight of the auxiliary loss.
        action_spec: the actions it is conditioned on.
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.
        context: the network over earlier frames and actions.
        decoder: the autoregressive decoder of a frame.
        values: rewards of the outcome head (see videovq.models.predictors.outcome); None: no such head.
    """

    codebook: Tensor

    def __init__(
        self,
        config: PredictorConfig,
        action_spec: ActionSpec,
        grid: tuple[int, int],
        codebook: Float[Tensor, "k d"],
        context: ContextNetwork,
        decoder: FrameDecoder,
        values: Float[Tensor, "v"] | None = None,
    ) -> None:
        super().__init__()
        self.action_spec = action_spec
        self.grid = grid
        self.latent_loss, self.outcome_loss = config.latent_loss, config.outcome_loss
        self.register_buffer("codebook", codebook.detach().float().clone())
        self.codes = CodeEmbedding(codebook.shape[0], codebook.shape[1], config.embedding)
        self.actions = ActionEmbedding(action_spec, config.embedding)
        self.context = context
        self.latent = nn.Conv2d(config.width, codebook.shape[1], 1)
        self.sometimes_unused = not config.latent_loss
        self.decoder = decoder
        self.outcome = None if values is None else OutcomeHead(config.width, values)  # last: the rest is as without it
        self.noise = FrameNoise(grid[0] * grid[1], len(codebook))
        self.levels = config.corruption_levels
        if self.levels > 1:
            self.corruption = nn.Parameter(torch.zeros(self.levels, config.embedding))

    def forward(
        self,
        codes: Int64[Tensor, "b t y x"],
        actions: Shaped[Tensor, "b t a"],
        inputs: Int64[Tensor, "b t y x"] | None = None,
        targets: Int64[Tensor, "b m"] | None = None,
        outcomes: Outcomes | None = None,
        levels: Int64[Tensor, "b t"] | None = None,
    ) -> PredictorOutput:
        """Logits and likelihood of every code of every frame, the first frame included (teacher forcing).

        Args:
            codes: the target frames.
            actions: the action taken after each (see videovq.models.embeddings.unknown); the last one has no effect.
            inputs: the frames that the predictor sees before each target frame, where they are not ``codes``: corrupted
                ones, in training.
            targets: indices of the target frames in each sequence (``t`` of the output); None: all.
            outcomes: of every action; the loss is of those that led to the target frames and of the last one. Needs a
                predictor with an outcome head.
            levels: level of corruption of each of the ``inputs``; None: they are clean.
        """
        table = self.codes(self.codebook)
        inputs = self._with_level(codes if inputs is None else inputs, CLEAN if levels is None else levels)
        past = self._pad_history(inputs)
        outcome_loss = None
        if outcomes is None:
            context, _ = self._run_context(past[:, :-1], self._embed_actions(actions[:, :-1]), None, targets, table)
        else:
            context, outcome_loss = self._run_context_with_outcomes(past, actions, targets, table, outcomes)
        if targets is not None:
            codes = codes[torch.arange(len(codes), device=codes.device)[:, None], targets]
        logits = self.decoder.logits(context, codes.flatten(0, 1), table, self.codebook)
        logits = logits.unflatten(0, codes.shape[:2])
        nll = cross_entropy(logits.flatten(0, 3), codes.flatten(), reduction="none").view_as(codes)
        loss = nll.mean()
        if self.training and self.latent_loss:
            target = self.codebook[codes.flatten(0, 1)].permute(0, 3, 1, 2)
            loss = loss + self.latent_loss * mse_loss(self.latent(context).float(), target) / self.codebook.var()
        if outcome_loss is not None:
            loss = loss + self.outcome_loss * outcome_loss
        return PredictorOutput(logits, nll, loss, outcome_loss)

    def expect(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t a"]) -> OutcomeOutput:
        """The expected outcome of every action, given the frames and actions before it; of ``b t`` each."""
        assert self.outcome is not None
        past, past_actions = self._pad_history(codes), self._embed_actions(actions)
        context, _ = self._run_context(past, past_actions, None, None, self.codes(self.codebook))
        found = self.outcome(context)
        after = (z.unflatten(0, (len(codes), -1))[:, 1:] for z in (found.rewards, found.ends))
        return OutcomeOutput(*after)

    def use_bf16(self) -> None:
        """Compute in bfloat16 from now on, but for the logits: for sampling only."""
        for parameter in self.context.parameters():  # but not its buffers: angles need float32
            parameter.data = parameter.data.bfloat16()
        self.decoder.use_bf16()

    def start(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t_minus_1 a"]) -> PredictorState:
        """The state after context frames and the actions between them."""
        past, past_actions = self._pad_history(codes), self._embed_actions(actions)
        none = past.new_zeros(len(past), 0)
        _, cache = self._run_context(past[:, :-1], past_actions, None, none, self.codes(self.codebook))
        history = self.context.history
        keep = past_actions.shape[1] - (history - 1)
        return PredictorState(past[:, -history:], past_actions[:, keep:], cache)

    def step(
        self,
        state: PredictorState,
        action: Shaped[Tensor, "b a"],
        noise: Float[Tensor, "m y x k"],
        sampling: Sampling = Sampling(),
    ) -> tuple[Int64[Tensor, "b y x"], PredictorState]:
        """Sample the next frame.

        Args:
            action: taken after the last frame; leads to the sampled one.
            noise: Gumbel noise samples from the model (see videovq.models.noise), zeros are greedy.
            sampling: temperature, truncation and guidance of the logits, and the sampler.
        """
        return self.draw(state, action, partial(sample_codes, noise.flatten(1, 2), sampling), sampling.sampler)

    def draw(
        self,
        state: PredictorState,
        action: Shaped[Tensor, "b a"],
        sample: CodeSampler,
        sampler: str = "cached",
        level: int = SAMPLED,
    ) -> tuple[Int64[Tensor, "b y x"], PredictorState]:
        """The next frame, with codes that ``sample`` takes from their logits.

        Args:
            sampler: see Sampling.
            level: of corruption, with which later steps see the frame; ``CLEAN`` where its codes were not sampled.
        """
        table = self.codes(self.codebook)
        past_actions = torch.cat([state.actions, self.actions(action[:, None])], dim=1)
        context, cache = self._run_context(state.codes, past_actions, state.cache, None, table)
        draw = self.decoder.draw
        if sampler != "cached":
            draw = partial(predictive if sampler == "predictive" else uncached, self.decoder)
        codes = draw(context, table, self.codebook, sample)
        past = torch.cat([state.codes[:, 1:], self._with_level(codes[:, None], level)], dim=1)
        outcome = None if self.outcome is None else self.outcome(context)
        return codes, PredictorState(past, past_actions[:, 1:], cache, outcome)

    def redraw(
        self,
        codes: Int64[Tensor, "b t y x"],
        levels: Int64[Tensor, "b t"],
        actions: Shaped[Tensor, "b t a"],
        targets: Int64[Tensor, "b m"],
        sample: CodeSampler,
    ) -> Int64[Tensor, "b m y x"]:
        """Sample the target frames of every sequence in one pass, each given the frames before it as in ``codes``.

        Args:
            levels: level of corruption of each frame.
            targets: indices of the frames to sample.
            sample: of ``b m`` frames, flattened.
        """
        table = self.codes(self.codebook)
        past = self._pad_history(self._with_level(codes, levels))
        context, _ = self._run_context(past[:, :-1], self._embed_actions(actions[:, :-1]), None, targets, table)
        return self.decoder.draw(context, table, self.codebook, sample).unflatten(0, targets.shape)

    def _with_level(
        self, codes: Int64[Tensor, "b t y x"], level: Int64[Tensor, "b t"] | int
    ) -> Int64[Tensor, "b t y x"]:
        """Indices into the embeddings of all codes at all levels of corruption."""
        if self.levels == 1:
            return codes
        if isinstance(level, Tensor):
            level = level[..., None, None]
        return codes + level * (self.codes.missing + 1)

    def _run_context_with_outcomes(
        self,
        past: Int64[Tensor, "b s y x"],
        actions: Shaped[Tensor, "b t a"],
        targets: Int64[Tensor, "b m"] | None,
        table: Float[Tensor, "k_plus_1 e"],
        outcomes: Outcomes,
    ) -> tuple[Float[Tensor, "n w y x"], Float[Tensor, ""]]:
        """The contexts of the target frames, and the outcome loss of the actions that led to them and of the last."""
        assert self.outcome is not None
        batch, count = actions.shape[:2]
        last = torch.full((batch, 1), count, device=actions.device)
        shown = torch.arange(count, device=actions.device).expand(batch, -1) if targets is None else targets
        frames = torch.cat([shown, last], dim=1)
        context, _ = self._run_context(past, self._embed_actions(actions), None, frames, table)
        context = context.unflatten(0, frames.shape)
        return context[:, :-1].flatten(0, 1), self.outcome.loss(context, frames, outcomes)

    def _run_context(
        self,
        past: Int64[Tensor, "b s y x"],
        past_actions: Float[Tensor, "b s e"],
        cache: Any,
        targets: Int64[Tensor, "b m"] | None,
        table: Float[Tensor, "k_plus_1 e"],
    ) -> tuple[Float[Tensor, "n w y x"], Any]:
        """Run the context network in the precision of its weights."""
        precision = next(self.context.parameters()).dtype
        shown = table if self.levels == 1 else (table + self.corruption[:, None]).flatten(0, 1)
        context, cache = self.context(embedding(past, shown).to(precision), past_actions.to(precision), cache, targets)
        return context if precision == table.dtype else context.to(table.dtype), cache

    def _pad_history(self, codes: Int64[Tensor, "b t y x"]) -> Int64[Tensor, "b s y x"]:
        """Codes, with ``history`` missing frames before them."""
        nothing = codes.new_full((1, 1, 1, 1), self.codes.missing)
        return torch.cat([nothing.expand(codes.shape[0], self.context.history, *self.grid), codes], dim=1)

    def _embed_actions(self, actions: Shaped[Tensor, "b t a"]) -> Float[Tensor, "b s e"]:
        """Embedded actions, with ``history`` missing ones before them."""
        nothing = self.actions.missing.expand(actions.shape[0], self.context.history, -1)
        return torch.cat([nothing, self.actions(actions)], dim=1)
