"""``--help`` is written from the settings themselves."""

from __future__ import annotations

import pytest

from tests.test_config import fields_of
from videovq import config
from videovq.cli import COMMANDS, main
from videovq.config.checks import Settings
from videovq.help import help_of


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_is_shown_once_and_explained(name: str) -> None:
    kind = COMMANDS[name].config
    lines = help_of(kind, f"videovq {name}", []).splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  --")]
    assert len(shown) == len(set(shown))
    groups = (dotted for dotted, value in fields_of(kind()) if isinstance(value, Settings))
    settings = {dotted for dotted, value in fields_of(kind()) if not isinstance(value, Settings)}
    choices = {dotted for dotted in groups if f"--{dotted}" in shown}
    assert set(shown) == {f"--{dotted}" for dotted in (settings | choices | {"config", "print_config"})}
    assert "<class" not in "".join(lines) and "videovq.config" not in "".join(lines)


def test_only_classes_that_can_be_chosen_are_shown() -> None:
    shown = help_of(config.TrainPredictorConfig, "videovq train predictor", [])
    for name in ("PatchPredictorConfig", "RasterPredictorConfig", "PixelCNNPredictorConfig"):
        assert name in shown
    assert "LookupContextConfig" not in shown and "LearnedCodebook" not in shown
    assert "--model.decoder_blocks N" in shown and "--model.decoder_layers" not in shown


@pytest.mark.parametrize("words", ["--model RasterPredictorConfig --help", "--model.help RasterPredictorConfig"])
def test_the_settings_of_a_class_are_shown_where_it_is_chosen(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "predictor", *words.split()]) == 0
    shown = capsys.readouterr().out
    assert "--model.decoder_layers N" in shown and "--model.decoder_blocks" not in shown


@pytest.mark.parametrize(
    ("name", "models"),
    [("rollout", "There are dmlab-small, vizdoom."), ("encode", "There are dmlab, dmlab-small, vizdoom.")],
)
def test_the_models_that_ship_are_listed(name: str, models: str) -> None:
    assert models in " ".join(help_of(COMMANDS[name].config, f"videovq {name}", []).split())


def test_values_and_defaults() -> None:
    shown = help_of(config.RolloutConfig, "videovq rollout", [])
    assert "--split train|val|test" in shown and "(default: test)" in shown
    assert "--decode true|false" in shown and "(default: true)" in shown
    assert "--samples N " in shown and "Rollouts from the same context. (default: 1)" in shown
    assert "(default: )" not in shown
