"""The models and the YAML files of settings that ship with videovq, by name."""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent
PRETRAINED = PACKAGE / "pretrained"
CONFIGS = (PACKAGE if (PACKAGE / "configs").is_dir() else PACKAGE.parent) / "configs"
"""Within the package where a wheel was installed; in a checkout beside it."""
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


def shipped_configs() -> dict[str, Path]:
    """The YAML files that ship, by the names that ``--config`` takes: ``train_vqvae``, ``debug/train_vqvae``; those of
    ``configs/papers/SLICE`` likewise, without that folder.
    """
    names = {path: path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")}
    found = sorted(names, key=lambda path: (names[path].startswith("papers/"), path))
    return {re.sub(r"^papers/\w+/", "", names[path]): path for path in found}
