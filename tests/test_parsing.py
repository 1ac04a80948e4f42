from pathlib import Path
from typing import Any

import pytest

from videovq import config, parsing
from videovq.cli import COMMANDS
from videovq.errors import UserError

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


@pytest.mark.parametrize("name", ["train vqvae", "train predictor"])
def test_without_a_file_a_training_has_the_settings_that_were_found_best(name: str) -> None:
    kind = COMMANDS[name].config
    assert parsing.read_config(kind, ROOT / "configs" / f"{stem(name)}.yaml") == parsing.parse(kind, [])
    assert (kind().optimizer.learning_rate, kind().training.steps) == (4e-3 if "predictor" in name else 2e-3, 3000)


@pytest.mark.parametrize(
    ("file", "commitment", "restart_below"),
    [
        ("train_vqvae_paper", 0.25, 0.02),
        ("train_vqvae_notebook", 0.25, 0.02),
        ("train_vqvae_sharp", 0.25, 0.02),
        ("train_vqvae_dmlab", 1.0, 0.02),
    ],
)
def test_what_was_measured_with_other_codebooks_keeps_them(file: str, commitment: float, restart_below: float) -> None:
    path = ROOT / "configs" / f"{file}.yaml"
    found: Any = parsing.read_config(command_of(path), path)
    quantizer = found.model.quantizer
    assert (quantizer.commitment, quantizer.restart_below) == (commitment, restart_below)
    assert found.model.code_dim == (16 if file == "train_vqvae_dmlab" else 64)


def test_there_are_shipped_yamls_for_every_command_that_takes_one() -> None:
    stems = [path.stem for path in ROOT.glob("configs/*.yaml")]
    for name in ("record", "prep", "train vqvae", "encode", "train predictor", "rollout"):
        assert any(one.startswith(stem(name)) for one in stems), name


def test_files_of_settings_say_their_format_and_those_of_a_later_one_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(parsing.to_yaml(config.PrepConfig(out="here")))
    assert path.read_text().startswith("format_version: 1\n")
    assert parsing.read_config(config.PrepConfig, path).out == "here"
    path.write_text("out: there")  # by hand, or by an earlier version
    assert parsing.read_config(config.PrepConfig, path).out == "there"
    for later in ("2", "1.5", "[1]"):
        path.write_text(f"format_version: {later}\nout: here\nstranger: 1\n")
        with pytest.raises(UserError, match=r"c\.yaml: format_version is .*; if a later one wrote it, update videovq$"):
            parsing.read_config(config.PrepConfig, path)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_round_trip_through_yaml(command, tmp_path: Path) -> None:
    before = command.config()
    (tmp_path / "c.yaml").write_text(parsing.to_yaml(before))
    assert parsing.read_config(command.config, tmp_path / "c.yaml") == before


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_without_options_a_command_does_what_its_config_says(command) -> None:
    assert parsing.parse(command.config, []) == command.config()


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


def test_all_settings_are_printed_with_the_defaults_of_what_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model.quantizer", "RotationConfig", "--model.hidden=32"]
    with pytest.raises(SystemExit) as end:
        parsing.parse(config.TrainVQVAEConfig, [*words, "--print_config"])
    assert not end.value.code
    found = read(capsys.readouterr().out, config.TrainVQVAEConfig, tmp_path)
    assert found == parsing.parse(config.TrainVQVAEConfig, words)
    assert found.model.quantizer == config.RotationConfig()


