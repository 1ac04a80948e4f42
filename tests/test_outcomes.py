"""Rewards and ends all the way: recordings, stores, a predictor of them, its evaluation and its environment."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import videovq.gym
from tests.conftest import predictor_config, prep_config, world, write_episode
from tests.small import SMALL_PATCH
from videovq.cli import main
from videovq.config import EncodeConfig, ModelChoice
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.outcomes import Expectations, outcome_report
from videovq.evaluation.predictor_page import outcome_lines
from videovq.frames import to_float
from videovq.prep.prepare import prepare
from videovq.rollout.contexts import contexts
from videovq.rollout.pair import load_pair
from videovq.runs import load_predictor
from videovq.training import predictor
from videovq.training.encode import encode

pytestmark = pytest.mark.slow

WITH_OUTCOMES = replace(SMALL_PATCH, outcome_loss=1.0)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """The usual world, in which going left earns 1, and in which every other episode ends."""
    source = tmp_path_factory.mktemp("rewarded")
    for i in range(6):
        frames, actions = world(i)
        rewards, ends = [float(action == 1) for action in actions], [39] if i % 2 else []
        split = "test" if i >= 4 else "train"
        write_episode(source, f"e{i}", frames, actions, split=split, rewards=rewards, ends=ends)
    return prepare(prep_config(source, tmp_path_factory.mktemp("stores") / "episodes"))


@pytest.fixture(scope="module")
def codes(episodes: EpisodeStore, vqvae_run: Path, tmp_path_factory: pytest.TempPathFactory) -> CodeStore:
    out = tmp_path_factory.mktemp("stores") / "codes"
    return encode(EncodeConfig(store=str(episodes), vqvae=str(vqvae_run), out=str(out), mirror=True))


@pytest.fixture(scope="module")
def run(codes: CodeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "predictor"
    predictor.train(replace(predictor_config(codes, folder, steps=10), model=WITH_OUTCOMES))
    return folder


def test_codes_keep_the_rewards_and_ends_of_their_frames(episodes: EpisodeStore, codes: CodeStore) -> None:
    for info in episodes.episodes:
        twin = f"{info.id}~mirrored" if info.split == "train" else info.id
        mine = episodes.outcomes(info)
        for theirs in (codes.outcomes(codes.find(info.id)), codes.outcomes(codes.find(twin))):
            assert torch.equal(mine.rewards, theirs.rewards) and torch.equal(mine.ends, theirs.ends)
        assert mine.rewards.tolist() == [float(action == 1) for action in world(int(info.id[1]))[1]]
        assert mine.ends.nonzero().flatten().tolist() == ([39] if int(info.id[1]) % 2 else [])


def test_a_store_without_rewards_is_refused(
    code_store: CodeStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--store", str(code_store), "--run", str(tmp_path / "run"), "--model", "PatchPredictorConfig"]
    assert main(["train", "predictor", *words, "--model.outcome_loss", "1"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "model.outcome_loss" in line and "has no rewards" in line
    assert not (tmp_path / "run").exists()


def test_evaluate_reports_them(
    run: Path, episodes: EpisodeStore, vqvae_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--store", str(episodes), "--vqvae", str(vqvae_run), "--predictor", str(run), "--out", str(tmp_path)]
    assert main(["evaluate", *words, "--frames", "2", "--stride", "30"]) == 0
    assert "reward             error" in capsys.readouterr().out
    assert "Rewards and ends" in (tmp_path / "report.html").read_text()
    found = json.loads((tmp_path / "metrics.json").read_text())["outcomes"]
    assert (found["steps"], found["end"]["number"]) == (70, 1), "all actions after six frames, the last ones too"
    network, vqvae = load_predictor(run).network, load_pair(ModelChoice(str(run), str(vqvae_run))).vqvae.network
    parts = [episodes.read(info) for info in episodes.split("test")]
    with torch.no_grad():
        all_codes = torch.stack([vqvae.encode(to_float(part.frames)) for part in parts])
        expected = network.expect(all_codes, torch.stack([part.actions for part in parts])).rewards[:, 5:]
    rewards = torch.stack([episodes.outcomes(info).rewards for info in episodes.split("test")])[:, 5:]
    assert found["reward"]["error"]["mean"] == pytest.approx(float((expected - rewards).abs().mean()), abs=1e-4)


def test_errors_stand_beside_those_of_a_constant() -> None:
    rewards, ends = torch.tensor([0.0, 0, 0, 4]), torch.tensor([False, False, False, True])
    expected, end_probabilities = torch.tensor([0.0, 0, 1, 3]), torch.tensor([0.25, 0.125, 0.5, 0.25])
    found = outcome_report(Expectations(torch.tensor([0, 0, 1, 1]), rewards, ends, expected, end_probabilities), 0)
    assert (found["reward"]["error"]["mean"], found["reward"]["constant"]) == (0.5, 1.5)
    assert found["reward"]["correlation"] == pytest.approx(float(np.corrcoef(rewards, expected)[0, 1]))
    bits = -np.log2([0.75, 0.875, 0.5, 0.25]).mean()
    assert found["end"]["bits"]["mean"] == pytest.approx(bits) and found["end"]["constant"] == pytest.approx(0.8112781)
    assert 0.3 < found["end"]["precision"] < 0.5 and found["end"]["rate"] == 0.25
    alone = outcome_report(Expectations(torch.zeros(4).long(), rewards, ends, expected, end_probabilities), 0)
    assert alone["reward"]["error"]["low"] is alone["end"]["bits"]["high"] is None
    assert "(one episode: no interval)" in dict(outcome_lines(alone))["reward"]
    nothing = outcome_report(
        Expectations(
            torch.tensor([0, 1]), torch.zeros(2), torch.zeros(2) > 0, end_probabilities[:2], end_probabilities[:2]
        ),
        0,
    )
    assert nothing["reward"]["correlation"] is None and nothing["end"]["precision"] is None


def settings(run: Path, vqvae_run: Path, episodes: EpisodeStore) -> dict[str, Any]:
    return {"vqvae": vqvae_run, "predictor": run, "context": str(episodes), "observations": "codes", "device": "cpu"}


def set_end(environment: Any, logit: float) -> None:
    head = environment.unwrapped.world.pair.predictor.network.outcome
    with torch.no_grad():
        head.out.weight[-1], head.out.bias[-1] = 0, logit


def test_the_environment_rewards_and_terminates(run: Path, vqvae_run: Path, episodes: EpisodeStore) -> None:
    environment = gymnasium.make(videovq.gym.ID, **settings(run, vqvae_run, episodes))
    set_end(environment, -50)
    _, info = environment.reset(seed=3)
    _, reward, terminated, _, _ = environment.step(1)
    pair = load_pair(ModelChoice(str(run), str(vqvae_run)))
    clip = {c.name: c for c in contexts(str(episodes), "", pair, 6, 1024)}[info["scene"]]
    with torch.no_grad():
        shown = pair.vqvae.network.encode(to_float(clip.frames))[None]
        expected = pair.predictor.network.expect(shown, torch.cat([clip.actions, torch.tensor([[1]])])[None])
    assert reward == pytest.approx(float(expected.rewards[0, -1]), abs=1e-5) and reward != 0
    assert not terminated
    set_end(environment, 50)
    assert environment.step(0)[2:4] == (True, False)


def test_a_vector_begins_each_anew_when_it_ends(run: Path, vqvae_run: Path, episodes: EpisodeStore) -> None:
    world = {**settings(run, vqvae_run, episodes), "steps": 5}
    together = gymnasium.make_vec(videovq.gym.ID, num_envs=3, **world)
    apart = gymnasium.make_vec(videovq.gym.ID, num_envs=3, vectorization_mode="sync", **world)
    for one in (together, *apart.unwrapped.envs):  # type: ignore[attr-defined]
        set_end(one, -1.0)
    assert np.array_equal(together.reset(seed=1)[0], apart.reset(seed=1)[0])
    together.action_space.seed(0)
    over = []
    for _ in range(12):
        actions = together.action_space.sample()
        (seen, rewards, *ends, info), (seen_, rewards_, *ends_, info_) = together.step(actions), apart.step(actions)
        assert np.array_equal(seen, seen_) and np.allclose(rewards, rewards_, atol=1e-5)
        assert np.array_equal(ends, ends_) and list(info["scene"]) == list(info_["scene"])
        over.append(ends)
    assert not (np.array(over)[:, 0].all(1) == np.array(over)[:, 0].any(1)).all(), "not all at once"
