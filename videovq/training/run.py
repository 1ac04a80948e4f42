"""What both trainings share: run directory, precision, loggers, exact resumption."""

from __future__ import annotations

import logging
import math
import os
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_optimizer import Muon
from torch import Tensor, nn
from torch.optim import Optimizer

from videovq.checkpoints import is_finished
from videovq.config import OptimizerConfig, TrainingConfig
from videovq.memory import keep_freed_memory
from videovq.models.bf16 import computes_bf16
from videovq.parsing import read_config, to_plain, to_yaml
from videovq.training.callbacks import ProgressBar, StepSeed


def claim(run: Path, config: Any) -> bool:
    """Make the run directory, or recognise it as this very training.

    Returns:
        Whether there is something left to train.

    Raises:
        ValueError: the directory holds a training with another configuration.
    """
    path = run / "config.yaml"
    if path.is_file():
        changed = differences(read_config(type(config), path), config)
        if changed:
            raise ValueError(f"{run}: holds a training with other settings ({', '.join(changed)}); choose another run")
        if is_finished(run):
            print(f"{run}: is trained already; remove it to train again")
            return False
        return True
    run.mkdir(parents=True, exist_ok=True)
    partial = run / f"config.yaml.{os.getpid()}.partial"  # every process of torchrun comes here
    partial.write_text(to_yaml(config))
    partial.replace(path)
    return True


def precision(wanted: str, accelerator: str) -> Any:
    """Lightning's precision for ``auto``: bf16-mixed where the hardware computes it natively."""
    if wanted != "auto":
        return wanted
    device = accelerator
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        device = "cuda"
    elif accelerator == "auto":
        device = "mps" if torch.backends.mps.is_available() else "cpu"
    return "bf16-mixed" if computes_bf16(device) else "32-true"


def optimizer(network: nn.Module, config: OptimizerConfig, steps: int) -> dict[str, Any]:
    """AdamW or Muon (no weight decay on biases, norms and embeddings), warm-up and cosine, as Lightning wants it.

    Muon: Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), with the step size of Liu et al. 2025
    (arXiv 2502.16982, equation 4), so that one learning rate serves both methods.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    base: Optimizer
    if config.method == "muon":
        layers = (m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d))
        hidden = {id(m.weight) for m in layers}
        groups = [
            {"params": [p for p in matrices if id(p) in hidden], "weight_decay": config.weight_decay, "use_muon": True},
            {"params": [p for p in matrices if id(p) not in hidden], "betas": config.betas, "use_muon": False},
            {"params": vectors, "betas": config.betas, "use_muon": False},
        ]
        for group in groups:
            group["lr"] = config.learning_rate
        base = Muon([group for group in groups if group["params"]], use_adjusted_lr=True)
    else:
        decays = [(matrices, config.weight_decay), (vectors, 0.0)]
        groups = [{"params": some, "weight_decay": decay} for some, decay in decays]
        base = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)

    def scale(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return config.final_fraction + (1 - config.final_fraction) * cosine

    schedule = torch.optim.lr_scheduler.LambdaLR(base, scale)
    return {"optimizer": base, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit(
    module: L.LightningModule,
    data: L.LightningDataModule,
    run: Path,
    training: TrainingConfig,
    optimizer: OptimizerConfig,
    callbacks: Sequence[Callback],
    accumulate: int = 1,
) -> dict[str, Tensor] | None:
    """Train to the last step, from the run's newest checkpoint where there is one.

    Args:
        module: its network is called ``network``.
        accumulate: batches of the data to a step.

    Returns:
        The weights of the network, in the one process that is to write them.

    Raises:
        ValueError: the strategy cannot work with these devices.
    """
    if training.strategy != "auto" and training.devices * training.nodes == 1:
        raise ValueError(f"training.strategy: {training.strategy} needs several devices or nodes")
    if training.strategy == "fsdp" and (not torch.cuda.is_available() or optimizer.method == "muon"):
        raise ValueError("training.strategy: fsdp needs GPUs, and optimizer.method adamw (muon needs whole matrices)")
    _quieten()
    keep_freed_memory()
    newest = run / "checkpoints" / "last.ckpt"
    resume = newest if newest.is_file() else None
    start = int(torch.load(newest, map_location="cpu", weights_only=True)["global_step"]) if resume else 0
    checkpoint = ModelCheckpoint(
        run / "checkpoints", "last", every_n_train_steps=training.checkpoint_every, enable_version_counter=False
    )
    shared: list[Callback] = [StepSeed(training.seed), ProgressBar(module.what, start), checkpoint]  # type: ignore[arg-type]
    if optimizer.weight_average:
        shared.append(EMAWeightAveraging(decay=optimizer.weight_average, use_buffers=False))
    trainer = L.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        num_nodes=training.nodes,
        strategy=training.strategy,
        accumulate_grad_batches=accumulate,
        precision=precision(training.precision, training.accelerator),
        max_steps=training.steps,
        val_check_interval=min(training.validate_every, training.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=(optimizer.gradient_clip or None) if module.automatic_optimization else None,
        logger=_logger(training.logger, run, start),
        log_every_n_steps=20,
        callbacks=[*shared, *callbacks],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    try:
        trainer.fit(module, data, ckpt_path=resume, weights_only=True if resume else None)
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None
    weights = trainer.strategy.lightning_module_state_dict()  # of all ranks where they are spread
    if not trainer.is_global_zero:
        return None
    return {name.removeprefix("network."): value for name, value in weights.items() if name.startswith("network.")}


def _logger(name: str, run: Path, start: int) -> Logger:
    # A folder for each start: Lightning's CSV logger empties the folder it opens.
    version = f"from-{start:07d}"
    if name == "wandb":
        offline = not _has_wandb_key()
        return WandbLogger(project="videovq", name=run.name, save_dir=run, offline=offline, version=_wandb_id(run))
    if name == "tensorboard":
        return TensorBoardLogger(run, "logs", version)
    return CSVLogger(run, "logs", version, flush_logs_every_n_steps=20)


def _has_wandb_key() -> bool:
    """Whether wandb could log in without asking: a key in the environment, or in the netrc file of `wandb login`."""
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return bool(os.environ.get("WANDB_API_KEY")) or (netrc.is_file() and "wandb" in netrc.read_text())


def _wandb_id(run: Path) -> str:
    """The same wandb run for every resumption."""
    return f"{run.name}-{zlib.crc32(str(run.resolve()).encode()):08x}"


def differences(before: Any, after: Any, name: str = "") -> list[str]:
    """Every setting in which two configs differ: ``name: before -> after``."""
    before, after = to_plain(before), to_plain(after)
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        return [d for k in keys for d in differences(before.get(k), after.get(k), f"{name}.{k}" if name else k)]
    return [] if before == after else [f"{name}: {before} -> {after}"]


def _quieten() -> None:
    """Silence Lightning's banners and hints; its warnings about what goes wrong stay."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    for harmless in (".*does not have many workers.*", ".*exists and is not empty.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message=harmless)
