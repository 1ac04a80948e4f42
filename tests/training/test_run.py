"""The loop and the folder of a training, with a network of three numbers."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from videovq.config import OptimizerConfig, TrainingConfig, TrainVQVAEConfig
from videovq.data.modules import Batches, RandomBatches
from videovq.parsing import to_yaml
from videovq.storage import locked
from videovq.training import run
from videovq.training.optimizers import optimizer

STEPS = 6


class Line(L.LightningModule):
    """A straight line through points; ``stop`` is called in every validation."""

    what = "train line"

    def __init__(self, config: TrainVQVAEConfig, stop: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.network, self.config, self.stop = nn.Linear(2, 1), config, stop

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.network(batch) - batch.sum(1, keepdim=True)).pow(2).mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.stop()

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


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
        training=TrainingConfig(precision="32-true", accelerator="cpu", **{"strategy": "auto", **settings}),  # type: ignore[arg-type]
    )


def fit(config: TrainVQVAEConfig, stop: Callable[[], None] = lambda: None, parts: int = 1) -> None:
    torch.manual_seed(0)
    words = {"about": "50 points", "then": "videovq next"}
    run.fit(Line(config, stop), Points(config, parts), config, [], {"fact": 1}, parts, **words)


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
            stopped.setattr(run, "save_weights", interrupt)
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
    with pytest.raises(ValueError, match=r"other settings \(training\.steps: 6 -> 99\)"):
        fit(config_of(tmp_path / "run", steps=99))


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
    now, learn = [0.0], Line.training_step

    def slowly(self: Line, batch: Tensor, batch_idx: int) -> Tensor:
        now[0] += 8 / parts
        return learn(self, batch, batch_idx)

    def validate() -> None:
        now[0] += 10_000

    config = config_of(tmp_path / "run", steps=42, validate_every=4, checkpoint_every=14)
    with monkeypatch.context() as stopped:
        stopped.setattr("videovq.training.callbacks.time.perf_counter", lambda: now[0])
        stopped.setattr(Line, "training_step", slowly)
        stopped.setattr(run, "save_weights", interrupt)
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
