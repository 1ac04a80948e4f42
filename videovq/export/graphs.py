"""One frame of the learned world as a function of tensors whose shapes never change.

The state of a walk is four tensors. :class:`Step` draws the next frame of it, :class:`Watch` takes a given one in; a
walk begins with :meth:`World.nothing` and the frames of its context, watched one after the other.
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
from videovq.frames import to_float, to_uint8
from videovq.models.embeddings import unknown
from videovq.models.predictors.contract import Choose
from videovq.models.predictors.layers import TimeAttention
from videovq.models.predictors.lookup_context import Memory
from videovq.models.predictors.predictor import DRAWN, GIVEN, PredictorState
from videovq.models.sampling import choose, entropy
from videovq.rollout.pair import Pair
from videovq.types import Sampling


class State(NamedTuple):
    """What is known of a walk.

    Attributes:
        past_codes: of the last frames, the newest last; ``k`` stands for a frame that does not exist.
        past_actions: embeddings of the actions between them.
        seen: number of frames in the memory; from ``window - 1`` on it stays the same.
        memory: keys and values of the frames that the transformer remembers, the newest last; of the places of frames
            before the first, which ``seen`` leaves out, it does not matter what is there.
    """

    past_codes: Int64[Tensor, "b history y x"]
    past_actions: Float[Tensor, "b history_minus_1 e"]
    seen: Int64[Tensor, "one"]
    memory: Float[Tensor, "layers two b m window_minus_1 p e"]


STATE = State._fields


class SteadyAttention(nn.Module):
    """A TimeAttention that is given a memory of full length from the first frame on, and how much of it to look at."""

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


class World(nn.Module):
    """A pair of networks, the predictor's with a state of fixed shapes.

    Raises:
        ValueError: the predictor is of a kind that cannot be exported.
    """

    vectors: Tensor
    turns: Tensor

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        model = pair.predictor.config.model
        if not isinstance(model, PatchPredictorConfig) or not model.transformer_layers:
            raise ValueError(
                f"predictor: {type(model).__name__} cannot be exported; train a PatchPredictorConfig with a transformer"
            )
        if model.frame_attention:
            raise ValueError("predictor: with frame_attention cannot be exported; train one without")
        self.predictor = deepcopy(pair.predictor.network)
        self.frame_size, self.window = pair.vqvae.frame_size, model.window
        context: Any = self.predictor.context
        context.attention = nn.ModuleList(SteadyAttention(one) for one in context.attention)
        vqvae = deepcopy(pair.vqvae.network)
        self.encoder, self.quantizer, self.decoder = vqvae.encoder, vqvae.quantizer, vqvae.decoder
        self.register_buffer("vectors", vqvae.quantizer.code_vectors())
        self.register_buffer("turns", self.predictor.decoder.order.flatten().argsort())
        self.eval().requires_grad_(False)

    def nothing(self) -> State:
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

    def no_action(self) -> Shaped[Tensor, "one a"]:
        """The action that leads to the first frame: nobody knows it."""
        spec = self.predictor.action_spec
        return unknown(torch.zeros(1, spec.width, dtype=spec.dtype))

    def advance(
        self, state: State, action: Shaped[Tensor, "b a"], choose: Choose, level: int = DRAWN
    ) -> tuple[Int64[Tensor, "b y x"], State]:
        """The next frame, with codes that ``choose`` picks by their scores; ``level``: see :meth:`Predictor.draw`."""
        layers: list[Any] = [(k, v, state.seen) for k, v in state.memory]
        before = PredictorState(state.past_codes, state.past_actions, Memory(layers))
        codes, after = self.predictor.draw(before, action, choose, level=level)
        memory = torch.stack([torch.stack(kept) for kept in after.memory.layers])
        seen = (state.seen + 1).clamp(max=self.window - 1)
        return codes, State(after.codes, after.actions, seen, memory)


class Choices:
    """Draws codes, and keeps how uncertain the scores were that they came from; as graphs are made, nothing is written
    into a tensor.

    Args:
        noise: of all places of a frame, as large as it counts.
    """

    def __init__(self, noise: Float[Tensor, "b n k"]) -> None:
        self.noise = noise
        self.entropies: list[Float[Tensor, "b p"]] = []

    def __call__(self, scores: Float[Tensor, "b p k"], places: Int64[Tensor, "p"]) -> Int64[Tensor, "b p"]:
        self.entropies.append(entropy(scores))
        return choose(self.noise, Sampling(), scores, places)

    def bits(self, turns: Int64[Tensor, "n"]) -> Float[Tensor, "b n"]:
        """Entropy of the predictor about every code, in bits, before the temperature.

        Args:
            turns: when each place was drawn, counted in places.
        """
        return torch.cat(self.entropies, dim=1)[:, turns]


class Step(nn.Module):
    """Draw the next frame."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

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
        """The codes ``b y x``, the predictor's entropy about each in bits, their picture ``b h w 3`` (uint8), and the
        state after them.

        Args:
            action: taken after the last frame; leads to the one drawn.
            noise: standard Gumbel noise.
            temperature: factor of the noise; 0 takes the most likely codes.
        """
        world, choices = self.world, Choices((noise * temperature).flatten(1, 2))
        codes, state = world.advance(State(past_codes, past_actions, seen, memory), action, choices)
        vectors = rearrange(embedding(codes, world.vectors), "b y x d -> b d y x")
        return codes, choices.bits(world.turns).view_as(codes), to_uint8(world.decoder(vectors)), *state


class Watch(nn.Module):
    """Take in a frame that is given."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

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
            action: that led to the frame; of the first frame: :meth:`World.no_action`.
        """
        grid = self.world.encoder(to_float(frame))
        found = self.world.quantizer.nearest(rearrange(grid, "b d y x -> (b y x) d"))
        known = found.view(len(frame), -1)
        codes, state = self.world.advance(
            State(past_codes, past_actions, seen, memory), action, lambda scores, places: known[:, places], GIVEN
        )
        return codes, *state
