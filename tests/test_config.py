"""Every field of every command's settings refuses what it cannot mean, in one line that names it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml

import videovq
from videovq import config, parsing
from videovq.cli import COMMANDS, main
from videovq.config.checks import Settings, checked
from videovq.gym import World
from videovq.naming import kind_names
from videovq.types import Sampling

every_command = pytest.mark.parametrize("name", COMMANDS)


def fields_of(settings: Settings, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every field, by its dotted name, with its value; of fields that hold settings: these themselves, too."""
    for key, value in vars(settings).items():
        dotted = f"{name}.{key}" if name else key
        yield dotted, value
        if isinstance(value, Settings):
            yield from fields_of(value, dotted)


def with_value(settings: Any, dotted: str, value: Any) -> Any:
    """The settings with another value of one field."""
    key, _, rest = dotted.partition(".")
    return replace(settings, **{key: with_value(getattr(settings, key), rest, value) if rest else value})


def nested(dotted: str, value: Any) -> dict[str, Any]:
    key, _, rest = dotted.partition(".")
    return {key: nested(rest, value) if rest else value}


def nonsense(value: Any) -> list[Any]:
    """Numbers that no setting can mean in place of such a value, or of those in such a list."""
    if isinstance(value, (list, tuple)):
        return [type(value)([bad] * len(value)) for bad in (nonsense(value[0]) if value else [])]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    return [-1, 2**70] if isinstance(value, int) else [-1.0, math.nan, math.inf, -math.inf, 1e39]


