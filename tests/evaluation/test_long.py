"""`videovq evaluate long`, on rollouts whose fate is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from videovq.checkpoints import load_vqvae
from videovq.cli import main
from videovq.config import EvaluateLongConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.drift import comes_back, features, measure, yardstick
from videovq.evaluation.long import contexts
from videovq.models.quantizers.contract import count, perplexity


def test_the_report(episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path, capsys) -> None:
    words = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--predictor", str(predictor_run)]
    words += [
        "--split",
        "train",
        "--out",
        str(tmp_path / "out"),
        "--frames",
        "100",
        "--rollouts",
        "6",
        "--segment",
        "50",
    ]
    assert main(["evaluate", "long", *words, "--turn_action", "left", "--turn_steps", "6"]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [(one["first"], one["last"]) for one in metrics["segments"]] == [(1, 50), (51, 100)]
    assert all(one["distance"] > 0 for one in metrics["segments"])
    assert metrics["real"]["distance"] is None, "half of 280 real frames are too few"
    assert set(metrics["full turn"]) == {"psnr", "psnr to another context"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "A full turn" in page and "51-100" in page and 'src="data:' in page
    assert "to that of another context" in page
    assert "after a full turn" in capsys.readouterr().out
    for wrong, named in ((["--frames", "0"], "frames"), (["--turn_action", "up", "--turn_steps", "2"], "turn_action")):
        assert main(["evaluate", "long", *words, *wrong, "--out", str(tmp_path / "no")]) == 2
        assert named in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_fading_and_noise_are_measured(code_store: CodeStore, vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    real = torch.stack([code_store.read(info).codes for info in code_store.split("train")])
    known = features(vqvae, real.flatten(0, 1))
    noise = torch.randint(32, real.shape, generator=torch.Generator().manual_seed(0))
    flat = real[:, :1].expand_as(real)
    found = {
        name: measure(vqvae, codes, 1, known) for name, codes in (("real", real), ("noise", noise), ("flat", flat))
    }
    assert found["real"].perplexity == pytest.approx(perplexity(count(real.flatten(), 32)))
    assert found["real"].distance == pytest.approx(0, abs=1e-4)
    assert found["noise"].distance is not None and found["flat"].distance is not None
    assert found["noise"].distance > 10 * max(found["real"].distance or 0, 1e-3)
    assert found["flat"].distance > 0.01
    assert found["flat"].changed == 0 < found["real"].changed < found["noise"].changed
    assert found["noise"].perplexity > 1.2 * found["real"].perplexity


def test_the_yardstick_is_the_distance_of_disjoint_halves(vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    generator = torch.Generator().manual_seed(0)
    kinds = [torch.randint(32, (1, 6, 6), generator=generator).expand(300, 6, 6) for _ in range(2)]
    apart = float((features(vqvae, kinds[0][:1]) - features(vqvae, kinds[1][:1])).pow(2).sum())
    for real in (kinds, [torch.cat(kinds)], [kinds[0][:299], kinds[1], kinds[0][:1]]):
        found = yardstick(vqvae, real).distance
        assert found == pytest.approx(apart, rel=0.01), "two halves that have nothing in common"
    assert yardstick(vqvae, [kinds[0][:1]]).distance is None
    assert yardstick(vqvae, [kinds[0][:255], kinds[1]]).distance is None


def test_real_episodes_of_different_lengths_are_measured_to_their_ends(vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    codes = torch.arange(5)[:, None, None].expand(5, 6, 6)
    found = measure(vqvae, [codes, codes[:1], codes[:1].expand(4, 6, 6)], 1, features(vqvae, codes))
    assert (found.first, found.last) == (1, 5)
    assert found.changed == pytest.approx(4 / 7)


def test_coming_back(code_store: CodeStore, vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    codes = torch.stack([code_store.read(info, 0, 6).codes for info in code_store.split("train")])
    perfect = comes_back(vqvae, codes, codes)
    assert perfect["psnr"] > 70 > perfect["psnr to another context"]
    assert comes_back(vqvae, codes[:1], codes[:1])["psnr to another context"] is None, "there is none"


def test_actions_last_as_long_as_the_rollout(episode_store: EpisodeStore, vqvae_run: Path) -> None:
    config = EvaluateLongConfig(split="test", context=6, frames=100, rollouts=5)
    codes, actions = contexts(load_vqvae(vqvae_run).network, episode_store, config)
    recorded = [episode_store.read(info).actions for info in episode_store.split("test")]
    assert codes.shape == (5, 6, 6, 6) and actions.shape == (5, 105, 1)
    assert torch.equal(actions[0, :40], recorded[0]) and torch.equal(actions[0, 40:80], recorded[1])
    assert torch.equal(actions[1, :40], recorded[1]) and torch.equal(actions[1, 40:80], recorded[0])
    assert torch.equal(actions[2, :34], recorded[0][6:]), "the third starts later in the first episode"
    assert not torch.equal(codes[2], codes[0])
