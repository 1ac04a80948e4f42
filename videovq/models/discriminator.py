"""The patch discriminator of adversarial training, for sharp decoders (Esser et al. 2021, VQGAN, arXiv 2012.09841)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu


class PatchDiscriminator(nn.Module):
    """PatchGAN: a logit for every overlapping patch of a frame, high for real ones (Isola et al. 2017, arXiv
    1611.07004).

    Args:
        width: channels of the first convolution; twice as many in the second, four times in the third.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for before, after, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 1)):
            # Statistics of a frame, not of a batch: the logits of a frame do not depend on its neighbours.
            layers += [nn.Conv2d(before, after, 4, stride, padding=1), nn.GroupNorm(1, after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4, padding=1))

    def forward(self, frames: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 y x"]:
        return self.layers(frames).float()


def hinge_loss(real: Float[Tensor, "b 1 y x"], fake: Float[Tensor, "b 1 y x"]) -> Float[Tensor, ""]:
    """Hinge loss of the discriminator: logits of real patches above 1, of reconstructed ones below -1."""
    return 0.5 * (relu(1 - real).mean() + relu(1 + fake).mean())


def adaptive_weight(
    reconstruction: Float[Tensor, ""], adversarial: Float[Tensor, ""], last_layer: Tensor
) -> Float[Tensor, ""]:
    """Adaptive weight of the adversarial loss: equal gradient norms at the decoder's last layer (VQGAN, equation 7)."""
    (pull,) = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)
    (push,) = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
    return (pull.norm() / (push.norm() + 1e-4)).clamp(max=1e4).detach()
