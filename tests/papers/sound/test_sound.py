"""The VQ-VAE of sound from end to end on tones: train, resume, prior, evaluate."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from videovq.cli import main
from videovq.config import EMAConfig, OptimizerConfig, TrainingConfig
from videovq.models.quantizers.contract import Quantizer
from videovq.papers.sound import prior_task as sound_prior
from videovq.papers.sound import task as sound
from videovq.papers.sound.config import (
    DilatedConfig,
    EvaluateSoundConfig,
    MakeSyllablesConfig,
    SoundConfig,
    TrainSoundConfig,
    TrainSoundPriorConfig,
)
from videovq.papers.sound.dilated import draw
from videovq.papers.sound.evaluate import evaluate
from videovq.papers.sound.folder import read_sound, write_wav
from videovq.papers.sound.model import SoundVQVAE, codes_of
from videovq.papers.sound.runs import load_sound, load_sound_prior
from videovq.papers.sound.syllables import make, spoken
from videovq.papers.sound.waves import to_levels
from videovq.training.task import TaskModule
from videovq.types import Sampling

pytestmark = pytest.mark.slow

RATE = 4000
SMALL = SoundConfig(
    hidden=16,
    code_dim=8,
    context=16,
    quantizer=EMAConfig(codebook_size=16, commitment=0.25, restart_below=0.02, start_after=20),
    decoder=DilatedConfig(width=24, skip=32, layers=6, cycle=6, hidden_part=0.5),
)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files in which three pitches follow each other at random, with a little noise."""
    folder = tmp_path_factory.mktemp("tones")
    generator = torch.Generator().manual_seed(0)
    for i in range(6):
        hertz = torch.tensor([250.0, 600.0, 1400.0])[torch.randint(3, (10,), generator=generator)]
        phase = 2 * math.pi * hertz.repeat_interleave(512).cumsum(0) / RATE
        write_wav(folder / f"{i}.wav", 0.4 * phase.sin() + 0.02 * torch.randn(5120, generator=generator), RATE)
    return folder


def train_config(tones: Path, run: Path, steps: int = 150) -> TrainSoundConfig:
    return TrainSoundConfig(
        source=str(tones),
        run=str(run),
        rate=RATE,
        window=512,
        model=SMALL,
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=5),
        training=TrainingConfig(
            steps=steps, batch_size=4, validate_every=100, checkpoint_every=10, precision="32-true", accelerator="cpu"
        ),
    )


@pytest.fixture(scope="session")
def sound_run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "sound"
    sound.train(train_config(tones, run))
    return run


def prior_config(tones: Path, sound_run: Path, run: Path) -> TrainSoundPriorConfig:
    return TrainSoundPriorConfig(
        source=str(tones),
        sound=str(sound_run),
        run=str(run),
        window=32,
        model=DilatedConfig(width=16, skip=16, layers=4, cycle=4),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=5),
        training=TrainingConfig(
            steps=100, batch_size=8, validate_every=50, checkpoint_every=50, precision="32-true", accelerator="cpu"
        ),
    )


