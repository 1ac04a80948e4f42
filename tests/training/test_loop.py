"""The loop of a training, with a network of three numbers."""

from __future__ import annotations

import errno
import os
import threading
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training import line
from tests.training.line import STEPS, Line, checkpoint_of, config_of, fit, interrupt
from videovq.data.modules import RandomBatches
from videovq.errors import UserError
from videovq.parsing import to_yaml
from videovq.training import loop
from videovq.training.task import Metrics


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


@pytest.mark.parametrize("error", [UserError("shard 7: is broken"), OSError("gone")])
def test_what_the_loader_raises_ends_the_training_and_its_thread(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = line.Points.train_dataloader

    def broken(self: line.Points) -> RandomBatches[Tensor]:
        batches = read(self)

        def collate(chosen: Tensor) -> Tensor:
            if batches.step >= 3:
                raise error
            return self.points[chosen]

        batches.collate = collate
        return batches

    monkeypatch.setattr(line.Points, "train_dataloader", broken)
    with pytest.raises(type(error)) as raised:
        fit(config_of(tmp_path / "run"))
    assert raised.value is error
    assert "collate" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert not [one for one in threading.enumerate() if one.name == "prefetch"]


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


@pytest.mark.parametrize("parts", [1, 2])
def test_validations_come_by_steps_whatever_the_parts_of_one(parts: int, tmp_path: Path) -> None:
    seen: list[None] = []
    fit(config_of(tmp_path / "run", validate_every=3), lambda: seen.append(None), parts)
    assert len(seen) == STEPS // 3


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
