"""A dream: the interactive rollout of one player, with kept states to rewind to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.data.clip import Clip
from videovq.errors import UserError
from videovq.frames import to_float
from videovq.models.embeddings import unknown
from videovq.pictures import png
from videovq.play.messages import MOST_FRAMES, Action, Replay
from videovq.play.thread import ModelThread
from videovq.rollout.pair import Pair
from videovq.rollout.state import RolloutState, force_step, start_rollouts
from videovq.types import Sampling

KEPT = 32  # states to rewind to
QUICK = 1  # compression of a frame that is sent at once


@dataclass(frozen=True)
class Moment:
    """One frame of a dream, with the action that led to it and the settings it was sampled with.

    Attributes:
        entropy: of each code, in 255ths of its maximum.
        png: the picture.
        digest: fingerprint of all codes up to here.
        expected: reward, and probability of an end, of the action, where the predictor has an outcome head.
    """

    action: Action
    sampling: Sampling
    codes: np.ndarray
    entropy: np.ndarray
    png: bytes
    digest: str
    expected: dict[str, float] = field(default_factory=dict)

    def packet(self, number: int) -> bytes:
        """The frame as it is sent: length of a JSON header (4 bytes, big-endian), the header, the PNG, the codes
        (4 bytes each, little-endian), the entropies (1 byte each).
        """
        header = json.dumps({"frame": number, "png": len(self.png), "digest": self.digest, **self.expected}).encode()
        parts = [len(header).to_bytes(4, "big"), header, self.png, self.codes.astype("<u4").tobytes()]
        return b"".join([*parts, self.entropy.tobytes()])


class Dream:
    """Frames ``0, 1, ...``; frame 0 is the last of the scene.

    A rollout state takes megabytes, so only some are kept, evenly spaced; to rewind, the last one before the frame is
    forced along the known codes. Use :meth:`started` to make one.
    """

    def __init__(
        self, model: ModelThread, clip: Clip, seed: int, sampling: Sampling, state: RolloutState, first: Moment
    ) -> None:
        self.clip, self.seed, self.sampling = clip, seed, sampling
        self.moments = [first]
        self._model = model
        self._state = state
        self._spacing = 1
        self._states = {0: state}

    @classmethod
    async def started(cls, model: ModelThread, clip: Clip, seed: int, sampling: Sampling) -> Dream:
        """A dream at its frame 0."""
        codes, state = await model.call(lambda pair: _start(pair, clip, seed, sampling.guidance != 1))
        digest = hashlib.sha256(codes.numpy().tobytes()).hexdigest()
        last = codes[-1].numpy()
        first = Moment((), sampling, last, np.zeros(last.shape, np.uint8), png(clip.frames[-1].numpy(), QUICK), digest)
        return cls(model, clip, seed, sampling, state, first)

    @property
    def now(self) -> int:
        """Number of the last frame."""
        return len(self.moments) - 1

    async def act(self, action: Action) -> Moment:
        """Take an action, and predict the next frame.

        Raises:
            UserError: the dream is as long as one may be.
        """
        if self.now >= MOST_FRAMES:
            raise UserError(f"act: a dream ends after {MOST_FRAMES} frames; rewind or start again")
        sampling = self.sampling
        keep = (self.now + 1) % self._spacing == 0
        done = await self._model.step(id(self), self._state, self._tensor(action), sampling, keep)
        self._state = done.step.state
        codes = done.step.codes.cpu().numpy()
        most = math.log2(len(self._model.pair.predictor.network.codebook))
        entropy = done.step.entropy.cpu().mul(255 / most).round().clamp(0, 255).byte().numpy()
        digest = hashlib.sha256(self.moments[-1].digest.encode() + codes.tobytes()).hexdigest()
        outcome = self._state.predictor.outcome
        expected = {"reward": float(outcome.rewards[0]), "end": float(outcome.ends[0])} if outcome else {}
        picture = await asyncio.to_thread(png, done.picture.numpy(), QUICK)
        self.moments.append(Moment(action, sampling, codes, entropy, picture, digest, expected))
        self._keep()
        return self.moments[-1]

    async def rewind(self, frame: int) -> None:
        """Go back to ``frame``, and discard everything after it.

        Raises:
            UserError: there is no such frame.
        """
        if not 0 <= frame <= self.now:
            raise UserError(f"rewind.frame: {frame} is not within 0 to {self.now}")
        if frame == self.now:
            return
        start = max(number for number in self._states if number <= frame)
        state = self._states[start]
        for moment in self.moments[start + 1 : frame + 1]:  # one by one: other players' steps go in between
            state = await self._model.call(partial(self._forced, state=state, moment=moment))
        self._state = state
        del self.moments[frame + 1 :]
        self._states = {number: state for number, state in self._states.items() if number <= frame}

    def adjust(self, sampling: Sampling) -> None:
        """Change the sampling settings from now on, but for the guidance."""
        s = sampling
        self.sampling = Sampling(s.temperature, s.top_k, s.top_p, self.sampling.guidance)

    def replay(self, model: str) -> Replay:
        """The replay: what it takes to reproduce the dream.

        Args:
            model: fingerprint of the networks.
        """
        changes = [(0, self.moments[1].sampling if self.now else self.sampling)]
        for step, moment in enumerate(self.moments[1:]):
            if moment.sampling != changes[-1][1]:
                changes.append((step, moment.sampling))
        actions = tuple(moment.action for moment in self.moments[1:])
        name, sha256 = self.clip.name, clip_sha256(self.clip)
        return Replay(model, name, sha256, self.seed, tuple(changes), actions, self.moments[-1].digest)

    def _keep(self) -> None:
        if self.now % self._spacing == 0:
            self._states[self.now] = self._state
        while len(self._states) > KEPT:
            self._spacing *= 2
            self._states = {number: state for number, state in self._states.items() if number % self._spacing == 0}

    def _forced(self, pair: Pair, state: RolloutState, moment: Moment) -> RolloutState:
        codes = torch.from_numpy(moment.codes)
        return force_step(pair.predictor.network, state, self._tensor(moment.action), codes)

    def _tensor(self, action: Action) -> Shaped[Tensor, "a"]:
        return self._model.pair.predictor.action_spec.tensor([list(action)], "action")[0]


@torch.inference_mode()
def _start(pair: Pair, clip: Clip, seed: int, guided: bool) -> tuple[Int64[Tensor, "t y x"], RolloutState]:
    codes = pair.vqvae.network.encode(to_float(clip.frames).to(pair.vqvae.network.device))
    device = pair.predictor.network.codebook.device
    (state,) = start_rollouts(pair.predictor.network, codes[None], clip.actions[None].to(device), [seed], guided)
    return codes.cpu(), state


def clip_sha256(clip: Clip) -> str:
    """Fingerprint of a scene."""
    digest = hashlib.sha256(str(tuple(clip.frames.shape)).encode())
    for tensor in (clip.frames, clip.actions):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def context_length(pair: Pair, most: int) -> int:
    """Number of context frames that a predictor can take from a video with unknown actions.

    At most ``most`` for a predictor that was trained without actions, or with action dropout; a single one, which needs
    no action, for any other.
    """
    silent = pair.predictor.action_spec.kind == "none"
    return most if silent or pair.predictor.config.action_dropout > 0 else 1


def uploaded_clip(frames: UInt8[Tensor, "t h w c"], pair: Pair, most: int) -> Clip:
    """A scene from a video with unknown actions."""
    context = frames[: context_length(pair, most)].contiguous()
    spec = pair.predictor.action_spec
    actions = unknown(torch.zeros(len(context) - 1, spec.width, dtype=spec.dtype))
    name = hashlib.sha256(context.numpy().tobytes()).hexdigest()[:12]
    return Clip(context, actions, f"upload {name}")
