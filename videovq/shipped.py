"""The models that ship with videovq, by name."""

from __future__ import annotations

from pathlib import Path

PRETRAINED = Path(__file__).parent / "pretrained"
WEIGHTS = "model.safetensors"


def shipped_folder(name: str) -> Path:
    """Where the parts of a model that ships are."""
    return PRETRAINED / name


def shipped(part: str) -> list[str]:
    """The names of the models that ship with a part.

    Args:
        part: ``vqvae`` or ``predictor``.
    """
    return sorted(path.parent.parent.name for path in PRETRAINED.glob(f"*/{part}/{WEIGHTS}"))
