"""The contract of videovq.models.predictors.predictor, for every registered predictor."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace

import pytest
import torch

from tests.small import SMALL_PATCH, SMALL_PIXELCNN, SMALL_RASTER
from videovq import config
from videovq.config import LookupContextConfig, PredictorConfig
from videovq.config.registry import PREDICTORS
from videovq.models.build import build_predictor
from videovq.models.embeddings import unknown
from videovq.models.predictors.predictor import CLEAN, SAMPLED, Predictor
from videovq.models.sampling import gumbel
from videovq.types import ActionSpec, Sampling

SMALL_RECALLING = replace(
    SMALL_PATCH,
    frame_attention=2,
    frame_attention_width=32,
    frame_attention_heads=2,
    frame_attention_window=5,
    corruption_levels=3,
)


def small(name: str) -> PredictorConfig:
    """Small settings of a predictor, as far as its settings have the names of others'."""
    kind = getattr(config, name)
    others = {**vars(SMALL_PIXELCNN), **vars(SMALL_RASTER), **vars(SMALL_PATCH)}
    return kind(**{one.name: others[one.name] for one in fields(kind) if one.name in others})


SMALL = {
    "PatchPredictorConfig": SMALL_PATCH,
    "that_recalls": SMALL_RECALLING,
    "RasterPredictorConfig": SMALL_RASTER,
    "PixelCNNPredictorConfig": SMALL_PIXELCNN,
}
SMALL |= {name: small(name) for name in PREDICTORS if name not in SMALL}
K, GRID = 16, (6, 6)
SPECS = [
    ActionSpec("none"),
    ActionSpec("discrete", (3,)),
    ActionSpec("multi_discrete", (3, 2)),
    ActionSpec("continuous", mean=(0.0,), std=(2.0,)),
]


def make(kind: PredictorConfig, spec: ActionSpec = SPECS[1], grid: tuple[int, int] = GRID, k: int = K) -> Predictor:
    """A predictor with random weights everywhere, so that nothing hides behind a zero."""
    torch.manual_seed(0)
    predictor = build_predictor(kind, spec, grid, torch.randn(k, 4)).eval()
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return predictor.double()


def sample(spec: ActionSpec = SPECS[1], frames: int = 7, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(K, (batch, frames, *GRID), generator=generator)
    if spec.kind == "continuous":
        return codes, torch.randn(batch, frames, 1, generator=generator).double()
    columns = [torch.randint(size, (batch, frames), generator=generator) for size in spec.sizes]
    return codes, torch.stack(columns, -1) if columns else torch.empty(batch, frames, 0, dtype=torch.int64)


@pytest.fixture(params=SMALL.values(), ids=SMALL)
def kind(request: pytest.FixtureRequest) -> PredictorConfig:
    return request.param


@torch.no_grad()
def test_no_future_code_or_action_changes_earlier_logits(kind: PredictorConfig) -> None:
    predictor = make(kind)
    codes, actions = sample()
    before = predictor(codes, actions).logits
    for t in range(codes.shape[1]):
        changed_codes, changed_actions = codes.clone(), actions.clone()
        changed_codes[:, t] = (codes[:, t] + 5) % K
        changed_actions[:, t] = (actions[:, t] + 1) % 3
        after = predictor(changed_codes, actions).logits
        assert torch.equal(after[:, :t], before[:, :t])
        if t + 1 < codes.shape[1]:
            assert not torch.allclose(after[:, t + 1], before[:, t + 1]), "frame t matters to frame t + 1"
        after = predictor(codes, changed_actions).logits
        assert torch.equal(after[:, : t + 1], before[:, : t + 1])
        if t + 1 < codes.shape[1]:
            assert not torch.allclose(after[:, t + 1], before[:, t + 1]), "action t leads to frame t + 1"


@torch.no_grad()
def test_within_a_frame_the_codes_have_an_order(kind: PredictorConfig) -> None:
    """Perturbing one code changes other scores of its frame, never its own, and never both ways between two codes."""
    predictor = make(kind)
    codes, actions = sample(frames=3, batch=1)
    before = predictor(codes, actions).logits[0, 2].reshape(36, K)
    depends = torch.zeros(36, 36, dtype=torch.bool)
    for place in range(36):
        changed = codes.clone()
        changed[0, 2].view(-1)[place] += 1
        changed %= K
        after = predictor(changed, actions).logits[0, 2].reshape(36, K)
        depends[:, place] = (after != before).any(-1)
    assert not depends.diagonal().any()
    assert not (depends & depends.T).any()
    assert depends.any(), "codes of a frame are not drawn independently"


@torch.no_grad()
@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
def test_step_repeated_equals_forward(kind: PredictorConfig, spec: ActionSpec) -> None:
    """Along a long rollout, beyond every window, the drawn codes are the argmax of forward's logits plus the noise."""
    predictor = make(kind, spec)
    codes, actions = sample(spec, frames=14)
    noise = torch.randn(14, 2, *GRID, K, generator=torch.Generator().manual_seed(2)).double()
    state = predictor.start(codes[:, :3], actions[:, :2])
    drawn = codes[:, :3]
    for t in range(3, 14):
        new, state = predictor.step(state, actions[:, t - 1], noise[t])
        drawn = torch.cat([drawn, new[:, None]], dim=1)
    levels = torch.full(drawn.shape[:2], SAMPLED)
    levels[:, :3] = CLEAN
    logits = predictor(drawn, actions, levels=levels).logits
    for t in range(3, 14):
        assert torch.equal((logits[:, t] + noise[t]).argmax(-1), drawn[:, t]), t


@torch.no_grad()
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.7, top_k=9, top_p=0.9), Sampling(guidance=1.5)], ids=str)
def test_every_sampler_draws_the_very_same_codes(kind: PredictorConfig, sampling: Sampling) -> None:
    """In float32, from the same noise: with caches, with a pass for every group, and by predictive sampling."""
    predictor = make(kind).float()
    passes = 0

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    logits = predictor.decoder.logits
    predictor.decoder.logits = lambda *args: (count(), logits(*args))[1]  # type: ignore[method-assign]
    codes, actions = sample(batch=3)
    both = sampling.guidance != 1
    context = codes.repeat(2, 1, 1, 1) if both else codes
    drive = torch.cat([actions, unknown(actions)]) if both else actions
    noise = gumbel((5, 3, *GRID, K), torch.Generator().manual_seed(0))
    drawn, took = {}, {}
    for sampler in ("cached", "uncached", "predictive"):
        state = predictor.start(context, drive[:, :-1])
        passes, frames = 0, []
        for t in range(5):
            new, state = predictor.step(state, drive[:, -1], noise[t], replace(sampling, sampler=sampler))
            assert torch.equal(new[:3], new[-3:])
            frames.append(new[:3])
        drawn[sampler], took[sampler] = torch.stack(frames), passes / 5
    assert torch.equal(drawn["uncached"], drawn["cached"])
    assert torch.equal(drawn["predictive"], drawn["cached"])
    groups = len(predictor.decoder.order)
    assert took["cached"] == 0
    assert took["uncached"] == groups
    assert 1 < took["predictive"] <= groups + 1


