"""A predictor of code grids: frames and actions -> p(next frame's codes)."""

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
from videovq.models.predictors.contract import Choose, ContextNetwork, FrameDecoder, OutcomeOutput, PredictorOutput
from videovq.models.predictors.outcome import OutcomeHead
from videovq.models.sampling import choose, predictive, uncached
from videovq.types import ActionSpec, Outcomes, Sampling

GIVEN, DRAWN = 0, 1  # levels of corruption of a rollout's frames


@dataclass(frozen=True)
class PredictorState:
    """The last frames' codes as they are seen, the last actions' embeddings, and the context network's memory of those
    before.

    ``outcome`` is what was expected of the last action, for those who ask: no later step depends on it. None at the
    start, where states were repeated or joined, and of a predictor without such a head.
    """

    codes: Int64[Tensor, "b history y x"]
    actions: Float[Tensor, "b history_minus_1 e"]
    memory: Any
    outcome: OutcomeOutput | None = None

    def repeat(self, times: int) -> PredictorState:
        """The same state for several rollouts in place of each."""
        return self._of_each(lambda z: z.repeat_interleave(times, dim=0))

    def rows(self, which: list[int] | slice) -> PredictorState:
        """Some rollouts of the batch: a copy, or with a slice a view, which keeps the whole batch in memory."""
        outcome = OutcomeOutput(self.outcome.rewards[which], self.outcome.ends[which]) if self.outcome else None
        return replace(self._of_each(lambda z: z[which]), outcome=outcome)

    @property
    def remembered(self) -> int:
        """Frames in the memory; only states with equally many can be joined."""
        return self.memory.frames if self.memory else 0

    @staticmethod
    def joined(states: Sequence[PredictorState]) -> PredictorState:
        """The rollouts of several states in one batch."""
        first, *rest = states
        return first._of_each(lambda *z: torch.cat(z), *rest) if rest else first

    def _of_each(self, change: Callable[..., Tensor], *others: PredictorState) -> PredictorState:
        """A state of what ``change`` makes of each tensor of this one, and the same ones of others."""
        trees = [(state.codes, state.actions, state.memory) for state in (self, *others)]
        return PredictorState(*tree_map(lambda *z: None if z[0] is None else change(*z), *trees))


