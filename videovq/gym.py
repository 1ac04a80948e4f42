"""The learned world as a Gymnasium environment, ``videovq/Dream-v0``, alone or as a vector of many.

Import this module, then ``gymnasium.make("videovq/Dream-v0", pretrained=...)`` or ``gymnasium.make_vec``. An episode is
truncated after ``steps`` steps. A predictor that was trained with ``model.outcome_loss`` gives the expected reward, and
an episode terminates with the predicted probability, sampled by the environment's generator: ends are rare and their
time uncertain, so that a threshold would hardly ever be passed. With any other the reward is always 0.0 and nothing
terminates; wrap the environment to compute rewards from observations.

``get_state`` and ``set_state`` fork and rewind episodes, as planning does; ``save`` and ``restore`` keep them in a
safetensors file, from which another process goes on exactly there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videovq.errors import UserError
from videovq.gym_world import EpisodeState, World, generator_at
from videovq.packages import install
from videovq.rollout.state import RolloutState

try:
    import gymnasium
    from gymnasium.utils import seeding
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(f"videovq.gym: needs gymnasium 1.1 or newer; {install('gym')}") from error

ID = "videovq/Dream-v0"


class DreamEnv(gymnasium.Env[np.ndarray, Any]):
    """One dream. ``info`` names the scene it started in.

    Args:
        steps: length of an episode.
        render_mode: ``rgb_array``, or None.
        world: settings of :class:`World`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, *, steps: int = 300, render_mode: str | None = None, **world: Any) -> None:
        if steps < 1:
            raise UserError("steps: must be at least 1")
        self.world = World(**world)
        self.steps = steps
        self.metadata = {**self.metadata, "render_fps": self.world.pair.predictor.fps}
        self.render_mode = render_mode
        self.observation_space = self.world.observation_space
        self.action_space = self.world.action_space
        self._state: RolloutState | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start in a scene that the seed draws; ``options`` are not used."""
        super().reset(seed=seed)
        (self._state,), seen, (name,) = self.world.start([self.np_random])
        self._seen, self._name, self._step = seen[0], name, 0
        return self._seen.copy(), {"scene": name}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Predict the next frame; the reward is the expected one."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset comes before the first step")
        (self._state,), seen, rewards, ended = self.world.step([self._state], [action], [self.np_random])
        self._seen = seen[0]
        self._step += 1
        over = self._step >= self.steps
        return self._seen.copy(), float(rewards[0]), bool(ended[0]), over, {"scene": self._name}

    def get_state(self) -> EpisodeState:
        """Where the episode is now, to return to with :meth:`set_state`, here or in another environment of this world.

        Raises:
            gymnasium.error.ResetNeeded: there is no episode yet.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset comes before the first state")
        return EpisodeState(
            self._state, self._seen.copy(), self._name, self._step, False, dict(self.np_random.bit_generator.state)
        )

    def set_state(self, state: EpisodeState) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on from a state; gives the observation there, as ``reset`` does."""
        self._state, self._seen, self._name, self._step = state.rollout, state.seen.copy(), state.scene, state.step
        self.np_random = generator_at(state.generator)
        return self._seen.copy(), {"scene": self._name}

    def save(self, path: str | Path) -> None:
        """Write the state as a safetensors file."""
        self.world.save(path, [self.get_state()])

    def restore(self, path: str | Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on where :meth:`save` was called; gives the observation there.

        Raises:
            UserError: it is no such file, or of another world or other settings.
        """
        return self.set_state(*self.world.load(path, 1))

    def render(self) -> Any:
        """The last observation as RGB, uint8 ``h w 3``, if ``render_mode`` asked for it."""
        if self.render_mode != "rgb_array":
            return None
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset comes before the first picture")
        return self.world.pictures(self._seen[None])[0].copy()


class DreamVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Many dreams, computed in one batch; each is that of a :class:`DreamEnv` with its seed.

    The step after its last starts a new one, whatever its action (``AutoresetMode.NEXT_STEP``).

    Args:
        num_envs: number of environments.
        steps: length of an episode.
        world: settings of :class:`World`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, *, steps: int = 300, render_mode: str | None = None, **world: Any) -> None:
        if steps < 1 or num_envs < 1:
            raise UserError("steps and num_envs: must be at least 1")
        self.world = World(**world)
        self.num_envs, self.steps, self.render_mode = num_envs, steps, render_mode
        self.metadata = {**self.metadata, "render_fps": self.world.pair.predictor.fps}
        self.single_observation_space = self.world.observation_space
        self.single_action_space = self.world.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._states: list[RolloutState] = []

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start all; a number ``seed`` gives the i-th ``seed + i``, and without one, its generator continues."""
        if options and "reset_mask" in options:
            raise UserError("options.reset_mask: these environments start together, and each restarts by itself")
        seeds = [seed] * self.num_envs if seed is None else seed
        seeds = [seeds + i for i in range(self.num_envs)] if isinstance(seeds, int) else list(seeds)
        if len(seeds) != self.num_envs:
            raise UserError(f"seed: {len(seeds)} for {self.num_envs} environments")
        before: Sequence[np.random.Generator | None] = self._generators or [None] * self.num_envs
        self._generators = [
            old if old is not None and one is None else seeding.np_random(one)[0]
            for old, one in zip(before, seeds, strict=True)
        ]
        self._states, self._seen, self._names = self.world.start(self._generators)
        self._step, self._over = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, bool)
        return self._seen.copy(), self._info()

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Predict the next frame of each, and start those that are over in a new scene."""
        if not self._states:
            raise gymnasium.error.ResetNeeded("reset comes before the first step")
        rewards, ended = np.zeros(self.num_envs), np.zeros(self.num_envs, bool)
        new, on = (np.flatnonzero(over).tolist() for over in (self._over, ~self._over))
        seen = np.empty_like(self._seen)
        if new:
            states, seen[new], names = self.world.start([self._generators[i] for i in new])
            for i, state, name in zip(new, states, names, strict=True):
                self._states[i], self._names[i] = state, name
        if on:
            some = [self._states[i] for i in on], [actions[i] for i in on], [self._generators[i] for i in on]
            states, seen[on], rewards[on], ended[on] = self.world.step(*some)
            for i, state in zip(on, states, strict=True):
                self._states[i] = state
        self._step = np.where(self._over, 0, self._step + 1)
        self._seen, truncated = seen, self._step >= self.steps
        self._over = ended | truncated
        return seen.copy(), rewards, ended, truncated, self._info()

    def get_state(self) -> list[EpisodeState]:
        """Where the episodes are now, to return to with :meth:`set_state`.

        Raises:
            gymnasium.error.ResetNeeded: there is no episode yet.
        """
        if not self._states:
            raise gymnasium.error.ResetNeeded("reset comes before the first state")
        return [
            EpisodeState(state.copy(), seen.copy(), name, int(step), bool(over), generator.bit_generator.state)
            for state, seen, name, step, over, generator in zip(
                self._states, self._seen, self._names, self._step, self._over, self._generators, strict=True
            )
        ]

    def set_state(self, states: Sequence[EpisodeState]) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on from states, one for each environment, also all from one; gives the observations there.

        Raises:
            UserError: they are not as many as environments.
        """
        if len(states) != self.num_envs:
            raise UserError(f"states: {len(states)} for {self.num_envs} environments")
        self._states, self._names = [one.rollout for one in states], [one.scene for one in states]
        self._seen = np.stack([one.seen for one in states])
        self._step, self._over = np.array([one.step for one in states]), np.array([one.over for one in states])
        self._generators = [generator_at(one.generator) for one in states]
        return self._seen.copy(), self._info()

    def save(self, path: str | Path) -> None:
        """Write the states as a safetensors file."""
        self.world.save(path, self.get_state())

    def restore(self, path: str | Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Go on where :meth:`save` was called; gives the observations there.

        Raises:
            UserError: it is no such file, or of another world, other settings, or another number of environments.
        """
        return self.set_state(self.world.load(path, self.num_envs))

    def render(self) -> Any:
        """The last observations as RGB, if ``render_mode`` asked for them."""
        return tuple(self.world.pictures(self._seen)) if self.render_mode == "rgb_array" else None

    def _info(self) -> dict[str, Any]:
        return {"scene": np.array(self._names, object), "_scene": np.ones(self.num_envs, bool)}


if ID not in gymnasium.registry:
    gymnasium.register(ID, "videovq.gym:DreamEnv", vector_entry_point="videovq.gym:DreamVectorEnv")
