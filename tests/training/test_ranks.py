"""Two processes that train together learn and measure what one does."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.conftest import predictor_config, stopped_at_a_checkpoint, vqvae_config
from tests.small import SMALL_PIXELCNN, SMALL_RASTER
from tests.training.line import Line, config_of
from videovq.config import CodebookLossConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.training import callbacks, loop, predictor, vqvae
from videovq.training.task import Metrics

pytestmark = pytest.mark.slow


class Measured(Line):
    """A line that notes what its validations find, and after which step."""

    def measure(self, network: nn.Module, batch: Tensor) -> tuple[Metrics, None]:
        return self.loss(network, batch)[1], None

    def callbacks(self, run: Path) -> list[Callback]:
        found: list[tuple[int, float]] = []

        class Note(Callback):
            def on_validation_end(self, trainer: Any, module: Any) -> None:
                found.append((trainer.global_step, float(trainer.callback_metrics["val/loss"])))
                Path(f"{run}-{trainer.global_rank}.json").write_text(json.dumps(found))

        return [Note()]


def line(folder: Path, devices: int) -> TrainVQVAEConfig:
    return config_of(folder, steps=8, batch_size=8, validate_every=4, devices=devices)


def predictors(store: CodeStore, folder: Path, devices: int) -> dict[str, TrainPredictorConfig]:
    """One of each context network and decoder, with heads that nothing is learnt by, parts, and averaged weights."""
    config = replace(predictor_config(store, folder, steps=3), context_noise=0.0, window=6, targets=6)
    config = replace(config, training=replace(config.training, batch_size=4, devices=devices, validate_every=3))
    every = {
        "patch": replace(config, model=replace(config.model, latent_loss=0.0, frame_attention=1,
                                               frame_attention_width=32, frame_attention_heads=2)),
        "raster": replace(config, model=replace(SMALL_RASTER, latent_loss=0.0),
                          training=replace(config.training, accumulate=2)),
        "pixelcnn": replace(config, model=SMALL_PIXELCNN,
                            optimizer=replace(config.optimizer, weight_average=0.9)),
    }  # fmt: skip
    return {name: replace(one, run=str(folder / name)) for name, one in every.items()}


def late(store: EpisodeStore, folder: Path, devices: int) -> TrainVQVAEConfig:
    """A VQ-VAE whose codebook begins to learn after some steps."""
    quantizer = CodebookLossConfig(codebook_size=16, start_after=2)
    config = vqvae_config(store, folder, steps=4, quantizer=quantizer)
    return replace(config, training=replace(config.training, devices=devices, validate_every=4))


def work(rank: int, folder: str, episodes: str, codes: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0"}  # as torchrun does
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    here = Path(folder)
    loop.fit(Measured(line(here / "line", 2), lambda: None, 2))
    stopped = line(here / "stopped", 2)
    with stopped_at_a_checkpoint():
        loop.fit(Measured(stopped, lambda: None, 2))
    loop.fit(Measured(stopped, lambda: None, 2))
    for config in predictors(CodeStore(codes), here, 2).values():
        predictor.train(config)
    if rank:
        callbacks.write_png = None  # type: ignore[assignment]
    vqvae.train(late(EpisodeStore(episodes), here / "late", 2))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(episode_store: EpisodeStore, code_store: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(folder), str(episode_store), str(code_store)), nprocs=2)
    return folder


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "model.safetensors")


def check_close(found: Path, expected: Path) -> None:
    one, other = weights(found), weights(expected)
    assert one.keys() == other.keys()
    first, second = (torch.cat([z[name].flatten().float() for name in one]) for z in (one, other))
    assert (first - second).norm() < 3e-3 * second.norm(), "other batches move them by some percent"


def test_validations_are_shared_by_weight_and_come_by_steps(ranks: Path, tmp_path: Path) -> None:
    loop.fit(Measured(line(tmp_path / "line", 1), lambda: None, 2))
    alone = json.loads((tmp_path / "line-0.json").read_text())
    for rank in (0, 1):
        found = json.loads((ranks / f"line-{rank}.json").read_text())
        assert [step for step, _ in found] == [step for step, _ in alone] == [4, 8]
        assert [value for _, value in found] == pytest.approx([value for _, value in alone], rel=1e-4)
    check_close(ranks / "line", tmp_path / "line")


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(ranks: Path) -> None:
    one, other = ((ranks / name / "model.safetensors").read_bytes() for name in ("line", "stopped"))
    assert one == other


def test_the_union_of_their_batches_teaches_every_predictor_the_same(
    ranks: Path, code_store: CodeStore, tmp_path: Path
) -> None:
    for name, config in predictors(code_store, tmp_path, 1).items():
        predictor.train(config)
        check_close(ranks / name, tmp_path / name)


def test_a_codebook_that_begins_later_learns_on_both(ranks: Path) -> None:
    found = weights(ranks / "late")
    assert all(value.isfinite().all() for value in found.values())
    assert found["quantizer.initialised"] and found["quantizer.updates"] == 4
    assert (ranks / "late" / "reconstructions.png").is_file(), "drawn by the first of them alone"
