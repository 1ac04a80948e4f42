"""Measures on predictors of known quality: one that knows the world of the tests, and one that ignores actions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from benchmarks.held_action import turn
from videovq.data.motion import horizontal_shift
from videovq.data.store import EpisodeStore
from videovq.evaluation.bootstrap import bootstrap_interval, horizon_summary
from videovq.evaluation.clips import Clips, Protocol, clips
from videovq.evaluation.likelihood import by_action, likelihood
from videovq.evaluation.motion import motion_agreement, moved_along, shift_by_action
from videovq.evaluation.perceptual import VideoDistance, frechet
from videovq.evaluation.prediction import BEST, CEILING, COPY, MEASURES, MOVED, PREDICTION, SHUFFLED, TRUTH, prediction
from videovq.evaluation.reconstruction import ssim
from videovq.evaluation.sharpness import gradient_energy
from videovq.frames import psnr, to_uint8
from videovq.models.noise import FrameNoise
from videovq.models.predictors.contract import PredictorOutput
from videovq.models.predictors.predictor import Predictor
from videovq.models.sampling import sample_codes
from videovq.models.vqvae import VQVAE
from videovq.types import Sampling

PALETTE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3), dtype=np.uint8))
LEFT, RIGHT = 1, 2
PROTOCOL = Protocol("train", context=3, frames=4, stride=5)


class Colours(VQVAE):
    """Every 4x4 cell of the tests' world as the number of its colour, without loss."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    device = torch.device("cpu")

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        cells = to_uint8(frames)[:, 1::4, 1::4].float()
        return torch.cdist(cells.flatten(1, 2), PALETTE.float()).argmin(-1).unflatten(1, cells.shape[1:3])

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        frames = PALETTE[codes].repeat_interleave(4, 1).repeat_interleave(4, 2)
        return (frames.float() / 255 - 0.5).permute(0, 3, 1, 2)


