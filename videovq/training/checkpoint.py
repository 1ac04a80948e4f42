"""The checkpoint that a training continues from: whole or not at all, and named where it is torn."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from videovq.errors import UserError
from videovq.storage import atomic


class Checkpoints(Checkpoint):
    """Writes a checkpoint after every so many steps, and after the last, from which a longer training goes on."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.saved = trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step != self.saved and (step % self.every == 0 or step == trainer.max_steps):
            trainer.save_checkpoint(self.path, weights_only=False)
            self.saved = step


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
        checkpoint = read_checkpoint(Path(path))
        # Nobody asks for it unless there are steps to come.
        checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
        return checkpoint


def read_checkpoint(path: Path, mapped: bool = False) -> dict[str, Any]:
    """A checkpoint, on the processor.

    Args:
        mapped: map its tensors into memory: for one of which little is read.

    Raises:
        UserError: it is torn.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except PermissionError:
        raise
    except Exception as error:  # broken bytes raise anything
        why = " ".join(str(error).split())[:80] or type(error).__name__
        raise UserError(
            f"{path}: is torn, or no checkpoint ({why}); remove it, and the same command trains from the first step"
        ) from error
