"""The prior of single frames and the second stage learn what a small world of patterns has to teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_resume import EMA, INTERVALS, STEPS, check_resumes
from videovq.config import EMAConfig, OptimizerConfig, TrainingConfig
from videovq.data.folders import open_folder
from videovq.data.store import CodeStore, StoreHeader, write_shard
from videovq.models.sampling import gumbel
from videovq.papers.config import PixelCNNConfig
from videovq.papers.single_frames import prior_task as prior
from videovq.papers.single_frames import second_stage_task as second_stage
from videovq.papers.single_frames.config import SecondStageConfig, TrainPriorConfig, TrainSecondStageConfig
from videovq.papers.single_frames.evaluate_second_stage import bits
from videovq.papers.single_frames.runs import load_prior, load_second_stage
from videovq.storage import write_tensors
from videovq.types import ActionSpec, EpisodeInfo

pytestmark = pytest.mark.slow

SIZE, FRAMES = 12, 96
SMALL = PixelCNNConfig(width=32, embedding=16, decoder_layers=2)


def store_of_patterns(path: Path, frames: int) -> CodeStore:
    """Frames of 6x6 codes, each one of eight patterns, four to a level, with a twentieth of the codes changed."""
    generator = torch.Generator().manual_seed(0)
    every = torch.randint(SIZE, (8, 6, 6), generator=generator)
    folder = open_folder(path)
    for shard, split in enumerate(("train", "val", "test")):
        which = torch.cat([torch.randint(4, (frames,), generator=generator) + 4 * level for level in (0, 1)])
        codes = every[which]
        changed = torch.rand(codes.shape, generator=generator) < 0.05
        codes = torch.where(changed, torch.randint(SIZE, codes.shape, generator=generator), codes)
        infos = [
            EpisodeInfo(f"{split}/{name}", split, shard, i * frames, frames, name, "", "")
            for i, name in enumerate("ab")
        ]
        actions = torch.empty((len(codes), 0), dtype=torch.int64)
        write_shard(folder, shard, {"codes": codes.short(), "actions": actions}, infos)
    write_tensors(folder.path / "codebook.safetensors", {"codebook": torch.randn(SIZE, 4, generator=generator)})
    StoreHeader("codes", (6, 6), 1.0, ActionSpec("none"), "", 3, {}, SIZE, "of nobody").write(folder)
    return CodeStore(folder.path)


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> CodeStore:
    return store_of_patterns(tmp_path_factory.mktemp("codes"), FRAMES)


def training(steps: int) -> TrainingConfig:
    return TrainingConfig(
        steps=steps, batch_size=16, validate_every=steps, checkpoint_every=steps, precision="32-true", accelerator="cpu"
    )


QUICK = OptimizerConfig(learning_rate=1e-2, warmup_steps=5)


def prior_config(store: CodeStore, run: Path, steps: int = 200) -> TrainPriorConfig:
    return TrainPriorConfig(
        store=str(store), run=str(run), model=SMALL, optimizer=QUICK, training=training(steps), level_dropout=0.3
    )


def second_stage_config(store: CodeStore, run: Path, steps: int = 200) -> TrainSecondStageConfig:
    model = SecondStageConfig(
        latents=2, code_dim=8, quantizer=EMAConfig(codebook_size=16, commitment=0.25, restart_below=0.02), decoder=SMALL
    )
    return TrainSecondStageConfig(
        store=str(store), run=str(run), model=model, optimizer=QUICK, training=training(steps)
    )


def frames_of(store: CodeStore, level: str) -> torch.Tensor:
    (info,) = (info for info in store.split("test") if info.level == level)
    return store.read(info).codes


@torch.no_grad()
def test_a_prior_learns_which_frames_a_level_has(patterns: CodeStore, tmp_path: Path) -> None:
    prior.train(prior_config(patterns, tmp_path / "run"))
    trained = load_prior(tmp_path / "run")
    assert (trained.levels, trained.vqvae) == (["a", "b"], "of nobody")
    for number, level in enumerate("ab"):
        codes = frames_of(patterns, level)
        told, wrongly, untold = (
            float(trained.network(codes, torch.full((FRAMES,), n)).sum((1, 2)).mean() / torch.tensor(2.0).log())
            for n in (number, 1 - number, trained.network.any_level)
        )
        assert told + 0.5 < untold < wrongly, "one of two levels is one bit of a frame"
        assert told / 36 < 2.5, "against 3.6 bits of a code drawn evenly"
    noise = gumbel((40, 6, 6, SIZE), torch.Generator().manual_seed(0))
    drawn = trained.network.draw(torch.arange(2).repeat_interleave(20), noise)
    alike = [(drawn[:, None] == frames_of(patterns, level)[None]).float().mean((2, 3)).amax(1) for level in "ab"]
    closer = ((alike[0] > alike[1]) == (torch.arange(40) < 20)).float().mean()
    assert closer > 0.8, "drawn frames are of their level"


def test_a_second_stage_uses_its_latents(patterns: CodeStore, tmp_path: Path) -> None:
    second_stage.train(second_stage_config(patterns, tmp_path / "run"))
    network = load_second_stage(tmp_path / "run").network
    codes = torch.cat([frames_of(patterns, level) for level in "ab"])
    latents = network.encode(codes)
    other = latents[torch.randperm(len(latents), generator=torch.Generator().manual_seed(0))]
    assert bits(network, codes, latents, "") < 0.8 * bits(network, codes, other, "")
    generator = torch.Generator().manual_seed(0)
    again = network.decode(latents, gumbel((len(codes), 6, 6, SIZE), generator))
    assert (again == codes).float().mean() > 0.3, "a code in twelve is right by chance"
    drawn = network.draw_latents(200, generator)
    known = {tuple(one) for one in latents.tolist()}
    found = sum(tuple(one) in known for one in drawn.tolist())
    assert found > 2 * 200 * len(known) / 16**2, "its prior draws latents that frames have, more often than chance"
    chances = torch.cartesian_prod(torch.arange(16), torch.arange(16))
    with torch.no_grad():
        assert float((-network.prior.nll(chances).sum(1)).exp().sum()) == pytest.approx(1, abs=1e-4)


def test_settings_that_cannot_work_are_refused(patterns: CodeStore, tmp_path: Path) -> None:
    run = tmp_path / "run"
    base, second = prior_config(patterns, run), second_stage_config(patterns, run)
    with pytest.raises(ValueError, match="level_dropout"):
        prior.train(replace(base, level_dropout=1.5))
    with pytest.raises(ValueError, match="attention_every"):
        prior.train(replace(base, model=replace(SMALL, attention_every=3)))
    with pytest.raises(ValueError, match="four times heads"):
        prior.train(replace(base, model=replace(SMALL, attention_every=1, heads=3)))
    with pytest.raises(ValueError, match="latents: must be at least 1"):
        second_stage.train(replace(second, model=replace(second.model, latents=0)))
    with pytest.raises(ValueError, match="code_dropout"):
        second_stage.train(replace(second, model=replace(second.model, code_dropout=1.0)))
    assert not run.exists()


def test_episodes_of_one_frame_are_learnt_from(tmp_path: Path) -> None:
    store = store_of_patterns(tmp_path, 1)
    prior.train(prior_config(store, tmp_path / "run", steps=1))


def test_another_kind_of_run_is_named(vqvae_run: Path) -> None:
    with pytest.raises(ValueError, match=f"^{vqvae_run}: is a run of a VQ-VAE; give it as --vqvae$"):
        load_prior(vqvae_run)


SHORT = TrainingConfig(steps=STEPS, batch_size=8, precision="32-true", accelerator="cpu", **INTERVALS)
ATTENTIVE = PixelCNNConfig(width=16, embedding=8, decoder_layers=3, attention_every=2, heads=2)


def test_a_prior_cut_off_ends_as_an_uninterrupted_one(code_store: CodeStore, tmp_path: Path) -> None:
    config = TrainPriorConfig(
        store=str(code_store), run=str(tmp_path), model=ATTENTIVE, optimizer=OptimizerConfig(), training=SHORT
    )
    check_resumes(prior.train, config, tmp_path, "train/bits_per_code")


def test_a_second_stage_cut_off_ends_as_an_uninterrupted_one(code_store: CodeStore, tmp_path: Path) -> None:
    model = SecondStageConfig(code_dim=8, quantizer=EMA, decoder=ATTENTIVE)
    config = TrainSecondStageConfig(
        store=str(code_store), run=str(tmp_path), model=model, optimizer=OptimizerConfig(), training=SHORT
    )
    check_resumes(second_stage.train, config, tmp_path, "train/bits_per_latent")