class Predictor(nn.Module):
    """p(codes | actions) as a product of conditionals, frame by frame and group of codes by group of codes.

    ``forward`` scores given frames; ``start`` and ``step`` draw new ones. ``step`` repeated gives the same conditionals
    as ``forward`` on the same prefix, and no code or action changes an earlier conditional: frame t depends on the
    codes of frames before it and on the actions before it, ``actions[..t - 1]``.

    Args:
        config: widths, and the weight of the auxiliary loss.
        action_spec: the actions it is conditioned on.
        grid: rows and columns of a frame's codes.
        codebook: the code vectors of the VQ-VAE.
        context: reads the past.
        decoder: draws a frame.
        values: rewards that a head for rewards and ends tells apart (see videovq.models.predictors.outcome); None: no
            such head.
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
        self.decoder = decoder
        self.outcome = None if values is None else OutcomeHead(config.width, values)  # last: the rest is as without it
        self.levels = config.corruption_levels
        if self.levels > 1:
            self.corruption = nn.Parameter(torch.zeros(self.levels, config.embedding))

    def forward(
        self,
        codes: Int64[Tensor, "b t y x"],
        actions: Shaped[Tensor, "b t a"],
        given: Int64[Tensor, "b t y x"] | None = None,
        wanted: Int64[Tensor, "b m"] | None = None,
        outcomes: Outcomes | None = None,
        levels: Int64[Tensor, "b t"] | None = None,
    ) -> PredictorOutput:
        """Score every code of every frame, the first frame included.

        Args:
            codes: the frames to score.
            actions: the action taken after each (see videovq.models.embeddings.unknown); the last one has no effect.
            given: what the predictor sees of the frames before the one it scores, where that is not ``codes``:
                training against noise.
            wanted: numbers of the frames of each sequence that are to be scored (``t`` of the output); None: all.
            outcomes: what came of every action, to be scored for those that led to these frames and for the last one;
                needs a predictor with that head.
            levels: how wrong each of the ``given`` frames is; None: as they are.
        """
        table = self.codes(self.codebook)
        past = self._after_nothing(self._seen(codes if given is None else given, GIVEN if levels is None else levels))
        outcome_loss = None
        if outcomes is None:
            context, _ = self._read(past[:, :-1], self._after_no_action(actions[:, :-1]), None, wanted, table)
        else:
            context, outcome_loss = self._read_with_outcomes(past, actions, wanted, table, outcomes)
        if wanted is not None:
            codes = codes[torch.arange(len(codes), device=codes.device)[:, None], wanted]
        scores = self.decoder.score(context, codes.flatten(0, 1), table, self.codebook)
        logits = scores.unflatten(0, codes.shape[:2])
        nll = cross_entropy(logits.flatten(0, 3), codes.flatten(), reduction="none").view_as(codes)
        loss = nll.mean()
        if self.training and self.latent_loss:
            target = self.codebook[codes.flatten(0, 1)].permute(0, 3, 1, 2)
            loss = loss + self.latent_loss * mse_loss(self.latent(context).float(), target) / self.codebook.var()
        if outcome_loss is not None:
            loss = loss + self.outcome_loss * outcome_loss
        return PredictorOutput(logits, nll, loss, outcome_loss)

    def expect(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t a"]) -> OutcomeOutput:
        """What every action brings, given the frames and actions before it; of ``b t`` each."""
        assert self.outcome is not None
        past, past_actions = self._after_nothing(codes), self._after_no_action(actions)
        context, _ = self._read(past, past_actions, None, None, self.codes(self.codebook))
        found = self.outcome(context)
        after = (z.unflatten(0, (len(codes), -1))[:, 1:] for z in (found.rewards, found.ends))
        return OutcomeOutput(*after)

    def halve(self) -> None:
        """Compute in bfloat16 from now on, but for the scores: for drawing only."""
        self.context.bfloat16()
        self.decoder.halve()

    def start(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t_minus_1 a"]) -> PredictorState:
        """The state after the given context frames and the actions between them."""
        past, past_actions = self._after_nothing(codes), self._after_no_action(actions)
        none = past.new_zeros(len(past), 0)
        _, memory = self._read(past[:, :-1], past_actions, None, none, self.codes(self.codebook))
        history = self.context.history
        keep = past_actions.shape[1] - (history - 1)
        return PredictorState(past[:, -history:], past_actions[:, keep:], memory)

    def step(
        self,
        state: PredictorState,
        action: Shaped[Tensor, "b a"],
        noise: Float[Tensor, "m y x k"],
        sampling: Sampling = Sampling(),
    ) -> tuple[Int64[Tensor, "b y x"], PredictorState]:
        """Draw the next frame.

        Args:
            action: taken after the last frame; leads to the one drawn.
            noise: Gumbel noise draws from the model (see videovq.models.sampling), and zeros take the most likely code.
            sampling: what is done to the scores before the noise is added, and by which passes.
        """
        return self.draw(state, action, partial(choose, noise.flatten(1, 2), sampling), sampling.sampler)

    def draw(
        self,
        state: PredictorState,
        action: Shaped[Tensor, "b a"],
        choose: Choose,
        sampler: str = "cached",
        level: int = DRAWN,
    ) -> tuple[Int64[Tensor, "b y x"], PredictorState]:
        """The next frame, with codes that ``choose`` picks by their scores.

        Args:
            sampler: see Sampling.
            level: of corruption, with which later steps see the frame; ``GIVEN`` where its codes were not drawn.
        """
        table = self.codes(self.codebook)
        past_actions = torch.cat([state.actions, self.actions(action[:, None])], dim=1)
        context, memory = self._read(state.codes, past_actions, state.memory, None, table)
        draw = self.decoder.draw
        if sampler != "cached":
            draw = partial(predictive if sampler == "predictive" else uncached, self.decoder)
        codes = draw(context, table, self.codebook, choose)
        past = torch.cat([state.codes[:, 1:], self._seen(codes[:, None], level)], dim=1)
        outcome = None if self.outcome is None else self.outcome(context)
        return codes, PredictorState(past, past_actions[:, 1:], memory, outcome)

    def redraw(
        self,
        codes: Int64[Tensor, "b t y x"],
        levels: Int64[Tensor, "b t"],
        actions: Shaped[Tensor, "b t a"],
        wanted: Int64[Tensor, "b m"],
        choose: Choose,
    ) -> Int64[Tensor, "b m y x"]:
        """Draw some frames of every sequence in one pass, each given the frames before it as they are in ``codes``.

        Args:
            levels: how wrong each frame is.
            wanted: numbers of the frames to draw.
            choose: of ``b m`` frames in a row.
        """
        table = self.codes(self.codebook)
        past = self._after_nothing(self._seen(codes, levels))
        context, _ = self._read(past[:, :-1], self._after_no_action(actions[:, :-1]), None, wanted, table)
        return self.decoder.draw(context, table, self.codebook, choose).unflatten(0, wanted.shape)

    def _seen(self, codes: Int64[Tensor, "b t y x"], level: Int64[Tensor, "b t"] | int) -> Int64[Tensor, "b t y x"]:
        """Codes that say how wrong their frame is: those of each level have numbers of their own."""
        if self.levels == 1:
            return codes
        if isinstance(level, Tensor):
            level = level[..., None, None]
        return codes + level * (self.codes.missing + 1)

    def _read_with_outcomes(
        self,
        past: Int64[Tensor, "b s y x"],
        actions: Shaped[Tensor, "b t a"],
        wanted: Int64[Tensor, "b m"] | None,
        table: Float[Tensor, "k_plus_1 e"],
        outcomes: Outcomes,
    ) -> tuple[Float[Tensor, "n w y x"], Float[Tensor, ""]]:
        """The contexts of the wanted frames, and the loss of what led to them and to the frame after the last."""
        assert self.outcome is not None
        batch, count = actions.shape[:2]
        last = torch.full((batch, 1), count, device=actions.device)
        shown = torch.arange(count, device=actions.device).expand(batch, -1) if wanted is None else wanted
        frames = torch.cat([shown, last], dim=1)
        context, _ = self._read(past, self._after_no_action(actions), None, frames, table)
        context = context.unflatten(0, frames.shape)
        return context[:, :-1].flatten(0, 1), self.outcome.loss(context, frames, outcomes)

    def _read(
        self,
        past: Int64[Tensor, "b s y x"],
        past_actions: Float[Tensor, "b s e"],
        memory: Any,
        wanted: Int64[Tensor, "b m"] | None,
        table: Float[Tensor, "k_plus_1 e"],
    ) -> tuple[Float[Tensor, "n w y x"], Any]:
        """What the context network says, in whatever precision its weights are."""
        precision = next(self.context.parameters()).dtype
        shown = table if self.levels == 1 else (table + self.corruption[:, None]).flatten(0, 1)
        context, memory = self.context(embedding(past, shown).to(precision), past_actions.to(precision), memory, wanted)
        return context if precision == table.dtype else context.to(table.dtype), memory

    def _after_nothing(self, codes: Int64[Tensor, "b t y x"]) -> Int64[Tensor, "b s y x"]:
        """Codes after ``history`` frames that do not exist."""
        nothing = codes.new_full((1, 1, 1, 1), self.codes.missing)
        return torch.cat([nothing.expand(codes.shape[0], self.context.history, *self.grid), codes], dim=1)

    def _after_no_action(self, actions: Shaped[Tensor, "b t a"]) -> Float[Tensor, "b s e"]:
        """Embedded actions after ``history`` that were not taken."""
        nothing = self.actions.missing.expand(actions.shape[0], self.context.history, -1)
        return torch.cat([nothing, self.actions(actions)], dim=1)
