from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from videovq.checkpoints import load_predictor, load_vqvae
from videovq.data.store import CodeStore, EpisodeStore
from videovq.evaluation.actions import action_bits, horizontal_shift, turn
from videovq.evaluation.drift import drift
from videovq.evaluation.prediction import bits_per_code, horizons
from videovq.frames import psnr, to_float
from videovq.models.quantizers.contract import count, perplexity
from videovq.rollout.engine import decode_codes
from videovq.types import Sampling


def test_bits_and_horizons(
    vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore, code_store: CodeStore
) -> None:
    vqvae, predictor = load_vqvae(vqvae_run).network, load_predictor(predictor_run).network
    bits = bits_per_code(predictor, code_store, "test", window=10, stride=10)
    episodes = [code_store.read(i, s, s + 10) for i in code_store.split("test") for s in range(0, 31, 10)]
    with torch.no_grad():
        output = predictor(torch.stack([e.codes for e in episodes]), torch.stack([e.actions for e in episodes]))
    expected = output.nll.mean(dim=(0, 2, 3)) / torch.log(torch.tensor(2.0))
    assert torch.allclose(torch.tensor(bits), expected, atol=1e-4)
    found = horizons(vqvae, predictor, episode_store, "test", context=6, frames=4, stride=10, batch=3)
    again = horizons(vqvae, predictor, episode_store, "test", context=6, frames=4, stride=10, batch=8)
    assert found.windows == 8
    assert torch.allclose(torch.tensor(found.prediction), torch.tensor(again.prediction), atol=1e-4)
    clips = [episode_store.read(i, s, s + 10).frames for i in episode_store.split("test") for s in range(0, 31, 10)]
    for h in range(4):
        expected_copy = torch.stack([psnr(clip[5], clip[6 + h]) for clip in clips]).mean()
        rebuilt = [decode_codes(vqvae, vqvae.encode(to_float(clip))[None])[0] for clip in clips]
        expected_ceiling = torch.stack(
            [psnr(new[6 + h], clip[6 + h]) for new, clip in zip(rebuilt, clips, strict=True)]
        )
        assert found.copy_last[h] == pytest.approx(float(expected_copy), abs=1e-3)
        assert found.ceiling[h] == pytest.approx(float(expected_ceiling.mean()), abs=1e-3)


def test_bits_by_action(predictor_run: Path, code_store: CodeStore) -> None:
    """The world of the tests turns as the actions say, so other actions cost bits; and none means nothing to lose."""
    predictor = load_predictor(predictor_run).network
    found = action_bits(predictor, code_store, "train", window=10)
    again = action_bits(predictor, code_store, "train", window=10)
    assert found == again
    assert len(found) == 3
    assert all(one.frames > 0 and math.isfinite(one.true) for one in found)
    with torch.no_grad():
        predictor.actions.tables[0].weight.zero_()
    deaf = action_bits(predictor, code_store, "train", window=10)
    assert all(one.true == pytest.approx(one.shuffled) for one in deaf)
    assert all(a.true != b.true for a, b in zip(found, deaf, strict=True))


@pytest.mark.parametrize("columns", [-9, -1, 0, 4, 17])
def test_phase_correlation_finds_how_far_a_picture_moved(columns: int) -> None:
    wide = torch.rand(3, 84, 160, generator=torch.Generator().manual_seed(0))
    wide = torch.nn.functional.avg_pool2d(wide, 3, 1, 1)
    assert horizontal_shift(wide[..., 40:124], wide[..., 40 - columns : 124 - columns]).tolist() == [columns] * 3


def test_turns_are_compared_with_the_recorded_ones(
    vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore
) -> None:
    vqvae, predictor = load_vqvae(vqvae_run).network, load_predictor(predictor_run).network
    found = turn(vqvae, predictor, episode_store, "train", 1, contexts=5, frames=3)
    assert found == turn(vqvae, predictor, episode_store, "train", 1, contexts=5, frames=3)
    assert found.rollouts == 5
    assert 0 <= found.right <= 1
    left, right = (turn(vqvae, predictor, episode_store, "train", a, contexts=2, frames=1).recorded for a in (1, 2))
    assert left * right < 0, "the recorded turns go opposite ways"


def test_drift_segments(predictor_run: Path, code_store: CodeStore) -> None:
    predictor = load_predictor(predictor_run).network
    found = drift(predictor, code_store, "test", 25, segment=10, sampling=Sampling(1.0))
    assert found.codes.shape == (2, 25, 6, 6)
    assert len(found.predicted) == len(found.recorded) == len(found.changed_predicted) == 3
    truth = torch.stack([code_store.read(info).codes for info in code_store.split("test")])[:, 6:31]
    for codes, ratios in ((found.codes, found.predicted), (truth, found.recorded)):
        expected = [perplexity(count(part.flatten(), 32)) for part in codes.split(10, dim=1)]
        assert ratios == pytest.approx(expected)
    assert found.changed_recorded[0] == pytest.approx(float((truth[:, 1:10] != truth[:, :9]).float().mean()))
