"""``videovq train predictor``: CodeStore -> predictor run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from videovq.config import TrainPredictorConfig
from videovq.data.modules import CodeData
from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.follow_up import typed
from videovq.models.build import build_predictor
from videovq.models.predictors.contract import PredictorOutput
from videovq.models.predictors.outcome import reward_values
from videovq.models.predictors.predictor import Predictor
from videovq.training import loop
from videovq.training.activation_checkpointing import recompute_activations
from videovq.training.corruption import add_noise, add_own_frames, choose_targets, drop_actions
from videovq.training.encode import written_by
from videovq.training.similar import SimilarCodes
from videovq.training.start import predictor_starts
from videovq.training.task import Metrics, Panels, Task
from videovq.types import CodeBatch

CONTEXT = 6


class PredictorTask(Task):
    """Minimises the bits per code of frames conditioned on those before them and on the actions."""

    command = "train predictor"
    panels: Panels = (
        ("bits_per_code", "bits per code", False),
        ("bits_after_6", "bits per code after 6 frames", False),
    )
    config: TrainPredictorConfig

    def __init__(self, config: TrainPredictorConfig) -> None:
        self.store, training = CodeStore(config.store), config.training
        header, outcomes, self.accumulate = self.store.header, None, training.accumulate
        self.values: Tensor | None = None
        if config.model.outcome_loss:
            self.values, outcomes = rewards_of(self.store), config.targets
            self.panels = (*self.panels, ("outcome_loss", "nats per reward and end", False))
        steps, parts = training.steps, training.accumulate
        data = CodeData(self.store, config.window, training.batch_size, steps, training.seed, parts, outcomes)
        facts = {
            "action_spec": header.action_spec.to_json(),
            "grid": list(header.grid),
            "fps": header.fps,
            "vqvae": header.fingerprint,
        }
        encoded = header.provenance.get("encoded", {})
        context = {"context": encoded["episodes"]} if encoded else {}
        then = typed("rollout", predictor=config.run, **written_by(self.store), **context)
        super().__init__(config, data, facts, about=self.store.amount("train"), then=then)

    def build(self) -> Predictor:
        config, header = self.config, self.store.header
        network = build_predictor(config.model, header.action_spec, header.grid, self.store.codebook, self.values)
        if config.init:
            self.facts |= predictor_starts(network, config.model, self.store, config.init)
        if config.training.recompute:
            recompute_activations(network)
        if config.training.compile:
            self.compile(network)
        self.similar = SimilarCodes(network.codebook) if config.context_noise else None
        if self.similar:
            self.beside["similar"] = self.similar
        return network

    def loss(self, network: Predictor, batch: CodeBatch) -> tuple[Tensor, Metrics]:
        config, (batch_size, frames) = self.config, batch.codes.shape[:2]
        context, levels = batch.codes, batch.codes.new_zeros(batch_size, frames)
        if self.similar:
            any_code, number = config.context_noise_any, config.model.corruption_levels
            context, levels = add_noise(context, self.similar, config.context_noise, any_code, number)
        first = levels.new_full((batch_size,), -1)
        if config.own_frames:
            (context, levels), first = add_own_frames(network, (context, levels), batch.actions, config)
        targets = choose_targets(frames, config.targets, first)
        actions = drop_actions(batch.actions, config.action_dropout)
        output = network(batch.codes, actions, context, targets, batch.outcomes, levels)
        return output.loss, {"bits_per_code": output.nll.mean() / math.log(2), **outcome_of(output)}

    def measure(self, network: Predictor, batch: CodeBatch) -> tuple[Metrics, None]:
        output = network(batch.codes, batch.actions, outcomes=batch.outcomes)
        bits = output.nll / math.log(2)
        late = {f"bits_after_{CONTEXT}": bits[:, CONTEXT:].mean()} if bits.shape[1] > CONTEXT else {}
        return {"bits_per_code": bits.mean(), **late, **outcome_of(output)}, None


def outcome_of(output: PredictorOutput) -> dict[str, Tensor]:
    """The loss of rewards and ends, where they are learnt."""
    return {} if output.outcome_loss is None else {"outcome_loss": output.outcome_loss}


def rewards_of(store: CodeStore) -> Float[Tensor, "v"]:
    """Values between the smallest and the largest reward of the training episodes.

    Raises:
        UserError: none has rewards.
    """
    found = [store.outcomes(info) for info in store.split("train") if info.rewards]
    if not found:
        raise UserError(
            f"model.outcome_loss: {store} has no rewards; prepare and encode recordings with rewards, or leave it 0"
        )
    rewards = torch.cat([one.rewards for one in found])
    return reward_values(float(rewards.min()), float(rewards.max()))


def train(config: TrainPredictorConfig, beside: Sequence[Callback] = ()) -> None:
    """Train a predictor, or go on with an interrupted training; ``beside`` are further callbacks.

    Raises:
        UserError: the store cannot be used, or ``config.run`` holds another training.
    """
    loop.fit(PredictorTask(config), beside)
