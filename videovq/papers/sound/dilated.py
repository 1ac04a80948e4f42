"""An autoregressive network of dilated, gated convolutions over symbols: samples of sound, or codes of sound.

WaveNet (van den Oord et al. 2016, arXiv 1609.03499, section 2), with time before channels, so that a convolution of
two taps is one matrix product.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from videovq.models.sampling import gumbel, sample_codes
from videovq.papers.sound.config import DilatedConfig
from videovq.types import Sampling


class GatedLayer(nn.Module):
    """Gated layer tanh(f) * sigmoid(g) of a position, the one ``dilation`` before it, and the condition."""

    def __init__(self, width: int, skip: int, dilation: int, condition_width: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Linear(2 * width, 2 * width)
        # Of the condition; trained weights have this name.
        self.tell = nn.Linear(condition_width, 2 * width, bias=False) if condition_width else None
        self.out = nn.Linear(width, width + skip)

    def forward(
        self, x: Float[Tensor, "b t w"], earlier: Float[Tensor, "b t w"], condition: Float[Tensor, "b n w2"] | None
    ) -> tuple[Float[Tensor, "b t w"], Float[Tensor, "b t skip"]]:
        """The next layer's input and the skip connection; each vector of the condition is for t / n positions."""
        both = self.taps(torch.cat([earlier, x], dim=-1))
        if condition is not None:
            both = (both.unflatten(1, (condition.shape[1], -1)) + condition[:, :, None]).flatten(1, 2)
        filtered, gate = both.chunk(2, dim=-1)
        out = self.out(torch.tanh(filtered) * torch.sigmoid(gate))
        return x + out[..., : x.shape[-1]], out[..., x.shape[-1] :]


class DilatedNetwork(nn.Module):
    """p(symbols | condition), autoregressive, by dilated causal convolutions over the symbols within their reach.

    Args:
        symbols: number of different symbols.
        stride: symbols that one vector of the condition is for.
        condition: width of its vectors; 0: there is none.
    """

    def __init__(self, config: DilatedConfig, symbols: int, stride: int = 1, condition: int = 0) -> None:
        super().__init__()
        self.symbols, self.stride, self.width = symbols, stride, config.width
        self.missing, self.hidden_part = symbols, config.hidden_part
        self.embedding = nn.Embedding(symbols + 1, config.width)
        self.place = nn.Parameter(torch.zeros(stride, config.width))
        self.enter = nn.Linear(config.width, config.width)
        self.layers = nn.ModuleList(
            GatedLayer(config.width, config.skip, 2 ** (i % config.cycle), condition) for i in range(config.layers)
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Linear(config.skip, config.skip), nn.ReLU(), nn.Linear(config.skip, symbols)
        )
        self.reach = 1 + sum(layer.dilation for layer in self.gated())

    def gated(self) -> list[GatedLayer]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, GatedLayer)]

    def forward(
        self, symbols: Int64[Tensor, "b t"], condition: Float[Tensor, "b n c"] | None = None
    ) -> Float[Tensor, "b t"]:
        """Minus the log-probability of every symbol, in nats."""
        logits = self.logits(symbols, condition).float()
        return cross_entropy(logits.flatten(0, 1), symbols.flatten(), reduction="none").view_as(symbols)

    def logits(
        self, symbols: Int64[Tensor, "b t"], condition: Float[Tensor, "b n c"] | None = None
    ) -> Float[Tensor, "b t k"]:
        """Logits of every symbol given those before it. Training hides a part of those, another in every sequence, so
        that the network learns to use the condition, and to go on after a wrong symbol.
        """
        seen = pad(symbols[:, :-1], (1, 0), value=self.missing)
        if self.training and self.hidden_part:
            part = torch.rand(len(seen), 1, device=seen.device) * self.hidden_part
            seen = seen.masked_fill(torch.rand(seen.shape, device=seen.device) < part, self.missing)
        x = self.enter(self.embedding(seen) + self.place.repeat(seen.shape[1] // self.stride, 1))
        skips: Tensor | float = 0.0
        for layer in self.gated():
            own = layer.tell(condition) if layer.tell is not None else None
            earlier = pad(x[:, : -layer.dilation], (0, 0, min(layer.dilation, x.shape[1]), 0))
            x, skip = layer(x, earlier, own)
            skips = skips + skip
        return self.head(skips)


class Steps:
    """Cached sampling: a network one symbol at a time, nothing twice (Le Paine et al. 2016, arXiv 1611.09482).

    Args:
        batch: sequences at once.
    """

    def __init__(self, network: DilatedNetwork, batch: int, condition: Float[Tensor, "b n c"] | None = None) -> None:
        self.network, self.layers, self.t = network, network.gated(), 0
        self.conditions = [layer.tell(condition) if layer.tell is not None else None for layer in self.layers]
        # The inputs of each layer in its last `dilation` steps, step t at t % dilation.
        self.caches = [network.place.new_zeros(batch, layer.dilation, network.width) for layer in self.layers]

    def after(self, symbols: Int64[Tensor, "b 1"]) -> Float[Tensor, "b 1 k"]:
        """Logits of the symbols that follow these; before the first of a sequence: ``network.missing``."""
        network, at = self.network, self.t // self.network.stride
        x = network.enter(network.embedding(symbols) + network.place[self.t % network.stride])
        skips: Tensor | float = 0.0
        for layer, cache, condition in zip(self.layers, self.caches, self.conditions, strict=True):
            slot = self.t % layer.dilation
            earlier = cache[:, slot : slot + 1]
            out, skip = layer(x, earlier, None if condition is None else condition[:, at : at + 1])
            earlier.copy_(x)
            x, skips = out, skips + skip
        self.t += 1
        return network.head(skips)


@torch.inference_mode()
def draw(
    network: DilatedNetwork,
    batch: int,
    length: int,
    condition: Float[Tensor, "b n c"] | None,
    sampling: Sampling,
    generator: torch.Generator,
) -> Int64[Tensor, "b t"]:
    """Sample sequences of symbols, one symbol after the other."""
    steps, position = Steps(network, batch, condition), torch.zeros(1, dtype=torch.int64)
    drawn = torch.full((batch, length + 1), network.missing)
    for t in range(length):
        logits = steps.after(drawn[:, t : t + 1])
        drawn[:, t + 1] = sample_codes(gumbel((batch, 1, network.symbols), generator), sampling, logits, position)[:, 0]
    return drawn[:, 1:]
