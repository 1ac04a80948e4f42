"""Validation of compiled networks."""

from __future__ import annotations

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback


class EagerValidation(Callback):
    """Validates, and draws what is drawn after it, without what was compiled: batches are of other sizes there, and to
    compile graphs for each of them would take longer than they save. It is the last of the callbacks.
    """

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        torch.compiler.set_stance("force_eager")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        torch.compiler.set_stance("default")

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        torch.compiler.set_stance("default")
