"""What commands leave behind, as facts that can be compared: losses, numbers of reports, and the sha256 of tensors."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from safetensors import safe_open

Facts = dict[str, Any]
LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "lightning",
    "pytorch-optimizer",
    "vector-quantize-pytorch",
    "torchmetrics",
)
READ = {"*.safetensors", "*.npz", "*.wav", "metrics.json", "report.json", "store.json"}
MAY_CHANGE = re.compile(r"(^|\.)(settings|videovq)(\.|$)")  # in a JSON: what a command was told, and the version


def machine() -> dict[str, str]:
    """What bits depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.is_file() else []
    here = {"processor": names[0] if names else platform.machine(), "threads": str(torch.get_num_threads())}
    return here | {"vector units": torch.backends.cpu.get_cpu_capability()} | {one: version(one) for one in LIBRARIES}


class Steps(Callback):
    """Notes the loss of every batch; where the training takes its own steps, what it logs of them."""

    def __init__(self) -> None:
        self.losses: list[str] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        logged = trainer.callback_metrics
        values = [loss] if loss is not None else [logged[name] for name in sorted(logged) if name.startswith("train/")]
        self.losses.append(" ".join(float(value).hex() for value in values))


@contextlib.contextmanager
def watched() -> Iterator[Facts]:
    """Notes, of the training within, the loss of every step, and what was logged last."""
    fit, found = lightning.Trainer.fit, {}

    def fit_and_note(trainer: Any, *args: Any, **settings: Any) -> None:
        steps = Steps()
        trainer.callbacks.append(steps)
        fit(trainer, *args, **settings)
        found.update({f"loss of step {i}": loss for i, loss in enumerate(steps.losses, 1)})
        found.update({name: float(value).hex() for name, value in trainer.callback_metrics.items()})

    lightning.Trainer.fit = fit_and_note
    try:
        yield found
    finally:
        lightning.Trainer.fit = fit


def sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def of_file(path: Path) -> Iterator[tuple[str, Any]]:
    """What a file holds: every number of a JSON, the sha256 of every tensor or array, or of the whole."""
    if path.suffix == ".json":
        found = flat(json.loads(path.read_text(encoding="utf-8")))
        yield from ((name, value) for name, value in found if not MAY_CHANGE.search(name))
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            for name, array in arrays.items():
                yield name, sha256(f"{array.dtype} {array.shape}".encode(), array.tobytes())
    elif path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            yield "metadata", file.metadata()
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_tensor(name).contiguous()
                kind = f"{tensor.dtype} {tuple(tensor.shape)}"
                yield name, sha256(kind.encode(), tensor.flatten().view(torch.uint8).numpy().tobytes())
    else:
        yield "all", sha256(path.read_bytes())


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a JSON by their dotted names; of floats all bits."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value.hex() if isinstance(value, float) else value


def facts_of(folder: str) -> Facts:
    """What is in a folder that a command wrote, but for pictures, pages and settings."""
    paths = sorted({path for pattern in READ for path in Path(folder).rglob(pattern)})
    return {f"{path.relative_to(folder)}: {name}": value for path in paths for name, value in of_file(path)}
