from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import run_and_kill, vqvae_config
from videovq.config import EncodeConfig, LFQConfig, VQVAEConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.runs import load_vqvae
from videovq.training import vqvae
from videovq.training.encode import encode, encode_store, mirrored_actions
from videovq.types import ActionSpec


def config(store: EpisodeStore, run: Path, out: Path) -> EncodeConfig:
    return EncodeConfig(store=str(store), vqvae=str(run), out=str(out))


def test_codes_are_the_encoders_and_actions_are_kept(
    episode_store: EpisodeStore, code_store: CodeStore, vqvae_run: Path
) -> None:
    trained = load_vqvae(vqvae_run)
    assert [e.id for e in code_store.episodes] == [e.id for e in episode_store.episodes]
    for info in code_store.episodes[::4]:
        pixels, codes = episode_store.read(info), code_store.read(info)
        with torch.no_grad():
            assert torch.equal(codes.codes, trained.network.encode(to_float(pixels.frames)))
        assert torch.equal(codes.actions, pixels.actions)
    assert code_store.header.fingerprint == trained.fingerprint
    assert code_store.header.grid == (6, 6)
    assert torch.equal(code_store.codebook, trained.network.quantizer.codebook)


def test_codes_of_a_large_codebook_are_the_encoders(episode_store: EpisodeStore, tmp_path: Path) -> None:
    network = VQVAE(VQVAEConfig(hidden=8, residual_hidden=4, code_dim=16, quantizer=LFQConfig(codebook_size=2**16)))
    network.eval()
    network.encoder[-1].bias.data.fill_(100)  # every sign is plus: the last code
    found = encode_store(episode_store, network, "large", str(tmp_path / "codes"), 100, None, {}, torch.device("cpu"))
    info = found.episodes[0]
    assert found.read(info).codes.unique().tolist() == [65535]
    assert found.codes(torch.tensor([[info.shard, info.start + 2]])).unique().tolist() == [65535]


def test_killed_and_continued_equals_uninterrupted(
    episode_store: EpisodeStore, code_store: CodeStore, vqvae_run: Path, tmp_path: Path
) -> None:
    settings = config(episode_store, vqvae_run, tmp_path / "out")
    words = ["--store", settings.store, "--vqvae", settings.vqvae, "--out", settings.out, "--batch_size", "1"]
    run_and_kill(["encode", *words], tmp_path / "out" / "shard-00000.json")
    assert not (tmp_path / "out" / "store.json").exists(), "killed half-way"
    encode(settings)
    for path in code_store.folder.path.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_store_of_several_kinds_of_devices_says_so(
    episode_store: EpisodeStore, vqvae_run: Path, tmp_path: Path
) -> None:
    settings, out = config(episode_store, vqvae_run, tmp_path / "out"), tmp_path / "out"
    assert "devices" not in encode(settings).header.provenance["encoded"]
    for first, expected in (({"device": "cuda"}, ["cpu", "cuda"]), ({}, None)):  # earlier versions did not say
        (out / "store.json").unlink()
        shard = json.loads((out / "shard-00000.json").read_text())
        shard.pop("device")
        (out / "shard-00000.json").write_text(json.dumps({**shard, **first}))
        assert encode(settings).header.provenance["encoded"].get("devices") == expected
    assert len(CodeStore(out).episodes) == len(episode_store.episodes)


def test_codes_of_another_vqvae_are_refused(episode_store: EpisodeStore, code_store: CodeStore, tmp_path: Path) -> None:
    vqvae.train(vqvae_config(episode_store, tmp_path / "other", steps=2))
    with pytest.raises(ValueError, match="another VQ-VAE"):
        encode(config(episode_store, tmp_path / "other", code_store.folder.path))


def test_mirrored_episodes_are_a_world_of_their_own(
    episode_store: EpisodeStore, code_store: CodeStore, vqvae_run: Path, tmp_path: Path
) -> None:
    settings = replace(config(episode_store, vqvae_run, tmp_path / "out"), mirror=True)
    found = encode(settings)
    network = load_vqvae(vqvae_run).network
    train = [e.id for e in code_store.split("train")]
    assert sorted(e.id for e in found.split("train")) == sorted([*train, *(f"{id_}~mirrored" for id_ in train)])
    for split in ("val", "test"):
        assert [e.id for e in found.split(split)] == [e.id for e in code_store.split(split)]
    for id_ in train[::3]:
        pixels, plain = episode_store.read(episode_store.find(id_)), found.read(found.find(id_))
        twin = found.read(found.find(f"{id_}~mirrored"))
        assert torch.equal(plain.codes, code_store.read(code_store.find(id_)).codes)
        with torch.no_grad():
            assert torch.equal(twin.codes, network.encode(to_float(pixels.frames.flip(2))))
        assert torch.equal(twin.actions, torch.tensor([0, 2, 1])[pixels.actions])
    assert encode(settings).header == found.header, "it continues"
    with pytest.raises(ValueError, match="settings"):
        encode(replace(settings, mirror=False))


def test_what_has_no_mirror_image_is_refused() -> None:
    names = ("look_left", "look_right", "forward+look_left", "forward+look_right", "noop")
    assert mirrored_actions(ActionSpec("discrete", (5,), names)).tolist() == [1, 0, 3, 2, 4]
    for spec, why in (
        (ActionSpec("discrete", (2,), ("left", "go")), "there is no right"),
        (ActionSpec("discrete", (2,)), "have none"),
        (ActionSpec("multi_discrete", (2, 2)), "have none"),
    ):
        with pytest.raises(ValueError, match=why):
            mirrored_actions(spec)
