"""`videovq evaluate` and `videovq compare`: what they write, and that a browser shows it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import imageio.v3 as iio
import pytest
import torch

from tests.conftest import PATIENCE, prep_config
from videovq.cli import main
from videovq.config import PackConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.data.windows import windows
from videovq.evaluation.compare import MATTERS, remarks
from videovq.evaluation.evaluate import episodes_sha256, has_control, horizon_summary, text_table
from videovq.evaluation.prediction import BEST
from videovq.evaluation.predictor_page import comparison_page, curves, predictor_page
from videovq.evaluation.predictor_summary import summary_text
from videovq.pack import pack
from videovq.prep.prepare import prepare
from videovq.runs import load_predictor, model_card, pretrained_run
from videovq.types import ActionSpec

WORDS = ["--frames", "4", "--stride", "10", "--temperature", "0.5"]


@pytest.fixture(scope="module")
def report(episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "one"
    words = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--predictor", str(predictor_run)]
    assert main(["evaluate", *words, *WORDS, "--samples", "2", "--out", str(out)]) == 0
    return out


def test_metrics(report: Path, predictor_run: Path, code_store: CodeStore) -> None:
    metrics = json.loads((report / "metrics.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert (metrics["windows"], metrics["episodes"]) == (8, 2)
    assert set(metrics["methods"]) == {
        "prediction", "best of samples", "shuffled actions", "copy last", "copy, moved", "ceiling",
    }  # fmt: skip
    for method, measures in metrics["methods"].items():
        for found in measures.values():
            assert len(found["by_horizon"]) == 4
            assert found["low"] <= found["mean"] <= found["high"]
            assert found["mean"] == pytest.approx(sum(found["by_horizon"]) / 4)
        assert ("accuracy" in measures) == (method not in ("copy, moved", "ceiling"))
    predictor = load_predictor(predictor_run).network
    parts = [code_store.read(w.episode, w.start, w.start + 10) for w in windows(code_store.split("test"), 10, 10)]
    with torch.no_grad():
        nll = predictor(torch.stack([p.codes for p in parts]), torch.stack([p.actions for p in parts])).nll[:, 6:]
    bits = float(nll.mean()) / 0.6931472
    assert metrics["bits_per_code"]["prediction"]["mean"] == pytest.approx(bits, abs=1e-3)
    assert metrics["bits_per_frame"] == pytest.approx(36 * bits, abs=0.05)
    ceiling = metrics["methods"]["ceiling"]["psnr"]["mean"]
    energy = {method: found["gradient_energy"] for method, found in metrics["methods"].items() if method != BEST}
    decoded = metrics["methods"]["ceiling"]["gradient_energy_decoded"]
    assert decoded["by_horizon"] == pytest.approx([1] * 4)
    assert energy["prediction"]["mean"] > 0 and 0.5 < energy["ceiling"]["mean"] < 1.5
    assert set(metrics["following"]["methods"]["prediction"]["actions"]) <= {"stay", "left", "right"}
    assert set(metrics["left_out"]) == {"PSNR by kind of motion", "PSNR of what was in view before a turn"}
    assert "motion" not in metrics and "visible_area" not in metrics
    assert 36 * bits / (3 * 24**2) < metrics["bits_per_dim_bound"] < 36 * bits / (3 * 24**2) + 12 - ceiling / 6.02


def test_a_set_to_evaluate_on_only(recordings: Path, vqvae_run: Path, predictor_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in recordings.glob("episode_000000.*"):
        shutil.copy(path, source)
    store = tmp_path / "store"
    prepare(prep_config(source, store, validation_fraction=0, test_fraction=1.0))
    runs = ["--vqvae", str(vqvae_run), "--predictor", str(predictor_run), "--out", str(tmp_path / "report")]
    assert main(["evaluate", "--store", str(store), *runs, *WORDS, "--samples", "1"]) == 0
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["episodes"] == 1


def test_the_page_needs_nothing_else_and_a_browser_shows_it(report: Path, tmp_path: Path) -> None:
    page = (report / "report.html").read_text()
    pictures = {path.stem: iio.imread(path) for path in report.glob("*.png")}
    assert {"bits_per_code", "psnr", "ssim", "accuracy", "futures", "window-1", "window-6"} <= set(pictures)
    assert all(picture.std() > 5 for picture in pictures.values())
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("data:image/gif;base64,") == 6
    for words in ("Likelihood", "PSNR (dB) by horizon", "the same way", "One context, many futures", "left"):
        assert words in page
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    picture = tmp_path / "page.png"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,2000"]
    done = subprocess.run(
        [browser, *flags, f"--screenshot={picture}", f"file://{report}/report.html"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert picture.is_file(), done.stderr
    shown = iio.imread(picture)
    assert shown.shape[:2] == (2000, 1000)
    assert len({tuple(pixel) for pixel in shown[::7, ::7].reshape(-1, shown.shape[-1])}) > 50, "text and figures"


def test_the_summary_comes_first_and_says_what_metrics_json_says(report: Path) -> None:
    metrics, shown = json.loads((report / "metrics.json").read_text()), (report / "report.html").read_text()
    order = ('class="summary"', 'class="tiles"', "image/gif", ">Figures<", "<table", ">Settings<")
    assert [shown.index(part) for part in order] == sorted(shown.index(part) for part in order)
    bits, methods = metrics["bits_per_code"], metrics["methods"]
    psnr = {method: methods[method]["psnr"] for method in ("prediction", "copy last", "ceiling")}
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd><dd>(.*?)</dd>", shown)
    assert tiles[:4] + tiles[5:] == [
        (name, f"{one['mean']:.{digits}f}", f"{one['low']:.{digits}f} to {one['high']:.{digits}f}")
        for name, one, digits in (
            ("bits per code", bits["prediction"], 3),
            ("bits per code with other actions", bits["shuffled actions"], 3),
            ("PSNR (dB)", psnr["prediction"], 2),
            ("PSNR (dB) of copying", psnr["copy last"], 2),
            ("PSNR (dB) of the ceiling", psnr["ceiling"], 2),
        )
    ]
    pairs = zip(psnr["prediction"]["by_horizon"], psnr["copy last"]["by_horizon"], strict=True)
    held = next((i for i, (ours, copied) in enumerate(pairs) if ours <= copied), 4)
    assert tiles[4][:2] == ("frames ahead of copying", f"{held} of 4")


@pytest.mark.parametrize(
    ("ours", "said"), [([3, 3, 3], "at every horizon"), ([3, 1, 3], "up to horizon 1"), ([2, 3, 3], "not even")]
)
def test_the_summary_says_how_long_it_is_ahead_of_copying(ours: list[int], said: str, report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text())
    metrics["settings"]["frames"] = 3
    metrics["methods"]["prediction"]["psnr"]["by_horizon"] = ours
    metrics["methods"]["copy last"]["psnr"]["by_horizon"] = [2, 2, 2]
    assert f"copying the last context frame {said}" in summary_text(metrics)


@pytest.mark.parametrize(
    ("high", "low", "said"),
    [(2.0, 3.0, "it listens to the actions"), (3.0, 2.0, "is not certain"), (None, None, "is not certain")],
)
def test_it_listens_to_actions_where_the_intervals_are_apart(
    high: float | None, low: float | None, said: str, report: Path
) -> None:
    metrics = json.loads((report / "metrics.json").read_text())
    metrics["bits_per_code"]["prediction"].update(low=high and 1.0, high=high)
    metrics["bits_per_code"]["shuffled actions"].update(low=low, high=low and 4.0)
    assert summary_text(metrics).endswith(f"{said}.")


class Features(torch.nn.Module):
    """What a published I3D looks like from outside."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        assert x.shape[3] == 224 and not rescale and not resize and return_features
        return torch.cat([x.mean(dim=(2, 3, 4)), x[:, :, -1].std(dim=(2, 3))], dim=1)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_video_distance_names_its_weights_and_number(
    episode_store: EpisodeStore,
    vqvae_run: Path,
    predictor_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = tmp_path / "i3d.pt"
    torch.jit.script(Features()).save(weights)
    words = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--predictor", str(predictor_run)]
    words += ["--fvd", str(weights), "--out", str(tmp_path / "out"), "--stride", "1"]
    assert main(["evaluate", *words]) == 2
    assert "50 windows are too few" in capsys.readouterr().err
    assert main(["evaluate", *words, "--split", "train", "--context_frames", "2", "--frames", "1"]) == 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["fvd"]
    assert found["videos"] == 266 and found["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert 0 < found["value"] < 1
    assert "266 videos" in capsys.readouterr().out


def test_compare(report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(report, other)
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["name"] = "another one"
    (other / "metrics.json").write_text(json.dumps(metrics))
    out = tmp_path / "both.html"
    assert main(["compare", "--reports", f"[{report},{other}]", "--out", str(out)]) == 0
    page = out.read_text() + capsys.readouterr().out
    assert "predictor" in page and "another one" in page and "copy last" in page
    assert "differs" not in page and "accuracy: can be compared" in page
    assert "gradient energy" in page and "actions recognised (macro F1)" in page
    older = {name: value for name, value in metrics.items() if name not in ("following", "left_out")}
    renamed = {"context_frames": "context"}
    older["settings"] = {renamed.get(name, name): value for name, value in metrics["settings"].items()}
    older["methods"] = {
        method: {name: one for name, one in found.items() if name != "gradient_energy"}
        for method, found in metrics["methods"].items()
    }
    (other / "metrics.json").write_text(json.dumps(older))
    out = tmp_path / "older.html"
    assert main(["compare", "--reports", f"[{report},{other}]", "--out", str(out)]) == 0, "of an older videovq"
    assert "inverse dynamics differs" not in capsys.readouterr().out
    metrics["vqvae"] = "f" * 64
    (other / "metrics.json").write_text(json.dumps(metrics))
    out = tmp_path / "unlike.html"
    assert main(["compare", "--reports", f"[{report},{other}]", "--out", str(out)]) == 0
    for shown in (capsys.readouterr().out, out.read_text()):
        assert "another one ffffffffffff" in shown and "accuracy: cannot be compared: not of the same VQ-VAE" in shown
    metrics["settings"]["context_frames"] = 5
    (other / "metrics.json").write_text(json.dumps(metrics))
    for reports, named in (
        (f"[{report},{other}]", "different `context_frames`"),
        (f"[{report}]", "two folders"),
        (f"[{report},{tmp_path}]", "is not of `videovq evaluate`"),
    ):
        assert main(["compare", "--reports", reports, "--out", str(tmp_path / "no.html")]) == 2
        assert named in capsys.readouterr().err
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    ("changes", "differing", "comparable"),
    [
        ({"vqvae": "f" * 64}, "VQ-VAE differs: predictor", {"PSNR, SSIM and turns"}),
        (
            {"decoder": "f" * 64},
            "decoder differs: predictor its own, other ffffffffffff",
            {"bits per code", "PSNR, SSIM and turns", "accuracy"},
        ),
        ({"episodes_sha256": "f" * 64}, "store differs: predictor", set()),
        ({"settings.temperature": 1.0}, "temperature differs: predictor 0.5, other 1.0", {"bits per code"}),
        ({"settings.top_k": 5}, "top_k differs: predictor 0, other 5", {"bits per code"}),
        (
            {"settings.samples": 7},
            "samples differs: predictor 2, other 7",
            {"bits per code", "PSNR, SSIM and turns", "accuracy"},
        ),
    ],
)
def test_what_differs_and_what_can_be_compared(
    report: Path, changes: dict[str, object], differing: str, comparable: set[str]
) -> None:
    one, other = (json.loads((report / "metrics.json").read_text()) for _ in range(2))
    other["name"] = "other"
    for name, value in changes.items():
        where, _, key = name.rpartition(".")
        (other[where] if where else other)[key] = value
    said = remarks([one, other])
    assert said[0].startswith(differing) and sum(" differs: " in line for line in said) == 1
    assert {line.removesuffix(": can be compared") for line in said[1:]} & set(MATTERS) == comparable


def test_a_store_is_known_by_its_frames_not_its_folder(
    report: Path, episode_store: EpisodeStore, recordings: Path, tmp_path: Path
) -> None:
    again = prepare(prep_config(recordings, tmp_path / "elsewhere"))
    found = json.loads((report / "metrics.json").read_text())["episodes_sha256"]
    assert found == episodes_sha256(again, "test") != episodes_sha256(episode_store, "train")


def test_one_episode_has_no_interval(report: Path) -> None:
    one = horizon_summary(torch.rand(3, 4), torch.zeros(3, dtype=torch.int64), 0)
    assert [one[name] for name in ("low", "high", "low_by_horizon", "high_by_horizon")] == [None] * 4
    metrics = json.loads((report / "metrics.json").read_text())
    metrics["bits_per_code"] = dict.fromkeys(metrics["bits_per_code"], one)
    metrics["methods"] = {method: dict.fromkeys(found, one) for method, found in metrics["methods"].items()}
    assert "(one episode: no interval)" in text_table(metrics)
    page = predictor_page(metrics, curves(metrics), [], None, "")
    assert "one episode: no interval" in page and "±" not in page
    assert "(one episode: no interval)" in comparison_page([metrics, metrics], [], {})


def test_only_a_world_has_a_card(vqvae_run: Path, predictor_run: Path, tmp_path: Path) -> None:
    for name, run in (("vqvae", vqvae_run), ("predictor", predictor_run)):
        shutil.copytree(run, tmp_path / "runs" / name)
    (tmp_path / "runs" / "README.md").write_text("my notes")
    assert model_card(tmp_path / "runs" / "predictor") == ""
    pack(PackConfig(str(tmp_path / "runs" / "predictor"), out=str(tmp_path / "mine")))
    (tmp_path / "mine" / "README.md").write_text("A model of mine")
    assert model_card(tmp_path / "mine" / "predictor") == "A model of mine"
    (tmp_path / "mine" / "README.md").unlink()
    assert model_card(tmp_path / "mine" / "predictor") == "", "there is none"
    assert "dmlab-small" in model_card(pretrained_run("dmlab-small", "predictor"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--samples", "0"], "samples"),
        (["--stride", "0"], "stride"),
        (["--frames", "100"], "no episode has 106 frames"),
        (["--fvd", "missing.pt"], "missing.pt"),
        (["--top_p", "2"], "top_p"),
    ],
)
def test_what_cannot_work_is_refused_and_writes_nothing(
    words: list[str],
    named: str,
    episode_store: EpisodeStore,
    vqvae_run: Path,
    predictor_run: Path,
    tmp_path: Path,
    capsys,
) -> None:
    first = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--predictor", str(predictor_run)]
    assert main(["evaluate", *first, "--out", str(tmp_path / "out"), *words]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_there_are_no_shuffled_actions_and_no_empty_headings_where_there_are_no_actions(report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text())
    metrics["action_kind"], metrics["bits_by_action"] = "none", []
    metrics["turns"]["steps"] = 0
    for controls in (metrics["bits_per_code"], metrics["methods"]):
        del controls["shuffled actions"]
    page = predictor_page(metrics, curves(metrics), [], None, "")
    assert "actions" not in page.split("<h2>Settings")[0]
    assert not re.search(r"</h2>\s*(<h2>|</body>)", page)


def test_there_is_a_control_where_another_window_has_actions() -> None:
    assert has_control(2, ActionSpec("discrete", (3,)))
    assert not has_control(1, ActionSpec("discrete", (3,)))
    assert not has_control(2, ActionSpec("none"))


def test_what_cannot_be_compared_stands_in_red(report: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(report, other)
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["settings"]["temperature"] = 1.0
    (other / "metrics.json").write_text(json.dumps(metrics))
    assert main(["compare", "--reports", f"[{report},{other}]", "--out", str(tmp_path / "both.html")]) == 0
    page = (tmp_path / "both.html").read_text()
    assert '<p class="wrong">PSNR, SSIM and turns: cannot be compared: not of the same temperature</p>' in page
    assert '<p class="lead">bits per code: can be compared</p>' in page
    assert re.findall(r'<th class="wrong">(.*?)</th>', page) == [
        "PSNR (dB)", "SSIM", "accuracy", "turns right", "gradient energy", "actions recognised (macro F1)",
    ]  # fmt: skip
    assert '<p class="wrong">SSIM cannot be compared: not of the same temperature</p>' in page
