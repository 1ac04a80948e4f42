"""The decoder of a VQ-VAE, trained alone: its codes stay what they are."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from videovq.config import VQVAEConfig
from videovq.errors import UserError
from videovq.models.tf32 import without_tf32
from videovq.models.vqvae import VQVAE, VQVAEOutput
from videovq.training.similar import SimilarCodes
from videovq.types import QuantizerOutput


class DecoderAlone(VQVAE):
    """A VQ-VAE of which the decoder alone learns, in training of codes some of which were swapped.

    Args:
        config: the architecture.
        data_variance: variance of the training frames' values in -0.5..0.5.
        swaps: the largest part of a frame's codes that are swapped.
    """

    def __init__(self, config: VQVAEConfig, data_variance: float, swaps: float) -> None:
        super().__init__(config, data_variance)
        self.swaps = swaps
        self.encoder.requires_grad_(False)
        self.quantizer.requires_grad_(False)

    @cached_property
    def similar(self) -> SimilarCodes:
        """Worked out once: the codebook stays. No part of the network, and so of no checkpoint."""
        return SimilarCodes(self.quantizer.code_vectors())

    def forward(self, frames: Float[Tensor, "b c h w"]) -> VQVAEOutput:
        # In float32, so that these are the codes that `videovq encode` finds.
        with torch.no_grad(), torch.autocast(frames.device.type, enabled=False), without_tf32():
            codes = self.encode(frames)
            seen = codes
            if self.training and self.swaps:
                seen = swapped(codes, self.similar, self.swaps)
            vectors = self.quantizer.decode(seen)
        reconstruction = self.decoder(vectors).float()
        nmse = (reconstruction - frames).pow(2).mean() / self.data_variance
        found = QuantizerOutput(vectors, codes, nmse.new_zeros(()), self.quantizer.count(codes.flatten()))
        return VQVAEOutput(reconstruction, found, nmse)


def swapped(codes: Int64[Tensor, "b y x"], similar: SimilarCodes, most: float) -> Int64[Tensor, "b y x"]:
    """Codes as a rollout may draw them: in every other frame a part that is uniform between 0 and ``most`` is swapped,
    one half of it for similar codes, the other for any.
    """
    chance = torch.rand(len(codes), 1, 1, device=codes.device) * most
    chance = chance * torch.randint(2, chance.shape, device=codes.device)
    near = torch.rand(codes.shape, device=codes.device) < 0.5 * chance
    which = torch.randint(similar.count, codes.shape, device=codes.device)
    found = similar(codes, which, near)
    far = torch.rand(codes.shape, device=codes.device) < 0.5 * chance
    return torch.where(far, torch.randint_like(codes, len(similar.codebook)), found)


class SameCodes(Callback):
    """Lets a training go on with the codes that it began with only: its ``init`` may have been trained on meanwhile.

    Args:
        codes_of: fingerprint of the VQ-VAE that they are codes of.
    """

    def __init__(self, codes_of: str) -> None:
        self.codes_of = codes_of

    def state_dict(self) -> dict[str, Any]:
        return {"codes_of": self.codes_of}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["codes_of"] != self.codes_of:
            raise UserError("init: is no longer the VQ-VAE that this run began with; choose another run")
