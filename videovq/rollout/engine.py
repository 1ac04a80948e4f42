"""Generation: context frames and actions -> predicted codes -> predicted frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from videovq.checkpoints import TrainedPredictor, TrainedVQVAE
from videovq.frames import to_float, to_uint8
from videovq.models.predictors.contract import Predictor
from videovq.models.sampling import sampling_noise
from videovq.models.vqvae import VQVAE
from videovq.types import Rollout, RolloutRequest


def check_pair(vqvae: TrainedVQVAE, predictor: TrainedPredictor) -> None:
    """Refuse to decode one VQ-VAE's codes with another.

    Raises:
        ValueError: the predictor was trained on another VQ-VAE's codes.
    """
    if vqvae.fingerprint != predictor.vqvae:
        raise ValueError("vqvae: the predictor was trained on codes of another VQ-VAE; give the run that encoded them")


@torch.inference_mode()
def generate(vqvae: VQVAE, predictor: Predictor, request: RolloutRequest, decode: bool = True) -> Rollout:
    """Encode the context, predict the rest as codes, and decode the predicted codes, and only them."""
    context = vqvae.encode(to_float(request.context))
    many = request.samples
    codes = predict_codes(
        predictor,
        context.expand(many, *context.shape),
        request.context_actions.expand(many, *request.context_actions.shape),
        request.actions.expand(many, *request.actions.shape),
        request.temperature,
        [request.seed + i for i in range(many)],
    )
    frames = decode_codes(vqvae, codes) if decode else None
    return Rollout(request, context, codes, frames)


@torch.inference_mode()
def predict_codes(
    predictor: Predictor,
    context: Int64[Tensor, "b t y x"],
    context_actions: Shaped[Tensor, "b t_minus_1 a"],
    actions: Shaped[Tensor, "b n a"],
    temperature: float,
    seeds: Sequence[int],
) -> Int64[Tensor, "b n y x"]:
    """Draw frame after frame.

    Args:
        seeds: one for each rollout of the batch; a rollout depends on its own seed only.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    shape = (*predictor.grid, len(predictor.codebook))
    state = predictor.start(context, context_actions)
    drawn = []
    for n in range(actions.shape[1]):
        noise = torch.stack([sampling_noise(shape, temperature, generator) for generator in generators])
        codes, state = predictor.step(state, actions[:, n], noise.to(context.device))
        drawn.append(codes)
    return torch.stack(drawn, dim=1)


@torch.inference_mode()
def decode_codes(vqvae: VQVAE, codes: Int64[Tensor, "b n y x"]) -> UInt8[Tensor, "b n h w c"]:
    """Frames of codes."""
    flat = rearrange(codes, "b n y x -> (b n) y x")
    frames = torch.cat([to_uint8(vqvae.decode(part)) for part in flat.split(64)])
    return frames.unflatten(0, codes.shape[:2])
