"""What a training leaves behind, and what training refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import predictor_config, prep_config, vqvae_config, write_episode
from videovq.config import (
    CodebookLossConfig,
    CosineConfig,
    EMAConfig,
    FSQConfig,
    LossConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
)
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.reconstruction import reconstruction
from videovq.parsing import read_config
from videovq.prep.prepare import prepare
from videovq.runs import load_predictor, load_vqvae
from videovq.training import predictor, vqvae
from videovq.training.corruption import add_noise, drop_actions
from videovq.training.similar import SimilarCodes, similar_codes


def test_run_directory(vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore) -> None:
    for run, pictures in ((vqvae_run, ["curves.png", "reconstructions.png"]), (predictor_run, ["curves.png"])):
        for name in [*pictures, "config.yaml", "model.safetensors"]:
            assert (run / name).stat().st_size > 0, name
        assert list(run.glob("logs/*/metrics.csv"))
        for name in pictures:
            assert iio.imread(run / name).std() > 5, f"{name} shows something"
    assert read_config(TrainVQVAEConfig, vqvae_run / "config.yaml") == vqvae_config(episode_store, vqvae_run)


def test_a_vqvae_learns_and_loads_to_what_it_was(vqvae_run: Path, episode_store: EpisodeStore) -> None:
    trained = load_vqvae(vqvae_run)
    assert trained.fingerprint == load_vqvae(vqvae_run).fingerprint
    assert trained.frame_size == episode_store.header.grid
    found = reconstruction(trained.network, episode_store, "test")
    assert len(found.psnr) == 80
    frames = torch.cat([episode_store.read(info).frames for info in episode_store.split("test")]).double()
    flat = 20 * np.log10(255) - 10 * np.log10(float(frames.var()))
    assert found.psnr.mean() > flat + 2, "better than a picture of the mean colour"
    assert 1 < found.perplexity <= found.codes_used <= 32


def test_predictor_remembers_its_data(predictor_run: Path, code_store: CodeStore) -> None:
    trained = load_predictor(predictor_run)
    assert trained.action_spec == code_store.header.action_spec
    assert trained.vqvae == code_store.header.fingerprint
    assert torch.equal(trained.network.codebook, code_store.codebook)


def test_a_run_of_another_kind_is_named(vqvae_run: Path, predictor_run: Path) -> None:
    for load, run, said in (
        (load_vqvae, predictor_run, "is a run of a predictor; give it as --predictor"),
        (load_predictor, vqvae_run, "is a run of a VQ-VAE; give it as --vqvae"),
    ):
        with pytest.raises(ValueError, match=f"^{run}: {said}$"):
            load(run)


def test_unfinished_and_missing_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such run"):
        load_vqvae(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="not finished"):
        load_predictor(tmp_path)


def test_settings_that_cannot_work_are_refused_before_anything_is_written(
    episode_store: EpisodeStore, code_store: CodeStore, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(ValueError, match="downsamplings"):
        vqvae.train(vqvae_config(episode_store, run, downsamplings=4))
    with pytest.raises(ValueError, match="window"):
        predictor.train(replace(predictor_config(code_store, run), window=41))
    with pytest.raises(ValueError, match="context_noise"):
        predictor.train(replace(predictor_config(code_store, run), context_noise=0.9))
    with pytest.raises(ValueError, match="action_dropout"):
        predictor.train(replace(predictor_config(code_store, run), action_dropout=1.5))
    for targets in (0, 11):
        with pytest.raises(ValueError, match="targets"):
            predictor.train(replace(predictor_config(code_store, run), targets=targets))
    assert not run.exists()


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_other_loggers(
    logger: str, episode_store: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    config = vqvae_config(episode_store, tmp_path / "run", steps=2)
    vqvae.train(replace(config, training=replace(config.training, logger=logger, validate_every=2)))  # type: ignore[arg-type]
    pattern = {"wandb": "wandb/offline-run-*/*.wandb", "tensorboard": "logs/*/events.*"}[logger]
    assert list((tmp_path / "run").glob(pattern))


def test_a_part_of_the_windows_is_trained_without_actions() -> None:
    torch.manual_seed(0)
    actions = torch.arange(400).repeat_interleave(5).view(400, 5, 1)
    dropped = drop_actions(actions, 0.25)
    hidden = (dropped == -1).flatten(1)
    assert (hidden.all(1) | ~hidden.any(1)).all(), "all of a window's actions or none"
    assert 0.18 < hidden.float().mean() < 0.32
    assert torch.equal(dropped[~hidden.any(1)], actions[~hidden.any(1)])
    assert drop_actions(torch.rand(4, 5, 2), 1.0).isnan().all()
    assert torch.equal(drop_actions(actions, 0.0), actions)


def test_noise_replaces_about_the_part_asked_for_by_similar_codes() -> None:
    codebook = torch.arange(20.0)[:, None].repeat(1, 2)
    similar = similar_codes(codebook, torch.arange(20))
    assert set(similar[10].tolist()) == {6, 7, 8, 9, 11, 12, 13, 14}
    torch.manual_seed(0)
    codes = torch.full((200, 4, 6, 6), 10)
    changed, _ = add_noise(codes, SimilarCodes(codebook), 0.1)
    assert 0.08 < (changed != codes).float().mean() < 0.12
    assert (changed - codes).abs().max() <= 4


def test_training_against_a_discriminator(episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path / "run", steps=60)
    loss = LossConfig(pixels="l1", ssim=0.5, adversarial=0.5, adversarial_after=20, discriminator_width=8)
    config = replace(config, loss=loss, training=replace(config.training, validate_every=60, checkpoint_every=20))
    vqvae.train(config)
    rows = (tmp_path / "run" / "logs" / "from-0000000" / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("train/discriminator")
    logged = [row.split(",")[column] for row in rows[1:]]
    assert any(logged), "the discriminator joins"
    assert not logged[0], "but not before it should"
    state = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 60, "a step of both networks counts once"
    assert not any("discriminator" in name for name in load_file(tmp_path / "run" / "model.safetensors"))
    assert load_vqvae(tmp_path / "run").network.encode(torch.zeros(1, 3, 24, 24)).shape == (1, 6, 6)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"loss": LossConfig(adversarial_after=5)}, "loss.adversarial_after: has no effect"),
        ({"loss": LossConfig(lpips_network="alex")}, "loss.lpips_network: has no effect"),
        ({"init": "nobody"}, "init: no vqvae called 'nobody'"),
        ({"model": VQVAEConfig(quantizer=FSQConfig(levels=[8, 2]))}, "levels"),
    ],
)
def test_vqvae_settings_that_cannot_work(
    changes: dict[str, object], named: str, episode_store: EpisodeStore, tmp_path: Path
) -> None:
    config = vqvae_config(episode_store, tmp_path / "run")
    with pytest.raises(ValueError, match=named):
        vqvae.train(replace(config, **changes))  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", [EMAConfig, CodebookLossConfig, CosineConfig])
def test_episodes_of_a_single_colour(kind: type, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for i in range(9):
        frames = np.full((40, 24, 24, 3), (200, 30, 90), dtype=np.uint8)
        split = {"split": "test"} if i == 0 else {}
        write_episode(tmp_path / "videos", f"episode_{i}", frames, [0] * 40, **split)
    store = prepare(prep_config(tmp_path / "videos", tmp_path / "store", validation_fraction=0.5))
    vqvae.train(
        vqvae_config(
            store, tmp_path / "run", steps=120, quantizer=kind(codebook_size=32, commitment=0.25, restart_below=0.02)
        )
    )
    found = reconstruction(load_vqvae(tmp_path / "run").network, store, "test")
    assert found.psnr.mean() > 25
    assert torch.isfinite(load_file(tmp_path / "run" / "model.safetensors")["quantizer.codebook"]).all()
