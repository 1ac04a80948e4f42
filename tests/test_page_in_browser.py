"""Pages of reports in a browser: nothing is wider than the page, in the dark and on paper they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.play.browser import CHROMIUM, Browser
from videovq.evaluation.bootstrap import horizon_summary
from videovq.evaluation.panels import Panel
from videovq.evaluation.predictor_page import comparison_page, predictor_page
from videovq.page import page, table
from videovq.pictures import gif

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")

WIDE = """[...document.querySelectorAll("body, body *")].filter((one) =>
  one.getBoundingClientRect().right > innerWidth + 1 || (one.clientWidth && one.scrollWidth > one.clientWidth + 1)
).map((one) => one.tagName)"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
DARK = [{"name": "prefers-color-scheme", "value": "dark"}]
FRAMES = 24
METHODS = ("prediction", "best of samples", "shuffled actions", "copy last", "copy, moved", "ceiling")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def measured() -> dict[str, Any]:
    """What ``metrics.json`` says, of every measure that there is, with long names."""
    drawn = torch.rand(12, FRAMES, generator=torch.Generator().manual_seed(0))
    one = horizon_summary(1000 * drawn, torch.arange(12) % 4, 0)
    kinds = {kind: {**one, "windows": [12] * FRAMES} for kind in ("turning on the spot", "turning and walking")}
    share = {"mean": 0.5, "low": 0.25, "high": 0.75}
    actions = {"forward+look_left+fire": {"taken": 10, "precision": share, "recall": share, "F1": share}}
    followed = {"macro F1": share, "actions": actions}
    return {
        "name": "a_predictor_with_a_name_that_is_as_long_as_those_of_many_folders_are_0123456789",
        "settings": {
            "context_frames": 6, "frames": FRAMES, "split": "test", "samples": 2, "temperature": 1.0, "seed": 0,
            "field_of_view": 90.0, "store": "/somewhere/" + "long/" * 60,
        },
        "action_kind": "discrete", "windows": 12, "episodes": 4, "bits_per_frame": 1265.0, "bits_per_dim_bound": 5.0,
        "bits_per_code": dict.fromkeys(("prediction", "shuffled actions", "without context"), one),
        "bits_by_action": [{"name": "forward+look_left+fire", "frames": 1000, "true": 2.0, "shuffled": 4.0}],
        "methods": {method: dict.fromkeys(("psnr", "gradient_energy_decoded"), one) for method in METHODS},
        "motion": {"told_by": "poses", "psnr": dict.fromkeys(("prediction", "copy last", "ceiling"), kinds)},
        "visible_area": {"windows": [5] * FRAMES, "methods": {"prediction": one, "the last frame, turned": one}},
        "following": {"network": "f" * 64, "methods": dict.fromkeys(("prediction", "ceiling", "truth"), followed)},
        "turns": {"steps": 10, "same way": 0.5, "as far": 0.25},
    }  # fmt: skip


def pages() -> dict[str, str]:
    metrics, picture = measured(), np.zeros((200, 1900, 3), np.uint8)
    panels = [Panel(word, f"{word}: {'folder/' * 30}", gif([picture] * 2, 5), picture) for word in ("best", "worst")]
    charts = dict.fromkeys(("bits_per_code", "psnr", "motion", "visible_area"), picture)
    return {
        "evaluate": predictor_page(metrics, charts, panels, picture, "A card: " + "x" * 500),
        "compare": comparison_page([metrics, metrics], ["accuracy: cannot be compared"], {"psnr": ["store"]}),
    }


def show(browser: Browser, folder: Path, html: str, width: int) -> None:
    (folder / "page.html").write_text(html, encoding="utf-8")
    url = (folder / "page.html").as_uri()
    browser.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.command("Page.navigate", url=url)
    browser.wait(f'location.href === "{url}" && document.readyState === "complete" && innerWidth === {width}')


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("width", [1300, 700, 390])
@pytest.mark.parametrize("name", ["evaluate", "compare"])
def test_nothing_is_wider_than_the_page(
    name: str, width: int, made: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, made[name], width)
    assert browser.evaluate("document.querySelectorAll('td').length") > 100
    assert browser.evaluate(WIDE) == []
    assert browser.errors == []


def test_a_table_that_is_wider_would_be_found(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, page("Wide", [table(["name", *map(str, range(60))], [["one", *["123.45"] * 60]])]), 1300)
    assert "TABLE" in browser.evaluate(WIDE)


def test_it_is_dark_where_the_reader_likes_that_and_white_on_paper(
    made: dict[str, str], browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, made["evaluate"], 1300)
    browser.command("Emulation.setEmulatedMedia", media="screen", features=DARK)
    assert browser.evaluate(BACKGROUND) == "rgb(24, 24, 24)"
    cards = browser.evaluate("[...document.images].map((one) => getComputedStyle(one).backgroundColor)")
    assert set(cards) == {"rgb(255, 255, 255)"}, "black letters of figures stand on white"
    browser.command("Emulation.setEmulatedMedia", media="print", features=DARK)
    assert browser.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert browser.evaluate("document.querySelector('details').offsetHeight") == 0, "nobody can unfold it there"
    browser.command("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
    assert browser.evaluate(WIDE) == [], "on A4"
    browser.command("Emulation.setEmulatedMedia", media="", features=[])
