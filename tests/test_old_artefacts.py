"""What an earlier version wrote is used as ever: stores, runs of every kind, YAML files and replays (tests/old)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from starlette.testclient import TestClient

from tests.play.conftest import Seat
from videovq import runs
from videovq.cli import main
from videovq.config import ModelChoice, PlayConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.play.server import PlayServer
from videovq.play.thread import ModelThread
from videovq.rollout.contexts import contexts
from videovq.rollout.pair import load_pair

OLD = Path(__file__).parent / "old"
PREDICTORS = {"patch": "predictor", "raster": "predictor-raster", "pixelcnn": "predictor-pixelcnn"}
LOADERS = {
    "vqvae": "videovq.runs load_vqvae",
    **dict.fromkeys(PREDICTORS.values(), "videovq.runs load_predictor"),
    "prior": "videovq.papers.single_frames.runs load_prior",
    "second-stage": "videovq.papers.single_frames.runs load_second_stage",
    "density": "videovq.papers.likelihoods.runs load_autoencoder",
    "vqvae2": "videovq.papers.two_levels.runs load_vqvae2",
    "bottom-prior": "videovq.papers.two_levels.runs load_bottom_prior",
    "sound": "videovq.papers.sound.runs load_sound",
    "sound-prior": "videovq.papers.sound.runs load_sound_prior",
}
VQVAE = "970368b112483a6a2fc677ecb33aefe0e2eaf368dbaefbaeafabbe6bf0108cf2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is old, in which commands work: runs name their stores by relative paths."""
    monkeypatch.chdir(shutil.copytree(OLD, tmp_path / "old"))
    return Path.cwd()


def test_every_kind_of_run_is_there() -> None:
    there = {path.parent.name for path in OLD.glob("*/config.yaml")}
    assert {*runs.run_kinds()} <= there == {*LOADERS}


@pytest.mark.parametrize("run", LOADERS)
def test_an_old_run_is_loaded(run: str) -> None:
    module, loader = LOADERS[run].split()
    network = getattr(pytest.importorskip(module), loader)(run).network  # slices may be taken out
    kept = load_file(f"{run}/model.safetensors")
    assert kept and all(torch.equal(value, network.state_dict()[name]) for name, value in kept.items())


def test_an_old_vqvae_is_known_by_the_same_fingerprint() -> None:
    """Else codes that it encoded before would be those of a stranger."""
    assert "class_path: videovq.config.EMAConfig" in Path("vqvae/config.yaml").read_text()
    assert runs.load_vqvae("vqvae").fingerprint == CodeStore("codes").header.fingerprint == VQVAE


def test_an_old_store_is_read_and_encodes_to_its_old_codes() -> None:
    store = EpisodeStore("store")
    episodes = [store.read(info) for info in store.episodes]
    digest = hashlib.sha256(b"".join(one.frames.numpy().tobytes() + one.actions.numpy().tobytes() for one in episodes))
    assert digest.hexdigest() == "fb7dcf1bb9ecf9b38da2319e7e6dfb6eb50f52bc289ddf39dd63b386ccec5cab"
    assert [info.split for info in store.episodes] == ["train", "val", "test"]
    assert store.header.action_spec.names == ("stay", "left", "right")
    assert main(["encode", "--store=store", "--vqvae=vqvae", "--out=again"]) == 0
    before, now = CodeStore("codes"), CodeStore("again")
    for info, again in zip(before.episodes, now.episodes, strict=True):
        assert torch.equal(before.read(info).codes, now.read(again).codes)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_an_old_predictor_draws_what_it_drew(kind: str) -> None:
    runs = [f"--predictor={PREDICTORS[kind]}", "--vqvae=vqvae", "--context=store"]
    drawn = ["--context_frames=3", "--frames=6", "--temperature=0", "--no-decode", "--out=drawn"]
    assert main(["rollout", *runs, *drawn]) == 0
    assert (
        np.load("drawn.npz")["codes"][0].reshape(6, -1).tolist() == json.loads(Path("rollouts.json").read_text())[kind]
    )


@pytest.mark.slow
def test_an_old_training_goes_on_from_its_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    before = load_file("vqvae/model.safetensors")
    assert main(["train", "vqvae", "--config=vqvae/config.yaml", "--training.steps=202"]) == 0
    assert "goes on from step 200 to 202" in capsys.readouterr().out
    assert any(not torch.equal(value, before[name]) for name, value in load_file("vqvae/model.safetensors").items())


@pytest.mark.slow
def test_an_old_yaml_file_trains() -> None:
    assert "class_path: videovq.config.PatchPredictorConfig" in Path("predictor/config.yaml").read_text()
    words = ["--run=new", "--training.steps=1", "--training.validate_every=1"]
    assert main(["train", "predictor", "--config=predictor/config.yaml", *words]) == 0
    assert runs.load_predictor("new").network.grid == (3, 3)


def test_an_old_replay_is_dreamt_again() -> None:
    pair = load_pair(ModelChoice("predictor", "vqvae"))
    server = PlayServer(ModelThread(lambda: pair), contexts("store", "", pair, 3, 24), PlayConfig())
    replay = json.loads(Path("replay.json").read_text())
    with TestClient(server.app()) as client, client.websocket_connect(f"/play?token={server.token}") as socket:
        seat = Seat(socket)
        seat.send(type="load", replay=replay)
        assert socket.receive_json()["actions"] == replay["actions"]
        seat.frame()
        frames = seat.act(*(action for (action,) in replay["actions"]))
    assert frames[-1].digest == replay["digest"]
