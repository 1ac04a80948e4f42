"""Settings of ``videovq demo``."""

from __future__ import annotations

from dataclasses import dataclass

from videovq.config.checks import CommandSettings, at_least, named


@dataclass(frozen=True)
class DemoConfig(CommandSettings):
    """Record ViZDoom episodes and run every stage, small."""

    out: str = "demo"
    """Folder of everything the demo makes. Run it again to continue, or remove it to start over."""
    train: bool = True
    """False (or ``--no-train``) shows the model that ships only."""
    episodes: int = 40
    """Episodes to record."""
    frames: int = 200
    """Frames in an episode."""
    vqvae_steps: int = 1600
    """Optimiser steps of the VQ-VAE."""
    predictor_steps: int = 950
    """Optimiser steps of the predictor."""

    def check(self) -> None:
        named(self, "out")
        at_least(self, 1, "vqvae_steps", "predictor_steps")
        at_least(self, 3, "episodes")  # one for each split
        at_least(self, 36, "frames")  # its rollouts start at the 20th
