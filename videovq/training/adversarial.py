"""Training of a VQ-VAE against a discriminator (VQGAN, arXiv 2012.09841)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from videovq.frames import to_float
from videovq.models.discriminator import PatchDiscriminator, adaptive_weight, hinge_loss
from videovq.models.vqvae import VQVAE
from videovq.training.reconstruction import VQVAETask, metrics_of
from videovq.training.task import TaskModule
from videovq.types import FrameBatch


class AdversarialTask(VQVAETask):
    """A step of the VQ-VAE, then one of the discriminator."""

    automatic = False

    def build(self) -> VQVAE:
        network = super().build()
        self.discriminator = PatchDiscriminator(self.config.loss.discriminator_width)
        self.beside["discriminator"] = self.discriminator
        return network

    def step(self, module: TaskModule, batch: FrameBatch) -> None:
        frames, weights = to_float(batch.frames), self.config.loss
        network: VQVAE = module.network  # type: ignore[assignment]
        optimizer, _ = module.optimizers()  # type: ignore[attr-defined]
        # Without Lightning's wrapper: its count of optimiser steps is the count of training steps.
        _, critic = module.optimizers(use_pl_optimizer=False)  # type: ignore[misc]
        joined = module.global_step >= weights.adversarial_after
        output = network(frames)
        reconstruction_loss = self.reconstruction_loss(output.reconstruction, frames)
        total = reconstruction_loss + output.quantizer.loss
        if joined:
            fooling = -self.discriminator(output.reconstruction).mean()
            balance = adaptive_weight(reconstruction_loss, fooling, last_layer(network))
            total = total + weights.adversarial * balance * fooling
        optimizer.zero_grad()
        module.manual_backward(total)
        self._clip(network)
        optimizer.step()
        if joined:
            loss = hinge_loss(self.discriminator(frames), self.discriminator(output.reconstruction.detach()))
            critic.zero_grad()
            module.manual_backward(loss)
            self._clip(self.discriminator)
            critic.step()
            module.show({"discriminator": loss})
        for schedule in module.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()
        module.show(metrics_of(output))

    def optimizers(self, network: nn.Module) -> Any:
        both = [super(AdversarialTask, self).optimizers(part) for part in (network, self.discriminator)]
        return [b["optimizer"] for b in both], [b["lr_scheduler"] for b in both]

    def _clip(self, part: nn.Module) -> None:
        if self.config.optimizer.gradient_clip:
            nn.utils.clip_grad_norm_(part.parameters(), self.config.optimizer.gradient_clip)


def last_layer(network: VQVAE) -> Tensor:
    """The weights whose gradients the two losses are balanced by."""
    return [m for m in network.decoder.modules() if isinstance(m, nn.ConvTranspose2d)][-1].weight
