from pathlib import Path

import pytest

from videovq import config, parsing
from videovq.cli import COMMANDS

ROOT = Path(__file__).parents[1]


def stem(command: str) -> str:
    return command.replace(" ", "_").replace("-", "_")


def command_of(path: Path) -> type:
    """configs/train_vqvae*.yaml belongs to `train vqvae`, and so on."""
    found = [name for name in COMMANDS if path.stem.startswith(stem(name))]
    assert found, f"{path} belongs to no command"
    return COMMANDS[max(found, key=len)].config


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/**/*.yaml")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_shipped_yaml_is_parsed(path: Path) -> None:
    parsing.read_config(command_of(path), path)


def test_there_are_shipped_yamls_for_every_command_that_takes_one() -> None:
    stems = [path.stem for path in ROOT.glob("configs/*.yaml")]
    for name in ("record", "prep", "train vqvae", "encode", "train predictor", "train prior", "rollout"):
        assert any(one.startswith(stem(name)) for one in stems), name


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_round_trip_through_yaml(command, tmp_path: Path) -> None:
    before = command.config()
    (tmp_path / "c.yaml").write_text(parsing.to_yaml(before))
    assert parsing.read_config(command.config, tmp_path / "c.yaml") == before


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_without_options_a_command_does_what_its_config_says(command) -> None:
    assert parsing.parse(command.config, []) == command.config()


def test_a_class_chosen_within_a_chosen_class_has_its_own_defaults() -> None:
    words = ["--model", "QuantizedVAEConfig", "--model.quantizer", "CosineConfig", "--model.hidden", "32"]
    found = parsing.parse(config.TrainDensityConfig, words).model
    assert found == config.QuantizedVAEConfig(hidden=32, quantizer=config.CosineConfig())


def test_subclasses_round_trip_with_changed_values(tmp_path: Path) -> None:
    before = parsing.parse(
        config.RecordConfig, ["--source", "DeepMindLabSource", "--source.level", "x", "--source.action_repeat", "2"]
    )
    assert before.source == config.DeepMindLabSource(level="x", action_repeat=2)
    (tmp_path / "c.yaml").write_text(parsing.to_yaml(before))
    assert parsing.read_config(config.RecordConfig, tmp_path / "c.yaml") == before


def test_a_quantizer_chosen_within_the_model_has_its_own_defaults(tmp_path: Path) -> None:
    words = ["--model.quantizer", "RotationConfig", "--model.quantizer.decay", "0.9", "--model.hidden", "32"]
    before = parsing.parse(config.TrainVQVAEConfig, words)
    assert before.model == config.VQVAEConfig(hidden=32, quantizer=config.RotationConfig(decay=0.9))
    (tmp_path / "c.yaml").write_text(parsing.to_yaml(before))
    assert parsing.read_config(config.TrainVQVAEConfig, tmp_path / "c.yaml") == before
    found = parsing.parse(
        config.TrainVQVAEConfig, ["--config", str(tmp_path / "c.yaml"), "--model.quantizer.decay=0.8"]
    )
    assert found.model.quantizer == config.RotationConfig(decay=0.8)
    levels = ["--model.quantizer", "FSQConfig", "--model.quantizer.levels", "[5,5,5]"]
    assert parsing.parse(config.TrainVQVAEConfig, levels).model.quantizer == config.FSQConfig(levels=[5, 5, 5])
    with pytest.raises(ValueError, match="levels"):
        parsing.parse(config.TrainVQVAEConfig, ["--model.quantizer.levels", "[5,5,5]"])
    with pytest.raises(ValueError, match="model.quantizer: no 'FSQ'; choose from EMAConfig, .*, FSQConfig"):
        parsing.parse(config.TrainVQVAEConfig, ["--model.quantizer", "FSQ"])


def test_options_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("training: {steps: 7, batch_size: 3}\n")
    found = parsing.parse(config.TrainVQVAEConfig, ["--config", str(tmp_path / "c.yaml"), "--training.steps", "9"])
    assert (found.training.steps, found.training.batch_size) == (9, 3)


def test_switches_and_dashes() -> None:
    assert parsing.parse(config.RolloutConfig, []).decode
    assert not parsing.parse(config.RolloutConfig, ["--no-decode", "--context-frames", "3"]).decode
    assert parsing.parse(config.RolloutConfig, ["--context-frames=3", "--decode", "false"]).context_frames == 3
    assert parsing.parse(config.RecordConfig, ["--lossless", "--out", "a-b"]) == config.RecordConfig(
        lossless=True, out="a-b"
    )
    with pytest.raises(ValueError, match="no_frames"):
        parsing.parse(config.RolloutConfig, ["--no-frames"])


@pytest.mark.parametrize(
    ("yaml", "named"),
    [
        ("trainign: {steps: 3}\n", "trainign"),
        ("training: {stps: 3}\n", "stps"),
        ("training: {steps: many}\n", "training.steps"),
        ("model: {init_args: {wdth: 3}}\n", "wdth"),
        ("model: {class_path: NoSuchPredictor}\n", "NoSuchPredictor"),
    ],
)
def test_a_wrong_key_or_value_is_named(yaml: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml)
    with pytest.raises(ValueError, match=named):
        parsing.read_config(config.TrainPredictorConfig, tmp_path / "c.yaml")
