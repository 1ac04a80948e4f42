"""One rollout step of the learned world as a function of tensors of fixed shapes.

The state of a rollout is four tensors. :class:`StepGraph` predicts the next frame, :class:`WatchGraph` takes a context
frame in; a rollout starts with :meth:`ExportedModel.initial_state` and its context frames, watched one after the other.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped, UInt8
from torch import Tensor, nn
from torch.nn.functional import embedding

from videovq.config import PatchPredictorConfig
from videovq.errors import UserError
from videovq.frames import to_float, to_uint8
from videovq.models.embeddings import unknown
from videovq.models.kv_cache import KVCache
from videovq.models.predictors.contract import CodeSampler
from videovq.models.predictors.layers import TimeAttention
from videovq.models.predictors.predictor import CLEAN, SAMPLED, PredictorState
from videovq.models.sampling import entropy, sample_codes
from videovq.rollout.pair import Pair
from videovq.types import Sampling


class State(NamedTuple):
    """The state of a rollout.

    Attributes:
        past_codes: of the last frames, the newest last; ``k`` stands for a missing frame.
        past_actions: embeddings of the actions between them.
        seen: length of the KV cache, at most ``window - 1`` frames.
        memory: the KV cache: keys and values of the last frames in every transformer layer, the newest last. Only the
            last ``seen`` frames of it are read.
    """

    past_codes: Int64[Tensor, "b history y x"]
    past_actions: Float[Tensor, "b history_minus_1 e"]
    seen: Int64[Tensor, "one"]
    memory: Float[Tensor, "layers two b m window_minus_1 p e"]


STATE = State._fields


class FixedLengthAttention(nn.Module):
    """A TimeAttention whose KV cache has its full length from the first frame on, with the number of valid frames."""

    def __init__(self, attention: TimeAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self, x: Float[Tensor, "b one p w"], past: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Float[Tensor, "b one p w"], tuple[Tensor, Tensor]]:
        before_k, before_v, seen = past
        q, k, v = self.attention.split(x)
        k, v = torch.cat([before_k, k], dim=2), torch.cat([before_v, v], dim=2)
        ago = torch.arange(k.shape[2] - 1, -1, -1, device=x.device)
        mask = (ago <= seen).repeat_interleave(x.shape[2])[None]
        return x + self.attention.attend(q, k, v, mask), (k[:, :, 1:], v[:, :, 1:])


class ExportedModel(nn.Module):
    """A VQ-VAE and a predictor, with a rollout state of fixed shapes.

    Raises:
        UserError: the predictor is of a kind that cannot be exported.
    """

    vectors: Tensor
    ranks: Tensor

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        config = pair.predictor.config.model
        if not isinstance(config, PatchPredictorConfig) or not config.transformer_layers:
            raise UserError(
                f"predictor: {type(config).__name__} cannot be exported;"
                " train a PatchPredictorConfig with a transformer"
            )
        if config.frame_attention:
            raise UserError("predictor: with frame_attention cannot be exported; train one without")
        self.predictor = deepcopy(pair.predictor.network)
        self.frame_size, self.window = pair.vqvae.frame_size, config.window
        context: Any = self.predictor.context
        context.attention = nn.ModuleList(FixedLengthAttention(one) for one in context.attention)
        vqvae = deepcopy(pair.vqvae.network)
        self.encoder, self.quantizer, self.decoder = vqvae.encoder, vqvae.quantizer, vqvae.decoder
        self.register_buffer("vectors", vqvae.quantizer.code_vectors())
        self.register_buffer("ranks", self.predictor.decoder.order.flatten().argsort())
        self.eval().requires_grad_(False)

    def initial_state(self) -> State:
        """The state before any frame."""
        predictor: Any = self.predictor
        history, attention = predictor.context.history, predictor.context.attention
        wide, heads = predictor.context.place.shape, attention[0].attention.heads
        return State(
            torch.full((1, history, *predictor.grid), predictor.codes.missing),
            predictor.actions.missing.expand(1, history - 1, -1).clone(),
            torch.zeros(1, dtype=torch.int64),
            torch.zeros(len(attention), 2, 1, heads, self.window - 1, wide[0], wide[1] // heads),
        )

    def unknown_action(self) -> Shaped[Tensor, "one a"]:
        """The action that leads to the first frame, which is unknown."""
        spec = self.predictor.action_spec
        return unknown(torch.zeros(1, spec.width, dtype=spec.dtype))

    def step(
        self, state: State, action: Shaped[Tensor, "b a"], sample: CodeSampler, level: int = SAMPLED
    ) -> tuple[Int64[Tensor, "b y x"], State]:
        """The next frame, with codes that ``sample`` takes from their logits; ``level``: see :meth:`Predictor.draw`."""
        layers: list[Any] = [(k, v, state.seen) for k, v in state.memory]
        before = PredictorState(state.past_codes, state.past_actions, KVCache(layers))
        codes, after = self.predictor.draw(before, action, sample, level=level)
        memory = torch.stack([torch.stack(layer) for layer in after.cache.layers])
        seen = (state.seen + 1).clamp(max=self.window - 1)
        return codes, State(after.codes, after.actions, seen, memory)


class TracedCodeSampler:
    """Samples codes, and keeps the entropy of their distributions, without in-place writes, for tracing.

    Args:
        noise: Gumbel noise of all positions of a frame, times the temperature.
    """

    def __init__(self, noise: Float[Tensor, "b n k"]) -> None:
        self.noise = noise
        self.entropies: list[Float[Tensor, "b p"]] = []

    def __call__(self, logits: Float[Tensor, "b p k"], positions: Int64[Tensor, "p"]) -> Int64[Tensor, "b p"]:
        self.entropies.append(entropy(logits))
        return sample_codes(self.noise, Sampling(), logits, positions)

    def bits(self, ranks: Int64[Tensor, "n"]) -> Float[Tensor, "b n"]:
        """Entropy of the predictor's distribution over every code, in bits, before the temperature.

        Args:
            ranks: of every position in the order of sampling.
        """
        return torch.cat(self.entropies, dim=1)[:, ranks]


class StepGraph(nn.Module):
    """The graph of a rollout step: predicts the next frame."""

    def __init__(self, model: ExportedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        past_codes: Int64[Tensor, "b history y x"],
        past_actions: Float[Tensor, "b history_minus_1 e"],
        seen: Int64[Tensor, "one"],
        memory: Float[Tensor, "layers two b m window_minus_1 p e"],
        action: Shaped[Tensor, "b a"],
        noise: Float[Tensor, "b y x k"],
        temperature: Float[Tensor, "one"],
    ) -> tuple[Tensor, ...]:
        """The codes ``b y x``, the entropy of each in bits, the decoded frame ``b h w 3`` (uint8), and the next state.

        Args:
            action: taken after the last frame; leads to the predicted one.
            noise: standard Gumbel noise.
            temperature: factor of the noise; 0 is greedy.
        """
        model, sample = self.model, TracedCodeSampler((noise * temperature).flatten(1, 2))
        codes, state = model.step(State(past_codes, past_actions, seen, memory), action, sample)
        vectors = rearrange(embedding(codes, model.vectors), "b y x d -> b d y x")
        return codes, sample.bits(model.ranks).view_as(codes), to_uint8(model.decoder(vectors)), *state


class WatchGraph(nn.Module):
    """The graph that takes a context frame in: it encodes the frame and forces the step to its codes."""

    def __init__(self, model: ExportedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        past_codes: Int64[Tensor, "b history y x"],
        past_actions: Float[Tensor, "b history_minus_1 e"],
        seen: Int64[Tensor, "one"],
        memory: Float[Tensor, "layers two b m window_minus_1 p e"],
        action: Shaped[Tensor, "b a"],
        frame: UInt8[Tensor, "b h w 3"],
    ) -> tuple[Tensor, ...]:
        """The frame's codes ``b y x``, and the state after it.

        Args:
            action: that led to the frame; of the first frame: :meth:`ExportedModel.unknown_action`.
        """
        grid = self.model.encoder(to_float(frame))
        found = self.model.quantizer.nearest(rearrange(grid, "b d y x -> (b y x) d"))
        known = found.view(len(frame), -1)
        codes, state = self.model.step(
            State(past_codes, past_actions, seen, memory), action, lambda logits, positions: known[:, positions], CLEAN
        )
        return codes, *state
