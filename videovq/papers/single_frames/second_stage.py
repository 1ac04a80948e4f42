"""The second stage, a frame in three codes: a VQ-VAE on top of the first one's code grid.

Van den Oord et al. 2017 (arXiv 1711.00937, section 4.2).

An encoder turns a 21x21 grid into three vectors, each quantized with a codebook of its own (27 bits a frame); a gated
PixelCNN, conditioned on them, is the decoder. A small prior models the three codes one after the other, so that whole
frames can be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, silu

from videovq.errors import UserError
from videovq.models.build import build_quantizer
from videovq.models.embeddings import CodeEmbedding
from videovq.models.quantizers.contract import Quantizer
from videovq.models.sampling import gumbel
from videovq.papers.pixelcnn import build_pixelcnn
from videovq.papers.prior import Prior
from videovq.papers.single_frames.config import SecondStageConfig
from videovq.types import Sampling

STRIDE = 3


@dataclass(frozen=True)
class SecondStageOutput:
    """A forward pass.

    Attributes:
        latents: the codes of the second stage.
        nll: minus the log-probability of every code of the grid, given the latents and the codes before it, in nats.
        prior: minus the log-probability of every latent, given those before it, in nats.
        loss: what training minimises.
    """

    latents: Int64[Tensor, "b latents"]
    nll: Float[Tensor, "b y x"]
    prior: Float[Tensor, "b latents"]
    loss: Float[Tensor, ""]


class LatentPrior(nn.Module):
    """p(latents), autoregressive: every latent adds an MLP's output to the logits of each one after it."""

    def __init__(self, latents: int, size: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(latents, size))
        pairs = latents * (latents - 1) // 2
        # The two layers of the MLP of each pair; trained weights have these names.
        self.told = nn.ModuleList(nn.Embedding(size, width) for _ in range(pairs))
        self.tells = nn.ModuleList(nn.Linear(width, size) for _ in range(pairs))

    def logits(self, latents: Int64[Tensor, "b before"]) -> Float[Tensor, "b size"]:
        """Logits of the latent that follows these."""
        at = latents.shape[1]
        logits = self.first[at].expand(len(latents), -1)
        for i in range(at):
            pair = at * (at - 1) // 2 + i
            logits = logits + self.tells[pair](silu(self.told[pair](latents[:, i])))
        return logits

    def nll(self, latents: Int64[Tensor, "b latents"]) -> Float[Tensor, "b latents"]:
        """Minus the log-probability of every latent, in nats."""
        parts = [
            cross_entropy(self.logits(latents[:, :i]).float(), latents[:, i], reduction="none")
            for i in range(latents.shape[1])
        ]
        return torch.stack(parts, dim=1)


