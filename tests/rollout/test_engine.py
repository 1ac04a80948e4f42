from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from videovq.data.store import EpisodeStore
from videovq.errors import UserError
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.rollout.compiled import compile_predictor
from videovq.rollout.engine import Session, decode_codes, find_device, generate, predict_codes, to_device
from videovq.runs import TrainedPredictor, TrainedVQVAE, load_predictor, load_vqvae
from videovq.types import RolloutRequest, Sampling


@pytest.fixture
def models(vqvae_run: Path, predictor_run: Path) -> tuple[TrainedVQVAE, TrainedPredictor]:
    return load_vqvae(vqvae_run), load_predictor(predictor_run)


@pytest.fixture
def request_(episode_store: EpisodeStore) -> RolloutRequest:
    episode = episode_store.read(episode_store.split("test")[0])
    return RolloutRequest(episode.frames[:6], episode.actions[:5], episode.actions[5:9], samples=3, seed=5)


def recorded_calls(network: VQVAE, method: str, monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What the method is called with from now on."""
    calls, original = [], getattr(network, method)

    def recording(value: torch.Tensor) -> torch.Tensor:
        calls.append(value)
        return original(value)

    monkeypatch.setattr(network, method, recording)
    return calls


def test_only_context_is_encoded_and_only_predictions_are_decoded(
    models, request_: RolloutRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    vqvae, predictor = models[0].network, models[1].network
    encoded, decoded = (recorded_calls(vqvae, method, monkeypatch) for method in ("encode", "decode"))
    result = generate(vqvae, predictor, request_)
    assert [torch.equal(e, to_float(request_.context)) for e in encoded] == [True]
    assert torch.equal(torch.cat(decoded), result.codes.flatten(0, 1))
    decoded.clear()
    codes_only = generate(vqvae, predictor, request_, decode=False)
    assert decoded == []
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
    greedy = generate(vqvae, predictor, replace(request_, sampling=Sampling(0.0)))
    assert torch.equal(greedy.codes[0], greedy.codes[2])


def test_samples_of_one_context_share_its_reading(models, request_: RolloutRequest) -> None:
    """One prefill for all samples, and for guidance one more; the codes are those of separate contexts."""
    vqvae, predictor = models[0].network, models[1].network
    codes = vqvae.encode(to_float(request_.context))
    for sampling in (Sampling(), Sampling(guidance=2.0)):
        shared = generate(vqvae, predictor, replace(request_, sampling=sampling)).codes
        many = codes.expand(3, *codes.shape), request_.context_actions.expand(3, 5, 1)
        apart = predict_codes(predictor, *many, request_.actions.expand(3, 4, 1), sampling, [5, 6, 7])
        assert torch.equal(shared, apart)


def test_hundreds_of_frames_in_constant_memory(models) -> None:
    predictor = models[1].network
    context, actions = torch.zeros(1, 2, 6, 6, dtype=torch.int64), torch.zeros(1, 1, 1, dtype=torch.int64)
    session = Session(predictor, context, actions, Sampling(), [0])

    def kept() -> int:
        state = session.state
        tensors = [state.codes, state.actions, *(z for pair in state.cache.layers for z in pair)]
        return sum(z.untyped_storage().nbytes() for z in tensors)

    sizes = []
    for t in range(300):
        codes = session.step(torch.tensor([[t % 3]]))
        sizes.append(kept())
    assert len(set(sizes[10:])) == 1, "what the rollout keeps stops growing when the window is full"
    assert codes.shape == (1, 6, 6)


def test_bf16_changes_the_scores_a_little(models, request_: RolloutRequest) -> None:
    vqvae, predictor = models[0].network, models[1].network
    with torch.no_grad():
        codes, actions = vqvae.encode(to_float(request_.context))[None], torch.zeros(1, 6, 1, dtype=torch.int64)
        before, frames = predictor(codes, actions).logits, decode_codes(vqvae, codes).float()
        to_device(vqvae, predictor, "cpu", "bf16")
        after, again = predictor(codes, actions).logits, decode_codes(vqvae, codes).float()
    assert next(predictor.context.parameters()).dtype == torch.bfloat16
    assert next(predictor.decoder.parameters()).dtype == torch.float32
    assert 0 < (after - before).pow(2).mean().sqrt() < 0.05 * before.std()
    assert 0 < (again - frames).abs().mean() < 1, "of 255"
    assert generate(vqvae, predictor, request_).codes.shape == (3, 4, 6, 6)


def test_compiling_waits_for_steady_shapes_and_falls_back(
    models, request_: RolloutRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    vqvae, predictor = models[0].network, models[1].network
    few = replace(
        request_, context=request_.context[:2], context_actions=request_.context_actions[:1], samples=1,
        actions=request_.actions.repeat(2, 1),
    )  # fmt: skip
    before = generate(vqvae, predictor, few).codes
    calls: list[str] = []

    def compiling(function, **settings):
        return lambda *given: (calls.append(function.__name__), function(*given))[1]

    monkeypatch.setattr(torch, "compile", compiling)
    compile_predictor(predictor)
    assert torch.equal(generate(vqvae, predictor, few).codes, before)
    # Of 8 steps: the memory holds 2 frames, then 3 (its window is 4), and from the third on nothing changes shape.
    assert calls.count("forward") == 6
    assert calls.count("draw") == 7

    def failing(function, **settings):
        def call(*given):
            raise RuntimeError("no compiler\nhere")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    compile_predictor(predictor)
    with pytest.warns(UserWarning, match="going on without: no compiler$"):
        assert torch.equal(generate(vqvae, predictor, few).codes, before)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee the documentation"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("backend='inductor' raised:\nOutOfMemoryError: CUDA out of memory."),
        OSError(12, "Cannot allocate memory"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "wrapped", "compiler", "python"],
)
def test_memory_that_runs_out_when_compiled_is_an_error(
    error: Exception, models, request_: RolloutRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(torch, "compile", lambda function, **settings: failing)
    compile_predictor(models[1].network)
    with pytest.raises(UserError, match=r"^compile: ran out of memory \(.+\); lower samples, or set compile false$"):
        generate(models[0].network, models[1].network, request_)


@pytest.mark.parametrize("precision", ["bf16", "bf16-mixed"])
def test_both_names_of_bf16_are_one(precision: str, vqvae_run: Path, predictor_run: Path) -> None:
    vqvae, predictor = load_vqvae(vqvae_run).network, load_predictor(predictor_run).network
    to_device(vqvae, predictor, "cpu", precision)
    assert {p.dtype for p in vqvae.decoder.parameters()} == {torch.bfloat16}


def test_a_gpu_is_whatever_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def zeros(size: int, device: str) -> torch.Tensor:
        asked.append(device)
        return torch.empty(size)

    monkeypatch.setattr(torch, "zeros", zeros)
    for cuda, mps, name in ((True, True, "cuda"), (False, True, "mps")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=mps: there)
        find_device("gpu")
        assert asked.pop() == name


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="device: 'gpu' is not on this machine; use auto or cpu"):
        find_device("gpu")


@pytest.mark.parametrize("device", ["cuda:99", "mps:7", "hpu", "xla", "meta", "nonsense", "-1"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=f"device: '{device}' is not on this machine; use auto or cpu"):
        find_device(device)
