"""``videovq train vqvae``: EpisodeStore -> VQ-VAE run."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch.callbacks import Callback

from videovq.config import TrainVQVAEConfig
from videovq.training import loop
from videovq.training.adversarial import AdversarialTask
from videovq.training.reconstruction import VQVAETask


def train(config: TrainVQVAEConfig, beside: Sequence[Callback] = ()) -> None:
    """Train a VQ-VAE, or go on with an interrupted training; ``beside`` are further callbacks.

    Raises:
        UserError: the store cannot be used, settings do not fit together, or ``config.run`` holds another training.
    """
    loop.fit(AdversarialTask(config) if config.loss.adversarial else VQVAETask(config), beside)
