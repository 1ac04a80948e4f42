"""Lightning callbacks: seeding of each step, announcement, progress, curves and pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from tqdm import tqdm

from videovq.pictures import drawn, new_figure, write_png
from videovq.progress import progress
from videovq.training.step_time import now

WARM, TIMED = 2, 10  # steps that are not measured, as the first ones are slower, and that are


class StepSeed(Callback):
    """Makes the random draws of a batch depend on seed, step, part and rank alone, so that runs resume exactly; tells
    where they do not for another reason, since sums of another number of threads round otherwise.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.threads = torch.get_num_threads()

    def state_dict(self) -> dict[str, Any]:
        return {"threads": torch.get_num_threads()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.threads = state_dict["threads"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        now = torch.get_num_threads()
        if now != self.threads and trainer.is_global_zero and module.device.type == "cpu":
            print(
                f"goes on with {now} thread(s), began with {self.threads}: sums may round otherwise;"
                f" OMP_NUM_THREADS={self.threads} continues bit for bit"
            )

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        part = batch_idx % trainer.accumulate_grad_batches
        torch.manual_seed(((self.seed * 1_000_003 + trainer.global_step) * 256 + part) * 4096 + trainer.global_rank)


class Schedule(Callback):
    """Gives the first step of a start the learning rate of its schedule: a checkpoint brings that of the training that
    wrote it, which may have been to end at another step. Nothing changes where it was to end at the same.
    """

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        for one in trainer.lr_scheduler_configs:
            schedule: Any = one.scheduler
            for group, rate, scale in zip(
                schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
            ):
                group["lr"] = rate * scale(schedule.last_epoch)


class Announcement(Callback):
    """Prints a line about network and data before the first step, and after a few measured steps how long the
    others will take.

    Args:
        what: the training is called.
        facts: about network and data.
    """

    def __init__(self, what: str, facts: str) -> None:
        self.what, self.facts = what, facts
        self.began: float | None = None
        self.timed = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.start = trainer.global_step
        if trainer.is_global_zero:
            left = f"{trainer.max_steps - self.start:,} steps" + (" left" if self.start else "")
            print(f"{self.what}: on {where(trainer)}; {self.facts}; {left}", flush=True)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        done = trainer.global_step - self.start
        if self.began is None and done >= WARM:
            self.began = now(module.device)
        elif self.began is not None and not self.timed and done >= WARM + TIMED:
            self.timed, step = True, (now(module.device) - self.began) / TIMED
            left = int(trainer.max_steps) - trainer.global_step
            if trainer.is_global_zero and left:
                # Beside the progress bar, which is on stderr.
                measured = f"{left:,} steps of {step:.2g} s, measured over {TIMED}"
                tqdm.write(f"{self.what}: {duration(left * step)} to go, validations aside: {measured}")

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.paused = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.began is not None:
            self.began += time.perf_counter() - self.paused


def where(trainer: L.Trainer) -> str:
    """What a training runs on, and in what precision."""
    device = trainer.strategy.root_device
    name = f"{torch.get_num_threads()} threads" if device.type == "cpu" else ""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    several = f"{trainer.world_size} x " if trainer.world_size > 1 else ""
    precision = {"32-true": "float32"}.get(str(trainer.precision), str(trainer.precision))
    return f"{several}{device.type}{f' ({name})' if name else ''}, {precision}"


def duration(seconds: float) -> str:
    """An estimated duration in words, rounded."""
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.2g} {unit}"
    return f"about {seconds:.0f} s"


class ProgressBar(Callback):
    """Steps done, steps a second, time left, and the newest loss."""

    def __init__(self, what: str) -> None:
        self.what = what

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar = progress(int(trainer.max_steps), self.what, "step", done=trainer.global_step)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.is_global_zero:
            return
        if trainer.global_step % 20 == 0:
            shown = {k.split("/")[1]: f"{float(v):.4g}" for k, v in trainer.callback_metrics.items()}
            self.bar.set_postfix(shown, refresh=False)
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.close()


class Curves(Callback):
    """Writes ``curves.png`` after every validation.

    Args:
        panels: (metric without its ``train/`` or ``val/``, axis label, logarithmic) of each panel.
    """

    def __init__(self, run: Path, panels: Sequence[tuple[str, str, bool]]) -> None:
        self.run, self.panels = run, panels
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step % 20 == 0 or trainer.global_step == 1:
            self._keep(trainer, "train/")

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._keep(trainer, "val/")
        log_picture(trainer, self.run, "curves", lambda: draw_curves(self.rows, self.panels))

    def _keep(self, trainer: L.Trainer, prefix: str) -> None:
        found = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(prefix)}
        self.rows.append({"step": float(trainer.global_step), **found})

    def result(self) -> str:
        """The newest value of every metric of the validation; empty: there is none."""
        newest = {label: row[f"val/{n}"] for row in self.rows for n, label, _ in self.panels if f"val/{n}" in row}
        return ", ".join(f"{label} {value:.4g}" for label, value in newest.items())

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class Pictures(Callback):
    """Writes a picture after every validation.

    Args:
        draw: makes it of the module and the number of steps done, uint8 ``h w c``.
    """

    def __init__(self, run: Path, name: str, draw: Callable[[L.LightningModule, int], np.ndarray]) -> None:
        self.run, self.name, self.draw = run, name, draw

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        log_picture(trainer, self.run, self.name, lambda: self.draw(module, trainer.global_step))


def draw_curves(rows: list[dict[str, float]], panels: Sequence[tuple[str, str, bool]]) -> np.ndarray:
    """Training metrics (pale, and smoothed) and validation metrics against steps, one panel each, uint8 ``h w c``."""
    figure = new_figure(5 * len(panels), 3.6)
    for axis, (metric, label, logarithmic) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        for split, colour, marker in (("train", "C0", ""), ("val", "C1", "o")):
            points = [(row["step"], row[f"{split}/{metric}"]) for row in rows if f"{split}/{metric}" in row]
            if not points:
                continue
            steps, values = zip(*points, strict=True)
            if split == "train":
                axis.plot(steps, values, lw=0.6, alpha=0.4, color=colour)
                marker = "o" if len(values) == 1 else ""  # of one point there is no line
            shown = smoothed(values) if split == "train" else values
            axis.plot(steps, shown, label=split, color=colour, marker=marker, ms=3.5)
            axis.legend(frameon=False)
        axis.set(xlabel="step", ylabel=label, yscale="log" if logarithmic else "linear")
        axis.grid(alpha=0.3, which="both")
    return drawn(figure)


def smoothed(values: Sequence[float]) -> Sequence[float]:
    """Each value's mean with its neighbours, a twentieth of all."""
    reach = len(values) // 40
    return [float(np.mean(values[max(0, i - reach) : i + reach + 1])) for i in range(len(values))]


def log_picture(trainer: L.Trainer, run: Path, name: str, draw: Callable[[], np.ndarray]) -> None:
    """Draw ``NAME.png`` into the run and hand it to wandb or TensorBoard where one is used; on the first rank."""
    if not trainer.is_global_zero:
        return
    picture = draw()
    write_png(run / f"{name}.png", picture)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, [picture], step=trainer.global_step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, picture, trainer.global_step, dataformats="HWC")