class SecondStage(Prior):
    """See the module's docstring.

    Args:
        grid: rows and columns of the first stage's codes; a multiple of three.
        codebook: its code vectors.

    Raises:
        UserError: the grid does not divide.
    """

    codebook: Tensor

    def __init__(self, config: SecondStageConfig, grid: tuple[int, int], codebook: Float[Tensor, "k d"]) -> None:
        super().__init__()
        if grid[0] % STRIDE or grid[1] % STRIDE:
            raise UserError(f"grid: {grid[0]}x{grid[1]} codes do not divide by {STRIDE}")
        self.grid, self.latents, self.code_dropout = grid, config.latents, config.code_dropout
        width, dim = config.decoder.width, config.code_dim
        self.small = (grid[0] // STRIDE, grid[1] // STRIDE)
        positions = self.small[0] * self.small[1]
        self.register_buffer("codebook", codebook.detach().float().clone())
        self.codes = CodeEmbedding(len(codebook), codebook.shape[1], config.decoder.embedding)
        self.encoder = nn.Sequential(
            nn.Conv2d(config.decoder.embedding, width, STRIDE, stride=STRIDE),
            nn.ReLU(True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(True),
            nn.Flatten(),
            nn.Linear(width * positions, 4 * width),
            nn.ReLU(True),
            nn.Linear(4 * width, config.latents * dim),
        )
        self.quantizers = nn.ModuleList(build_quantizer(config.quantizer, dim) for _ in range(config.latents))
        self.spread = nn.Sequential(
            nn.Linear(config.latents * dim, 4 * width), nn.ReLU(True), nn.Linear(4 * width, width * positions)
        )
        self.place = nn.Parameter(torch.randn(width, *grid) * 0.02)
        self.decoder = build_pixelcnn(config.decoder, grid, codebook)
        self.prior = LatentPrior(config.latents, next(self.each_quantizer()).codebook_size)

    def forward(self, codes: Int64[Tensor, "b y x"]) -> SecondStageOutput:
        """Latents of codes, and the likelihood of the codes given them. In training the decoder's input lacks a part of
        the codes, so that it needs the latents.
        """
        table = self.codes(self.codebook)
        vectors = self._vectors(codes, table)
        found = [q(part[:, :, None, None]) for q, part in zip(self.each_quantizer(), vectors, strict=True)]
        latents = torch.cat([one.codes.flatten(1) for one in found], dim=1)
        seen = codes
        if self.training and self.code_dropout:
            hidden = torch.rand(codes.shape, device=codes.device) < self.code_dropout
            seen = codes.masked_fill(hidden, self.codes.missing)
        nll = self.nll(codes, torch.cat([one.quantized.flatten(1) for one in found], dim=1), seen, table)
        prior = self.prior.nll(latents)
        loss = nll.mean() + prior.mean() + torch.stack([one.loss for one in found]).sum()
        return SecondStageOutput(latents, nll, prior, loss)

    @torch.inference_mode()
    def encode(self, codes: Int64[Tensor, "b y x"]) -> Int64[Tensor, "b latents"]:
        """The latents of grids of codes."""
        vectors = self._vectors(codes, self.codes(self.codebook))
        parts = [q.encode(part[:, :, None, None]) for q, part in zip(self.each_quantizer(), vectors, strict=True)]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    @torch.inference_mode()
    def nll_given(self, codes: Int64[Tensor, "b y x"], latents: Int64[Tensor, "b latents"]) -> Float[Tensor, "b y x"]:
        """Minus the log-probability of every code given any latents, in nats."""
        return self.nll(codes, self._look_up(latents))

    @torch.inference_mode()
    def decode(
        self,
        latents: Int64[Tensor, "b latents"],
        noise: Float[Tensor, "b y x k"],
        sampling: Sampling = Sampling(),
    ) -> Int64[Tensor, "b y x"]:
        """Sample a grid of codes for each set of latents."""
        return self.draw(self._look_up(latents), noise, sampling)

    @torch.inference_mode()
    def draw_latents(self, count: int, generator: torch.Generator) -> Int64[Tensor, "b latents"]:
        """Sample latents from their prior."""
        latents = torch.empty(count, 0, dtype=torch.int64)
        for _ in range(self.latents):
            logits = self.prior.logits(latents)
            drawn = (logits + gumbel(tuple(logits.shape), generator)).argmax(dim=-1, keepdim=True)
            latents = torch.cat([latents, drawn], dim=1)
        return latents

    def each_quantizer(self) -> Iterator[Quantizer]:
        """The quantizer of every latent."""
        return (q for q in self.quantizers if isinstance(q, Quantizer))

    @property
    def code_vectors(self) -> Float[Tensor, "k d"]:
        return self.codebook

    def context(self, condition: Float[Tensor, "b latents_d"]) -> Float[Tensor, "b w y x"]:
        small = self.spread(condition).unflatten(1, (-1, *self.small))
        return interpolate(small, scale_factor=STRIDE) + self.place

    def _vectors(
        self, codes: Int64[Tensor, "b y x"], table: Float[Tensor, "k_plus_1 e"]
    ) -> tuple[Float[Tensor, "b d"], ...]:
        encoded = self.encoder(rearrange(table[codes], "b y x e -> b e y x"))
        return encoded.chunk(self.latents, dim=1)

    def _look_up(self, latents: Int64[Tensor, "b latents"]) -> Float[Tensor, "b latents_d"]:
        parts = [q.look_up(latents[:, i]) for i, q in enumerate(self.each_quantizer())]
        return torch.cat(parts, dim=1)
