"""The learned world as a Gymnasium environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

import videovq.gym
from tests.conftest import same_pictures
from videovq.config import ModelChoice
from videovq.data.store import EpisodeStore
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import generate
from videovq.rollout.pair import load_pair
from videovq.types import ActionSpec, RolloutRequest


@pytest.fixture
def world(vqvae_run: Path, predictor_run: Path, episode_store: EpisodeStore) -> dict[str, Any]:
    return {"vqvae": vqvae_run, "predictor": predictor_run, "context": str(episode_store), "device": "cpu"}


@pytest.mark.parametrize("observations", ["pixels", "codes"])
@pytest.mark.filterwarnings("error")
def test_gymnasium_finds_nothing_to_complain_about(world: dict[str, Any], observations: str) -> None:
    environment = gymnasium.make(videovq.gym.ID, **world, observations=observations, render_mode="rgb_array")
    check_env(environment.unwrapped, skip_render_check=True)
    environment.reset(seed=0)
    assert environment.render().shape == (24, 24, 3)


def test_observed_codes_that_run_backwards_have_pictures(world: dict[str, Any]) -> None:
    dream = videovq.gym.World(**world, observations="codes")
    codes = np.arange(2 * 36).reshape(2, 6, 6)[::-1] % 32
    codes = codes[:, ::-1]
    assert np.array_equal(dream.pictures(codes), dream.pictures(codes.copy()))


def test_an_episode_is_a_rollout_with_the_same_seed(world: dict[str, Any]) -> None:
    environment = gymnasium.make(videovq.gym.ID, **world, steps=4, temperature=0.7, top_k=9)
    first, info = environment.reset(seed=5)
    seen = [environment.step(action) for action in (1, 2, 2, 0)]
    assert [(reward, terminated, truncated) for _, reward, terminated, truncated, _ in seen] == [
        (0.0, False, False), (0.0, False, False), (0.0, False, False), (0.0, False, True)
    ]  # fmt: skip
    pair = load_pair(ModelChoice(str(world["predictor"]), str(world["vqvae"])))
    clip = {c.name: c for c in contexts(str(world["context"]), "", pair, 6, 1024)}[info["scene"]]
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(5)))
    generator.integers(2)
    sampling = environment.unwrapped.world.sampling
    actions = torch.tensor([[1], [2], [2], [0]])
    request = RolloutRequest(clip.frames, clip.actions, actions, 1, sampling, int(generator.integers(2**63)))
    rollout = generate(pair.vqvae.network, pair.predictor.network, request)
    assert rollout.frames is not None
    assert np.array_equal(first, clip.frames[-1].numpy())
    assert same_pictures(np.stack([one[0] for one in seen]), rollout.frames[0].numpy())


@pytest.mark.parametrize("observations", ["pixels", "codes"])
def test_a_vector_of_environments_is_that_many_environments(world: dict[str, Any], observations: str) -> None:
    """Through the end of an episode and the restart that follows, and a second episode without a seed."""
    settings = {**world, "observations": observations, "steps": 3}
    together = gymnasium.make_vec(videovq.gym.ID, num_envs=3, **settings)
    assert isinstance(together.unwrapped, videovq.gym.DreamVectorEnv)
    apart = gymnasium.make_vec(videovq.gym.ID, num_envs=3, vectorization_mode="sync", **settings)
    assert together.observation_space == apart.observation_space and together.action_space == apart.action_space
    (one, info), (other, info_) = together.reset(seed=1), apart.reset(seed=1)
    assert np.array_equal(one, other) and list(info["scene"]) == list(info_["scene"])
    together.action_space.seed(0)
    for _ in range(6):
        actions = together.action_space.sample()
        (seen, *others), (seen_, *others_) = together.step(actions)[:4], apart.step(actions)[:4]
        assert same_pictures(seen, seen_) if observations == "pixels" else np.array_equal(seen, seen_)
        for mine, theirs in zip([seen, *others], [seen_, *others_], strict=True):
            assert mine.dtype == theirs.dtype
        assert all(map(np.array_equal, others, others_))


PARALLEL = """
import sys
import gymnasium, torch
import videovq.gym

