"""A contact sheet that grows while a network trains: what it makes of the same examples, every minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from jaxtyping import UInt8
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from videovq.pictures import labelled_rows, scale_to, write_png

ROWS = 12  # at most; then every other one is dropped, and the next ones come half as often
WIDTH = 84  # pixels that a frame takes at least, roughly


class ContactSheet(Callback):
    """Writes a sheet with the true frames in its first row, and below them what the network made of them, a row each
    time; the last row is what it makes of them now.

    It draws between the steps of a training, which seed their own random numbers, and so changes nothing of it.

    Args:
        path: the PNG file.
        titles: of the columns.
        truth: the true frames, uint8 ``n h w c``.
        draw: the network's frames in evaluation mode, uint8 ``n h w c``.
        seconds: between two rows, at first.
    """

    def __init__(
        self,
        path: Path,
        titles: Sequence[str],
        truth: UInt8[Tensor, "n h w c"],
        draw: Callable[[Any], UInt8[Tensor, "n h w c"]],
        seconds: float = 60.0,
    ) -> None:
        self.path, self.titles, self.truth, self.draw, self.seconds = path, titles, truth, draw, seconds
        self.rows: list[tuple[int, Tensor]] = []
        self.drawn = float("-inf")

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done, ended = trainer.global_step, trainer.global_step == trainer.max_steps
        if not trainer.is_global_zero or (self.rows and self.rows[-1][0] == done):
            return
        if not ended and time.monotonic() - self.drawn < self.seconds:
            return
        network: Any = module.network
        network.eval()
        with torch.no_grad():
            self.rows.append((done, self.draw(network).cpu()))
        network.train()
        if len(self.rows) > ROWS:
            self.rows, self.seconds = self.rows[::2], 2 * self.seconds
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_png(self.path, self.picture())
        self.drawn = time.monotonic()

    def picture(self) -> np.ndarray:
        """The sheet, uint8 ``h w c``."""
        rows = [("truth", self.truth), *((f"step {step}", frames) for step, frames in self.rows)]
        return labelled_rows(
            self.titles, [(name, list(f.numpy())) for name, f in rows], scale_to(WIDTH, self.truth[0].numpy())
        )

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.seconds = state_dict["rows"], state_dict["seconds"]
