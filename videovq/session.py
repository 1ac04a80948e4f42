"""A session: a rollout in the learned world, step by step, that can be forked, saved and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.errors import UserError
from videovq.frames import to_float
from videovq.rollout.engine import decode_codes
from videovq.rollout.pair import Pair
from videovq.rollout.saved import load_rollouts, save_rollouts
from videovq.rollout.state import RolloutState, start_rollouts, step_rollouts
from videovq.types import Sampling
from videovq.writable import hindrance


class Session:
    """A rollout: an action in, the next frame out. :meth:`videovq.model.Model.session` starts one.

    Attributes:
        sampling: temperature and truncation; may be exchanged between steps.
        codes: of the frame that the session began with, and of all that were predicted since.
    """

    def __init__(self, pair: Pair, state: RolloutState, sampling: Sampling, codes: Int64[Tensor, "t y x"]) -> None:
        self.pair, self.sampling, self.codes = pair, sampling, codes
        self._state = state

    @classmethod
    @torch.inference_mode()
    def start(
        cls,
        pair: Pair,
        frames: UInt8[Tensor, "t h w c"],
        actions: Shaped[Tensor, "t_minus_1 a"],
        sampling: Sampling,
        seed: int,
    ) -> Session:
        """A session that begins with the last of the context frames."""
        vqvae = pair.vqvae.network
        context = vqvae.encode(to_float(frames).to(vqvae.device))
        guided = sampling.guidance != 1
        (state,) = start_rollouts(pair.predictor.network, context[None], actions[None].to(vqvae.device), [seed], guided)
        return cls(pair, state, sampling, context[-1:].cpu())

    def __repr__(self) -> str:
        return f"<Session: {self.steps} frames predicted>"

    @property
    def steps(self) -> int:
        """How many frames were predicted."""
        return len(self.codes) - 1

    @property
    def frame(self) -> UInt8[Tensor, "h w c"]:
        """The last frame, RGB."""
        codes = self.codes[None, -1:].to(self.pair.vqvae.network.device)
        return decode_codes(self.pair.vqvae.network, codes)[0, 0].cpu()

    def step(self, action: Any) -> UInt8[Tensor, "h w c"]:
        """Take an action, by name or number (a list where it has several parts), and predict the next frame, RGB.

        Raises:
            UserError: the predictor knows no such action.
        """
        spec = self.pair.predictor.action_spec
        value = spec.parse(action, "action") if isinstance(action, str) else np.asarray(action).tolist()
        tensor = spec.tensor([value], "action")[0]
        (done,) = step_rollouts(self.pair.predictor.network, [self._state], [tensor], [self.sampling])
        self._state, self.codes = done.state.copy(), torch.cat([self.codes, done.codes[None].cpu()])
        return self.frame

    def fork(self) -> Session:
        """Another session that goes on from here by itself; with the same actions both see the same frames."""
        return Session(self.pair, self._state, self.sampling, self.codes)

    def save(self, path: str | Path) -> None:
        """Write it as a safetensors file: codes, KV cache, settings and the state of its randomness. An existing file
        is overwritten.

        Raises:
            UserError: it cannot be written there.
        """
        if why := hindrance(Path(path).parent):
            raise UserError(f"{path}: cannot be written ({why}); choose another path")
        save_rollouts(path, self.pair, self.sampling, [self._state], {"codes": self.codes}, {})

    @classmethod
    def load(cls, path: str | Path, pair: Pair) -> Session:
        """Go on where :meth:`save` was called; on the same machine, the same actions give the same frames.

        Raises:
            UserError: it is no file of a session, or of one with other networks.
        """
        sampling, states, kept, _ = load_rollouts(path, pair)
        if "codes" not in kept or len(states) != 1:
            raise UserError(f"{path}: is no single session; it was saved by an environment, which restores it")
        return cls(pair, states[0], sampling, kept["codes"])
