from __future__ import annotations

import json
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from videovq import pictures
from videovq.cli import main
from videovq.data.store import EpisodeStore
from videovq.evaluation.charts import apart
from videovq.evaluation.codebook import BAR, code_sheet, decoded_codes
from videovq.evaluation.reconstruction import reconstruct, reconstruction, ssim
from videovq.frames import to_float
from videovq.runs import load_vqvae


@pytest.fixture(scope="module")
def report(episode_store: EpisodeStore, vqvae_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    words = ["evaluate", "vqvae", "--store", str(episode_store), "--vqvae", str(vqvae_run)]
    assert main([*words, "--out", str(out / "first")]) == 0
    other = str(out / "first" / "report.json")
    assert main([*words, "--out", str(out / "second"), "--compare", f'["{other}"]', "--split", "val"]) == 0
    return out


def test_the_report_is_recomputed_in_numpy(report: Path, episode_store: EpisodeStore, vqvae_run: Path) -> None:
    found = json.loads((report / "first" / "report.json").read_text())
    network = load_vqvae(vqvae_run).network
    frames = torch.cat([episode_store.read(info).frames for info in episode_store.split("test")])
    with torch.no_grad():
        codes, again = reconstruct(network, frames)
    error = ((frames.numpy().astype(float) - again.numpy()) ** 2).mean(axis=(1, 2, 3))
    assert found["frames"] == len(frames) == 80
    assert found["psnr"] == pytest.approx((10 * np.log10(255**2 / error)).mean(), abs=1e-3)
    assert found["nmse"] == pytest.approx(error.mean() / frames.numpy().var(), rel=1e-4)
    slopes = [
        sum((np.diff(some.numpy().astype(float), axis=axis) ** 2).mean() for axis in (1, 2)) for some in (again, frames)
    ]
    assert found["gradient_energy"] == pytest.approx(slopes[0] / slopes[1], abs=1e-3)
    usage = np.bincount(codes.flatten().numpy(), minlength=32) / codes.numel()
    assert found["codes_used"] == (usage > 0).sum()
    entropy = -(usage[usage > 0] * np.log2(usage[usage > 0])).sum()
    assert found["perplexity"] == pytest.approx(2**entropy, abs=0.06)
    assert found["bits_per_pixel"] == pytest.approx(6 * 6 * 5 / 24**2)
    assert found["bits_per_pixel_entropy_coded"] == pytest.approx(6 * 6 * entropy / 24**2, abs=1e-3)
    assert found["compression_ratio"] == pytest.approx(24 * 24**2 / (6 * 6 * 5), abs=0.01)
    assert found["levels"]["wall"]["frames"] == 80
    assert found["levels"]["wall"]["psnr"] == found["psnr"]
    assert found["fingerprint"] == load_vqvae(vqvae_run).fingerprint


def test_the_pictures_show_the_frames(report: Path) -> None:
    for run in ("first", "second"):
        for name in ("reconstructions", "usage", "levels"):
            assert iio.imread(report / run / f"{name}.png").std() > 5, name
    assert not (report / "first" / "rate_distortion.png").exists(), "one point is no curve"
    assert iio.imread(report / "second" / "rate_distortion.png").std() > 5
    sheet = iio.imread(report / "first" / "reconstructions.png")
    assert sheet.shape[0] == 16 + 8 * (24 * 3 + 4)


def test_ssim_against_its_definition() -> None:
    """Wang et al. 2004, equation 13, at one place of a window with Gaussian weights."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 256, (2, 11, 11), dtype=np.uint8)
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weight = np.outer(axis, axis) / axis.sum() ** 2
    x, y = one / 255, two / 255
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy, cov = (weight * x**2).sum() - mx**2, (weight * y**2).sum() - my**2, (weight * x * y).sum() - mx * my
    value = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    pair = [torch.from_numpy(np.tile(v[None, ..., None], (1, 1, 1, 3))) for v in (one, two)]
    assert ssim(*pair).item() == pytest.approx(value, abs=1e-4)
    assert ssim(pair[0], pair[0]).item() == pytest.approx(1)


def test_measures_need_no_training_statistics(episode_store: EpisodeStore, vqvae_run: Path) -> None:
    found = reconstruction(load_vqvae(vqvae_run).network, episode_store, "val")
    assert len(found.psnr) == len(found.ssim) == len(found.levels)
    assert found.usage.sum() == len(found.psnr) * 36


def test_show_codebook(episode_store: EpisodeStore, vqvae_run: Path, tmp_path: Path) -> None:
    words = ["show", "codebook", "--store", str(episode_store), "--vqvae", str(vqvae_run)]
    assert main([*words, "--out", str(tmp_path)]) == 0
    for name in ("codes", "map"):
        assert iio.imread(tmp_path / f"{name}.png").std() > 5
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "of 32 codes used in val, perplexity" in page
    network = load_vqvae(vqvae_run).network
    tiles = decoded_codes(network)
    assert tiles.shape == (32, 12, 12, 3)
    field = torch.full((1, 9, 9), 7)
    with torch.no_grad():
        whole = network.decode(field)[0, :, 12:24, 12:24]
    assert torch.allclose(to_float(tiles[7:8])[0], whole.clamp(-0.5, 0.5), atol=1 / 255)


def test_a_map_by_umap(episode_store: EpisodeStore, vqvae_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("umap")
    argv = ["show", "codebook", "--store", str(episode_store), "--vqvae", str(vqvae_run), "--layout", "umap"]
    assert main([*argv, "--out", str(tmp_path)]) == 0
    assert iio.imread(tmp_path / "map.png").std() > 5


@pytest.mark.parametrize(("layout", "package"), [("tsne", "sklearn"), ("umap", "umap")])
def test_a_layout_without_its_package_names_the_extra(
    layout: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["show", "codebook", "--layout", layout, "--out", str(tmp_path / "out")]) == 2
    assert f"error: layout: needs {package}; run: pip install '.[{layout}]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--compare", '["nowhere.json"]'], "compare: nowhere.json"),
        (["--pretrained", "nobody"], "pretrained: no vqvae called 'nobody'"),
        (["--vqvae", "nowhere"], "nowhere: no such run"),
        (["--store", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_used_is_named(
    words: list[str], named: str, episode_store: EpisodeStore, vqvae_run: Path, tmp_path: Path, capsys
) -> None:
    first = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "vqvae", *first, *words]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_has_the_tables_and_the_pictures(report: Path) -> None:
    page = (report / "second" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    for words in ("PSNR (dB)", "wall", "From the worst frame to the best", "6x6", "vqvae: VQ-VAE"):
        assert words in page
    measured = json.loads((report / "second" / "report.json").read_text())
    assert f"<dt>PSNR (dB)</dt><dd>{measured['psnr']:.2f}</dd>" in page
    assert f"<dt>codes used</dt><dd>{measured['codes_used']}</dd><dd>of {measured['codebook_size']}</dd>" in page


def test_ticks_keep_apart() -> None:
    assert apart([0.5]) == [0.5]
    assert apart([0.1, 0.101, 0.5, 1.0]) == [0.1, 0.5, 1.0]


def test_every_code_and_rank_has_its_place_on_the_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(pictures, "draw_text", lambda draw, at, text, *size: drawn.append(text))
    usage = torch.arange(40.0)
    sheet = code_sheet(torch.full((40, 12, 12, 3), 128, dtype=torch.uint8), usage)
    assert (sheet == BAR).all(-1).any() and {"rank", "1", "32", "1-32", "33-40"} <= set(drawn)
    assert any("39 of 40 codes used" in line for line in drawn) and any("Red bar: usage" in line for line in drawn)
