"""Settings of ``videovq demo``."""

from __future__ import annotations

from dataclasses import dataclass

from videovq.config.checks import CommandSettings, at_least, named

SIZES = {"episodes": (40, 8), "frames": (200, 100), "vqvae_steps": (1600, 120), "predictor_steps": (950, 30)}
"""Defaults, and those with ``quick``."""


@dataclass(frozen=True)
class DemoConfig(CommandSettings):
    """Show the worlds that ship, then record ViZDoom episodes and run every stage on them, small."""

    out: str = "demo"
    """Folder of everything the demo makes. Run it again to continue, or remove it to start over."""
    train: bool = True
    """False (or ``--no-train``) shows the worlds that ship only."""
    quick: bool = False
    """Every size that is not given is so small that all ends in three minutes, and predicts little."""
    episodes: int = 0
    """Episodes to record; 0: 40, or 8 with ``quick``."""
    frames: int = 0
    """Frames in an episode; 0: 200, or 100 with ``quick``."""
    vqvae_steps: int = 0
    """Optimiser steps of the VQ-VAE; 0: 1,600, or 120 with ``quick``."""
    predictor_steps: int = 0
    """Optimiser steps of the predictor; 0: 950, or 30 with ``quick``."""
    serve: bool = True
    """Serve the page of ``videovq play`` with DeepMind Lab's world while the demo runs."""

    def check(self) -> None:
        named(self, "out")
        least = {"episodes": 3, "frames": 36, "vqvae_steps": 1, "predictor_steps": 1}  # rollouts start at frame 20
        for name, value in least.items():
            at_least(self, value if getattr(self, name) else 0, name)

    def size(self, name: str) -> int:
        """A size that was given, or its default."""
        return getattr(self, name) or SIZES[name][self.quick]