@pytest.mark.parametrize(
    "name", ["train_predictor_tiny", "train_predictor_tiny.yaml", "configs/train_predictor_tiny.yaml"]
)
def test_a_file_that_ships_is_found_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_predictor_tiny").mkdir()
    assert parsing.parse(config.TrainPredictorConfig, ["--config", name]).run == "runs/predictor_tiny"
    Path(name).with_suffix(".yaml").parent.mkdir(exist_ok=True)
    (tmp_path / "train_predictor_tiny").rmdir()
    Path(name).write_text("run: mine")
    assert parsing.parse(config.TrainPredictorConfig, [f"--config={name}"]).run == "mine", "a file here comes first"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "train_predictor_dmlb",
            "train_predictor_dmlb: no such file, and none of that name ships; did you mean train_predictor_dmlab?"
            " `videovq list configs` lists them",
        ),
        ("debug/train_predictr", "debug/train_predictr: no such file"),
        ("qqq.yaml", "qqq.yaml: no such file, and none of that name ships; `videovq list configs` lists them"),
        ("my/train_predictor.yaml", "my/train_predictor.yaml: no such file"),
        (".", ".: is a folder; name a YAML file"),
    ],
)
def test_a_name_that_is_neither_a_file_nor_ships_is_answered_with_the_nearest(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as refusal:
        parsing.parse(config.TrainPredictorConfig, ["--config", name])
    assert str(refusal.value) == said


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


def read(text: str, kind: type, tmp_path: Path) -> Any:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    return parsing.read_config(kind, tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("[off,on]", ["off", "on"]),
        ("[no, yes, true, n, y]", ["no", "yes", "true", "n", "y"]),
        ("[1,2]", ["1", "2"]),
        ("[007, 1e-3, 12:30, 2020-01-01, .5]", ["007", "1e-3", "12:30", "2020-01-01", ".5"]),
        ("['~', \"null\", 'a: b', \u00fc]", ["~", "null", "a: b", "\u00fc"]),
    ],
)
def test_names_are_the_texts_that_were_written(written: str, names: list[str], tmp_path: Path) -> None:
    found = parsing.parse(config.PrepConfig, [f"--declare.action_names={written}"])
    assert found.declare.action_names == names
    found = read(f"declare: {{action_names: {written}}}\n", config.PrepConfig, tmp_path)
    assert found.declare.action_names == names
    assert read(parsing.to_yaml(found), config.PrepConfig, tmp_path) == found


def test_a_table_holds_the_texts_that_were_written(tmp_path: Path) -> None:
    found = read("rename_actions: {on: off, 1: 2}\nlevels:\n- no\n- 3.0\n", config.PrepConfig, tmp_path)
    assert (found.rename_actions, found.levels) == ({"on": "off", "1": "2"}, ["no", "3.0"])


@pytest.mark.parametrize("written", ["1e-3", "1.e-3", ".001", "'1e-3'", "1E-3", "0.001"])
def test_numbers_are_read_however_they_are_written(written: str, tmp_path: Path) -> None:
    found = read(f"optimizer: {{learning_rate: {written}}}\n", config.TrainVQVAEConfig, tmp_path)
    assert found.optimizer.learning_rate == 1e-3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "c.yaml: is empty"),
        ("# steps: 3\n\n", "c.yaml: is empty"),
        ("~", "c.yaml: is empty"),
        ("a text", "c.yaml: must hold settings"),
        ("- store\n", "c.yaml: must hold settings"),
        ("store: [\n", r"c.yaml: cannot be read as YAML \(.*line 2"),
        ("store: a\nrun: b\nstore: c\n", r"c.yaml: cannot be read as YAML \(store occurs twice"),
        ("store: ~\n", "c.yaml: store: has no value; give one or remove the line"),
        ("model: {quantizer: {class_path: EMAConfig, init_args: }}", r"c.yaml: model.quantizer.init_args: has no"),
        ("model: {quantizer: {class_path: EMAConfig, init_args: {decay: }}}", r"c.yaml: model.quantizer.decay: has no"),
        ("optimizer: {betas: [0.9, ~]}", r"c.yaml: optimizer.betas\[1\]: has no value"),
        ("training: [1]", "training: holds settings, such as training.steps"),
        ("training: 5", "training: holds settings of its own"),
    ],
)
def test_a_file_that_says_nothing_usable_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        read(text, config.TrainVQVAEConfig, tmp_path)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).count("c.yaml") == 1


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parsing.parse(config.PrepConfig, ["--out=~/x", "--source", "~"]) == config.PrepConfig(
        out=f"{tmp_path}/x", source=str(tmp_path)
    )
    found = read("store: ~/s\nrun: '~/r'\n", config.TrainVQVAEConfig, tmp_path)
    assert (found.store, found.run) == (f"{tmp_path}/s", f"{tmp_path}/r")
    (tmp_path / "d.yaml").write_text("reports: [~/a, b/~]\n")
    assert parsing.parse(config.CompareConfig, ["--config=~/d.yaml"]).reports == [f"{tmp_path}/a", "b/~"]
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where nothing says who is at home
    with pytest.raises(ValueError, match="out: ~/x is in the home folder, but nothing says where"):
        parsing.parse(config.PrepConfig, ["--out=~/x"])
