"""`videovq evaluate long`, on rollouts whose fate is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from videovq.cli import main
from videovq.config import EvaluateLongConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.collapse import code_intervals, collapse, running_perplexity
from videovq.evaluation.drift import features, full_turn_psnr, measure_segment, reference_segment
from videovq.evaluation.long import spread_contexts
from videovq.evaluation.mirror import inverses, mirror_psnr, mirror_report, there_and_back
from videovq.models.quantizers.contract import count, perplexity
from videovq.runs import load_vqvae
from videovq.types import ActionSpec


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
    assert main(["evaluate", "long", *words, "--turn_action", "left", "--turn_steps", "6",
                 "--inverses", "{left: right}", "--mirror_steps", "[1,3]"]) == 0  # fmt: skip
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [(one["first"], one["last"]) for one in metrics["segments"]] == [(1, 50), (51, 100)]
    assert all(one["distance"] > 0 for one in metrics["segments"])
    assert metrics["real"]["distance"] is None, "half of 280 real frames are too few"
    assert set(metrics["full turn"]) == {
        "action", "steps", "psnr", "psnr interval", "psnr to another context", "psnr to another context, interval",
    }  # fmt: skip
    assert (metrics["full turn"]["action"], metrics["full turn"]["steps"]) == ("left", 6)
    for one in metrics["segments"]:
        low, high = one["perplexity_interval"]
        assert low <= high and one["changed_interval"] and one["gradient_energy"] > 0
    assert [one["steps"] for one in metrics["mirror"]] == [1, 3]
    assert len(metrics["collapse"]["first"]) == 6 and 30 <= metrics["collapse"]["median"] <= 100
    assert metrics["left_out"] == {}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Frames until collapse" in page and "There and back again" in page
    assert "A full turn" in page and "51-100" in page and 'src="data:' in page
    letters = re.sub(r'src="data:[^"]*"', "", page)  # in which any three letters may come
    assert "nan" not in letters.split("<h2>A")[0]
    assert "to that of another context" in page
    assert f"PSNR (dB) after a full turn</dt><dd>{metrics['full turn']['psnr']:.2f}<" in page
    assert f"perplexity of codes, frames 51 to 100</dt><dd>{metrics['segments'][1]['perplexity']:.0f}<" in page
    assert "after a full turn" in capsys.readouterr().out
    for wrong, named in ((["--frames", "0"], "frames"), (["--turn_action", "up", "--turn_steps", "2"], "turn_action"),
                         (["--inverses", "{left: up}"], "inverses: no action 'up'")):  # fmt: skip
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
        name: measure_segment(vqvae, codes, 1, known)
        for name, codes in (("real", real), ("noise", noise), ("flat", flat))
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
        found = reference_segment(vqvae, real).distance
        assert found == pytest.approx(apart, rel=0.01), "two halves that have nothing in common"
    assert reference_segment(vqvae, [kinds[0][:1]]).distance is None
    assert reference_segment(vqvae, [kinds[0][:255], kinds[1]]).distance is None


def test_real_episodes_of_different_lengths_are_measured_to_their_ends(vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    codes = torch.arange(5)[:, None, None].expand(5, 6, 6)
    found = measure_segment(vqvae, [codes, codes[:1], codes[:1].expand(4, 6, 6)], 1, features(vqvae, codes))
    assert (found.first, found.last) == (1, 5)
    assert found.changed == pytest.approx(4 / 7)


def test_coming_back(code_store: CodeStore, vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    codes = torch.stack([code_store.read(info, 0, 6).codes for info in code_store.split("train")])
    perfect = full_turn_psnr(vqvae, codes, codes)
    assert perfect["psnr"] > 70 > perfect["psnr to another context"]
    assert full_turn_psnr(vqvae, codes[:1], codes[:1])["psnr to another context"] is None, "there is none"


def test_actions_last_as_long_as_the_rollout(episode_store: EpisodeStore, vqvae_run: Path) -> None:
    config = EvaluateLongConfig(split="test", context_frames=6, frames=100, rollouts=5)
    codes, actions = spread_contexts(load_vqvae(vqvae_run).network, episode_store, config)
    recorded = [episode_store.read(info).actions for info in episode_store.split("test")]
    assert codes.shape == (5, 6, 6, 6) and actions.shape == (5, 105, 1)
    assert torch.equal(actions[0, :40], recorded[0]) and torch.equal(actions[0, 40:80], recorded[1])
    assert torch.equal(actions[1, :40], recorded[1]) and torch.equal(actions[1, 40:80], recorded[0])
    assert torch.equal(actions[2, :34], recorded[0][6:]), "the third starts later in the first episode"
    assert not torch.equal(codes[2], codes[0])


def test_what_does_not_apply_is_named_and_left_out(
    episode_store: EpisodeStore, vqvae_run: Path, predictor_run: Path, tmp_path: Path, capsys
) -> None:
    words = ["--store", str(episode_store), "--vqvae", str(vqvae_run), "--predictor", str(predictor_run)]
    short = ["--frames", "10", "--rollouts", "2", "--segment", "5", "--out", str(tmp_path / "out")]
    assert main(["evaluate", "long", *words, *short]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert set(metrics["left_out"]) == {"frames until collapse", "mirror test", "full turn"}
    assert "full turn" not in metrics and "mirror" not in metrics and metrics["collapse"] is None
    page, printed = (tmp_path / "out" / "report.html").read_text(), capsys.readouterr().out
    for shown in (page, printed):
        assert "shorter than 30 frames" in shown and "--inverses" in shown and "--turn_steps" in shown


def test_a_rollout_collapses_when_it_shows_half_as_many_codes() -> None:
    generator = torch.Generator().manual_seed(0)
    real = [torch.randint(32, (95, 6, 6), generator=generator) for _ in range(2)]
    lively = torch.randint(32, (5, 100, 6, 6), generator=generator)
    rolled = lively.clone()
    rolled[1, 40:] = 0
    rolled[2:4] = rolled[1]
    rolled[4] = 7
    found = collapse(rolled, real, torch.arange(5), 32, 0)
    assert found is not None
    assert found["first"][0] is None and found["first"][4] == 30, "no stretch is shorter"
    fallen = found["first"][1]
    running = running_perplexity(rolled[1], 32)
    assert running[fallen - 30] < found["data"] / 2 <= running[fallen - 31]
    assert found["first"][1:4] == [fallen] * 3 and 41 < fallen < 70
    assert found["median"] == found["first"][1] and found["collapsed"] == 4 and found["real"] == 0
    assert found["low"] <= found["median"] <= found["high"] == 100
    assert found["data"] == pytest.approx(32, rel=0.05)
    held = collapse(lively, real, torch.arange(5), 32, 0)
    assert held is not None and (held["median"], held["collapsed"], held["low"]) == (100, 0, 100)
    assert collapse(lively[:, :29], real, torch.arange(5), 32, 0) is None
    assert collapse(lively, [one[:20] for one in real], torch.arange(5), 32, 0) is None


def test_intervals_of_codes_are_over_episodes() -> None:
    codes = torch.zeros(6, 10, 2, 2, dtype=torch.int64)
    codes[1::2] = 1
    found = code_intervals(codes, torch.arange(6) % 2, 4, 0)
    assert found["perplexity_interval"] == pytest.approx([1, 2]), "one of the two episodes, or both"
    assert found["changed_interval"] == [0, 0]
    alone = code_intervals(codes, torch.zeros(6, dtype=torch.int64), 4, 0)
    assert alone == {"perplexity_interval": None, "changed_interval": None}


def test_a_rollout_that_goes_back_as_it_came_mirrors_perfectly(code_store: CodeStore, vqvae_run: Path) -> None:
    vqvae = load_vqvae(vqvae_run).network
    codes = torch.stack([code_store.read(info, 0, 5).codes for info in code_store.split("train")])
    start, out = codes[:, 0], codes[:, 1:]
    back = torch.cat([out, out[:, :-1].flip(1), start[:, None]], dim=1)
    found, control = mirror_psnr(vqvae, start, back)
    assert found.shape == (len(codes), 4) and (found > 70).all() and control is not None and control.mean() < 40
    episodes = torch.arange(len(codes))
    told = mirror_report(found, control, episodes, 0)
    assert told["steps"] == 4 and told["last frame"]["mean"] > 70 > told["another rollout"]["mean"]
    onward = torch.cat([out, out], dim=1)
    assert mirror_psnr(vqvae, start, onward)[0].mean() < 60, "it went out again"
    assert mirror_psnr(vqvae, start[:1], back[:1])[1] is None


def test_which_actions_take_each_other_back() -> None:
    lab = ActionSpec("discrete", (4,), ("noop", "look_left", "forward", "look_right"))
    assert inverses(lab, {}) == [(1, 3), (3, 1)]
    assert inverses(ActionSpec("discrete", (3,), ("stay", "left", "right")), {}) == []
    assert inverses(ActionSpec("discrete", (3,)), {"0": "2"}) == [(0, 2), (2, 0)]
    assert inverses(ActionSpec("none"), {}) == []
    assert there_and_back([(1, 3), (3, 1)], 3, 2)[..., 0].tolist() == [[1, 1, 3, 3], [3, 3, 1, 1], [1, 1, 3, 3]]
    with pytest.raises(ValueError, match="inverses: no action 'up'"):
        inverses(lab, {"look_left": "up"})
    with pytest.raises(ValueError, match="inverses: continuous actions have no names"):
        inverses(ActionSpec("continuous", mean=(0.0,), std=(1.0,)), {"a": "b"})