@pytest.fixture(scope="session")
def prior_run(tones: Path, sound_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "sound_prior"
    sound_prior.train(prior_config(tones, sound_run, run))
    return run


def test_the_encoder_makes_64_samples_one_code_through_the_quantizers_contract() -> None:
    network = SoundVQVAE(SMALL).eval()
    levels = torch.randint(256, (2, 640), generator=torch.Generator().manual_seed(0))
    output = network(levels)
    assert isinstance(network.quantizer, Quantizer)
    assert output.nll.shape == (2, 640)
    assert torch.equal(network.encode(levels), output.quantizer.codes[:, 0])
    assert output.quantizer.codes.shape == (2, 1, 10)
    assert torch.allclose(network.nll(levels, network.encode(levels)), output.nll, atol=1e-5)
    assert len(codes_of(network, levels[0, :200])) == 3
    drawn = network.decode(network.encode(levels), torch.Generator().manual_seed(0))
    assert drawn.shape == levels.shape


def test_the_decoders_gradient_reaches_the_encoder() -> None:
    network = SoundVQVAE(SMALL)
    network(torch.randint(256, (2, 640))).nll.mean().backward()
    first = network.encoder[0].weight.grad
    assert first is not None
    assert float(first.abs().sum()) > 0


def test_what_was_learnt(tones: Path, sound_run: Path, prior_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    settings = EvaluateSoundConfig(
        source=str(tones), sound=str(sound_run), prior=str(prior_run), samples=2, seconds=0.5, out=str(out)
    )
    metrics = evaluate(settings)
    bits = metrics["bits_per_sample"]
    assert bits["with its codes"] < bits["unigram"] - 1.5
    assert bits["with its codes"] < bits["Markov"] - 0.5
    assert bits["with its codes"] < bits["with another moment's codes"]
    assert bits["uniform"] == 8
    assert metrics["bits_per_second_of_codes"] == RATE / 64 * 4
    assert metrics["bits_per_code"]["prior"] < metrics["bits_per_code"]["unigram"]
    spectra = {name: values["log_spectral_distance_db"] for name, values in metrics["spectra"].items()}
    assert spectra["mu-law copy"] < spectra["reconstruction"]
    for name in ("original_0", "reconstruction_0", "sample_0", "sample_1"):
        assert len(read_sound(out / f"{name}.wav", RATE)) == 1984
    assert (out / "spectrograms.png").is_file()
    page = (out / "report.html").read_text()
    assert "mu-law copy" in page and "Bits per code" in page and page.count("data:image/png;base64,") == 1
    with pytest.raises(ValueError, match="seconds: .* shortest recording"):
        evaluate(replace(settings, seconds=2.0))


def test_drawn_codes_follow_the_sampling_settings(
    tones: Path, sound_run: Path, prior_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def watched(*args: Any) -> Any:
        asked.append(args[4])
        return draw(*args)

    monkeypatch.setattr("videovq.papers.sound.evaluate.draw", watched)
    settings = EvaluateSoundConfig(source=str(tones), sound=str(sound_run), prior=str(prior_run), out=str(tmp_path))
    evaluate(replace(settings, shown=1, samples=1, seconds=0.1, temperature=0.5, top_k=3, top_p=0.9))
    assert asked == [Sampling(0.5, 3, 0.9)]


def test_any_folder_can_be_measured_and_a_changed_one_is_not_taken_for_the_same(
    tones: Path, sound_run: Path, tmp_path: Path
) -> None:
    write_wav(tmp_path / "mine.wav", read_sound(tones / "0.wav", RATE), RATE)
    settings = EvaluateSoundConfig(
        source=str(tmp_path), split="all", sound=str(sound_run), prior="", seconds=0.1, out=str(tmp_path / "out")
    )
    assert set(evaluate(settings)["bits_per_sample"]) == {"with its codes", "with another moment's codes", "uniform"}
    with pytest.raises(ValueError, match="source: other files than .* split all"):
        evaluate(replace(settings, split="test"))
    with pytest.raises(ValueError, match="source: .* holds other files"):
        sound_prior.train(prior_config(tmp_path, sound_run, tmp_path / "prior"))


def test_another_vqvaes_prior_is_refused(tones: Path, sound_run: Path, prior_run: Path, tmp_path: Path) -> None:
    sound.train(train_config(tones, tmp_path / "other", steps=1))
    settings = EvaluateSoundConfig(source=str(tones), sound=str(tmp_path / "other"), prior=str(prior_run))
    with pytest.raises(ValueError, match="prior: .* codes of another VQ-VAE"):
        evaluate(settings)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound.train(train_config(tones, tmp_path / "whole", steps=40))
    step = TaskModule.training_step

    def stop(module: TaskModule, batch: Any, batch_idx: int) -> Any:
        if module.global_step == 35:
            raise RuntimeError("the power is gone")
        return step(module, batch, batch_idx)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power"):
        patch.setattr(TaskModule, "training_step", stop)
        sound.train(train_config(tones, tmp_path / "stopped", steps=40))
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    sound.train(train_config(tones, tmp_path / "stopped", steps=40))
    assert (tmp_path / "stopped" / "logs" / "from-0000030").is_dir()
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]


def test_runs_rebuild_their_networks(tones: Path, sound_run: Path, prior_run: Path) -> None:
    trained, prior = load_sound(sound_run), load_sound_prior(prior_run)
    assert trained.rate == RATE
    assert prior.sound == trained.fingerprint
    assert prior.network.symbols == 16
    assert len(codes_of(trained.network, to_levels(read_sound(tones / "0.wav", RATE))).unique()) > 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["train", "sound", "--source", "no/such/folder"], "no/such/folder"),
        (["train", "sound", "--window", "100"], "window"),
        (["train", "sound", "--model.decoder.layers", "0"], "model.decoder"),
        (["train", "sound-prior", "--sound", "no/such/run"], "videovq train sound"),
        (["evaluate", "sound", "--sound", "no/such/run"], "no/such/run"),
        (["evaluate", "sound", "--temperature", "-1"], "temperature"),
        (["make", "syllables", "--files", "0"], "files"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert named in capsys.readouterr().err.splitlines()[0]
    assert list(tmp_path.iterdir()) == []


def test_syllables_depend_on_seed_and_speaker_alone_and_stay(tmp_path: Path) -> None:
    make(MakeSyllablesConfig(out=str(tmp_path), files=4, seconds=0.5, speakers=2))
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "speaker_0_0000.wav", "speaker_0_0002.wav", "speaker_1_0001.wav", "speaker_1_0003.wav"
    ]  # fmt: skip
    first = read_sound(tmp_path / "speaker_0_0000.wav", 8000)
    assert (first - torch.from_numpy(spoken(0, 0, 0, 0.5, 8000))).abs().max() <= 1 / 32768
    assert not torch.allclose(first, read_sound(tmp_path / "speaker_1_0001.wav", 8000))
    (tmp_path / "speaker_0_0000.wav").write_bytes(b"kept")
    make(MakeSyllablesConfig(out=str(tmp_path), files=4, seconds=0.5, speakers=2))
    assert (tmp_path / "speaker_0_0000.wav").read_bytes() == b"kept"
