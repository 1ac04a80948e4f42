"""The patch predictor: exact likelihood with nine draws a frame.

Context: at code resolution, lookups (attention within a frame) and convolutions read the last few frames, modulated by
the last few actions and by place; between them, at a third of the resolution, a block-causal transformer over 3x3
patches and time remembers older frames. The result is one vector for every code of the next frame.

Decoder: the codes of a frame are drawn in nine steps. In step g every patch draws its g-th code, given the context and
the codes of the earlier steps in its own and the surrounding patches. The likelihood is the product of these
conditionals.

Shapes: ``q`` = 9 places in a patch, ``u v`` = rows and columns of patches (7, 7), ``w`` channels, ``n`` frames of a
batch in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, pixel_shuffle, scaled_dot_product_attention, silu

from videovq.config import PatchPredictorConfig
from videovq.models.embeddings import ActionEmbedding, CodeEmbedding
from videovq.models.predictors.contract import Predictor
from videovq.types import ActionSpec, PredictorOutput

PATCH = 3
# Centre first, then corners, then edges: each draw finds neighbours that are already known.
ORDER = ((1, 1), (0, 0), (2, 2), (0, 2), (2, 0), (0, 1), (1, 0), (1, 2), (2, 1))


class ModulatedBlock(nn.Module):
    """x + conv3x3(SiLU(conv3x3(norm(x)) * (1 + scale) + shift)), scale and shift from a condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Conv2d(condition, 2 * width, 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "n w y x"], condition: Float[Tensor, "n c #y #x"]) -> Float[Tensor, "n w y x"]:
        normed = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        scale, shift = self.modulate(condition).chunk(2, dim=1)
        return x + self.second(silu(torch.addcmul(shift, self.first(normed), 1 + scale)))


