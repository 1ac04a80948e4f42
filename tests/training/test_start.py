"""Trainings that start from the weights of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import predictor_config, vqvae_config
from videovq.config import EMAConfig, PackConfig, TrainPredictorConfig, TrainVQVAEConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.models.build import build_predictor
from videovq.models.vqvae import VQVAE
from videovq.pack import pack
from videovq.parsing import parse
from videovq.runs import WEIGHTS, load_predictor, load_vqvae, read_facts
from videovq.training import predictor, vqvae
from videovq.training.start import predictor_starts, vqvae_starts
from videovq.types import ActionSpec


def unmoved(config: TrainVQVAEConfig, init: Path | str) -> TrainVQVAEConfig:
    """A training of one step that changes no weights."""
    still = replace(config.optimizer, learning_rate=0.0)
    return replace(config, init=str(init), optimizer=still, training=replace(config.training, validate_every=1))


def test_a_vqvae_starts_from_a_run_and_remembers_it(
    vqvae_run: Path, episode_store: EpisodeStore, tmp_path: Path
) -> None:
    vqvae.train(unmoved(vqvae_config(episode_store, tmp_path / "run", steps=1), vqvae_run))
    found, given = (load_file(run / WEIGHTS)["encoder.0.weight"] for run in (tmp_path / "run", vqvae_run))
    assert torch.equal(found, given)
    remembered = read_facts(tmp_path / "run")["init"]
    assert remembered == {"name": vqvae_run.name, "fingerprint": load_vqvae(vqvae_run).fingerprint}
    pack(PackConfig(str(tmp_path / "run"), out=str(tmp_path / "world")))
    assert f"`{vqvae_run.name}` ({remembered['fingerprint'][:12]})" in (tmp_path / "world" / "README.md").read_text()


def test_a_predictor_starts_from_a_run_and_a_packed_world(
    predictor_run: Path, code_store: CodeStore, tmp_path: Path
) -> None:
    pack(PackConfig(str(predictor_run), out=str(tmp_path / "world.zip")))
    config = predictor_config(code_store, tmp_path / "run", steps=1)
    still = replace(config.optimizer, learning_rate=0.0, weight_decay=0.0)
    config = replace(config, optimizer=still, init=str(tmp_path / "world.zip"))
    predictor.train(config)
    ours, theirs = (load_file(run / WEIGHTS) for run in (tmp_path / "run", predictor_run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert read_facts(tmp_path / "run")["init"]["name"] == "world"
    with pytest.raises(ValueError, match=r"other settings \(init: .*world.zip -> .*\)"):
        predictor.train(replace(config, init=str(predictor_run)))


def build(config: TrainPredictorConfig, store: CodeStore) -> torch.nn.Module:
    return build_predictor(config.model, store.header.action_spec, store.header.grid, store.codebook)


def test_another_architecture_is_refused_by_the_first_field_that_differs(
    vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore, code_store: CodeStore, tmp_path: Path
) -> None:
    for change, named in (
        ({"code_dim": 4}, r"\(model.code_dim: 8 -> 4\)"),
        ({"quantizer": EMAConfig(codebook_size=64)}, r"\(model.quantizer.codebook_size: 32 -> 64\)"),
    ):
        config = replace(vqvae_config(episode_store, tmp_path / "run", **change), init=str(vqvae_run))
        with pytest.raises(ValueError, match=f"^init: .*another architecture {named}; set it as it is there, or leave"):
            vqvae.train(config)
    config = replace(predictor_config(code_store, tmp_path / "run"), init=str(predictor_run))
    for name, named in (("width", "16 -> 32"), ("heads", "2 -> 1")):  # heads leave all shapes as they are
        other = replace(config.model, **{name: int(named.split()[-1])})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=rf"^init: .* another architecture \(model.{name}: {named}\)"):
            predictor.train(replace(config, model=other))
    assert not (tmp_path / "run").exists()


def test_a_predictor_goes_on_with_parts_that_begin_as_nothing(
    predictor_run: Path, code_store: CodeStore, tmp_path: Path
) -> None:
    config = predictor_config(code_store, tmp_path / "run", steps=1)
    model = replace(config.model, frame_attention=1, frame_attention_width=32, corruption_levels=3)  # type: ignore[arg-type]
    still = replace(config.optimizer, learning_rate=0.0, weight_decay=0.0)
    predictor.train(replace(config, model=model, optimizer=still, init=str(predictor_run)))
    grown, before = (load_predictor(run).network for run in (tmp_path / "run", predictor_run))
    assert {name.split(".")[0] for name in set(grown.state_dict()) - set(before.state_dict())} == {
        "corruption",
        "context",
    }
    info = code_store.split("val")[0]
    episode = code_store.read(info, 0, info.length)
    with torch.no_grad():
        ours, theirs = (network(episode.codes[None], episode.actions[None]).nll for network in (grown, before))
    assert torch.allclose(ours, theirs, atol=1e-5)
    with pytest.raises(ValueError, match=r"another architecture \(model.corruption_levels: 3 -> 1\)"):
        predictor.train(replace(config, run=str(tmp_path / "back"), init=str(tmp_path / "run")))


def test_how_it_learns_may_differ_and_statistics_of_the_data_stay(vqvae_run: Path, episode_store: EpisodeStore) -> None:
    config = vqvae_config(episode_store, vqvae_run).model
    config = replace(config, quantizer=replace(config.quantizer, restart_below=0.5, commitment=2.0))  # type: ignore[call-arg]
    network = VQVAE(config, 0.125)
    vqvae_starts(network, config, str(vqvae_run))
    assert network.data_variance == 0.125
    assert torch.equal(network.quantizer.codebook, load_vqvae(vqvae_run).network.quantizer.codebook)


def test_codes_of_another_vqvae_and_other_actions_are_refused(predictor_run: Path, code_store: CodeStore) -> None:
    config = predictor_config(code_store, predictor_run)
    store = CodeStore(str(code_store))
    network, header = build(config, store), store.header
    store.header = replace(header, fingerprint="another")
    with pytest.raises(
        ValueError, match="^init: .* codes of another VQ-VAE than .*encode the episodes with its VQ-VAE"
    ):
        predictor_starts(network, config.model, store, str(predictor_run))
    store.header = replace(header, action_spec=ActionSpec("discrete", (3,), ("stay", "up", "down")))
    with pytest.raises(ValueError, match=r"knows other actions \(discrete stay left right\) than .*stay up down"):
        predictor_starts(network, config.model, store, str(predictor_run))


def test_what_is_no_start(predictor_run: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    config = vqvae_config(episode_store, tmp_path / "run")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.yaml").write_text("run: a\n")
    for init, said in (
        ("nobody", "init: no vqvae called 'nobody'; choose from: dmlab, dmlab-small, vizdoom; or give the path"),
        (str(predictor_run), "is a run of a predictor"),
        (str(tmp_path / "unfinished"), "its training is not finished"),
    ):
        with pytest.raises(ValueError, match=said):
            vqvae.train(replace(config, init=init))
    assert not (tmp_path / "run").exists()


def test_the_earlier_name_of_init_is_taken(tmp_path: Path) -> None:
    assert parse(TrainVQVAEConfig, ["--pretrained", "dmlab"]).init == "dmlab"
    file = tmp_path / "c.yaml"
    file.write_text("pretrained: dmlab\n")
    assert parse(TrainVQVAEConfig, ["--config", str(file)]).init == "dmlab"
    file.write_text("pretrained: dmlab\ninit: vizdoom\n")
    with pytest.raises(ValueError, match=f"{file}: pretrained is what init was called earlier; give one of the two"):
        parse(TrainVQVAEConfig, ["--config", str(file)])
