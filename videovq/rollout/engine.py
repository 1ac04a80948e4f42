"""Rollouts in latent space: context frames and actions -> predicted codes -> predicted frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.errors import UserError
from videovq.frames import to_float, to_uint8
from videovq.models.bf16 import computes_bf16
from videovq.models.embeddings import unknown
from videovq.models.noise import seed_tensor
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.types import Rollout, RolloutRequest, Sampling


def to_device(vqvae: VQVAE, predictor: Predictor, device: str, precision: str) -> None:
    """Move both networks to a device, with their fastest memory layout and precision there.

    Args:
        device: ``auto``, ``gpu``, or a device of PyTorch.
        precision: ``bf16`` (or ``bf16-mixed``) computes in bfloat16 what takes most of the time: the context network,
            the convolutions of the frame decoder, and the VQ-VAE's decoder; ``32-true`` computes in float32; ``auto``
            takes bfloat16 where the device computes it natively.

    Raises:
        UserError: there is no such device on this machine, or this process cannot use it.
    """
    target = find_device(device)
    for network in (vqvae, predictor):
        network.to(target).to(memory_format=torch.channels_last)
    if precision in ("bf16", "bf16-mixed") or (precision == "auto" and computes_bf16(target.type)):
        predictor.use_bf16()
        vqvae.decoder.bfloat16()


def find_device(name: str) -> torch.device:
    """The device that ``auto``, ``gpu`` (CUDA or MPS, whatever there is), or a name of PyTorch's, means.

    Raises:
        UserError: there is no such device on this machine, or this process cannot use it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "gpu" and (torch.cuda.is_available() or torch.backends.mps.is_available()):
        name = "cuda" if torch.cuda.is_available() else "mps"
    if name.startswith("cuda") and torch.cuda._is_in_bad_fork():
        raise UserError(
            "device: a GPU cannot be used in a process that was forked from one that uses it; spawn it (gymnasium:"
            ' vector_kwargs={"context": "spawn"}), or use cpu'
        )
    try:
        found = torch.zeros(1, device=name)
        found.item()  # which a device that computes nothing cannot give
    except (RuntimeError, AssertionError, ImportError) as error:
        raise UserError(f"device: {name!r} is not on this machine; use auto or cpu") from error
    return found.device


@torch.inference_mode()
def generate(vqvae: VQVAE, predictor: Predictor, request: RolloutRequest, decode: bool = True) -> Rollout:
    """Encode the context, predict codes, and decode the predicted codes only."""
    device = predictor.codebook.device
    context = vqvae.encode(to_float(request.context).to(device))
    codes = predict_codes(
        predictor,
        context[None],
        request.context_actions[None].to(device),
        request.actions.expand(request.samples, *request.actions.shape).to(device),
        request.sampling,
        [request.seed + i for i in range(request.samples)],
    )
    frames = decode_codes(vqvae, codes).cpu() if decode else None
    return Rollout(request, context.cpu(), codes.cpu(), frames)


class Session:
    """A batch of rollouts: step by step, an action in and the codes of the next frame out.

    Args:
        context: codes of the context frames; of one sequence for all rollouts, or of one for each.
        context_actions: the actions between them.
        sampling: temperature, truncation and guidance.
        seeds: one for each rollout of the batch; a rollout depends on its own seed only.
    """

    @torch.inference_mode()
    def __init__(
        self,
        predictor: Predictor,
        context: Int64[Tensor, "one_or_b t y x"],
        context_actions: Shaped[Tensor, "one_or_b t_minus_1 a"],
        sampling: Sampling,
        seeds: Sequence[int],
    ) -> None:
        self.predictor, self.sampling = predictor, sampling
        self.seeds = seed_tensor(seeds, predictor.codebook.device)
        self.frames = torch.zeros_like(self.seeds)
        shared = len(context) == 1 < len(seeds)
        if sampling.guidance != 1:
            context, context_actions = context.repeat(2, 1, 1, 1), self._with_unknown(context_actions)
        state = predictor.start(context, context_actions)
        self.state = state.repeat(len(seeds)) if shared else state

    @torch.inference_mode()
    def step(self, action: Shaped[Tensor, "b a"]) -> Int64[Tensor, "b y x"]:
        """The next frame, after ``action``."""
        self.frames = self.frames + 1
        noise = self.predictor.noise(self.seeds, self.frames).unflatten(1, self.predictor.grid)
        if self.sampling.guidance != 1:
            action = self._with_unknown(action)
        codes, self.state = self.predictor.step(self.state, action, noise, self.sampling)
        return codes[: len(self.seeds)]

    @staticmethod
    def _with_unknown(actions: Shaped[Tensor, "b *t a"]) -> Shaped[Tensor, "two_b *t a"]:
        """Guidance: the batch twice, without actions in the second half."""
        return torch.cat([actions, unknown(actions)])


def predict_codes(
    predictor: Predictor,
    context: Int64[Tensor, "one_or_b t y x"],
    context_actions: Shaped[Tensor, "one_or_b t_minus_1 a"],
    actions: Shaped[Tensor, "b n a"],
    sampling: Sampling,
    seeds: Sequence[int],
) -> Int64[Tensor, "b n y x"]:
    """Roll out the codes frame by frame; the arguments are those of :class:`Session`."""
    session = Session(predictor, context, context_actions, sampling, seeds)
    return torch.stack([session.step(action) for action in actions.unbind(1)], dim=1)


@torch.inference_mode()
def decode_codes(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"]) -> UInt8[Tensor, "b n h w c"]:
    """Frames of codes."""
    flat = rearrange(codes, "b n y x -> (b n) y x")
    frames = torch.cat([to_uint8(vqvae.decode(part)) for part in flat.split(64)])
    return frames.unflatten(0, codes.shape[:2])