@torch.no_grad()
def test_bf16_changes_the_logits_a_little(kind: PredictorConfig) -> None:
    predictor = make(kind).float()
    codes, actions = sample()
    exact = predictor(codes, actions).logits
    predictor.use_bf16()
    changed = (predictor(codes, actions).logits - exact).pow(2).mean().sqrt()
    assert 0 < changed < 0.05 * exact.std()
    drawn, _ = predictor.step(predictor.start(codes[:, :6], actions[:, :5]), actions[:, 5], torch.zeros(2, *GRID, K))
    assert drawn.shape == (2, *GRID)


@torch.no_grad()
def test_start_from_more_context_than_the_window(kind: PredictorConfig) -> None:
    predictor = make(kind)
    codes, actions = sample(frames=11)
    zeros = torch.zeros(2, *GRID, K).double()
    whole, _ = predictor.step(predictor.start(codes[:, :10], actions[:, :9]), actions[:, 9], zeros)
    assert torch.equal(
        whole, predictor(torch.cat([codes[:, :10], whole[:, None]], 1), actions).logits[:, 10].argmax(-1)
    )


@torch.no_grad()
def test_nll_is_that_of_the_logits_in_nats(kind: PredictorConfig) -> None:
    predictor = make(kind)
    codes, actions = sample()
    output = predictor(codes, actions)
    expected = -output.logits.log_softmax(-1).gather(-1, codes[..., None])[..., 0]
    assert torch.allclose(output.nll, expected)
    assert torch.isfinite(output.nll).all()


