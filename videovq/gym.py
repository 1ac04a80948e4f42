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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.config import LOOKING_TEMPERATURE, ModelChoice, Precision
from videovq.data.clip import Clip
from videovq.errors import UserError
from videovq.frames import to_float
from videovq.packages import install
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import decode_codes, to_device
from videovq.rollout.pair import load_pair
from videovq.rollout.saved import load_rollouts, save_rollouts
from videovq.rollout.state import RolloutState, start_rollouts, step_rollouts
from videovq.types import ActionSpec, Sampling

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.utils import seeding
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(f"videovq.gym: needs gymnasium 1.1 or newer; {install('gym')}") from error

ID = "videovq/Dream-v0"
SCENES = 1024  # to start from, at most


@dataclass(frozen=True)
class EpisodeState:
    """Where one episode is; it can be returned to any number of times.

    Attributes:
        rollout: state of the rollout.
        seen: the last observation.
        scene: name of the scene it started in.
        step: how many steps it has taken.
        over: whether the next step of a vector starts a new one.
        generator: state of the generator that draws scenes, noise seeds and ends.
    """

    rollout: RolloutState
    seen: np.ndarray
    scene: str
    step: int
    over: bool
    generator: Mapping[str, Any]


class World:
    """The simulator behind both environments: the networks, the scenes, and the sampling settings.

    Args:
        vqvae, predictor: run folders.
        pretrained: name of a model that ships with videovq, path of a packed world, or ``user/name`` of one on the Hub,
            in place of them.
        context: an EpisodeStore, or a video with its actions beside it, in which episodes start; empty: the examples
            that ship with ``pretrained``, or ``stores/episodes``.
        observations: ``pixels``: RGB frames, uint8 ``h w 3``; ``codes``: code grids, int64 ``y x``.
        context_frames: number of context frames; the first observation is the last of them.
        temperature, top_k, top_p: of sampling codes; see :class:`videovq.types.Sampling`.
        device: ``auto``, ``cpu``, ``gpu``, ``cuda``, ``cuda:1`` ... or ``mps``.
        precision: ``32-true``; ``bf16`` computes the context network in bfloat16, ``auto`` where the hardware does so
            natively: faster, but what a step gives may then depend on how many environments share it.

    Raises:
        UserError: a run or the context cannot be used, or a setting is out of range.
    """

    def __init__(
        self,
        *,
        vqvae: str | Path = "",
        predictor: str | Path = "",
        pretrained: str | Path = "",
        context: str | Path = "",
        observations: Literal["pixels", "codes"] = "pixels",
        context_frames: int = 6,
        temperature: float = LOOKING_TEMPERATURE,
        top_k: int = 0,
        top_p: float = 1.0,
        device: str = "auto",
        precision: Precision = "32-true",
    ) -> None:
        if observations not in ("pixels", "codes"):
            raise UserError(f"observations: {observations!r}; choose pixels or codes")
        choice = ModelChoice(str(predictor), str(vqvae) or ModelChoice.vqvae, str(pretrained))
        self.pair = load_pair(choice)
        to_device(self.pair.vqvae.network, self.pair.predictor.network, device, precision)
        self.clips = contexts(str(context), str(pretrained), self.pair, context_frames, SCENES)
        self.observations = observations
        self.sampling = Sampling(temperature, top_k, top_p)

    @property
    def observation_space(self) -> spaces.Space[Any]:
        if self.observations == "pixels":
            return spaces.Box(0, 255, (*self.pair.vqvae.frame_size, 3), np.uint8)
        network = self.pair.predictor.network
        return spaces.MultiDiscrete(np.full(network.grid, len(network.codebook)))

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Numbers as in the episodes; real ones within three standard deviations of their mean."""
        spec = self.pair.predictor.action_spec
        if spec.kind == "multi_discrete":
            return spaces.MultiDiscrete(np.array(spec.sizes))
        if spec.kind == "continuous":
            mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
            return spaces.Box(mean - 3 * std, mean + 3 * std, dtype=np.float32)
        return spaces.Discrete(spec.sizes[0] if spec.sizes else 1)

    @torch.inference_mode()
    def start(self, generators: Sequence[np.random.Generator]) -> tuple[list[RolloutState], np.ndarray, list[str]]:
        """Start a rollout for each generator, which draws its scene and the seed of its noise.

        Returns:
            The rollout states, the first observations, and the names of the scenes.
        """
        chosen = [self.clips[int(generator.integers(len(self.clips)))] for generator in generators]
        seeds = [int(generator.integers(2**63)) for generator in generators]
        vqvae, network = self.pair.vqvae.network, self.pair.predictor.network
        # One by one: an episode must not depend on how many start together.
        codes = [vqvae.encode(to_float(clip.frames).to(vqvae.device)) for clip in chosen]
        states = [
            start_rollouts(network, one[None], clip.actions[None].to(vqvae.device), [seed])[0]
            for one, clip, seed in zip(codes, chosen, seeds, strict=True)
        ]
        return states, self._first(chosen, codes), [clip.name for clip in chosen]

    def step(
        self, states: Sequence[RolloutState], actions: Sequence[Any], generators: Sequence[np.random.Generator]
    ) -> tuple[list[RolloutState], np.ndarray, np.ndarray, np.ndarray]:
        """Step every rollout with its action, and draw whether it terminates from its generator.

        Returns:
            The new rollout states, the observations, the rewards, and which episodes terminated.
        """
        tensors = [self._action(action) for action in actions]
        drawn = step_rollouts(self.pair.predictor.network, states, tensors, [self.sampling] * len(states))
        codes = torch.stack([one.codes for one in drawn])
        seen = codes if self.observations == "codes" else decode_codes(self.pair.vqvae.network, codes[:, None])[:, 0]
        after = [one.state for one in drawn]
        rewards, ended = np.zeros(len(after)), np.zeros(len(after), bool)
        for i, (state, generator) in enumerate(zip(after, generators, strict=True)):
            if state.predictor.outcome is not None:
                rewards[i] = float(state.predictor.outcome.rewards[0])
                ended[i] = generator.random() < float(state.predictor.outcome.ends[0])
        return after, seen.cpu().numpy(), rewards, ended

    def save(self, path: str | Path, episodes: Sequence[EpisodeState]) -> None:
        """Write where episodes are as a safetensors file."""
        rows = [
            {"scene": one.scene, "step": one.step, "over": one.over, "generator": dict(one.generator)}
            for one in episodes
        ]
        seen = torch.from_numpy(np.stack([one.seen for one in episodes]))
        facts = {"observations": self.observations, "episodes": rows}
        save_rollouts(path, self.pair, self.sampling, [one.rollout for one in episodes], {"seen": seen}, facts)

    def load(self, path: str | Path, number: int) -> list[EpisodeState]:
        """Where :meth:`save` found ``number`` episodes.

        Raises:
            UserError: it is no such file, or of other networks, settings, observations or another number.
        """
        sampling, states, kept, facts = load_rollouts(path, self.pair)
        if "episodes" not in facts or len(states) != number:
            raise UserError(f"{path}: is of {len(states)} rollouts, not of {number} environments")
        if sampling != self.sampling or facts["observations"] != self.observations:
            said = f"{sampling}, observations {facts['observations']}"
            raise UserError(f"{path}: was saved with other settings ({said}); make the environment with those")
        return [
            EpisodeState(state, seen, **row)
            for state, seen, row in zip(states, kept["seen"].numpy(), facts["episodes"], strict=True)
        ]

    def pictures(self, observed: np.ndarray) -> UInt8[np.ndarray, "b h w c"]:
        """RGB of observations."""
        if self.observations == "pixels":
            return observed
        vqvae = self.pair.vqvae.network
        codes = torch.from_numpy(np.ascontiguousarray(observed)).to(vqvae.device)
        return decode_codes(vqvae, codes[:, None])[:, 0].cpu().numpy()

    def _first(self, clips: Sequence[Clip], codes: Sequence[Int64[Tensor, "t y x"]]) -> np.ndarray:
        if self.observations == "codes":
            return torch.stack([one[-1] for one in codes]).cpu().numpy()
        return torch.stack([clip.frames[-1] for clip in clips]).numpy()

    def _action(self, action: Any) -> Shaped[Tensor, "a"]:
        spec: ActionSpec = self.pair.predictor.action_spec
        return spec.tensor([np.asarray(action).reshape(-1).tolist()], "action")[0]


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


def generator_at(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator in a state."""
    generator, _ = seeding.np_random(0)
    generator.bit_generator.state = dict(state)  # numpy copies what is in it
    return generator


if ID not in gymnasium.registry:
    gymnasium.register(ID, "videovq.gym:DreamEnv", vector_entry_point="videovq.gym:DreamVectorEnv")
