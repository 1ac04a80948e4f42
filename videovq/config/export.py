"""Settings of ``videovq export`` and ``videovq pack``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from videovq.config.checks import CommandSettings, named
from videovq.config.choices import ModelChoice


@dataclass(frozen=True)
class ExportConfig(ModelChoice, CommandSettings):
    """Write the learned world as graphs that run without videovq, and without PyTorch: torch.export and ONNX."""

    out: str = "exports"
    """Folder of ``step`` and ``watch`` (``.pt2`` and ``.onnx``), ``start.npz`` and ``world.json``."""

    def check(self) -> None:
        super().check()
        named(self, "out")


@dataclass(frozen=True)
class PackConfig(CommandSettings):
    """Put a predictor and its VQ-VAE, or a VQ-VAE alone, into one folder or .zip that others can use by its path,
    wherever the name of a model is taken.
    """

    source: str = "runs/predictor"
    """Run folder of the predictor, or of a VQ-VAE alone; may be given without its name: `videovq pack RUN`."""
    vqvae: str = ""
    """Run folder of the VQ-VAE that wrote the predictor's codes; empty: it is among the runs beside the predictor's."""
    out: str = "world"
    """Folder of the world, new or empty; or a file, where it ends in ``.zip``."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """What weights are stored as: ``float32`` keeps every bit; the others take half the room and round, so that codes
    that were encoded before are not the world's."""
    examples: str = ""
    """An EpisodeStore, or a video with its actions beside it, from which an example is put in; rollouts and play then
    begin there. Empty: none."""

    def check(self) -> None:
        named(self, "source", "out")
