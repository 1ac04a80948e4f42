from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from videovq.checkpoints import TrainedPredictor, TrainedVQVAE, load_predictor, load_vqvae
from videovq.data.store import CodeStore, EpisodeStore
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.rollout.engine import check_pair, decode_codes, generate
from videovq.rollout.metrics import bits_per_code, horizons
from videovq.types import RolloutRequest


@pytest.fixture
def models(vqvae_run: Path, predictor_run: Path) -> tuple[TrainedVQVAE, TrainedPredictor]:
    return load_vqvae(vqvae_run), load_predictor(predictor_run)


@pytest.fixture
def request_(episode_store: EpisodeStore) -> RolloutRequest:
    episode = episode_store.read(episode_store.split("test")[0])
    return RolloutRequest(episode.frames[:6], episode.actions[:5], episode.actions[5:9], samples=3, seed=5)


class CountingVQVAE:
    """Records every call of a VQ-VAE's encoder and decoder."""

    def __init__(self, network: VQVAE) -> None:
        self.network, self.encoded, self.decoded = network, [], []

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        self.encoded.append(frames)
        return self.network.encode(frames)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        self.decoded.append(codes)
        return self.network.decode(codes)


def test_only_context_is_encoded_and_only_predictions_are_decoded(models, request_: RolloutRequest) -> None:
    spy = CountingVQVAE(models[0].network)
    result = generate(spy, models[1].network, request_)  # type: ignore[arg-type]
    assert [torch.equal(e, to_float(request_.context)) for e in spy.encoded] == [True]
    assert torch.equal(torch.cat(spy.decoded), result.codes.flatten(0, 1))
    spy.decoded.clear()
    codes_only = generate(spy, models[1].network, request_, decode=False)  # type: ignore[arg-type]
    assert spy.decoded == []
    assert codes_only.frames is None
    assert torch.equal(codes_only.codes, result.codes)


def test_shapes_seeds_and_samples(models, request_: RolloutRequest) -> None:
    vqvae, predictor = models[0].network, models[1].network
    result = generate(vqvae, predictor, request_)
    assert result.codes.shape == (3, 4, 6, 6)
    assert result.frames is not None and result.frames.shape == (3, 4, 24, 24, 3)
    assert torch.equal(result.codes, generate(vqvae, predictor, request_).codes), "same seed, same rollout"
    assert not torch.equal(result.codes[0], result.codes[1]), "samples differ"
    alone = generate(vqvae, predictor, replace(request_, samples=1, seed=6))
    assert torch.equal(alone.codes[0], result.codes[1]), "a sample does not depend on how many there are"
    assert torch.equal(decode_codes(vqvae, result.codes), result.frames)
    greedy = generate(vqvae, predictor, replace(request_, temperature=0.0))
    assert torch.equal(greedy.codes[0], greedy.codes[2])


def test_another_vqvae_is_refused(models) -> None:
    check_pair(*models)
    with pytest.raises(ValueError, match="another VQ-VAE"):
        check_pair(replace(models[0], fingerprint="0" * 64), models[1])


def test_measures(models, episode_store: EpisodeStore, code_store: CodeStore) -> None:
    vqvae, predictor = models[0].network, models[1].network
    bits = bits_per_code(predictor, code_store, "test", window=10, stride=10)
    info = code_store.split("test")[0]
    episodes = [code_store.read(i, s, s + 10) for i in code_store.split("test") for s in range(0, 31, 10)]
    with torch.no_grad():
        output = predictor(torch.stack([e.codes for e in episodes]), torch.stack([e.actions for e in episodes]))
    expected = output.nll.mean(dim=(0, 2, 3)) / torch.log(torch.tensor(2.0))
    assert torch.allclose(torch.tensor(bits), expected, atol=1e-4)
    found = horizons(vqvae, predictor, episode_store, "test", context=6, frames=4, stride=10, batch=3)
    again = horizons(vqvae, predictor, episode_store, "test", context=6, frames=4, stride=10, batch=8)
    assert found.windows == 8
    assert torch.allclose(torch.tensor(found.prediction), torch.tensor(again.prediction), atol=1e-4)
    frames = episode_store.read(info).frames.float()
    assert len(found.copy_last) == len(found.ceiling) == 4
    assert found.ceiling[0] > found.copy_last[3]
    assert frames.shape[0] == 40
