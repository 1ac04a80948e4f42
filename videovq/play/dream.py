"""A dream: a scene, what was done and seen since, and states to go back to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image
from torch import Tensor

from videovq.data.clip import Clip
from videovq.frames import to_float
from videovq.models.embeddings import unknown
from videovq.play.messages import MOST_FRAMES, Action, Replay
from videovq.play.thread import ModelThread
from videovq.rollout.pair import Pair
from videovq.rollout.walks import Walk, begin, follow
from videovq.types import Sampling

KEPT = 32  # states to go back to


@dataclass(frozen=True)
class Moment:
    """One frame: the action that led to it, how it was drawn, and what it is.

    Attributes:
        bits: entropy of each code, in 255ths of the most there can be.
        png: the picture.
        digest: fingerprint of all codes up to here.
        expected: reward, and probability of an end, of the action, where the predictor says.
    """

    action: Action
    sampling: Sampling
    codes: np.ndarray
    bits: np.ndarray
    png: bytes
    digest: str
    expected: dict[str, float] = field(default_factory=dict)

    def packet(self, number: int) -> bytes:
        """The frame as it is sent: length of a JSON header (4 bytes, big end first), the header, the PNG, the codes
        (4 bytes each, little end first), the entropies (1 byte each).
        """
        header = json.dumps({"frame": number, "png": len(self.png), "digest": self.digest, **self.expected}).encode()
        parts = [len(header).to_bytes(4, "big"), header, self.png, self.codes.astype("<u4").tobytes()]
        return b"".join([*parts, self.bits.tobytes()])


class Dream:
    """Frames ``0, 1, ...``; frame 0 is the last of the scene.

    A state of the predictor takes megabytes, so only some are kept, evenly spaced; to go back, the last one before is
    led along the codes that are known. Use :meth:`begun` to make one.
    """

    def __init__(
        self, model: ModelThread, clip: Clip, seed: int, sampling: Sampling, walk: Walk, first: Moment
    ) -> None:
        self.clip, self.seed, self.sampling = clip, seed, sampling
        self.moments = [first]
        self._model = model
        self._walk = walk
        self._spacing = 1
        self._states = {0: walk}

    @classmethod
    async def begun(cls, model: ModelThread, clip: Clip, seed: int, sampling: Sampling) -> Dream:
        """A dream at its frame 0."""
        codes, walk = await model.call(lambda pair: _begin(pair, clip, seed, sampling.guidance != 1))
        digest = hashlib.sha256(codes.numpy().tobytes()).hexdigest()
        last = codes[-1].numpy()
        first = Moment((), sampling, last, np.zeros(last.shape, np.uint8), png(clip.frames[-1]), digest)
        return cls(model, clip, seed, sampling, walk, first)

    @property
    def now(self) -> int:
        """Number of the last frame."""
        return len(self.moments) - 1

    async def act(self, action: Action) -> Moment:
        """Take an action.

        Raises:
            ValueError: the dream is as long as one may be.
        """
        if self.now >= MOST_FRAMES:
            raise ValueError(f"act: a dream ends after {MOST_FRAMES} frames; rewind or start again")
        sampling = self.sampling
        keep = (self.now + 1) % self._spacing == 0
        seen = await self._model.step(id(self), self._walk, self._tensor(action), sampling, keep)
        self._walk = seen.drawn.walk
        codes = seen.drawn.codes.cpu().numpy()
        most = math.log2(len(self._model.pair.predictor.network.codebook))
        bits = seen.drawn.bits.cpu().mul(255 / most).round().clamp(0, 255).byte().numpy()
        digest = hashlib.sha256(self.moments[-1].digest.encode() + codes.tobytes()).hexdigest()
        outcome = self._walk.state.outcome
        expected = {"reward": float(outcome.rewards[0]), "end": float(outcome.ends[0])} if outcome else {}
        picture = await asyncio.to_thread(png, seen.picture)
        self.moments.append(Moment(action, sampling, codes, bits, picture, digest, expected))
        self._keep()
        return self.moments[-1]

    async def rewind(self, frame: int) -> None:
        """Forget everything after ``frame``.

        Raises:
            ValueError: there is no such frame.
        """
        if not 0 <= frame <= self.now:
            raise ValueError(f"rewind.frame: {frame} is not within 0 to {self.now}")
        if frame == self.now:
            return
        start = max(number for number in self._states if number <= frame)
        walk = self._states[start]
        for moment in self.moments[start + 1 : frame + 1]:  # one by one: other players' steps go in between
            walk = await self._model.call(partial(self._followed, walk=walk, moment=moment))
        self._walk = walk
        del self.moments[frame + 1 :]
        self._states = {number: state for number, state in self._states.items() if number <= frame}

    def adjust(self, sampling: Sampling) -> None:
        """Draw differently from now on, but for the guidance."""
        s = sampling
        self.sampling = Sampling(s.temperature, s.top_k, s.top_p, self.sampling.guidance)

    def replay(self, model: str) -> Replay:
        """How to dream it again.

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
            self._states[self.now] = self._walk
        while len(self._states) > KEPT:
            self._spacing *= 2
            self._states = {number: walk for number, walk in self._states.items() if number % self._spacing == 0}

    def _followed(self, pair: Pair, walk: Walk, moment: Moment) -> Walk:
        codes = torch.from_numpy(moment.codes)
        return follow(pair.predictor.network, walk, self._tensor(moment.action), codes)

    def _tensor(self, action: Action) -> Shaped[Tensor, "a"]:
        return self._model.pair.predictor.action_spec.tensor([list(action)], "action")[0]


@torch.inference_mode()
def _begin(pair: Pair, clip: Clip, seed: int, guided: bool) -> tuple[Int64[Tensor, "t y x"], Walk]:
    codes = pair.vqvae.network.encode(to_float(clip.frames).to(pair.vqvae.network.device))
    device = pair.predictor.network.codebook.device
    (walk,) = begin(pair.predictor.network, codes[None], clip.actions[None].to(device), [seed], guided)
    return codes.cpu(), walk


def png(picture: UInt8[Tensor, "h w c"]) -> bytes:
    """A picture as a PNG file."""
    file = BytesIO()
    Image.fromarray(picture.numpy()).save(file, "PNG", compress_level=1)
    return file.getvalue()


def clip_sha256(clip: Clip) -> str:
    """Fingerprint of a scene."""
    digest = hashlib.sha256(str(tuple(clip.frames.shape)).encode())
    for tensor in (clip.frames, clip.actions):
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def known_frames(pair: Pair, most: int) -> int:
    """How many frames of a video, whose actions nobody knows, a predictor can be given.

    One that was trained without actions, or with some windows without, can do with that; any other is given a single
    frame, which needs none.
    """
    silent = pair.predictor.action_spec.kind == "none"
    return most if silent or pair.predictor.config.action_dropout > 0 else 1


def uploaded_clip(frames: UInt8[Tensor, "t h w c"], pair: Pair, most: int) -> Clip:
    """A scene from a video whose actions nobody knows."""
    given = frames[: known_frames(pair, most)].contiguous()
    spec = pair.predictor.action_spec
    actions = unknown(torch.zeros(len(given) - 1, spec.width, dtype=spec.dtype))
    name = hashlib.sha256(given.numpy().tobytes()).hexdigest()[:12]
    return Clip(given, actions, f"upload {name}")
