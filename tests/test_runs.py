from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from videovq import shipped as shipped_models
from videovq.config import EncodeConfig, ModelChoice, PackConfig, RolloutConfig
from videovq.data.clip import read_clip
from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.frames import psnr, to_float, to_uint8
from videovq.pack import pack
from videovq.rollout.contexts import contexts
from videovq.rollout.pair import check_pair, load_pair
from videovq.rollout.write import rollout
from videovq.runs import (
    WEIGHTS,
    load_predictor,
    load_vqvae,
    pretrained_examples,
    pretrained_run,
    vqvae_run,
)
from videovq.shipped import shipped
from videovq.training.encode import encode

pytestmark = pytest.mark.slow

SHIPPED = sorted(path.parent.parent.name for path in shipped_models.PRETRAINED.glob(f"*/vqvae/{WEIGHTS}"))


@pytest.fixture
def exported(vqvae_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own VQ-VAE among those that ship."""
    monkeypatch.setattr(shipped_models, "PRETRAINED", tmp_path)
    pack(PackConfig(str(vqvae_run), out=str(tmp_path / "small"), dtype="float16"))
    return tmp_path / "small" / "vqvae"


def test_an_export_is_half_as_large_and_as_good(exported: Path, vqvae_run: Path, episode_store: EpisodeStore) -> None:
    assert (exported / WEIGHTS).stat().st_size < 0.62 * (vqvae_run / WEIGHTS).stat().st_size
    frames = episode_store.read(episode_store.split("test")[0]).frames
    ratios = []
    for run in (vqvae_run, exported):
        network = load_vqvae(run).network
        assert all(p.dtype == torch.float32 for p in network.parameters())
        with torch.no_grad():
            ratios.append(psnr(to_uint8(network.decode(network.encode(to_float(frames)))), frames).mean().item())
    assert ratios[1] == pytest.approx(ratios[0], abs=0.05)


def test_pretrained_is_found_by_name(exported: Path, episode_store: EpisodeStore, tmp_path: Path) -> None:
    assert pretrained_run("small") == exported
    with pytest.raises(ValueError, match="no vqvae called 'large'; choose from: small"):
        pretrained_run("large")
    settings = EncodeConfig(store=str(episode_store), pretrained="small", out=str(tmp_path / "codes"))
    assert encode(settings).header.fingerprint == load_vqvae(exported).fingerprint


def test_a_predictor_ships_with_its_vqvae(
    vqvae_run: Path,
    predictor_run: Path,
    episode_store: EpisodeStore,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shipped_models, "PRETRAINED", tmp_path / "shipped")
    for run, name in ((predictor_run, "both"), (vqvae_run, "alone")):
        pack(PackConfig(str(run), out=str(tmp_path / "shipped" / name), dtype="float16"))
    check_pair(load_vqvae(pretrained_run("both")), load_predictor(pretrained_run("both", "predictor")))
    config = RolloutConfig(pretrained="both", context=str(episode_store), out=str(tmp_path / "r"), frames=3)
    shipped = rollout(config)
    video = recordings / "episode_000009.mp4"
    (tmp_path / "shipped" / "both" / "examples").mkdir()
    for path in (video, video.with_suffix(".json")):
        (tmp_path / "shipped" / "both" / "examples" / path.name).write_bytes(path.read_bytes())
    assert torch.equal(rollout(replace(config, context="")).codes, rollout(replace(config, context=str(video))).codes)
    alone = replace(config, pretrained="alone")
    with pytest.raises(ValueError, match="alone is a VQ-VAE alone; choose from: both; or train a predictor"):
        rollout(alone)
    with pytest.raises(ValueError, match="another VQ-VAE"):
        rollout(replace(alone, predictor=str(predictor_run)))  # trained on the codes before rounding
    own = rollout(replace(config, pretrained="", predictor=str(predictor_run), vqvae=str(vqvae_run)))
    assert (shipped.codes == own.codes).float().mean() > 0.5, "rounding changes little"


@pytest.mark.parametrize("part", ["vqvae", "predictor"])
def test_torn_files_of_a_run_are_named(part: str, tmp_path: Path) -> None:
    load: Callable[[Path], object] = {"vqvae": load_vqvae, "predictor": load_predictor}[part]
    shipped = pretrained_run("dmlab-small", part)
    for name, kept, named in (
        (WEIGHTS, 0, "model.safetensors: is torn"),
        (WEIGHTS, 500, "model.safetensors: is torn"),
        (WEIGHTS, 100_000, "model.safetensors: is torn"),
        ("config.yaml", 120, r"config\.yaml"),
    ):
        run = Path(shutil.copytree(shipped, tmp_path / f"{name}-{kept}"))
        (run / name).write_bytes((run / name).read_bytes()[:kept])
        with pytest.raises(ValueError, match=named) as raised:
            load(run)
        assert str(run) in str(raised.value) and "\n" not in str(raised.value)
    save_file({"a": torch.zeros(1)}, run / WEIGHTS)
    (run / "config.yaml").write_bytes((shipped / "config.yaml").read_bytes())
    with pytest.raises(ValueError, match="do not belong together|videovq did not write it") as raised:
        load(run)
    assert "\n" not in str(raised.value)


def test_a_run_of_a_later_version_is_refused_in_one_line(tmp_path: Path) -> None:
    run = Path(shutil.copytree(pretrained_run("vizdoom"), tmp_path / "run"))
    (run / "config.yaml").write_text("format_version: 7\n" + (run / "config.yaml").read_text())
    with pytest.raises(UserError, match="format_version is 7, .*; if a later one wrote it, update videovq$"):
        load_vqvae(run)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_loads_offline_and_has_its_card(name: str) -> None:
    folder = pretrained_run(name)
    assert (folder / WEIGHTS).stat().st_size < 8e6
    card = (folder.parent / "README.md").read_text()
    for fact in ("seed", "steps", "hours", "PSNR", "Known weaknesses", "videovq train vqvae"):
        assert fact in card, fact
    trained = load_vqvae(folder)
    torch.manual_seed(0)
    greys = 0.6 * torch.rand(1, 1, 7, 7).expand(1, 3, 7, 7) - 0.45  # every world has dim grey surfaces
    frames = greys.repeat_interleave(12, 2).repeat_interleave(12, 3)
    with torch.no_grad():
        codes = trained.network.encode(frames)
        again = trained.network.decode(codes)
    assert codes.shape == (1, 21, 21)
    assert codes.unique().numel() > 20
    assert (again - frames).pow(2).mean() < 0.5 * frames.var(), "grey squares are still that"


FINGERPRINTS = {
    "dmlab": "4689a73233d3677eae5af91f24dcaa37cd65112082c166dfbf237ce9fa48b930",
    "dmlab-small": "3e3f255620fb897949405dda42cf41c19618cb1543c7ff40951650ce753b181a",
    "vizdoom": "1fa040840aa368ca37f5d290210121e7f4cf75b987d0f5dc27e0c7d537463780",
}


CODES_OF = {"dmlab-small": "914e04c1d7fa3f24caecac8fd8fee59259d66e785fa86c264badb439950a31d2"}  # another decoder's


def test_what_ships() -> None:
    assert list(FINGERPRINTS) == SHIPPED


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_what_ships_is_what_it_was_when_it_was_trained_whatever_the_defaults_are_now(name: str) -> None:
    trained = load_vqvae(pretrained_run(name))
    assert trained.fingerprint == FINGERPRINTS[name]
    assert trained.codes_of == CODES_OF.get(name, trained.fingerprint)


@pytest.mark.parametrize("name", ["dmlab-small", "vizdoom"])
def test_a_world_ships_with_its_predictor(name: str) -> None:
    pair = load_pair(ModelChoice(pretrained=name))
    files = [path for part in ("vqvae", "predictor") for path in pretrained_run(name, part).iterdir()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert pair.predictor.network.grid == (21, 21)
    assert "videovq train predictor" in (shipped_models.PRETRAINED / name / "README.md").read_text()


@pytest.mark.parametrize("name", shipped("predictor"))
def test_every_world_ships_with_examples_that_begin_in_different_places(name: str) -> None:
    pair, examples = load_pair(ModelChoice(pretrained=name)), pretrained_examples(name)
    assert 3 <= len(examples) <= 4
    assert sum(path.stat().st_size for path in examples) < 500_000
    scenes = contexts("", name, pair, 6, 24)
    assert {clip.name.split()[0] for clip in scenes} == {path.stem for path in examples}
    firsts = [next(clip.frames[0] for clip in scenes if clip.name.startswith(path.stem)) for path in examples]
    assert all(psnr(one, other) < 22 for one, other in combinations(firsts, 2))


def test_an_example_is_chosen_by_its_name(tmp_path: Path) -> None:
    config = RolloutConfig(pretrained="vizdoom", actions="noop", frames=1, decode=False, out=str(tmp_path / "r"))
    first, other = pretrained_examples("vizdoom")[:2]
    assert torch.equal(rollout(config).context_codes, rollout(replace(config, episode=first.stem)).context_codes)
    assert not torch.equal(rollout(config).context_codes, rollout(replace(config, episode=other.stem)).context_codes)
    with pytest.raises(ValueError, match=f"episode: no 'nobody' among the recordings; choose from: {first.stem}, "):
        rollout(replace(config, episode="nobody"))


def test_a_vqvae_that_ships_alone_says_so_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dmlab is a VQ-VAE alone; .*vizdoom; or train a predictor"):
        rollout(RolloutConfig(pretrained="dmlab", out=str(tmp_path / "r")))
    assert not list(tmp_path.iterdir())


def test_a_rollout_straight_after_installation(tmp_path: Path) -> None:
    config = RolloutConfig(pretrained="dmlab-small", temperature=0.0, out=str(tmp_path / "r"))
    found = rollout(config)
    assert found.frames is not None
    example = read_clip(pretrained_examples("dmlab-small")[0], (84, 84), load_pair(config).predictor.action_spec)
    ours, copied = (
        psnr(frames, example.frames[6:16]).mean()
        for frames in (found.frames[0], example.frames[5].expand(10, -1, -1, -1))
    )
    assert ours > copied + 1.5


def test_a_vqvae_beside_a_pretrained_one_is_refused() -> None:
    assert vqvae_run("runs/mine", "") == Path("runs/mine")
    assert vqvae_run("runs/vqvae", "dmlab") == pretrained_run("dmlab")
    with pytest.raises(ValueError, match="vqvae: runs/mine has no effect beside pretrained dmlab"):
        vqvae_run("runs/mine", "dmlab")
