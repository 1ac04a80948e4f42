"""The folder of a training: what continues there, and what is refused."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.conftest import stopped_at_a_checkpoint
from tests.training.line import checkpoint_of, config_of, fit, weights_of
from videovq.config import (
    MAY_CHANGE,
    PredictorTrainingConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.naming import names
from videovq.parsing import to_yaml
from videovq.storage import locked
from videovq.training.optimizers import optimizer
from videovq.training.task import TaskModule


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
    for kind in (TrainingConfig, VQVAETrainingConfig, PredictorTrainingConfig):
        named = {one.name for one in fields(kind)}
        free = {name for name in named if f"training.{name}" in MAY_CHANGE}
        assert named == free | (BINDING & named), "a new one stands in MAY_CHANGE, or here"
        assert not free & BINDING
    known = {*names(TrainPredictorConfig)}
    assert known >= {*MAY_CHANGE}


def stopped(config: TrainVQVAEConfig) -> None:
    with stopped_at_a_checkpoint():
        fit(config)


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


def test_a_file_in_place_of_a_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match="is a file; choose another run"):
        fit(config_of(tmp_path / "run"))
