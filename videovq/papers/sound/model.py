"""The VQ-VAE of raw sound (van den Oord et al. 2017, section 4.3): 64 samples a code, and a WaveNet as decoder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from videovq.models.build import build_quantizer
from videovq.papers.sound.config import SoundConfig
from videovq.papers.sound.dilated import DilatedNetwork, draw
from videovq.papers.sound.waves import MU_LAW_LEVELS, companded
from videovq.types import QuantizerOutput, Sampling

DOWNSAMPLINGS = 6
STRIDE = 2**DOWNSAMPLINGS
PIECE = 4096 * STRIDE  # samples encoded at once


@dataclass(frozen=True)
class SoundOutput:
    """A forward pass.

    Attributes:
        nll: minus the log-probability of every sample's level given the codes and the samples before it, in nats.
        quantizer: codes ``b 1 n``, their usage and the quantizer's loss.
    """

    nll: Float[Tensor, "b t"]
    quantizer: QuantizerOutput


class SoundVQVAE(nn.Module):
    """Six strided convolutions, a quantizer, and a dilated autoregressive decoder.

    Sound is mu-law levels, a multiple of 64 of them.
    """

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        widths = [1] + [config.hidden] * DOWNSAMPLINGS
        layers: list[nn.Module] = []
        for width, wider in pairwise(widths):
            layers += [nn.Conv1d(width, wider, 4, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.Conv1d(config.hidden, config.code_dim, 1))
        for layer in layers[::2]:
            assert isinstance(layer, nn.Conv1d)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # or six layers leave nothing of the sound
        self.quantizer = build_quantizer(config.quantizer, config.code_dim)
        self.context = nn.Sequential(nn.Conv1d(config.code_dim, config.context, 3, padding=1), nn.ReLU())
        self.decoder = DilatedNetwork(config.decoder, MU_LAW_LEVELS, STRIDE, config.context)
        with torch.no_grad():  # levels that sound alike start alike
            line = torch.linspace(-1, 1, MU_LAW_LEVELS)[:, None] * torch.randn(1, config.decoder.width)
            self.decoder.embedding.weight[:MU_LAW_LEVELS].mul_(0.1).add_(line)

    def forward(self, levels: Int64[Tensor, "b t"]) -> SoundOutput:
        found = self.quantizer(self._encoded(levels))
        return SoundOutput(self.decoder(levels, self._condition(found.quantized)), found)

    def encode(self, levels: Int64[Tensor, "b t"]) -> Int64[Tensor, "b n"]:
        """The codes of sound, from its mu-law levels."""
        return self.quantizer.encode(self._encoded(levels))[:, 0]

    def nll(self, levels: Int64[Tensor, "b t"], codes: Int64[Tensor, "b n"]) -> Float[Tensor, "b t"]:
        """Minus the log-probability of every level given any codes and the levels before it, in nats."""
        return self.decoder(levels, self._condition(self.quantizer.decode(codes[:, None])))

    @torch.inference_mode()
    def decode(
        self, codes: Int64[Tensor, "b n"], generator: torch.Generator, sampling: Sampling = Sampling()
    ) -> Int64[Tensor, "b t"]:
        """Sample the mu-law levels of sound, given its codes."""
        condition = self._condition(self.quantizer.decode(codes[:, None]))
        return draw(self.decoder, len(codes), codes.shape[1] * STRIDE, condition, sampling, generator)

    def _encoded(self, levels: Int64[Tensor, "b t"]) -> Float[Tensor, "b d 1 n"]:
        return self.encoder(companded(levels)[:, None])[:, :, None]

    def _condition(self, vectors: Float[Tensor, "b d 1 n"]) -> Float[Tensor, "b n c"]:
        return self.context(vectors[:, :, 0]).transpose(1, 2)


@torch.inference_mode()
def codes_of(network: SoundVQVAE, levels: Int64[Tensor, "t"]) -> Int64[Tensor, "n"]:
    """The codes of a recording of any length, some of it at a time; what does not fill a code is left out."""
    whole = levels[: len(levels) // STRIDE * STRIDE]
    return torch.cat([network.encode(part[None])[0] for part in whole.split(PIECE)])
