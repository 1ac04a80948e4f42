"""``videovq train predictor``: CodeStore -> predictor run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from videovq.checkpoints import save_network
from videovq.config import OptimizerConfig, TrainPredictorConfig
from videovq.data.modules import CodeData
from videovq.data.store import CodeStore
from videovq.models.build import build_predictor
from videovq.models.predictors.contract import Predictor
from videovq.training import run
from videovq.training.callbacks import Curves
from videovq.types import CodeBatch

PANELS = (("bits_per_code", "bits per code", False), ("bits_after_6", "bits per code after 6 frames", False))
CONTEXT = 6
SIMILAR = 8


class PredictorModule(L.LightningModule):
    """The training and validation step of a predictor.

    Args:
        context_noise: mean part of the context codes that training replaces by one of the ``SIMILAR`` nearest codes.
    """

    what = "train predictor"
    similar: Tensor

    def __init__(self, network: Predictor, optimizer: OptimizerConfig, steps: int, context_noise: float) -> None:
        super().__init__()
        self.network, self.optimizer, self.steps, self.context_noise = network, optimizer, steps, context_noise
        self.register_buffer("similar", similar_codes(network.codebook), persistent=False)

    def training_step(self, batch: CodeBatch, batch_idx: int) -> Tensor:
        given = add_noise(batch.codes, self.similar, self.context_noise) if self.context_noise else None
        output = self.network(batch.codes, batch.actions, given)
        self._log("train", output.nll.detach())
        return output.loss

    def validation_step(self, batch: CodeBatch, batch_idx: int) -> None:
        self._log("val", self.network(batch.codes, batch.actions).nll)

    def _log(self, split: str, nll: Float[Tensor, "b t y x"]) -> None:
        size, on_val = len(nll), split == "val"
        self.log(f"{split}/bits_per_code", nll.mean() / math.log(2), batch_size=size, sync_dist=on_val)
        if nll.shape[1] > CONTEXT:
            after = nll[:, CONTEXT:].mean() / math.log(2)
            self.log(f"{split}/bits_after_{CONTEXT}", after, batch_size=size, sync_dist=on_val)

    def configure_optimizers(self) -> Any:
        return run.optimizer(self.network, self.optimizer, self.steps)


def similar_codes(codebook: Float[Tensor, "k d"]) -> Int64[Tensor, "k similar"]:
    """For each code the codes whose vectors are nearest to its own, itself not among them."""
    count = min(SIMILAR, len(codebook) - 1)
    return torch.cdist(codebook, codebook).fill_diagonal_(math.inf).topk(count, largest=False).indices


def add_noise(
    codes: Int64[Tensor, "b t y x"], similar: Int64[Tensor, "k similar"], mean: float
) -> Int64[Tensor, "b t y x"]:
    """Replace codes by similar ones: in each frame a part that is uniform between 0 and twice ``mean``.

    A rollout feeds the predictor its own, slightly wrong frames; this shows it such frames in training.
    """
    part = torch.rand(*codes.shape[:2], 1, 1, device=codes.device) * 2 * mean
    choice = torch.randint(similar.shape[1], codes.shape, device=codes.device)
    return torch.where(torch.rand(codes.shape, device=codes.device) < part, similar[codes, choice], codes)


def train(config: TrainPredictorConfig) -> None:
    """Train a predictor, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    if config.window < 2:
        raise ValueError("window: must be at least 2 frames")
    if not 0 <= config.context_noise <= 0.5:
        raise ValueError("context_noise: must be within 0 and 0.5")
    store = CodeStore(config.store)
    training, header = config.training, store.header
    data = CodeData(store, config.window, training.batch_size, training.steps, training.seed)
    torch.manual_seed(training.seed)
    network = build_predictor(config.model, header.action_spec, header.grid, store.codebook)
    folder = Path(config.run)
    if not run.claim(folder, config):
        return
    network.to(memory_format=torch.channels_last)
    module = PredictorModule(network, config.optimizer, training.steps, config.context_noise)
    run.fit(module, data, folder, training, config.optimizer, [Curves(folder, PANELS)])
    save_network(
        folder,
        network,
        {
            "action_spec": header.action_spec.to_json(),
            "grid": list(header.grid),
            "fps": header.fps,
            "vqvae": header.fingerprint,
        },
    )
