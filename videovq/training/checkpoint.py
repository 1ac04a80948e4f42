"""The checkpoint that a training continues from: whole or not at all, and named where it is torn."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from videovq.storage import atomic


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the target; Lightning's own way is through ``$TMPDIR``, from where a file may be copied bit by bit.

    Until a checkpoint is on the disk, the one before it stays.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target, buffer = Path(path), BytesIO()
        torch.save(checkpoint, buffer)  # straight to a file, it would hide a full disk behind an error of its own
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic(target) as partial:
            partial.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path, mapped: bool = False) -> dict[str, Any]:
    """A checkpoint, on the processor.

    Args:
        mapped: map its tensors into memory: for one of which little is read.

    Raises:
        ValueError: it is torn.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except PermissionError:
        raise
    except Exception as error:  # broken bytes raise anything
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(
            f"{path}: is torn, or no checkpoint ({why}); remove it, and the same command trains from the first step"
        ) from error
