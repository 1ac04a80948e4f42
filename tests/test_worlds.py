"""Worlds that were packed: what is in them, and how they are taken where names are."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import videovq
from tests.conftest import Once
from videovq.cli import main
from videovq.config import EvaluateVQVAEConfig, ModelChoice, PackConfig, RolloutConfig, TrainVQVAEConfig
from videovq.data.store import EpisodeStore
from videovq.evaluation import vqvae as evaluation
from videovq.gym import DreamEnv
from videovq.pack import pack
from videovq.parsing import read_config
from videovq.rollout.pair import load_pair, model_name
from videovq.rollout.write import rollout
from videovq.runs import WEIGHTS, load_predictor, load_vqvae, pretrained_run


@pytest.fixture(scope="session")
def packed(vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore, once: Once) -> Path:
    """A folder with ``world``, and the same as ``world.zip``."""

    def make(folder: Path) -> None:
        for name in ("world", "world.zip"):
            out, store = str(folder / name), str(episode_store)
            pack(PackConfig(str(predictor_run), str(vqvae_run), out, examples=store))

    return once("packed", make)


def test_a_world_holds_what_others_need_and_nothing_of_its_makers_machine(packed: Path, tmp_path: Path) -> None:
    world = packed / "world"
    files = sorted(str(path.relative_to(world)) for path in world.rglob("*") if path.is_file())
    parts = [f"{part}/{name}" for part in ("predictor", "vqvae") for name in ("config.yaml", WEIGHTS)]
    assert files == ["README.md", "examples/example.json", "examples/example.mp4", *parts]
    machine = str(tmp_path.parent.parent).encode()
    with zipfile.ZipFile(packed / "world.zip") as archive:
        assert sorted(archive.namelist()) == [f"world/{name}" for name in files]
        for name in files:
            for data in ((world / name).read_bytes(), archive.read(f"world/{name}")):
                assert machine not in data and str(packed).encode() not in data, name
    assert not list(packed.glob("*.partial"))
    assert read_config(TrainVQVAEConfig, world / "vqvae" / "config.yaml").store == "episodes"
    card = (world / "README.md").read_text()
    for fact in ("# World `world`", "24x24", "32 codes", "stay, left, right", "300 of 8", "random weights", "float32"):
        assert fact in card, fact


@pytest.mark.parametrize("form", ["world", "world.zip"])
def test_a_world_is_taken_by_its_path_wherever_a_name_is(
    form: str, packed: Path, episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    path = str(packed / form)
    pair = load_pair(ModelChoice(pretrained=path))
    assert pair.vqvae.fingerprint == load_vqvae(vqvae_run).fingerprint
    assert pair.predictor.vqvae == pair.vqvae.fingerprint
    assert model_name(ModelChoice(pretrained=path)) == "world"
    example = rollout(RolloutConfig(pretrained=path, frames=2, out=str(tmp_path / "r")))
    assert example.codes.shape == (1, 2, 6, 6)
    model = videovq.load(packed / form)
    frames, actions = model.clip()
    own = episode_store.read(episode_store.split("test")[0])
    assert torch.equal(frames, own.frames) and actions[:39] == own.actions[:39, 0].tolist()
    world = DreamEnv(pretrained=path, device="cpu", steps=1)
    assert world.reset(seed=0)[0] is not None
    config = EvaluateVQVAEConfig(store=str(episode_store), pretrained=path, out=str(tmp_path / "report"))
    evaluation.evaluate(config)
    assert '"name": "world"' in (tmp_path / "report" / "report.json").read_text()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_weights_take_half_the_room_and_still_belong_together(
    dtype: str, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    pack(PackConfig(str(predictor_run), str(vqvae_run), str(tmp_path / "world"), dtype))  # type: ignore[arg-type]
    run = tmp_path / "world" / "vqvae"
    assert (run / WEIGHTS).stat().st_size < 0.65 * (vqvae_run / WEIGHTS).stat().st_size
    pair = load_pair(ModelChoice(pretrained=str(tmp_path / "world")))
    assert pair.vqvae.fingerprint != load_vqvae(vqvae_run).fingerprint
    found, given = pair.predictor.network.state_dict(), load_predictor(predictor_run).network.state_dict()
    assert all((found[name] - given[name]).abs().max() < 0.02 for name in ("codebook", "latent.weight"))
    with safe_open(run / WEIGHTS, "pt") as file:
        assert str(file.get_tensor("encoder.0.weight").dtype) == f"torch.{dtype}"


def test_the_vqvae_is_found_beside_its_predictor(
    vqvae_run: Path, predictor_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(predictor_run, tmp_path / "runs" / "p")
    words = ["pack", str(tmp_path / "runs" / "p"), "--out", str(tmp_path / "w.zip")]
    assert main(words) == 2
    assert "error: vqvae: the one that wrote the codes of" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]
    shutil.copytree(vqvae_run, tmp_path / "runs" / "v")
    assert main(words) == 0
    assert capsys.readouterr().out.endswith(f"videovq play --pretrained {tmp_path / 'w.zip'}\n")


def test_what_cannot_be_packed_leaves_nothing(vqvae_run: Path, predictor_run: Path, tmp_path: Path) -> None:
    other, full = tmp_path / "other", tmp_path / "full"
    shutil.copytree(vqvae_run, other)
    tensors = load_file(vqvae_run / WEIGHTS)
    tensors["encoder.0.bias"][0] = 1e6
    save_file(tensors, other / WEIGHTS, {"videovq": '{"frame_size": [24, 24]}'})
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    (tmp_path / "mine.zip").write_text("mine")
    vqvae, run, out = str(vqvae_run), str(predictor_run), str(tmp_path / "out")
    for config, said in (
        (PackConfig(run, str(other), out), "another VQ-VAE"),
        (
            PackConfig(str(other), out=out, dtype="float16"),
            "dtype: encoder.0.bias of .*other does not fit into float16",
        ),
        (PackConfig(str(tmp_path / "nowhere"), out=out), "nowhere: no such run"),
        (PackConfig(str(full), out=out), "config.yaml: no such file"),
        (PackConfig(vqvae, out=str(full)), "out: .*full exists; choose another, or remove it"),
        (PackConfig(vqvae, out=str(tmp_path / "mine.zip")), "out: .*mine.zip exists; choose another, or remove it"),
        (PackConfig(vqvae, out=out, examples=str(full)), "examples: has no effect on a VQ-VAE alone"),
        (PackConfig(run, vqvae, out, examples=str(full)), "full"),
    ):
        with pytest.raises(ValueError, match=said) as raised:
            pack(config)
        assert "\n" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "mine.zip", "other"]


def test_a_name_that_is_none_says_what_there_is(vqvae_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as raised:
        pretrained_run("dmlab-smal", "predictor")
    assert str(raised.value) == (
        "pretrained: no predictor called 'dmlab-smal'; choose from: dmlab-small, vizdoom; or give the path of a world"
        " that `videovq pack` made"
    )
    with pytest.raises(ValueError, match="pretrained: .* is the folder of a run; give it as --vqvae or --predictor"):
        pretrained_run(str(vqvae_run))
    with pytest.raises(ValueError, match="is torn, or no world"):
        (tmp_path / "a.zip").write_text("no zip")
        pretrained_run(str(tmp_path / "a.zip"))


def rewritten(packed: Path, to: Path, change: Callable[[zipfile.ZipFile], None], leave: str = "") -> Path:
    with zipfile.ZipFile(packed / "world.zip") as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            if name != leave:
                target.writestr(name, source.read(name))
        change(target)
    return to


def test_a_zip_writes_nothing_but_the_files_of_a_world(packed: Path, tmp_path: Path) -> None:
    def foreign(archive: zipfile.ZipFile) -> None:
        for name in ("../escaped", "/tmp/escaped", "world/vqvae/../../escaped", "world/vqvae/run.py", "__MACOSX/x"):
            archive.writestr(name, "no")

    found = pretrained_run(str(rewritten(packed, tmp_path / "a.zip", foreign)))
    assert sorted(path.name for path in found.parent.rglob("*") if path.is_file()) == sorted(
        path.name for path in (packed / "world").rglob("*") if path.is_file()
    )
    assert not list(found.parent.parent.glob("escaped"))


def test_a_zip_that_is_a_bomb_or_torn_is_refused(packed: Path, tmp_path: Path) -> None:
    def bomb(archive: zipfile.ZipFile) -> None:
        archive.writestr("world/README.md", bytes(2**19), zipfile.ZIP_DEFLATED)

    with pytest.raises(ValueError, match="a.zip: README.md would become 524,288 bytes, which is not believable"):
        pretrained_run(str(rewritten(packed, tmp_path / "a.zip", bomb, leave="world/README.md")))
    second = rewritten(packed, tmp_path / "b.zip", lambda archive: archive.writestr("b/vqvae/config.yaml", "a: b"))
    with pytest.raises(ValueError, match="b.zip: holds no world of `videovq pack`"):
        pretrained_run(str(second))
    data = (packed / "world.zip").read_bytes()
    for at in np.linspace(0, len(data) - 1, 20).astype(int):
        broken = tmp_path / f"{at}.zip"
        broken.write_bytes(data[:at])
        with pytest.raises(ValueError, match=f"{at}.zip: is torn, or no world"):
            pretrained_run(str(broken))
