"""The loop that all trainings share: claim of the run directory, exact resumption, final weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from videovq.allocator import keep_freed_memory
from videovq.config import MAY_CHANGE
from videovq.errors import UserError
from videovq.parsing import read_config, to_plain, to_yaml
from videovq.runs import is_finished, read_facts, save_weights, steps_in_weights
from videovq.shipped import WEIGHTS
from videovq.storage import locked, read_tensors, write_text
from videovq.training.callbacks import Announcement, Curves, ProgressBar, Schedule, StepSeed
from videovq.training.checkpoint import Checkpoints, WholeCheckpoints, read_checkpoint
from videovq.training.compilation import EagerValidation
from videovq.training.loggers import open_logger
from videovq.training.machine import make_trainer, products
from videovq.training.task import Task, TaskModule


def fit(task: Task, beside: Sequence[Callback] = ()) -> None:
    """Train to the last step, from the run's newest checkpoint where there is one, and write ``model.safetensors``.

    Args:
        beside: callbacks of the caller's, beside those of the task.

    Settings in :data:`videovq.config.MAY_CHANGE` may be others than the run began with. With more ``training.steps`` it
    goes on, also where it had ended, and the steps to come have the learning rates of the longer schedule (see
    :func:`videovq.training.optimizers.optimizer`): where it had nearly come down, it jumps up to what it is at this
    step of that. The weights there are stay until the longer training has ended.

    Raises:
        UserError: this machine cannot do it, or the run directory holds another training.
    """
    config = task.config
    run, training, optimizer = Path(config.run), config.training, config.optimizer
    torch.manual_seed(training.seed)
    network = task.build().to(memory_format=torch.channels_last)
    module = TaskModule(task, network)
    _quieten()
    keep_freed_memory()
    checkpoints = Checkpoints(_checkpoint(run), training.checkpoint_every)
    size = sum(p.numel() for p in network.parameters() if p.requires_grad)
    announcement = Announcement(task.command, f"{task.about}; {size / 1e6:.2g} M parameters")
    shared = [StepSeed(training.seed), Schedule(), announcement, ProgressBar(task.command), checkpoints]
    if optimizer.weight_average:
        shared.append(_average(network, optimizer.weight_average))
    callbacks = [*task.callbacks(run), *beside, *([EagerValidation()] if task.compiled else [])]
    trainer = make_trainer(
        training,
        task.accumulate,
        network,
        max_steps=training.steps,
        val_check_interval=min(training.validate_every, training.steps) * task.accumulate,  # batches
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=(optimizer.gradient_clip or None) if task.automatic else None,
        logger=False,  # until it is known where the training begins
        log_every_n_steps=20,
        callbacks=[*shared, *callbacks],
        plugins=[WholeCheckpoints()],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with claimed(run, config, trainer.is_global_zero) as unfinished:
        if unfinished:
            weights = trained(trainer, module, run)
            if trainer.is_global_zero:
                save_weights(run, weights, {**task.facts, "steps": training.steps})
                results = [found for one in callbacks if isinstance(one, Curves) if (found := one.result())]
                print(f"{run}: trained{f' ({results[0]})' if results else ''}; next: {task.then}")


@contextmanager
def claimed(run: Path, config: Any, first: bool) -> Iterator[bool]:
    """Make the run directory, or recognise it as that of this very training; within the context no other can train
    there.

    A directory without checkpoint and weights is nobody's: its settings may have been refused.

    Args:
        first: whether this process writes; the others of one training follow it.

    Returns:
        Whether there is something left to train.

    Raises:
        UserError: the directory holds a training with another result, or a longer one, or another process trains
            there.
    """
    done, steps = _check_claim(run, config), config.training.steps
    if is_finished(run) and steps_in_weights(run, done) == steps:
        if first:
            print(f"{run}: is trained already; remove it to train again")
        yield False
    elif not first:
        yield True
    else:
        run.mkdir(parents=True, exist_ok=True)
        with locked(run, str(run)):
            done = _check_claim(run, config)  # again, now that no other process can write there
            if is_finished(run):
                print(f"{run}: goes on from step {done:,} to {steps:,}, at the learning rates of {steps:,} steps")
                if steps_in_weights(run, -1) < 0:  # from now on config.yaml says nothing of these weights
                    save_weights(run, read_tensors(run / WEIGHTS), {**read_facts(run), "steps": done})
            write_text(run / "config.yaml", to_yaml(config))
            yield True


def _check_claim(run: Path, config: Any) -> int:
    """The steps that a run has behind it, if it may continue with these settings."""
    if run.exists() and not run.is_dir():
        raise UserError(f"run: {run} is a file; choose another run")
    started, finished = _checkpoint(run).is_file(), is_finished(run)
    if not started and not finished:
        return 0
    before, steps = read_config(type(config), run / "config.yaml"), config.training.steps
    changed = [one for one in differences(before, config) if one.partition(":")[0] not in MAY_CHANGE]
    if changed:
        raise UserError(
            f"{run}: holds a training with other settings ({', '.join(changed)}); choose another run, or give it the"
            " settings it began with"
        )
    done = steps_in_weights(run, before.training.steps) if finished else 0
    if started and not done == steps == before.training.steps:
        done = max(done, int(read_checkpoint(_checkpoint(run), mapped=True)["global_step"]))
    if steps < done:
        raise UserError(
            f"training.steps: {steps} is less than the {done} that {run} has behind it; give {done} or more, or choose"
            " another run"
        )
    if finished and not started and steps > done:
        raise UserError(f"training.steps: {run} has no checkpoint to go on from; give {done}, or choose another run")
    return done


def _average(network: nn.Module, decay: float) -> WeightAveraging:
    """The moving average of the weights."""
    if all(parameter.requires_grad for parameter in network.parameters()):
        return EMAWeightAveraging(decay=decay, use_buffers=False)
    # Of weights that stay, only this form's average is what they are to the last bit.
    return WeightAveraging(use_buffers=False, multi_avg_fn=get_ema_multi_avg_fn(decay))


def _checkpoint(run: Path) -> Path:
    return run / "checkpoints" / "last.ckpt"


def trained(trainer: L.Trainer, module: TaskModule, run: Path) -> dict[str, Tensor]:
    """The weights of the network after the last step: of its average, where weights are averaged."""
    training = module.task.config.training
    newest = _checkpoint(run) if _checkpoint(run).is_file() else None
    saved = read_checkpoint(newest, mapped=True) if newest else {}
    start = int(saved.get("global_step", 0))
    if start >= training.steps:  # it was stopped after the last step: Lightning would not take up the average
        weights = saved["state_dict"]
    else:
        del saved
        if trainer.is_global_zero:
            trainer.logger = open_logger(training.logger, run, start)
        try:
            with products(trainer.strategy.root_device, module.network):
                trainer.fit(module, module.task.data, ckpt_path=newest, weights_only=True if newest else None)
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from None
        except ValueError as error:
            if newest and "parameter group" in str(error):
                why = "an earlier version wrote it, which grouped the parameters otherwise"
                raise UserError(f"{newest}: {why}; end the training with that version, or remove {run}") from error
            raise
        weights = module.state_dict()
    return {name.removeprefix("network."): value for name, value in weights.items() if name.startswith("network.")}


def differences(before: Any, after: Any, name: str = "") -> list[str]:
    """Every setting in which two configs differ: ``name: before -> after``."""
    before, after = to_plain(before), to_plain(after)
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        names = {key: name if key == "init_args" else f"{name}.{key}" if name else key for key in keys}
        return [d for key in keys for d in differences(before.get(key), after.get(key), names[key])]
    return [] if before == after else [f"{name}: {before} -> {after}"]


def _quieten() -> None:
    """Silence Lightning's banners and hints; its warnings about what goes wrong stay."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    # Metrics of a validation are those of all ranks already.
    quiet = (".*does not have many workers.*", ".*exists and is not empty.*", ".*LeafSpec.*", ".*sync_dist=True.*")
    older = ".*callbacks used to create the checkpoint.*"  # earlier versions had another one
    for harmless in (*quiet, older, ".*overridden `transfer_batch_to_device`.*"):
        warnings.filterwarnings("ignore", message=harmless)