torch.set_num_threads(2)
torch.randn(2_000_000).exp().sum()  # now GNU OpenMP has a second thread here
world = dict(zip(("vqvae", "predictor", "context"), sys.argv[1:]), device="cpu")
dreams = gymnasium.make_vec(videovq.gym.ID, num_envs=2, vectorization_mode="async", steps=3, **world)
dreams.reset(seed=0)
seen, *_ = dreams.step([1, 2])
assert seen.shape == (2, 24, 24, 3)
dreams.close()
print("done")
"""


def test_environments_in_processes_of_their_own_work_after_the_program_has_computed_in_parallel(
    world: dict[str, Any],
) -> None:
    """``vectorization_mode="async"`` forks; the threads of OpenMP stay behind."""
    command = [sys.executable, "-c", PARALLEL, *map(str, (world["vqvae"], world["predictor"], world["context"]))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.communicate(timeout=300)[0].splitlines()[-1:] == ["done"]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # else its children would wait for ever, too


def test_a_gpu_in_a_forked_process_is_refused_with_the_remedy(
    world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    for device in ("auto", "cuda"):
        with pytest.raises(ValueError, match="device: a GPU .* forked .*context"):
            videovq.gym.DreamEnv(**{**world, "device": device})
    videovq.gym.DreamEnv(**world)


def test_mistakes_are_named(world: dict[str, Any]) -> None:
    for wrong, named in (
        ({"steps": 0}, "steps"),
        ({"top_p": 2.0}, "top_p"),
        ({"temperature": -1.0}, "temp"),
    ):
        with pytest.raises(ValueError, match=named):
            videovq.gym.DreamEnv(**{**world, **wrong})
    environment = videovq.gym.DreamEnv(**world)
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)
    environment.reset(seed=0)
    with pytest.raises(ValueError, match="action: an action is not a number"):
        environment.step("up")


@pytest.mark.parametrize(
    ("spec", "space"),
    [
        (ActionSpec("none"), gymnasium.spaces.Discrete(1)),
        (ActionSpec("multi_discrete", (3, 2)), gymnasium.spaces.MultiDiscrete([3, 2])),
        (ActionSpec("continuous", mean=(0.0, 1.0), std=(1.0, 2.0)),
         gymnasium.spaces.Box(np.float32([-3, -5]), np.float32([3, 7]))),
    ],
)  # fmt: skip
def test_actions_of_every_kind(world: dict[str, Any], spec: ActionSpec, space: gymnasium.Space[Any]) -> None:
    found = videovq.gym.World(**world)
    trained = found.pair.predictor
    found.pair = found.pair._replace(predictor=type(trained)(trained.network, trained.config, spec, 10.0, ""))
    assert found.action_space == space
    assert found._action(space.sample()).shape == (spec.width,)


def test_a_state_is_returned_to_and_saved_from(world: dict[str, Any], tmp_path: Path) -> None:
    environment = videovq.gym.DreamEnv(**world, steps=6)
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.get_state()
    environment.reset(seed=5)
    environment.step(1)
    state, path = environment.get_state(), tmp_path / "state.safetensors"
    environment.save(path)

    def rest(one: videovq.gym.DreamEnv) -> tuple[list[np.ndarray], list[bool], str]:
        taken = [one.step(action) for action in (2, 2, 0, 1, 1)]
        return [*(seen for seen, *_ in taken), one.reset()[0]], [step[3] for step in taken], taken[-1][4]["scene"]

    expected = rest(environment)
    assert expected[1] == [False] * 4 + [True]
    another = videovq.gym.DreamEnv(**world, steps=6)
    for go_back in (lambda: environment.set_state(state), lambda: environment.restore(path)):
        go_back()
        assert all(np.array_equal(*pair) for pair in zip(rest(environment)[0], expected[0], strict=True))
    seen, info = another.restore(path)
    assert np.array_equal(seen, state.seen) and info == {"scene": state.scene}
    found = rest(another)
    assert all(np.array_equal(*pair) for pair in zip(found[0], expected[0], strict=True)) and found[1:] == expected[1:]
    with pytest.raises(ValueError, match="was saved with other settings"):
        videovq.gym.DreamEnv(**world, temperature=0.5).restore(path)


def test_a_vectors_states_are_returned_to_and_one_is_forked_into_all(world: dict[str, Any], tmp_path: Path) -> None:
    vector = videovq.gym.DreamVectorEnv(2, **world, steps=2)
    vector.reset(seed=5)
    vector.step(np.array([1, 2]))
    states, path = vector.get_state(), tmp_path / "states.safetensors"
    vector.save(path)
    expected = [vector.step(np.array([0, 1]))[0] for _ in range(4)]  # beyond the ends
    for go_back in (lambda: vector.set_state(states), lambda: vector.restore(path)):
        go_back()
        assert all(np.array_equal(vector.step(np.array([0, 1]))[0], seen) for seen in expected)
    vector.set_state([states[1], states[1]])
    first, second = vector.step(np.array([1, 1]))[0]
    assert same_pictures(first, second)
    with pytest.raises(ValueError, match="is of 2 rollouts, not of 1 environments"):
        videovq.gym.DreamEnv(**world).restore(path)
    with pytest.raises(ValueError, match="states: 1 for 2 environments"):
        vector.set_state(states[:1])
