from __future__ import annotations

from pathlib import Path

import pytest
import torch

from videovq.data.store import EpisodeStore
from videovq.evaluation import panels
from videovq.evaluation.clips import Protocol
from videovq.evaluation.prediction import RolloutMeasures
from videovq.pictures import labelled_rows
from videovq.rollout.pair import Pair
from videovq.runs import load_predictor, load_vqvae
from videovq.types import Sampling


@pytest.mark.parametrize(("context", "titles"), [(1, ["context"]), (2, ["context"] * 2), (6, ["context"] * 2)])
def test_a_panel_shows_the_context_before_the_prediction(
    context: int,
    titles: list[str],
    episode_store: EpisodeStore,
    vqvae_run: Path,
    predictor_run: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = []
    monkeypatch.setattr(panels, "labelled_rows", lambda *args: shown.append(args) or labelled_rows(*args))
    pair = Pair(load_vqvae(vqvae_run), load_predictor(predictor_run))
    protocol = Protocol("test", context, 2, 40)
    panels.panel(pair, episode_store, protocol, 0, "best", Sampling(), 0)
    assert shown[-1][0] == [*titles, "+1", "+2"]
    truth = dict(shown[-1][1])["truth"]
    frames = episode_store.read(episode_store.split("test")[0]).frames.numpy()
    assert all((truth[i] == frames[context - len(titles) + i]).all() for i in range(len(titles) + 2))


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        (1, ["the only one"]),
        (2, ["best", "worst"]),
        (3, ["best", "median", "worst"]),
        (5, ["best", "median", "worst"]),
        (6, ["best", "best", "median", "median", "worst", "worst"]),
        (9, ["best", "best", "median", "median", "worst", "worst"]),
    ],
)
def test_no_window_is_shown_twice(windows: int, words: list[str]) -> None:
    psnr = torch.arange(windows).float()[:, None]
    episodes, levels = torch.zeros(windows).long(), torch.zeros(1, 1).long()
    found = RolloutMeasures(episodes, {"prediction": {"psnr": psnr}}, 0.0, 0.0, 0, levels)
    shown = panels.telling_windows(found, 2)
    assert [word for word, _ in shown] == words
    numbers = [number for _, number in shown]
    assert len(set(numbers)) == len(numbers)
    assert numbers[0] == windows - 1 and numbers[-1] in (0, 1)
