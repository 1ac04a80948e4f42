"""Names that are no settings: found in YAML, and answered with the one that was meant."""

from __future__ import annotations

from typing import Any

import pytest

from videovq import config
from videovq.cli import COMMANDS
from videovq.naming import names, nearest, no_setting, strangers
from videovq.parsing import to_plain


@pytest.mark.parametrize("name", COMMANDS)
def test_all_settings_of_a_command_are_known(name: str) -> None:
    kind = COMMANDS[name].config
    assert strangers(kind, to_plain(kind())) == []


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"stor": "a", "run": "b"}, ["stor"]),
        ({"training": {"steps": 1, "stps": 2}}, ["training.stps"]),
        ({"training.steps": 1, "training.stps": 1}, ["training.stps"]),
        ({"model": {"quantizer": {"class_path": "FSQConfig", "init_args": {"decay": 1}}}}, ["model.quantizer.decay"]),
        ({"model": {"quantizer": {"class_path": "FSQConfig", "init_args": {"levels": [5]}}}}, []),
        ({"model": {"quantizer": {"init_args": {"levels": [5]}}}}, []),  # the class may be chosen elsewhere
        ({"model": {"quantizer": {"class_path": "a.b.Other"}}}, ["model.quantizer.class_path"]),
        ({"model": {"class_path": "FSQConfig"}}, ["model.class_path"]),
        ({"training": 5}, []),  # of which the parser says what is wrong
    ],
)
def test_names_that_are_no_settings_are_found(values: dict[str, Any], unknown: list[str]) -> None:
    assert strangers(config.TrainVQVAEConfig, values) == unknown


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("training.stps", "training.steps"),
        ("steps", "training.steps"),
        ("trainign.steps", "training.steps"),
        ("learningrate", "optimizer.learning_rate"),
        ("model.quantizer.levls", "model.quantizer.levels"),
        ("training.foo.bar", ""),
        ("colour", ""),
    ],
)
def test_the_nearest_name_is_found_by_its_last_part(word: str, meant: str) -> None:
    assert nearest(word, names(config.TrainVQVAEConfig)) == meant


def test_a_setting_of_another_class_is_told_apart_from_none() -> None:
    said = no_setting(config.TrainVQVAEConfig, "model.quantizer.levels", "--", "EMAConfig")
    assert said == "--model.quantizer.levels: is no setting of EMAConfig; choose another model.quantizer: FSQConfig"
    assert no_setting(config.PrepConfig, "fitt") == "fitt: no such setting; did you mean fit?"
    assert no_setting(config.PrepConfig, "qqq", "--") == "--qqq: no such option; --help lists what there is"
