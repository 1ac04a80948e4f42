"""The loop and the folder of a training, with a network of three numbers."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.conftest import stopped_at_a_checkpoint
from videovq.config import (
    MAY_CHANGE,
    OptimizerConfig,
    PredictorTrainingConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
)
from videovq.data.modules import Batches, RandomBatches
from videovq.naming import names
from videovq.parsing import to_yaml
from videovq.storage import locked
from videovq.training import loop
from videovq.training.optimizers import optimizer
from videovq.training.task import Metrics, Task, TaskModule

STEPS = 6


class Line(Task):
    """A straight line through points; ``stop`` is called in every validation."""

    command = "train line"

    def __init__(self, config: TrainVQVAEConfig, stop: Callable[[], None], parts: int) -> None:
        super().__init__(config, Points(config, parts), {"fact": 1}, about="50 points", then="videovq next")
        self.stop, self.accumulate = stop, parts
        self.each_step: Callable[[TaskModule], None] = lambda _: None

    def build(self) -> nn.Module:
        return nn.Linear(2, 1)

    def loss(self, network: nn.Module, batch: Tensor) -> tuple[Tensor, Metrics]:
        loss = (network(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        return loss, {"loss": loss}

    def step(self, module: TaskModule, batch: Tensor) -> Tensor | None:
        self.each_step(module)
        return super().step(module, batch)

    def measure(self, network: nn.Module, batch: Tensor) -> tuple[Metrics, None]:
        self.stop()
        return {}, None

    def callbacks(self, run: Path) -> list[Callback]:
        return []


class Points(L.LightningDataModule):
    def __init__(self, config: TrainVQVAEConfig, parts: int) -> None:
        super().__init__()
        self.points, self.training = torch.randn(50, 2, generator=torch.Generator().manual_seed(1)), config.training
        self.parts = parts

    def train_dataloader(self) -> RandomBatches[Tensor]:
        batch_size, steps = self.training.batch_size, self.training.steps
        return RandomBatches(50, self.points.__getitem__, batch_size, steps, 0, parts=self.parts)

    def val_dataloader(self) -> Batches[Tensor]:
        return Batches(8, self.points.__getitem__, 8)


def config_of(folder: Path, **training: object) -> TrainVQVAEConfig:
    settings = {"steps": STEPS, "batch_size": 4, "validate_every": STEPS, "checkpoint_every": 2, **training}
    return TrainVQVAEConfig(
        run=str(folder),
        optimizer=OptimizerConfig(learning_rate=0.1, warmup_steps=1, weight_average=0.9),
        training=TrainingConfig(**{"precision": "32-true", "accelerator": "cpu", "strategy": "auto", **settings}),  # type: ignore[arg-type]
    )


def fit(
    config: TrainVQVAEConfig,
    stop: Callable[[], None] = lambda: None,
    parts: int = 1,
    each_step: Callable[[TaskModule], None] = lambda _: None,
) -> None:
    task = Line(config, stop, parts)
    task.each_step = each_step
    loop.fit(task)


def checkpoint_of(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    fit(config_of(folder))
    return folder


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["in the last validation", "before the weights are written"])
def test_averaged_weights_outlast_a_stop_after_the_last_checkpoint(
    where: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path / "run")
    with monkeypatch.context() as stopped:
        if where == "before the weights are written":
            stopped.setattr(loop, "save_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(config, interrupt if where == "in the last validation" else lambda: None)
    assert torch.load(checkpoint_of(tmp_path / "run"), weights_only=True)["global_step"] == STEPS
    assert not (tmp_path / "run" / "model.safetensors").exists()
    fit(config)
    found, expected = ((folder / "model.safetensors").read_bytes() for folder in (tmp_path / "run", whole))
    assert found == expected
    raw = torch.load(checkpoint_of(whole), weights_only=True)["current_model_state"]
    assert not torch.equal(load_file(whole / "model.safetensors")["weight"], raw["network.weight"]), "they are averages"


def test_a_full_disk_leaves_the_checkpoint_before(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, write = config_of(tmp_path / "run"), Path.write_bytes

    def until_full(path: Path, data: bytes) -> int:
        if "last.ckpt" in path.name and checkpoint_of(tmp_path / "run").exists():
            write(path, bytes(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", until_full)
        with pytest.raises(OSError, match="No space left"):
            fit(config)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert torch.load(checkpoint_of(tmp_path / "run"), weights_only=True)["global_step"] == 2
    fit(config)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_checkpoint_is_written_beside_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    fit(config_of(tmp_path / "run"))
    assert checkpoint_of(tmp_path / "run").is_file()


def test_a_torn_checkpoint_is_named(whole: Path, tmp_path: Path) -> None:
    config, path = config_of(tmp_path / "run"), checkpoint_of(tmp_path / "run")
    path.parent.mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(config))
    data = checkpoint_of(whole).read_bytes()
    for torn in (b"", data[: len(data) // 2], data[:-1], bytes(len(data))):
        path.write_bytes(torn)
        with pytest.raises(ValueError, match=r"last\.ckpt: is torn.*remove it") as raised:
            fit(config)
        assert "\n" not in str(raised.value)
    path.unlink()
    fit(config)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_checkpoint_of_other_parameter_groups_is_named(whole: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    state = torch.load(checkpoint_of(whole), weights_only=True)
    groups = state["optimizer_states"][0]["param_groups"]
    groups[0]["params"] += groups.pop()["params"]
    state["global_step"] = 2
    checkpoint_of(tmp_path / "run").parent.mkdir(parents=True)
    torch.save(state, checkpoint_of(tmp_path / "run"))
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(config))
    with pytest.raises(ValueError, match=r"last\.ckpt: an earlier version wrote it"):
        fit(config)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"strategy": "ddp"}, "training.strategy: ddp needs several devices"),
        ({"batch_size": 5, "devices": 2}, "training.batch_size: 5 does not divide by 2"),
        ({"accelerator": "gpu"}, "training.accelerator: 'gpu' is not on this machine"),
        ({"accelerator": "cuda"}, "training.accelerator: 'cuda' is not on this machine"),
        ({"accelerator": "mps"}, "training.accelerator: 'mps' is not on this machine"),
    ],
)
def test_refused_settings_leave_no_folder(
    settings: dict[str, object], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    config = config_of(tmp_path / "run")
    with pytest.raises(ValueError, match=named) as raised:
        fit(replace(config, training=replace(config.training, **settings)))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SLURM_NTASKS": "4"}, "SLURM_NTASKS: .* 4 tasks.*srun.*--ntasks=1"),
        ({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4"}, "SLURM_NTASKS: .* 4 tasks"),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, "--ntasks-per-node=4"),
    ],
)
def test_tasks_of_slurm_that_nobody_starts(
    variables: dict[str, str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=named) as raised:
        fit(config_of(tmp_path / "run"))
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_was_trained_is_nobodys(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(to_yaml(config_of(tmp_path / "run", steps=99)))
    fit(config_of(tmp_path / "run"))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (tmp_path / "run" / "config.yaml").read_text() == to_yaml(config_of(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"other settings \(training\.seed: 0 -> 1\)"):
        fit(config_of(tmp_path / "run", seed=1))


BINDING = {"batch_size", "seed", "precision", "accumulate"}  # a batch's parts count in a checkpoint


def test_of_every_setting_of_a_training_it_is_said_whether_a_run_continues_with_another() -> None:
    for kind in (TrainingConfig, PredictorTrainingConfig):
        named = {one.name for one in fields(kind)}
        free = {name for name in named if f"training.{name}" in MAY_CHANGE}
        assert named == free | (BINDING & named), "a new one stands in MAY_CHANGE, or here"
        assert not free & BINDING
    known = {*names(TrainPredictorConfig)}
    assert known >= {*MAY_CHANGE}


def stopped(config: TrainVQVAEConfig) -> None:
    with stopped_at_a_checkpoint():
        fit(config)


def weights_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_what_does_not_change_the_result_may_change(whole: Path, tmp_path: Path) -> None:
    stopped(config_of(tmp_path / "run"))
    other = {"accelerator": "auto", "validate_every": 1, "checkpoint_every": 5, "logger": "tensorboard"}
    fit(replace(config_of(tmp_path / "run", **other), run=f"{tmp_path}/./run"))
    assert weights_of(tmp_path / "run") == weights_of(whole)
    assert list((tmp_path / "run").glob("logs/from-0000002/events.*"))


def test_what_changes_the_result_is_refused_with_both_values(whole: Path, tmp_path: Path) -> None:
    config = config_of(whole)
    for changed, named in (
        (
            replace(config, optimizer=replace(config.optimizer, learning_rate=0.2)),
            "optimizer.learning_rate: 0.1 -> 0.2",
        ),
        (replace(config, store="stores/other"), "store: stores/episodes -> stores/other"),
        (replace(config, model=replace(config.model, hidden=64)), "model.hidden: 128 -> 64"),
        (config_of(whole, batch_size=8, devices=2), "training.batch_size: 4 -> 8"),
    ):
        with pytest.raises(ValueError, match=rf"other settings \({re.escape(named)}\); choose another run, or give it"):
            fit(changed)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_finished_run_trained_longer_has_the_learning_rates_of_the_longer_schedule(
    parts: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rates = tmp_path / "run", []
    config = config_of(folder, checkpoint_every=4)  # does not divide what was done
    fit(config, parts=parts)
    short = weights_of(folder)

    def note(module: TaskModule) -> None:
        rates.append(module.trainer.optimizers[0].param_groups[0]["lr"])

    longer = config_of(folder, checkpoint_every=4, steps=10)
    fit(longer, parts=parts, each_step=note)
    schedule = optimizer(nn.Linear(2, 1), config.optimizer, 10)["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert rates == [0.1 * schedule(step) for step in range(6, 10) for _ in range(parts)]
    assert "goes on from step 6 to 10, at the learning rates of 10 steps" in capsys.readouterr().out
    assert weights_of(folder) != short
    assert (folder / "config.yaml").read_text() == to_yaml(longer)
    fit(longer, parts=parts)
    assert "trained already" in capsys.readouterr().out


@pytest.mark.parametrize("earlier", [False, True])
def test_a_longer_training_that_is_cut_off_continues_exactly(earlier: bool, tmp_path: Path) -> None:
    for name in ("whole", "cut"):
        fit(config_of(tmp_path / name))
    fit(config_of(tmp_path / "whole", steps=12))
    file = tmp_path / "cut" / "model.safetensors"
    if earlier:  # an earlier version did not write the steps into the weights
        save_file(load_file(file), file, {"videovq": '{"fact": 1}'})
    short = load_file(file)
    stopped(config_of(tmp_path / "cut", steps=12))
    assert all(torch.equal(value, short[name]) for name, value in load_file(file).items()), "usable until the end"
    with pytest.raises(ValueError, match=r"training.steps: 6 is less than the 8 that .*cut has behind it; give 8 or"):
        fit(config_of(tmp_path / "cut"))
    fit(config_of(tmp_path / "cut", steps=12))
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")


def test_an_unfinished_run_becomes_longer_or_shorter_but_not_shorter_than_it_is(tmp_path: Path) -> None:
    stopped(config_of(tmp_path / "run", checkpoint_every=4))
    with pytest.raises(ValueError, match=r"training.steps: 3 is less than the 4 that .*run has behind it"):
        fit(config_of(tmp_path / "run", steps=3, checkpoint_every=2))
    fit(config_of(tmp_path / "run", steps=5))
    fit(config_of(tmp_path / "run", steps=7))
    with pytest.raises(ValueError, match=r"training.steps: 5 is less than the 7"):
        fit(config_of(tmp_path / "run", steps=5))


def test_a_finished_run_without_its_checkpoint_cannot_become_longer(tmp_path: Path) -> None:
    fit(config_of(tmp_path / "run"))
    checkpoint_of(tmp_path / "run").unlink()
    with pytest.raises(ValueError, match="training.steps: .*run has no checkpoint to go on from; give 6, or choose"):
        fit(config_of(tmp_path / "run", steps=7))


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run", "run"), pytest.raises(ValueError, match="another process is writing there"):
        fit(config)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    fit(config)


@pytest.mark.parametrize("parts", [1, 2])
def test_validations_come_by_steps_whatever_the_parts_of_one(parts: int, tmp_path: Path) -> None:
    seen: list[None] = []
    fit(config_of(tmp_path / "run", validate_every=3), lambda: seen.append(None), parts)
    assert len(seen) == STEPS // 3


def test_a_file_in_place_of_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match="is a file; choose another run"):
        fit(config_of(tmp_path / "run"))


@pytest.mark.parametrize("parts", [1, 2])
def test_a_training_begins_and_ends_with_a_line_and_says_what_it_takes(
    parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now, learn = [0.0], Line.loss

    def slowly(self: Line, network: nn.Module, batch: Tensor) -> tuple[Tensor, Metrics]:
        now[0] += 8 / parts
        return learn(self, network, batch)

    def validate() -> None:
        now[0] += 10_000

    config = config_of(tmp_path / "run", steps=42, validate_every=4, checkpoint_every=14)
    with monkeypatch.context() as stopped:
        stopped.setattr("videovq.training.callbacks.time.perf_counter", lambda: now[0])
        stopped.setattr(Line, "loss", slowly)
        stopped.setattr(loop, "save_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(config, validate, parts)
    first, pace = capsys.readouterr().out.splitlines()
    assert first.startswith("train line: on cpu (") and first.endswith(
        "), float32; 50 points; 3e-06 M parameters; 42 steps"
    )
    assert pace == "train line: about 4 minutes to go, validations aside: 30 steps of 8 s, measured over 10", (
        "validations do not count"
    )
    fit(config, parts=parts)
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path / 'run'}: trained; next: videovq next"]


def test_a_resumed_training_counts_the_steps_that_are_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(tmp_path / "run", steps=20, validate_every=7, checkpoint_every=6)
    seen: list[None] = []

    def stop_at_the_first() -> None:
        seen.append(None)
        if len(seen) == 1:
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        fit(config, stop_at_the_first)
    capsys.readouterr()
    fit(config)
    first, pace, _ = capsys.readouterr().out.splitlines()
    assert first.endswith("; 14 steps left")
    assert "to go, validations aside: 2 steps of " in pace
