"""Sessions: steps of a rollout that are forked, saved and restored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import videovq
from videovq.data.store import EpisodeStore
from videovq.session import Session

OLD = Path(__file__).parent / "old"
PREDICTORS = ("predictor", "predictor-raster", "predictor-pixelcnn")
ACTIONS = [1, 2, 0, 2, 1, 1]


@pytest.fixture(scope="module", params=PREDICTORS)
def model(request: pytest.FixtureRequest) -> videovq.Model:
    return videovq.load(vqvae=str(OLD / "vqvae"), predictor=str(OLD / request.param), device="cpu")


@pytest.fixture(scope="module")
def context() -> tuple[torch.Tensor, list[int]]:
    store = EpisodeStore(OLD / "store")
    episode = store.read(store.episodes[0], 0, 4)
    return episode.frames, episode.actions[:3, 0].tolist()


def test_a_session_sees_what_a_prediction_would(model: videovq.Model, context: tuple[torch.Tensor, list[int]]) -> None:
    frames, between = context
    session = model.session(frames, between, seed=3)
    assert torch.equal(session.frame, model.decode(model.encode(frames[-1:]))[0])
    seen = [session.step(action) for action in ACTIONS]
    predicted = model.predict(frames, between + ACTIONS, seed=3)
    assert torch.equal(session.codes[1:], predicted.codes[0]) and session.steps == len(ACTIONS)
    assert torch.equal(torch.stack(seen[-1:]), model.decode(predicted.codes[0, -1:]))


def test_a_fork_and_a_saved_session_go_on_exactly_where_they_were(
    model: videovq.Model, context: tuple[torch.Tensor, list[int]], tmp_path: Path
) -> None:
    frames, between = context
    session = model.session(frames, between, seed=3, top_k=20)
    for action in ACTIONS[:3]:
        session.step(action)
    fork, path = session.fork(), tmp_path / "new" / "session.safetensors"
    session.save(path)
    for action in ACTIONS:
        session.step(action)
    restored = model.restore(path)
    assert restored.steps == fork.steps == 3 and restored.sampling == session.sampling
    for other in (fork, restored, model.restore(path)):
        for action in ACTIONS:
            other.step(action)
        assert torch.equal(other.codes, session.codes)
    assert not torch.equal(model.session(frames, between, seed=4, top_k=20).codes, session.codes)


def test_a_session_is_restored_by_the_networks_that_it_is_of(
    context: tuple[torch.Tensor, list[int]], tmp_path: Path
) -> None:
    models = [videovq.load(vqvae=str(OLD / "vqvae"), predictor=str(OLD / name), device="cpu") for name in PREDICTORS]
    frames, between = context
    path = tmp_path / "session.safetensors"
    session = models[0].session(frames, between)
    session.save(path)
    with pytest.raises(ValueError, match="was saved with other networks"):
        models[1].restore(path)
    with pytest.raises(ValueError, match=r"model.safetensors: is no session that this version of videovq saved"):
        models[0].restore(OLD / "vqvae" / "model.safetensors")
    with pytest.raises(ValueError, match="no such file"):
        models[0].restore(tmp_path / "nowhere")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is torn"):
        models[0].restore(path)
    with pytest.raises(ValueError, match="action: "):
        session.step(7)
    with pytest.raises(ValueError, match="actions: 0 for 4 frames; 3 between them are needed"):
        models[0].session(frames)
    assert isinstance(session, Session) and session.steps == 0
