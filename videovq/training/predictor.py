"""``videovq train predictor``: CodeStore -> predictor run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from videovq.config import TrainPredictorConfig
from videovq.data.modules import CodeData
from videovq.data.store import CodeStore
from videovq.follow_up import typed
from videovq.models.build import build_predictor
from videovq.models.embeddings import unknown
from videovq.models.predictors.outcome import reward_values
from videovq.models.predictors.predictor import Predictor
from videovq.training import run
from videovq.training.activation_checkpointing import recompute_activations
from videovq.training.callbacks import Curves
from videovq.training.corruption import add_noise, add_own_frames, choose_targets
from videovq.training.encode import written_by
from videovq.training.optimizers import optimizer
from videovq.training.similar import SimilarCodes
from videovq.training.start import predictor_starts
from videovq.types import CodeBatch

PANELS = (("bits_per_code", "bits per code", False), ("bits_after_6", "bits per code after 6 frames", False))
OUTCOME_PANEL = ("outcome_loss", "nats per reward and end", False)
CONTEXT = 6


class PredictorModule(L.LightningModule):
    """The training and validation step of a predictor."""

    what = "train predictor"

    def __init__(self, network: Predictor, config: TrainPredictorConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        self.similar = SimilarCodes(network.codebook) if config.context_noise else None

    def training_step(self, batch: CodeBatch, batch_idx: int) -> Tensor:
        config, (batch_size, frames) = self.config, batch.codes.shape[:2]
        given, levels = batch.codes, batch.codes.new_zeros(batch_size, frames)
        if self.similar:
            any_code, told = config.context_noise_any, config.model.corruption_levels
            given, levels = add_noise(given, self.similar, config.context_noise, any_code, told)
        first = levels.new_full((batch_size,), -1)
        if config.own_frames:
            (given, levels), first = add_own_frames(self.network, (given, levels), batch.actions, config)
        targets = choose_targets(frames, config.targets, first)
        actions = drop_actions(batch.actions, config.action_dropout)
        output = self.network(batch.codes, actions, given, targets, batch.outcomes, levels)
        self.log("train/bits_per_code", output.nll.detach().mean() / math.log(2), batch_size=batch_size)
        if output.outcome_loss is not None:
            self.log("train/outcome_loss", output.outcome_loss.detach(), batch_size=batch_size)
        return output.loss

    def validation_step(self, batch: CodeBatch, batch_idx: int) -> None:
        output = self.network(batch.codes, batch.actions, outcomes=batch.outcomes)
        bits = output.nll / math.log(2)
        self.log("val/bits_per_code", bits.mean(), batch_size=len(bits), sync_dist=True)
        if bits.shape[1] > CONTEXT:
            self.log(f"val/bits_after_{CONTEXT}", bits[:, CONTEXT:].mean(), batch_size=len(bits), sync_dist=True)
        if output.outcome_loss is not None:
            self.log("val/outcome_loss", output.outcome_loss, batch_size=len(bits), sync_dist=True)

    def configure_optimizers(self) -> Any:
        return optimizer(self.network, self.config.optimizer, self.config.training.steps)


def drop_actions(actions: Shaped[Tensor, "b t a"], part: float) -> Shaped[Tensor, "b t a"]:
    """Hide all actions of a random part of the windows, for guidance in rollouts (arXiv 2207.12598, algorithm 1)."""
    if not part:
        return actions
    hidden = torch.rand(len(actions), 1, 1, device=actions.device) < part
    return torch.where(hidden, unknown(actions), actions)


def rewards_of(store: CodeStore) -> Float[Tensor, "v"]:
    """Values between the smallest and the largest reward of the training episodes.

    Raises:
        ValueError: none has rewards.
    """
    found = [store.outcomes(info) for info in store.split("train") if info.rewards]
    if not found:
        raise ValueError(
            f"model.outcome_loss: {store} has no rewards; prepare and encode recordings with rewards, or leave it 0"
        )
    rewards = torch.cat([one.rewards for one in found])
    return reward_values(float(rewards.min()), float(rewards.max()))


def train(config: TrainPredictorConfig) -> None:
    """Train a predictor, or go on with an interrupted training.

    Raises:
        ValueError: the store cannot be used, or ``config.run`` holds another training.
    """
    store = CodeStore(config.store)
    training, header = config.training, store.header
    parts = training.accumulate
    values = rewards_of(store) if config.model.outcome_loss else None
    outcomes = config.targets if config.model.outcome_loss else None
    data = CodeData(store, config.window, training.batch_size, training.steps, training.seed, parts, outcomes)
    torch.manual_seed(training.seed)
    network = build_predictor(config.model, header.action_spec, header.grid, store.codebook, values)
    started = predictor_starts(network, config.model, store, config.init) if config.init else {}
    folder = Path(config.run)
    network.to(memory_format=torch.channels_last)
    if training.recompute:
        recompute_activations(network)
    if training.compile:
        network.compile()
    module = PredictorModule(network, config)
    curves = Curves(folder, (*PANELS, OUTCOME_PANEL) if values is not None else PANELS)
    facts = {
        "action_spec": header.action_spec.to_json(),
        "grid": list(header.grid),
        "fps": header.fps,
        "vqvae": header.fingerprint,
        **started,
    }
    encoded = store.header.provenance.get("encoded", {})
    context = {"context": encoded["episodes"]} if encoded else {}
    then = typed("rollout", predictor=config.run, **written_by(store), **context)
    run.fit(module, data, config, [curves], facts, parts, about=store.amount("train"), then=then)
