"""Settings of ``videovq export``, ``videovq pack`` and ``videovq push``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from videovq.config.checks import CommandSettings, named, without_effect
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


@dataclass(frozen=True)
class PushConfig(CommandSettings):
    """Bring a world, or a store, to a repository of the Hugging Face Hub, with its card. The Hub's token is that of
    ``hf auth login``, or ``HF_TOKEN``.
    """

    source: str = "runs/predictor"
    """What to bring: run folder of a predictor or of a VQ-VAE alone, a world that ``videovq pack`` made, or, with
    ``kind dataset``, a store; may be given without its name, as ``repo`` after it: `videovq push RUN user/name`."""
    repo: str = ""
    """Repository, ``user/name``; made where there is none."""
    kind: Literal["model", "dataset"] = "model"
    """``model``: a world. ``dataset``: an EpisodeStore or a CodeStore."""
    private: bool = False
    """Whether a repository that is made is to be seen by its owner only."""
    vqvae: str = ""
    """As of ``videovq pack``."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """As of ``videovq pack``."""
    examples: str = ""
    """As of ``videovq pack``."""
    license: str = ""
    """The Hub's name of the licence (``apache-2.0``, ``cc-by-4.0``); empty: the card says what it said."""
    datasets: list[str] = field(default_factory=list)
    """Datasets of the Hub that a world was trained on, beside ``hub://`` stores, which its settings name."""
    report: str = ""
    """Folder of a report of ``videovq evaluate``, whose measures become the card's results; empty: none."""

    def check(self) -> None:
        named(self, "source", "datasets")
        if self.kind == "dataset":
            without_effect(self, "on a store", "vqvae", "examples", "datasets", "report")
