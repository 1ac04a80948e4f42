"""The trainer: accelerator, devices and precision, checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.imports import _IS_INTERACTIVE
from torch import nn

from videovq.config import TrainingConfig
from videovq.errors import UserError
from videovq.models.bf16 import computes_bf16
from videovq.models.quantizers.contract import Quantizer


def precision(setting: str, accelerator: str) -> Any:
    """Lightning's precision for ``auto``: bf16-mixed where the hardware computes it natively."""
    if setting != "auto":
        return setting
    device = accelerator
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        device = "cuda"
    elif accelerator == "auto":
        device = "mps" if torch.backends.mps.is_available() else "cpu"
    return "bf16-mixed" if computes_bf16(device) else "32-true"


def make_trainer(training: TrainingConfig, accumulate: int, network: nn.Module, **settings: Any) -> L.Trainer:
    """A trainer on the devices that the settings name.

    Args:
        accumulate: batches of the data to a step.
        network: what learns; where one of its modules is ``sometimes_unused``, a step may do without its parameters.
        settings: of Lightning's Trainer.

    Raises:
        UserError: they are not there, or cannot be used so.
    """
    check(training)
    try:
        return L.Trainer(
            accelerator=training.accelerator,
            devices=training.devices,
            num_nodes=training.nodes,
            strategy=_strategy(training, network),
            precision=precision(training.precision, training.accelerator),
            accumulate_grad_batches=accumulate,
            **settings,
        )
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"training.devices, training.nodes: {' '.join(str(error).split())}") from error


def _strategy(training: TrainingConfig, network: nn.Module) -> str:
    """Lightning's strategy, which must know whether there are parameters whose gradients it may wait for in vain."""
    unused = any(getattr(part, "sometimes_unused", False) for part in network.modules())
    if training.devices * training.nodes == 1 or not unused:
        return training.strategy
    way = "ddp_fork" if training.strategy == "auto" and _IS_INTERACTIVE else "ddp"
    return f"{way}_find_unused_parameters_true"


@contextmanager
def products(device: torch.device, network: nn.Module) -> Iterator[None]:
    """Lets matrix products of float32 take 11 of their 24 bits on a GPU (TF32), as its convolutions do; afterwards all
    is as it was. Not where a quantizer learns, which is to find in training the codes that ``encode`` finds.
    """
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda" and not any(isinstance(part, Quantizer) for part in network.modules()):
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def check(training: TrainingConfig) -> None:
    """Refuse settings of accelerator, devices and strategy that cannot work on this machine.

    Raises:
        UserError: the accelerator is not there, the strategy cannot work with these devices, or SLURM was asked for
            several tasks that nobody starts.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there |= {"auto": True, "cpu": True, "gpu": any(there.values())}
    if not there[training.accelerator]:
        raise UserError(f"training.accelerator: {training.accelerator!r} is not on this machine; use auto or cpu")
    if training.strategy != "auto" and training.devices * training.nodes == 1:
        raise UserError(f"training.strategy: {training.strategy} needs several devices or nodes")
    tasks = int(os.environ.get("SLURM_NTASKS", "1"))
    started = os.environ.keys() & {"SLURM_STEP_ID", "TORCHELASTIC_RUN_ID"}  # by srun, by torchrun
    if tasks > 1 and not started and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        raise UserError(
            f"SLURM_NTASKS: SLURM was asked for {tasks} tasks, but nothing starts them; put srun before the command and"
            " ask for --ntasks-per-node as many as training.devices, or, to train in one process, for --ntasks=1"
        )
