from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.small import SMALL_PATCH, SMALL_PIXELCNN, SMALL_RASTER
from videovq.config import DeclareActionsConfig, ModelChoice, PredictorConfig
from videovq.data.store import EpisodeStore
from videovq.models.build import build_predictor
from videovq.models.predictors.predictor import Predictor
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import predict_codes
from videovq.rollout.pair import Pair, load_pair
from videovq.rollout.state import force_step, start_rollouts, step_rollouts
from videovq.types import ActionSpec, Sampling

pytestmark = pytest.mark.slow


def predictor(config: PredictorConfig) -> Predictor:
    torch.manual_seed(0)
    return build_predictor(config, ActionSpec("discrete", (3,)), (6, 6), torch.randn(32, 8)).eval()


@pytest.mark.parametrize("config", [SMALL_PATCH, SMALL_RASTER, SMALL_PIXELCNN], ids=lambda c: type(c).__name__)
def test_rollouts_of_any_length_and_settings_step_together_as_each_would_alone(config: PredictorConfig) -> None:
    """Contexts of one and of three frames, guidance or not, two ways of drawing, one rollout that joins late."""
    network = predictor(config)
    torch.manual_seed(1)
    lengths = [3, 1, 3, 3]
    samplings = [Sampling(), Sampling(0.5, 5), Sampling(guidance=2.0), Sampling()]
    seeds = [4, 5, 6, 7]
    given = [torch.randint(32, (1, t, 6, 6)) for t in lengths]
    between = [torch.randint(3, (1, t - 1, 1)) for t in lengths]
    actions = torch.randint(3, (4, 8, 1))
    states = [
        start_rollouts(network, c, a, [seed], sampling.guidance != 1)[0]
        for c, a, seed, sampling in zip(given, between, seeds, samplings, strict=True)
    ]
    found: list[list[torch.Tensor]] = [[], [], [], []]
    for step in range(8):
        some = [0, 1, 2] if step < 2 else [0, 1, 2, 3]
        drawn = step_rollouts(
            network,
            [states[i] for i in some],
            [actions[i, len(found[i])] for i in some],
            [samplings[i] for i in some],
        )
        for i, one in zip(some, drawn, strict=True):
            states[i] = one.state
            found[i].append(one.codes)
            assert one.entropy.shape == (6, 6) and 0 < one.entropy.mean() <= 5
    for i, codes in enumerate(found):
        alone = predict_codes(network, given[i], between[i], actions[i : i + 1], samplings[i], [seeds[i]])
        assert torch.equal(torch.stack(codes), alone[0, : len(codes)])


def test_entropy_is_that_of_the_logits() -> None:
    network = predictor(SMALL_PATCH)
    given, action = torch.zeros(1, 2, 6, 6, dtype=torch.int64), torch.tensor([[1]])
    (state,) = start_rollouts(network, given, action[None], [0])
    (drawn,) = step_rollouts(network, [state], [action[0]], [Sampling(0.0)])
    with torch.no_grad():
        logits = network(torch.cat([given, drawn.codes[None, None]], 1), torch.ones(1, 3, 1, dtype=torch.int64)).logits
    bits = torch.distributions.Categorical(logits=logits[0, -1]).entropy() / torch.tensor(2.0).log()
    torch.testing.assert_close(drawn.entropy, bits, atol=1e-4, rtol=1e-4)


def test_forcing_known_codes_leads_to_the_same_state_and_noise() -> None:
    network = predictor(SMALL_PATCH)
    (state,) = start_rollouts(
        network, torch.zeros(1, 1, 6, 6, dtype=torch.int64), torch.zeros(1, 0, 1, dtype=torch.int64), [3]
    )
    action = torch.tensor([2])
    (drawn,) = step_rollouts(network, [state], [action], [Sampling()])
    led = force_step(network, state, action, drawn.codes)
    (one,), (other,) = (step_rollouts(network, [w], [action], [Sampling()]) for w in (drawn.state, led))
    assert torch.equal(one.codes, other.codes) and torch.equal(one.entropy, other.entropy)
    with pytest.raises(ValueError, match="guidance"):
        step_rollouts(network, [state], [action], [Sampling(guidance=2.0)])


@pytest.fixture
def pair(vqvae_run: Path, predictor_run: Path) -> Pair:
    return load_pair(ModelChoice(str(predictor_run), str(vqvae_run)))


def test_contexts_of_a_store_and_of_a_video(pair: Pair, episode_store: EpisodeStore, recordings: Path) -> None:
    clips = contexts(str(episode_store), "", pair, 6, 24)
    tests = episode_store.split("test")
    assert [clip.name for clip in clips] == [info.id for info in tests]
    episode = episode_store.read(tests[1])
    assert torch.equal(clips[1].frames, episode.frames[:6]) and torch.equal(clips[1].actions, episode.actions[:5])
    assert len(contexts(str(episode_store), "", pair, 6, 1)) == 1
    video = recordings / "episode_000008.mp4"
    parts = contexts(str(video), "", pair, 6, 24)
    assert [clip.name for clip in parts] == [f"episode_000008 {start}" for start in (0, 6, 12, 18, 24, 30)]
    assert torch.equal(parts[2].actions, episode_store.read(tests[0]).actions[12:17])
    moved = contexts(str(video), "", pair, 6, 24, DeclareActionsConfig(actions_at="before"))
    assert torch.equal(moved[2].actions, episode_store.read(tests[0]).actions[13:18])
    for frames, named in ((0, "at least 1"), (41, "no 41 frames in a row")):
        with pytest.raises(ValueError, match=named):
            contexts(str(video), "", pair, frames, 24)


def test_a_video_without_actions_gives_single_frames(pair: Pair, recordings: Path, tmp_path: Path) -> None:
    video = tmp_path / "mine.mp4"
    video.write_bytes((recordings / "episode_000000.mp4").read_bytes())
    assert len(contexts(str(video), "", pair, 1, 24)) == 1
    with pytest.raises(ValueError, match="mine.json"):
        contexts(str(video), "", pair, 2, 24)