class Lookup(nn.Module):
    """Every place looks for what it needs in the whole grid: attention within a frame.

    Rows and columns enter by rotation (Su et al. 2021), so that a query can ask for what lies a given way off: where a
    code comes from depends on action, place and depth.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, condition: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Conv2d(condition, width, 1)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        quarter = width // heads // 4
        frequencies = (1 / 30.0) ** (torch.arange(quarter) / quarter)
        rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
        angles = torch.cat([p.flatten()[:, None] * frequencies for p in (rows, columns)], dim=1)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x: Float[Tensor, "n w y x"], condition: Float[Tensor, "n c y x"]) -> Float[Tensor, "n w y x"]:
        tokens = self.norm(rearrange(x, "n w y x -> n (y x) w"))
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        q = q + rearrange(self.query(condition), "n w y x -> n (y x) w")
        q, k, v = (rearrange(z, "n p (m e) -> n m p e", m=self.heads) for z in (q, k, v))
        out = scaled_dot_product_attention(self._rotate(q), self._rotate(k), v)
        out = self.out(rearrange(out, "n m p e -> n p (m e)"))
        return x + rearrange(out, "n (y x) w -> n w y x", y=x.shape[2])

    def _rotate(self, z: Float[Tensor, "n m p e"]) -> Float[Tensor, "n m p e"]:
        a, b = z.chunk(2, dim=-1)
        cos, sin = self.cos.to(z.dtype), self.sin.to(z.dtype)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


@dataclass(frozen=True)
class Memory:
    """Keys and values of the last frames in every transformer layer, and the number of frames seen."""

    layers: list[tuple[Float[Tensor, "b m t p e"], Float[Tensor, "b m t p e"]]]
    time: int


class Attention(nn.Module):
    """Attention over patches and time: every patch sees all patches of its own and of the last ``window`` frames.

    Time enters by rotation (Su et al. 2021), so only differences of time count and a rollout may go on for ever.
    """

    frequencies: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        half = width // heads // 2
        self.register_buffer("frequencies", (1 / 100.0) ** (torch.arange(half) / half), persistent=False)

    def forward(
        self, x: Float[Tensor, "b t p w"], past: tuple[Tensor, Tensor] | None, time: int
    ) -> tuple[Float[Tensor, "b t p w"], tuple[Tensor, Tensor]]:
        frames, patches = x.shape[1:3]
        q, k, v = rearrange(self.qkv(self.norm(x)), "b t p (three m e) -> three b m t p e", three=3, m=self.heads)
        q, k = self._rotate(q, time), self._rotate(k, time)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        seen = k.shape[2]
        mask = None
        if frames > 1 or seen > self.window:
            behind = torch.arange(seen - frames, seen)[:, None] - torch.arange(seen)
            band = (behind >= 0) & (behind < self.window)
            mask = band.repeat_interleave(patches, 0).repeat_interleave(patches, 1).to(x.device)
        flat = [z.flatten(2, 3) for z in (q, k, v)]
        out = scaled_dot_product_attention(flat[0], flat[1], flat[2], attn_mask=mask)
        out = rearrange(out, "b m (t p) e -> b t p (m e)", p=patches)
        keep = self.window - 1
        return x + self.out(out), (k[:, :, -keep:], v[:, :, -keep:])

    def _rotate(self, z: Float[Tensor, "b m t p e"], time: int) -> Float[Tensor, "b m t p e"]:
        angles = torch.arange(time, time + z.shape[2], device=z.device)[:, None] * self.frequencies
        cos, sin = angles.cos()[:, None].to(z.dtype), angles.sin()[:, None].to(z.dtype)
        a, b = z.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class FeedForward(nn.Module):
    """x + linear(SiLU(linear(norm(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Float[Tensor, "b t p w"]) -> Float[Tensor, "b t p w"]:
        return x + self.layers(x)


class Context(nn.Module):
    """Last frames and actions -> one vector for every code of the next frame."""

    def __init__(self, config: PatchPredictorConfig, condition: int, grid: tuple[int, int]) -> None:
        super().__init__()
        width, inner = config.width, config.transformer_width
        patches = grid[0] * grid[1] // PATCH**2
        self.where = nn.Parameter(torch.randn(condition, *grid) * 0.02)
        self.what = nn.Conv2d(condition, condition, 1)
        self.look = nn.Conv2d(config.history * config.embedding, width, 3, padding=1)
        self.lookups = nn.ModuleList(Lookup(width, condition, config.lookup_heads, grid) for _ in range(config.blocks))
        self.before = nn.ModuleList(ModulatedBlock(width, condition) for _ in range(config.blocks))
        self.down = nn.Conv2d(width, inner, PATCH, stride=PATCH)
        self.place = nn.Parameter(torch.randn(patches, inner) * 0.02)
        self.action = nn.Linear(condition, inner)
        self.attention = nn.ModuleList(
            Attention(inner, config.heads, config.window) for _ in range(config.transformer_layers)
        )
        self.feed_forward = nn.ModuleList(FeedForward(inner) for _ in range(config.transformer_layers))
        self.up = nn.Linear(inner, width * PATCH**2)
        self.after = nn.ModuleList(ModulatedBlock(width, condition) for _ in range(config.blocks))

    def forward(
        self, frames: Float[Tensor, "b t y x e"], condition: Float[Tensor, "b t c"], memory: Memory | None
    ) -> tuple[Float[Tensor, "n w y x"], Memory]:
        batch = frames.shape[0]
        rows = self.what(silu(condition.flatten(0, 1)[:, :, None, None] + self.where))
        rows = silu(rows)
        x = self.look(rearrange(frames, "b t y x w -> (b t) w y x"))
        for lookup, block in zip(self.lookups, self.before, strict=True):
            x = block(lookup(x, rows), rows)
        small = self.down(x)
        grid = small.shape[2:]
        tokens = rearrange(small, "(b t) w u v -> b t (u v) w", b=batch) + self.place
        tokens = tokens + self.action(condition)[:, :, None]
        time = memory.time if memory else 0
        layers = []
        for i, (attend, feed) in enumerate(zip(self.attention, self.feed_forward, strict=True)):
            tokens, kept = attend(tokens, memory.layers[i] if memory else None, time)
            layers.append(kept)
            tokens = feed(tokens)
        coarse = rearrange(self.up(tokens), "b t (u v) w -> (b t) w u v", u=grid[0])
        x = x + pixel_shuffle(coarse, PATCH)
        for block in self.after:
            x = block(x, rows)
        return x, Memory(layers, time + frames.shape[1])


class Decoder(nn.Module):
    """Context and the codes of earlier steps -> scores of the codes of a step."""

    def __init__(self, config: PatchPredictorConfig, codebook_size: int, code_dim: int) -> None:
        super().__init__()
        width, places = config.width, len(ORDER)
        self.known = nn.ModuleList(nn.Conv2d(config.embedding, width, 3, padding=1) for _ in range(places - 1))
        self.combine = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(places))
        self.step = nn.Embedding(places, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width, width) for _ in range(config.decoder_blocks))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, codebook_size)
        self.vector = nn.Linear(width, code_dim)

    def forward(
        self,
        context: Float[Tensor, "q n w u v"],
        known: Float[Tensor, "q n w u v"],
        first: int,
        codebook: Float[Tensor, "k d"],
    ) -> Float[Tensor, "q n u v k"]:
        """Scores of the codes of the steps ``first``, ``first + 1``, ..., one for each given context.

        Args:
            context: the context at the places of those steps.
            known: the sum of what :attr:`known` makes of the codes of all earlier steps.
        """
        used = [self.combine[first + i](k) for i, k in enumerate(known)]
        x = (context + torch.stack(used)).flatten(0, 1)
        steps = torch.arange(first, first + len(context), device=x.device).repeat_interleave(context.shape[1])
        condition = self.step(steps)[:, :, None, None]
        for block in self.blocks:
            x = block(x, condition)
        x = self.norm(x.permute(0, 2, 3, 1))
        scores = self.scores(x) + self.vector(x) @ codebook.T
        return scores.unflatten(0, context.shape[:2])


