"""What lets a training grow computes the same steps: parts of a batch, recomputed layers, several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.estimate import estimate
from tests.conftest import PATIENCE, predictor_config
from videovq.config import TrainPredictorConfig
from videovq.data.store import CodeStore
from videovq.models.build import build_predictor
from videovq.parsing import to_yaml
from videovq.training import predictor
from videovq.training.activation_checkpointing import recompute_activations

pytestmark = pytest.mark.slow


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


@pytest.fixture(scope="module")
def plain(code_store: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> TrainPredictorConfig:
    """A short training on whole batches, by one process, without random draws of its own."""
    config = predictor_config(code_store, tmp_path_factory.mktemp("plain") / "run", steps=8)
    config = replace(config, context_noise=0.0, targets=config.window)
    predictor.train(config)
    return config


def check_same(plain: TrainPredictorConfig, run: str) -> None:
    whole, other = weights(Path(plain.run)), weights(Path(run))
    assert whole.keys() == other.keys()
    start = build_predictor(plain.model, *_kind(plain))
    for name, value in whole.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")
    assert any(not torch.equal(value, whole[name]) for name, value in start.state_dict().items()), "it learned"


def _kind(config: TrainPredictorConfig):
    store = CodeStore(config.store)
    return store.header.action_spec, store.header.grid, store.codebook


def test_a_batch_in_parts_gives_the_same_steps(plain: TrainPredictorConfig, tmp_path: Path) -> None:
    settings = replace(plain.training, accumulate=2)
    predictor.train(replace(plain, run=str(tmp_path / "run"), training=settings))
    check_same(plain, str(tmp_path / "run"))


def test_recomputed_activations_give_the_same_steps_and_keep_less(plain: TrainPredictorConfig, tmp_path: Path) -> None:
    settings = replace(plain.training, recompute=True)
    predictor.train(replace(plain, run=str(tmp_path / "run"), training=settings))
    check_same(plain, str(tmp_path / "run"))
    spec, grid, codebook = _kind(plain)

    def kept(recompute: bool) -> int:
        def build() -> torch.nn.Module:
            network = build_predictor(plain.model, spec, grid, torch.zeros(codebook.shape))
            if recompute:
                recompute_activations(network)
            return network

        def loss(network: torch.nn.Module) -> torch.Tensor:
            return network(torch.zeros(2, 10, *grid, dtype=torch.int64), torch.zeros(2, 10, 1, dtype=torch.int64)).loss

        return estimate(build, loss, False).activation_bytes

    assert kept(True) < 0.8 * kept(False)


def test_two_processes_equal_one_on_the_union_of_their_batches(plain: TrainPredictorConfig, tmp_path: Path) -> None:
    settings = replace(plain.training, devices=2, strategy="ddp")
    config = replace(plain, run=str(tmp_path / "run"), training=settings)
    (tmp_path / "c.yaml").write_text(to_yaml(config))
    command = [sys.executable, "-m", "videovq.cli", "train", "predictor", "--config", str(tmp_path / "c.yaml")]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    check_same(plain, config.run)
    assert not list(Path(config.run).glob("*.partial"))


def test_the_estimate_counts_what_is_there(plain: TrainPredictorConfig) -> None:
    spec, grid, codebook = _kind(plain)

    def made(width: int, frames: int):
        def loss(network: torch.nn.Module) -> torch.Tensor:
            return network(torch.zeros(1, frames, *grid, dtype=torch.int64), torch.zeros(1, frames, 1).long()).loss

        def build() -> torch.nn.Module:
            return build_predictor(replace(plain.model, width=width), spec, grid, torch.zeros(codebook.shape))

        return estimate(build, loss, False)

    small, longer, wider = made(16, 5), made(16, 10), made(32, 5)
    real = build_predictor(plain.model, spec, grid, codebook)
    assert small.parameters == sum(p.numel() for p in real.parameters())
    assert 1.9 < longer.flops / small.flops < 2.3
    assert 1.9 < longer.activation_bytes / small.activation_bytes < 2.3
    assert wider.parameters > 1.5 * small.parameters and wider.flops > 1.5 * small.flops


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"strategy": "ddp"}, "training.strategy"),
        ({"strategy": "fsdp", "devices": 2}, "training.strategy"),
        ({"accumulate": 3}, "training.batch_size"),
    ],
)
def test_settings_that_cannot_work(
    change: dict[str, object], word: str, plain: TrainPredictorConfig, tmp_path: Path
) -> None:
    if torch.cuda.is_available() and "fsdp" in change.values():
        pytest.skip("there are GPUs")
    training = replace(plain.training, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=word):
        predictor.train(replace(plain, run=str(tmp_path / "run"), training=training))
