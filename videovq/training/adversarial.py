"""Training of a VQ-VAE against a discriminator (VQGAN, arXiv 2012.09841)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from videovq.frames import to_float
from videovq.models.discriminator import PatchDiscriminator, adaptive_weight, hinge_loss
from videovq.training.optimizers import optimizer
from videovq.training.reconstruction import VQVAEModule
from videovq.types import FrameBatch


class AdversarialVQVAEModule(VQVAEModule):
    """A step of the VQ-VAE, then one of the discriminator."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.automatic_optimization = False
        self.discriminator = PatchDiscriminator(self.loss.config.discriminator_width)

    def training_step(self, batch: FrameBatch, batch_idx: int) -> None:
        frames = to_float(batch.frames)
        optimizer, _ = self.optimizers()  # type: ignore[attr-defined]
        # Without Lightning's wrapper: its count of optimiser steps is the count of training steps.
        _, critic = self.optimizers(use_pl_optimizer=False)  # type: ignore[misc]
        joined = self.global_step >= self.loss.config.adversarial_after
        output = self.network(frames)
        reconstruction_loss = self.loss(output.reconstruction, frames)
        total = reconstruction_loss + output.quantizer.loss
        if joined:
            fooling = -self.discriminator(output.reconstruction).mean()
            balance = adaptive_weight(reconstruction_loss, fooling, self._last_layer())
            total = total + self.loss.config.adversarial * balance * fooling
        optimizer.zero_grad()
        self.manual_backward(total)
        self._clip(self.network)
        optimizer.step()
        if joined:
            loss = hinge_loss(self.discriminator(frames), self.discriminator(output.reconstruction.detach()))
            critic.zero_grad()
            self.manual_backward(loss)
            self._clip(self.discriminator)
            critic.step()
            self.log("train/discriminator", loss)
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]
            schedule.step()
        self.log_step(output)

    def configure_optimizers(self) -> Any:
        both = [optimizer(part, self.optimizer, self.steps) for part in (self.network, self.discriminator)]
        return [b["optimizer"] for b in both], [b["lr_scheduler"] for b in both]

    def _last_layer(self) -> Tensor:
        return [m for m in self.network.decoder.modules() if isinstance(m, nn.ConvTranspose2d)][-1].weight

    def _clip(self, part: nn.Module) -> None:
        if self.optimizer.gradient_clip:
            nn.utils.clip_grad_norm_(part.parameters(), self.optimizer.gradient_clip)