@dataclass(frozen=True)
class PatchState:
    """The last frames' codes, the last actions' embeddings, and the transformer's memory."""

    codes: Int64[Tensor, "b history y x"]
    actions: Float[Tensor, "b history_minus_1 e"]
    memory: Memory


class PatchPredictor(Predictor):
    """See the module's docstring."""

    def __init__(
        self,
        config: PatchPredictorConfig,
        action_spec: ActionSpec,
        grid: tuple[int, int],
        codebook: Float[Tensor, "k d"],
    ) -> None:
        super().__init__(config, action_spec, grid, codebook)
        if grid[0] % PATCH or grid[1] % PATCH:
            raise ValueError(f"grid: {grid[0]}x{grid[1]} codes do not divide into {PATCH}x{PATCH} patches")
        if config.transformer_width % (2 * config.heads):
            raise ValueError("transformer_width: must be a multiple of twice the heads")
        if config.history < 1 or config.window < 2:
            raise ValueError("history must be at least 1 and window at least 2")
        size, code_dim = codebook.shape
        self.history = config.history
        self.latent_loss = config.latent_loss
        self.codes = CodeEmbedding(size, code_dim, config.embedding)
        self.actions = ActionEmbedding(action_spec, config.embedding)
        condition = config.width
        self.condition = nn.Sequential(nn.Linear(config.history * config.embedding, condition), nn.SiLU())
        self.context = Context(config, condition, grid)
        self.latent = nn.Conv2d(config.width, code_dim, 1)
        self.decoder = Decoder(config, size, code_dim)

    def forward(
        self,
        codes: Int64[Tensor, "b t y x"],
        actions: Shaped[Tensor, "b t a"],
        given: Int64[Tensor, "b t y x"] | None = None,
    ) -> PredictorOutput:
        batch, frames = codes.shape[:2]
        past = self._after_nothing(codes if given is None else given)[:, :-1]
        past_actions = self._after_no_action(actions[:, :-1])
        context, _ = self._context(past, past_actions, None)
        drawn = by_step(rearrange(self.codes(codes, self.codebook), "b t y x e -> (b t) y x e"))
        contexts = by_step(context.permute(0, 2, 3, 1))
        known = [torch.zeros_like(contexts[0])]
        for layer, step in zip(self.decoder.known, drawn, strict=False):
            known.append(known[-1] + layer(step))
        scores = self.decoder(contexts, torch.stack(known), 0, self.codebook).float()
        logits = from_steps(scores).unflatten(0, (batch, frames))
        nll = cross_entropy(logits.flatten(0, 3), codes.flatten(), reduction="none").view_as(codes)
        loss = nll.mean()
        if self.training and self.latent_loss:
            target = self.codebook[codes.flatten(0, 1)].permute(0, 3, 1, 2)
            loss = loss + self.latent_loss * mse_loss(self.latent(context).float(), target) / self.codebook.var()
        return PredictorOutput(logits, nll, loss)

    def start(self, codes: Int64[Tensor, "b t y x"], actions: Shaped[Tensor, "b t_minus_1 a"]) -> PatchState:
        past, past_actions = self._after_nothing(codes), self._after_no_action(actions)
        _, memory = self._context(past[:, :-1], past_actions, None)
        keep = past_actions.shape[1] - (self.history - 1)
        return PatchState(past[:, -self.history :], past_actions[:, keep:], memory)

    def step(
        self, state: PatchState, action: Shaped[Tensor, "b a"], noise: Float[Tensor, "b y x k"]
    ) -> tuple[Int64[Tensor, "b y x"], PatchState]:
        past_actions = torch.cat([state.actions, self.actions(action[:, None])], dim=1)
        context, memory = self._context(state.codes, past_actions, state.memory)
        codes = state.codes.new_zeros(state.codes.shape[0], *self.grid)
        contexts = by_step(context.permute(0, 2, 3, 1))
        known = torch.zeros_like(contexts[0])
        for g, (i, j) in enumerate(ORDER):
            scores = self.decoder(contexts[g : g + 1], known[None], g, self.codebook)[0].float()
            drawn = (scores + noise[:, i::PATCH, j::PATCH]).argmax(dim=-1)
            codes[:, i::PATCH, j::PATCH] = drawn
            if g + 1 < len(ORDER):
                embedded = self.codes(drawn, self.codebook).permute(0, 3, 1, 2)
                known = known + self.decoder.known[g](embedded)
        past = torch.cat([state.codes[:, 1:], codes[:, None]], dim=1)
        return codes, PatchState(past, past_actions[:, 1:], memory)

    def _context(
        self, past: Int64[Tensor, "b s y x"], past_actions: Float[Tensor, "b s e"], memory: Memory | None
    ) -> tuple[Float[Tensor, "n w y x"], Memory]:
        """Context of the ``s - history + 1`` frames that follow each run of ``history`` past ones."""
        frames = past.shape[1] - self.history + 1
        lags = [slice(lag, lag + frames) for lag in range(self.history)]
        embedded = self.codes(past, self.codebook)
        condition = self.condition(torch.cat([past_actions[:, lag] for lag in lags], dim=-1))
        return self.context(torch.cat([embedded[:, lag] for lag in lags], dim=-1), condition, memory)

    def _after_nothing(self, codes: Int64[Tensor, "b t y x"]) -> Int64[Tensor, "b s y x"]:
        """Codes after ``history`` frames that do not exist."""
        nothing = codes.new_full((1, 1, 1, 1), self.codes.missing)
        return torch.cat([nothing.expand(codes.shape[0], self.history, *self.grid), codes], dim=1)

    def _after_no_action(self, actions: Shaped[Tensor, "b t a"]) -> Float[Tensor, "b s e"]:
        """Embedded actions after ``history`` that were not taken."""
        nothing = self.actions.missing.expand(actions.shape[0], self.history, -1)
        return torch.cat([nothing, self.actions(actions)], dim=1)


def by_step(grid: Float[Tensor, "n y x w"]) -> Float[Tensor, "q n w u v"]:
    """The vectors at the place of every step in every patch, the first step first."""
    places = rearrange(grid, "n (u i) (v j) w -> (i j) n u v w", i=PATCH, j=PATCH)
    order = torch.tensor([i * PATCH + j for i, j in ORDER], device=grid.device)
    return places.index_select(0, order).permute(0, 1, 4, 2, 3)


def from_steps(scores: Float[Tensor, "q n u v k"]) -> Float[Tensor, "n y x k"]:
    """The inverse arrangement, for scores."""
    places = torch.tensor([ORDER.index((i, j)) for i in range(PATCH) for j in range(PATCH)], device=scores.device)
    return rearrange(scores.index_select(0, places), "(i j) n u v k -> n (u i) (v j) k", i=PATCH, j=PATCH)
