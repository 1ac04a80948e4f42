"""The learned world behind the Gymnasium environments: where episodes start, what a step gives, states to return to."""

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
    from gymnasium import spaces
    from gymnasium.utils import seeding
except ImportError as error:
    raise ImportError(f"videovq.gym: needs gymnasium 1.1 or newer; {install('gym')}") from error

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


def generator_at(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator in a state."""
    generator, _ = seeding.np_random(0)
    generator.bit_generator.state = dict(state)  # numpy copies what is in it
    return generator
