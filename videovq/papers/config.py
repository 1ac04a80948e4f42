"""Settings that several slices share."""

from __future__ import annotations

from dataclasses import dataclass

from videovq.config.checks import Settings, at_least, divides, within


@dataclass(frozen=True)
class PixelCNNConfig(Settings):
    """Gated PixelCNN of the codes of single frames."""

    width: int = 96
    """Channels."""
    embedding: int = 64
    """Width of a code's vector at the input."""
    decoder_layers: int = 8
    """Gated layers."""
    attention_every: int = 0
    """A layer of causal attention after every that many gated ones (VQ-VAE-2); 0: none."""
    heads: int = 4
    """Heads of that attention."""

    def check(self) -> None:
        at_least(self, 1, "width", "embedding", "decoder_layers", "heads")
        within(self, 0, self.decoder_layers, "attention_every")
        if self.attention_every:
            divides(self, "width", 4, "heads")