@every_command
def test_a_line_without_a_value_is_refused_wherever_it_stands(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "c.yaml"
    for dotted, _ in fields_of(COMMANDS[name].config()):
        file.write_text(yaml.safe_dump(nested(dotted, None)).replace("null", ""))
        assert main([*name.split(), "--config", str(file)]) == 2
        assert capsys.readouterr().err == f"error: {file}: {dotted}: has no value; give one or remove the line\n"
    assert list(tmp_path.iterdir()) == [file]


@every_command
def test_numbers_that_mean_nothing_are_refused_by_name(name: str) -> None:
    settings = COMMANDS[name].config()
    for dotted, value in fields_of(settings):
        for bad in nonsense(value):
            with pytest.raises(ValueError, match=rf"^{dotted}: "):
                with_value(settings, dotted, bad)
                pytest.fail(f"{dotted}: {bad} is taken")


@pytest.mark.parametrize("name", [name for base in config.choice_bases() for name in kind_names(base)])
def test_so_in_every_class_that_can_be_chosen(name: str) -> None:
    kind = getattr(config, name)
    checked(kind())
    for dotted, value in fields_of(kind()):
        for bad in nonsense(value):
            with pytest.raises(ValueError, match=rf"^model.{dotted}: "):
                checked(with_value(kind(), dotted, bad), "model")
                pytest.fail(f"{dotted}: {bad} is taken")


@every_command
def test_names_of_folders_and_files_are_not_empty(name: str) -> None:
    settings = COMMANDS[name].config()
    for dotted, value in fields_of(settings):
        if isinstance(value, str) and value and dotted in ("out", "run", "store", "source", "vqvae", "sound"):
            with pytest.raises(ValueError, match=rf"^{dotted}: must not be empty"):
                with_value(settings, dotted, " ")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("train vqvae --training.devices 0", "training.devices: must be at least 1, not 0"),
        ("train vqvae --training.batch_size 0", "training.batch_size: must be at least 1, not 0"),
        ("train predictor --training.validate_every 0", "training.validate_every: must be at least 1, not 0"),
        ("train predictor --training.steps 0", "training.steps: must be at least 1, not 0"),
        ("train vqvae --training.steps many", "training.steps: needs a whole number; 'many' is none"),
        ("train vqvae --training.steps null", "training.steps: has no value"),
        ("train vqvae --optimizer.learning_rate fast", "optimizer.learning_rate: needs a number; 'fast' is none"),
        ("train vqvae --optimizer.learning_rate .inf", "optimizer.learning_rate: inf is too large a number"),
        ("train vqvae --optimizer.learning_rate .nan", "optimizer.learning_rate: must be 0 or more, not nan"),
        ("train vqvae --optimizer.betas [0.9,1.0]", "optimizer.betas: must be at least 0 and below 1, not 1.0"),
        ("train vqvae --model.quantizer EMAConfig --model.quantizer.decay 1", "model.quantizer.decay: must be"),
        ("train vqvae --model.quantizer LearnedCodebookConfig", "choose from EMAConfig, CodebookLossConfig, Cosine"),
        ("train vqvae --training 5", "training: holds settings of its own"),
        ("train vqvae --training.batch_size 9 --training.devices 2", "training.batch_size: 9 does not divide by 2"),
        ("train vqvae --loss.adversarial 1 --training.devices 2", "loss.adversarial: trains on one device"),
        ("train vqvae --loss.adversarial 1 --training.nodes 2", "loss.adversarial: trains on one device"),
        ("train vqvae --training.strategy fsdp", "training.strategy: no 'fsdp'; choose from 'auto', 'ddp'"),
        ("train vqvae --loss.lpips_network alex", "loss.lpips_network: has no effect while lpips is 0"),
        ("train vqvae --code_swaps 0.1", "code_swaps: has no effect without decoder_only"),
        ("train vqvae --decoder_only true", "decoder_only: needs init, the VQ-VAE whose encoder and codebook stay"),
        ("train vqvae --decoder_only true --init dmlab --code_swaps 2", "code_swaps: must be within 0 and 1, not 2"),
        ("train vqvae --training.accelerator gppu", "training.accelerator: no 'gppu'; choose from"),
        ("train predictor --targets 17", "targets: must be within 1 and 16, not 17"),
        ("train predictor --model '{init_args: {width: null}}'", "model.width: has no value"),
        ("train predictor --model '{class_path: null}'", "model: has no value"),
        ("train predictor --model LookupContextConfig", "choose from PatchPredictorConfig, RasterPredictorConfig"),
        ("record --source.engine_fps 0", "source.engine_fps: must be at least 1, not 0"),
        ("prep --merge_actions sum", "merge_actions: has no effect while frame_step is 1"),
        ("prep --address host:6379", "address: has no effect while engine is local"),
        (
            "prep --validation_fraction 0.6 --test_fraction 0.6",
            "validation_fraction + test_fraction: must be 1",
        ),
        ("prep --declare.action_names [a,b] --declare.action_sizes [2]", "declare.action_sizes: has no effect beside"),
        ("prep --fit round", "fit: no 'round'; choose from 'crop', 'letterbox', 'stretch'"),
        ("inspect --source x --store y", "store: has no effect beside source"),
        ("inspect --declare.fps 5", "declare: has no effect without source"),
        ("rollout --device gppu", "device: no 'gppu'; choose from auto, cpu, gpu, cuda, cuda:1 ..., mps"),
        ("rollout --temperature 0 --top_k 5", "top_k: has no effect while temperature is 0"),
        ("rollout --temperature 0 --samples 5", "samples: has no effect while temperature is 0"),
        ("rollout --no-decode --webm", "webm: has no effect without decode"),
        ("rollout --from_video a.mp4 --episode b", "episode: has no effect beside from_video"),
        ("rollout --out rollouts/..", "out: 'rollouts/..' names a folder"),
        ("play --port 70000", "port: must be within 0 and 65535, not 70000"),
        ("evaluate long --turn_action right", "turn_action: has no effect while turn_steps is 0"),
        ("demo --frames 30", "frames: must be at least 36, not 30"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused_at_once(
    words: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert named in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["train predictor", "rollout", "play"])
def test_devices_and_precisions_have_the_same_names_in_every_command(name: str) -> None:
    prefix = "--training." if name.startswith("train ") else "--"
    device = prefix + ("accelerator" if prefix != "--" else "device")
    found = []
    for precision, wanted in (("auto", "gpu"), ("32-true", "cpu"), ("bf16", "cuda"), ("bf16-mixed", "mps")):
        settings: Any = parsing.parse(COMMANDS[name].config, [f"{prefix}precision", precision, device, wanted])
        found.append(getattr(settings, "training", settings).precision)
    assert found[:2] == ["auto", "32-true"]
    assert prefix == "--" or found[2] == found[3], "a run continues whichever was given"


def test_an_evaluation_only_store_can_be_asked_for() -> None:
    config.PrepConfig(validation_fraction=0.0, test_fraction=1.0)


def test_settings_of_a_sampling_are_checked_alike() -> None:
    for changes in ({"temperature": math.nan}, {"top_p": math.nan}, {"guidance": -1.0}, {"top_k": -1}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            Sampling(**changes)  # type: ignore[arg-type]


def test_parts_may_be_made_of_anything_until_they_are_used() -> None:
    part = config.VQVAETrainingConfig(steps=0)
    with pytest.raises(ValueError, match=r"^training\.steps: must be at least 1, not 0$"):
        config.TrainVQVAEConfig(training=part)
    with pytest.raises(ValueError, match=r"^optimizer\.final_fraction: "):
        parsing.parse(config.TrainVQVAEConfig, ["--optimizer.final_fraction", "2"])


def test_there_is_one_temperature_for_looking() -> None:
    root = Path(__file__).parents[1]
    looking = {
        config.RolloutConfig().temperature,
        config.PlayConfig().temperature,
        parsing.read_config(config.RolloutConfig, root / "configs" / "rollout.yaml").temperature,
        signature(videovq.Model.predict).parameters["temperature"].default,
        signature(World).parameters["temperature"].default,
        float(
            re.findall(r"^TEMPERATURE = ([0-9.]+)", (root / "docs/examples/exported.py").read_text(), re.MULTILINE)[0]
        ),
    }
    assert looking == {config.LOOKING_TEMPERATURE}
    measuring = parsing.read_config(config.EvaluateConfig, root / "configs" / "evaluate.yaml").temperature
    assert measuring == config.EvaluateConfig().temperature == config.MEASURING_TEMPERATURE