class Knowing(Predictor):
    """Knows how the world moves, and that what comes into view may be anything; ``deaf``, it thinks that all stays."""

    grid = (6, 6)

    def __init__(self, deaf: bool = False) -> None:
        nn.Module.__init__(self)
        self.deaf = deaf
        self.codebook = torch.zeros(6, 1)
        self.noise = FrameNoise(36, 6)

    def scores(self, codes: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Scores of the frame after ``codes`` (b y x) and ``action`` (b)."""
        seen = nn.functional.one_hot(codes, 6) * 8.0
        left, right = (nn.functional.pad(seen, edge) for edge in ((0, 0, 1, -1), (0, 0, -1, 1)))
        where = torch.zeros_like(action) if self.deaf else action
        return torch.stack([seen, left, right])[where, torch.arange(len(codes))]

    def forward(self, codes, actions, inputs=None, targets=None) -> PredictorOutput:
        later = [self.scores(codes[:, t], actions[:, t, 0]) for t in range(codes.shape[1] - 1)]
        logits = torch.stack([torch.zeros(len(codes), 6, 6, 6), *later], dim=1)
        nll = nn.functional.cross_entropy(logits.flatten(0, 3), codes.flatten(), reduction="none").view_as(codes)
        return PredictorOutput(logits, nll, nll.mean())

    def start(self, codes, actions):
        return codes[:, -1]

    def step(self, state, action, noise, sampling=Sampling()):
        scores = self.scores(state, action[:, 0]).flatten(1, 2)
        drawn = sample_codes(noise.flatten(1, 2), sampling, scores, torch.arange(36)).view(-1, 6, 6)
        return drawn, drawn


def batches(store: EpisodeStore, size: int = 7) -> Iterator[Clips]:
    return clips(Colours(), store, PROTOCOL, size, "test")


def measured(store: EpisodeStore, deaf: bool = False, samples: int = 1, shift_actions: int = 0, size: int = 7):
    late = (replace(c, actions=c.actions.roll(shift_actions, 1)) for c in batches(store, size))
    knowing = Knowing(deaf)
    return prediction(Colours(), knowing, late, 3, samples, Sampling(1.0), 0, [0.0, 4.0, -4.0], MEASURES)


def test_a_predictor_that_knows_the_world(episode_store: EpisodeStore) -> None:
    found = measured(episode_store)
    values = found.values
    assert found.same_way > 0.98 and found.as_far > 0.98 and found.steps > 100
    assert values[PREDICTION]["accuracy"][:, 0].mean() > 0.85, "all but the column that comes into view"
    for control in (COPY, SHUFFLED):
        assert values[PREDICTION]["accuracy"].mean() > values[control]["accuracy"].mean() + 0.15
    assert values[PREDICTION]["ssim"].mean() > values[SHUFFLED]["ssim"].mean() + 0.1
    assert values[MOVED]["ssim"].mean() > values[COPY]["ssim"].mean() + 0.1
    assert (values[CEILING]["psnr"] > 70).all()
    assert (values[CEILING]["ssim"] > 0.999).all()
    bits = likelihood(Knowing(), batches(episode_store), 3)
    assert bits.true.mean() < 0.5 * bits.shuffled.mean()
    assert torch.allclose(bits.unconditional, torch.tensor(math.log2(6)), atol=1e-4), (
        "without context any colour is as likely"
    )
    actions = by_action(bits, episode_store.header.action_spec)
    assert [one.name for one in actions] == ["stay", "left", "right"]
    assert all(one.true < one.shuffled - 0.5 for one in actions)


def test_a_predictor_that_ignores_actions_is_exposed(episode_store: EpisodeStore) -> None:
    found = measured(episode_store, deaf=True)
    assert torch.equal(found.values[PREDICTION]["psnr"], found.values[SHUFFLED]["psnr"])
    assert found.same_way < 0.1
    bits = likelihood(Knowing(deaf=True), batches(episode_store), 3)
    assert torch.equal(bits.true, bits.shuffled)


def test_actions_that_come_a_step_late_are_exposed(episode_store: EpisodeStore) -> None:
    right, late = measured(episode_store), measured(episode_store, shift_actions=1)
    assert late.same_way < 0.75 < right.same_way
    assert late.values[PREDICTION]["psnr"].mean() < right.values[PREDICTION]["psnr"].mean() - 3
    wrong = (replace(c, actions=c.actions.roll(1, 1)) for c in batches(episode_store))
    bits = likelihood(Knowing(), wrong, 3)
    assert bits.true.mean() > 0.8 * bits.shuffled.mean(), "late actions are worth no more than anybody's"


def test_batches_do_not_matter_and_samples_do(episode_store: EpisodeStore) -> None:
    one, other = measured(episode_store, size=3), measured(episode_store, size=50)
    for method, values in one.values.items():
        for name in values:
            torch.testing.assert_close(values[name], other.values[method][name])
    many = measured(episode_store, samples=4)
    assert BEST not in one.values
    assert (many.values[BEST]["psnr"].mean(1) >= many.values[PREDICTION]["psnr"].mean(1) - 1e-4).all()
    assert not torch.equal(many.values[PREDICTION]["psnr"], one.values[PREDICTION]["psnr"])


def test_measures_agree_with_other_libraries(episode_store: EpisodeStore) -> None:
    real = episode_store.read(episode_store.split("test")[0]).frames
    noise = torch.randint(0, 256, real.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for frames, others in ((real[:-1], real[1:]), (noise[:-1], noise[1:]), (real, noise)):
        ours = {"psnr": psnr(frames, others), "ssim": ssim(frames, others)}
        for i, (a, b) in enumerate(zip(frames.numpy(), others.numpy(), strict=True)):
            if (a != b).any():
                assert ours["psnr"][i] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-3)
                pair = torch.from_numpy(a).float(), torch.from_numpy(b).float()
                assert ours["psnr"][i] == pytest.approx(float(torchmetrics_psnr(*pair, data_range=255.0)), abs=1e-3)
            theirs = structural_similarity(
                a, b, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            assert ours["ssim"][i] == pytest.approx(theirs, abs=2e-3)


@pytest.mark.parametrize("columns", [-9, -1, 0, 4, 17])
def test_phase_correlation_finds_how_far_a_picture_moved(columns: int) -> None:
    wide = torch.rand(3, 84, 160, generator=torch.Generator().manual_seed(0))
    wide = nn.functional.avg_pool2d(wide, 3, 1, 1)
    assert horizontal_shift(wide[..., 40:124], wide[..., 40 - columns : 124 - columns]).tolist() == [columns] * 3


def test_gradient_energy_of_known_pictures() -> None:
    ramp = (torch.arange(20)[:, None] * 3 + torch.arange(30) * 5).to(torch.uint8)[..., None].expand(20, 30, 3)
    assert gradient_energy(ramp).item() == 3**2 + 5**2
    assert gradient_energy(ramp[None] // 255).tolist() == [0.0]
    stripes = torch.tensor([0, 0, 200, 200], dtype=torch.uint8).repeat(6)[None, :, None].expand(24, 24, 3)
    blurred = stripes.float().roll(1, 1).add(stripes.float()).div(2).to(torch.uint8)  # each step becomes two halves
    inner = slice(1, None)
    ratio = gradient_energy(blurred[:, inner]) / gradient_energy(stripes[:, inner])
    assert ratio.item() == pytest.approx(0.5, rel=0.1), "two steps of half the height have half the energy"


def test_a_prediction_that_loses_its_textures_is_exposed(episode_store: EpisodeStore) -> None:
    class Grey(Colours):
        """Decodes at half the contrast."""

        def decode(self, codes: torch.Tensor) -> torch.Tensor:
            return super().decode(codes) / 2

    def energies(vqvae: VQVAE) -> dict[str, torch.Tensor]:
        late = batches(episode_store)
        return prediction(vqvae, Knowing(), late, 3, 1, Sampling(1.0), 0, [0.0, 4.0, -4.0], MEASURES).gradients

    sharp, grey = energies(Colours()), energies(Grey())
    assert set(sharp) == {PREDICTION, SHUFFLED, COPY, MOVED, CEILING, TRUTH}
    torch.testing.assert_close(sharp[CEILING], sharp[TRUTH])
    quarter = grey[PREDICTION].sum(0) / sharp[PREDICTION].sum(0)
    torch.testing.assert_close(quarter, torch.full((4,), 0.25), rtol=0.02, atol=0)


def test_a_ratio_of_sums_has_the_interval_of_its_episodes() -> None:
    generator = torch.Generator().manual_seed(0)
    episodes = torch.arange(6).repeat_interleave(5)
    over = torch.rand(30, 3, generator=generator) + 0.5
    over[5:, 2] = 0  # one episode alone knows of it
    found = horizon_summary(0.5 * over, episodes, 0, over)
    assert found["by_horizon"] == pytest.approx([0.5] * 3) and found["mean"] == pytest.approx(0.5)
    assert found["low_by_horizon"][:2] == pytest.approx([0.5] * 2) and found["low_by_horizon"][2] is None
    nothing = horizon_summary(torch.zeros(30, 2), episodes, 0, torch.zeros(30, 2))
    assert nothing["mean"] is None and nothing["by_horizon"] == [None, None] == nothing["low_by_horizon"]
    plain = horizon_summary(over, episodes, 0)
    assert plain["mean"] == pytest.approx(float(over.mean())) and plain["low"] < plain["mean"] < plain["high"]


def test_motion_of_actions(episode_store: EpisodeStore) -> None:
    assert shift_by_action(episode_store, "train", torch.device("cpu")) == [0.0, 4.0, -4.0]
    last = torch.arange(24, dtype=torch.uint8)[None, None, :, None].expand(1, 24, 24, 3)
    moved = moved_along(last, torch.tensor([[[LEFT], [LEFT], [RIGHT]]]), [0.0, 4.0, -4.0])
    assert moved[0, :, 5, 10, 0].tolist() == [6, 2, 6]
    assert moved[0, :, 5, 0, 0].tolist() == [0, 0, 0], "what comes into view repeats the edge"
    frames = torch.randint(0, 256, (1, 24, 48, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    there = torch.stack([frames[:, :, 20 - 4 * t : 44 - 4 * t] for t in range(4)], dim=1)
    assert [x.mean() for x in motion_agreement(there, there)] == [1, 1]
    assert [x.mean() for x in motion_agreement(there.flip(1), there)] == [0, 0]
    assert [len(x) for x in motion_agreement(there, there[:, :1].expand_as(there))] == [0, 0], "nothing moved"


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(200):
        centres = torch.randn(30, generator=generator)
        values = (centres[:, None] + 0.1 * torch.randn(30, 8, generator=generator)).flatten()
        low, high = bootstrap_interval(values, torch.arange(30).repeat_interleave(8))
        hits += int(low <= 0 <= high)
    assert 180 <= hits <= 199, "of 200; intervals over windows, not episodes, would cover a third"
    both = bootstrap_interval(torch.randn(12, 3, generator=generator), torch.arange(12))
    assert both[0].shape == both[1].shape == (3,) and (both[0] < both[1]).all()
    assert bootstrap_interval(torch.randn(12, generator=generator), torch.full((12,), 7)) is None, "one episode"


def test_frechet_distance_of_known_gaussians(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(60_000, 3, generator=generator)
    second = torch.randn(60_000, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([1.0, 0.0, 0.0])
    assert frechet(first, second) == pytest.approx(1 + 0 + 1 + 4, rel=0.02)
    assert frechet(first, first) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="255 videos are too few"):
        frechet(first[:255], second)
    with pytest.raises(ValueError, match="cannot be read as TorchScript"):
        VideoDistance(str(tmp_path / "missing.pt"), torch.device("cpu"))


def test_turns(episode_store: EpisodeStore) -> None:
    knowing = turn(Colours(), Knowing(), episode_store, "train", LEFT, contexts=9, frames=3)
    assert (knowing.recorded, knowing.predicted, knowing.rollouts) == (4.0, 4.0, 9)
    assert knowing.right > 0.85
    assert knowing.recorded_right > 0.85
    deaf = turn(Colours(), Knowing(deaf=True), episode_store, "train", LEFT, contexts=9, frames=3)
    assert deaf.right == 0
