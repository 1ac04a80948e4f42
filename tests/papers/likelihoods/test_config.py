"""The settings of likelihood autoencoders: three classes to choose from, as earlier versions wrote them too."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovq import config
from videovq.cli import main
from videovq.papers.likelihoods.config import GaussianVAEConfig, QuantizedVAEConfig, TrainDensityConfig, VIMCOConfig
from videovq.parsing import parse, read_config, to_yaml
from videovq.shipped import shipped_configs


def test_a_class_chosen_within_a_chosen_class_has_its_own_defaults() -> None:
    words = ["--model", "QuantizedVAEConfig", "--model.quantizer", "CosineConfig", "--model.hidden", "32"]
    found = parse(TrainDensityConfig, words).model
    assert found == QuantizedVAEConfig(hidden=32, quantizer=config.CosineConfig())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--model.quantizer.decay 3", "--model.quantizer: is no setting of GaussianVAEConfig; choose another model"),
        ("--model QuantizedVAEConfig --model.quantizer FSQ", "model.quantizer: no 'FSQ'; choose from EMA"),
    ],
)
def test_what_was_meant_is_said_in_one_line(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "density", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and said in error


@pytest.mark.parametrize("kind", [GaussianVAEConfig, VIMCOConfig, QuantizedVAEConfig])
def test_a_class_is_written_and_understood_as_ever(kind: type, tmp_path: Path) -> None:
    before = TrainDensityConfig(model=kind(hidden=32))
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(before))
    assert f"class_path: videovq.config.{kind.__name__}\n" in path.read_text()
    assert read_config(TrainDensityConfig, path) == before
    assert parse(TrainDensityConfig, ["--model", f"videovq.config.{kind.__name__}"]).model == kind()


def test_what_was_measured_with_another_codebook_keeps_it() -> None:
    model = read_config(TrainDensityConfig, shipped_configs()["train_density_vqvae"]).model
    assert isinstance(model, QuantizedVAEConfig) and isinstance(model.quantizer, config.EMAConfig)
    assert (model.quantizer.commitment, model.quantizer.restart_below, model.code_dim) == (0.25, 0.3, 16)