@torch.no_grad()
def test_target_frames_have_the_same_logits_as_among_all(kind: PredictorConfig) -> None:
    predictor = make(kind)
    codes, actions = sample()
    targets = torch.tensor([[4, 0, 3], [1, 6, 2]])
    every, some = predictor(codes, actions), predictor(codes, actions, targets=targets)
    row = torch.arange(2)[:, None]
    torch.testing.assert_close(some.nll, every.nll[row, targets], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(some.logits, every.logits[row, targets], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_density_sums_to_one(kind: PredictorConfig) -> None:
    """Over all 2^9 frames of a 3x3 grid of two codes."""
    predictor = make(kind, grid=(3, 3), k=2)
    every = torch.tensor(list(itertools.product(range(2), repeat=9))).reshape(-1, 1, 3, 3)
    context = torch.ones(len(every), 1, 3, 3, dtype=torch.int64)
    actions = torch.ones(len(every), 2, 1, dtype=torch.int64)
    nll = predictor(torch.cat([context, every], dim=1), actions).nll[:, 1]
    assert math.isclose(float(nll.sum((1, 2)).neg().exp().sum()), 1.0, abs_tol=1e-6)


@torch.no_grad()
def test_drawn_frequencies_agree_with_the_density(kind: PredictorConfig) -> None:
    predictor = make(kind, grid=(3, 3), k=2)
    for parameter in predictor.parameters():
        parameter.mul_(0.5)
    n = 4000
    context, action = torch.ones(n, 1, 3, 3, dtype=torch.int64), torch.ones(n, 1, dtype=torch.int64)
    gumbel = -(-torch.rand(n, 3, 3, 2, generator=torch.Generator().manual_seed(0)).log()).log()
    drawn, _ = predictor.step(predictor.start(context, action[:, None][:, :0]), action, gumbel.double())
    every = torch.tensor(list(itertools.product(range(2), repeat=9))).reshape(-1, 1, 3, 3)
    both = torch.cat([context[: len(every)], every], dim=1)
    expected = n * predictor(both, action[: len(every), None].expand(-1, 2, 1)).nll[:, 1].sum((1, 2)).neg().exp()
    weights = 2 ** torch.arange(8, -1, -1)
    counts = torch.bincount((drawn.flatten(1) * weights).sum(1), minlength=512).double()
    common = expected >= 5
    observed = torch.cat([counts[common], counts[~common].sum()[None]])
    wanted = torch.cat([expected[common], expected[~common].sum()[None]])
    chi_square = ((observed - wanted) ** 2 / wanted.clamp(min=1e-9)).sum()
    freedom = len(wanted) - 1
    assert freedom >= 3
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)


@torch.no_grad()
def test_a_lower_temperature_draws_likelier_frames(kind: PredictorConfig) -> None:
    predictor = make(kind, grid=(3, 3), k=2)
    n = 500
    context, action = torch.ones(n, 1, 3, 3, dtype=torch.int64), torch.ones(n, 1, dtype=torch.int64)
    noise = gumbel((n, 3, 3, 2), torch.Generator().manual_seed(0)).double()
    state, costs = predictor.start(context, action[:, None][:, :0]), []
    for temperature in (0.0, 0.5, 1.0, 2.0):
        drawn, _ = predictor.step(state, action, noise, Sampling(temperature))
        both = torch.cat([context, drawn[:, None]], dim=1)
        costs.append(float(predictor(both, action[:, None].expand(-1, 2, 1)).nll[:, 1].sum((1, 2)).mean()))
        assert (len(drawn.unique(dim=0)) == 1) == (temperature == 0)
    assert costs[1] < costs[2] < costs[3]


def test_training_on_corrupted_inputs_keeps_the_true_codes_as_targets(kind: PredictorConfig) -> None:
    predictor = make(kind)
    codes, actions = sample()
    given = codes.clone()
    given[:, 2] = (codes[:, 2] + 3) % K
    noisy, clean = predictor(codes, actions, given), predictor(codes, actions)
    assert torch.equal(noisy.logits[:, :3], clean.logits[:, :3]), "frame 2 itself is scored as it is"
    assert not torch.allclose(noisy.logits[:, 3], clean.logits[:, 3])


@pytest.mark.slow
def test_a_world_where_actions_matter_is_learnt_from_the_actions(kind: PredictorConfig) -> None:
    """The grid rolls left or right by one patch, as the action says; permuted actions must cost likelihood."""
    torch.manual_seed(0)
    predictor = build_predictor(kind, SPECS[1], GRID, torch.randn(K, 4))
    optimizer = torch.optim.Adam(predictor.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)

    def episodes(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        codes = torch.randint(K, (batch, 1, 6, 6), generator=generator)
        actions = torch.randint(3, (batch, 5, 1), generator=generator)
        frames = [codes[:, 0]]
        for t in range(4):
            rolled = torch.stack(
                [f.roll(int(a) - 1, dims=1) for f, a in zip(frames[-1], actions[:, t, 0], strict=True)]
            )
            frames.append(rolled)
        return torch.stack(frames, dim=1), actions

    for _ in range(100):
        optimizer.zero_grad()
        predictor(*episodes(8)).loss.backward()
        optimizer.step()
    predictor.eval()
    codes, actions = episodes(64)
    with torch.no_grad():
        true = predictor(codes, actions).nll[:, 1:].mean()
        permuted = predictor(codes, actions.roll(1, dims=0)).nll[:, 1:].mean()
    assert true < 0.8 * permuted
    assert true < 0.8 * math.log(K)


def test_a_grid_or_setting_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="7x7"):
        make(SMALL_PATCH, grid=(7, 7))
    for settings, changes, word in (
        (SMALL_PATCH, {"lookups": 3}, "lookups"),
        (SMALL_PATCH, {"lookup_heads": 3}, "lookup_heads"),
        (SMALL_PATCH, {"heads": 3}, "transformer_width"),
        (SMALL_PATCH, {"window": 1}, "window"),
        (SMALL_PATCH, {"frame_attention": 3}, "frame_attention"),
        (SMALL_RECALLING, {"frame_attention_width": 24}, "frame_attention_width"),
        (SMALL_RASTER, {"decoder_heads": 3}, "decoder_heads"),
        (SMALL_PIXELCNN, {"history": 0}, "history"),
    ):
        with pytest.raises(ValueError, match=word):
            build_predictor(replace(settings, **changes), SPECS[1], GRID, torch.randn(K, 4))
    with pytest.raises(ValueError, match="PatchPredictorConfig, RasterPredictorConfig, PixelCNNPredictorConfig"):
        build_predictor(LookupContextConfig(), SPECS[1], GRID, torch.randn(K, 4))
