"""Rollout states in safetensors files: saved, they go on in another process exactly where they were.

The KV cache is kept as it is: what it would be computed to again could differ in the last bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from videovq.errors import UserError
from videovq.models.kv_cache import KVCache
from videovq.models.predictors.contract import OutcomeOutput
from videovq.models.predictors.predictor import PredictorState
from videovq.rollout.pair import Pair, networks_sha256
from videovq.rollout.state import RolloutState
from videovq.storage import read_metadata, read_tensors, write_tensors
from videovq.types import Sampling

FORMAT = 1


def save_rollouts(
    path: str | Path,
    pair: Pair,
    sampling: Sampling,
    states: Sequence[RolloutState],
    tensors: dict[str, Tensor],
    facts: dict[str, Any],
) -> None:
    """Write rollout states, whole or not at all; an existing file is overwritten.

    Args:
        pair: the networks that they are of; :func:`load_rollouts` refuses others.
        tensors, facts: what else is to be kept; facts as JSON.
    """
    kept = {f"kept.{name}": value for name, value in tensors.items()}
    for i, state in enumerate(states):
        kept |= {f"{i}.{name}": value for name, value in _tensors(state).items()}
    about = {
        "format": FORMAT,
        "networks": networks_sha256(pair),
        "sampling": asdict(sampling),
        "rollouts": len(states),
        "facts": facts,
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in kept.items()}  # states share tensors
    write_tensors(Path(path), copies, {"videovq.rollouts": json.dumps(about)})


def load_rollouts(
    path: str | Path, pair: Pair
) -> tuple[Sampling, list[RolloutState], dict[str, Tensor], dict[str, Any]]:
    """What :func:`save_rollouts` wrote: the sampling settings, the states, and the tensors and facts kept with them.

    Raises:
        UserError: the file is missing, torn, of another kind or version, or of other networks.
    """
    path = Path(path)
    about = json.loads(read_metadata(path).get("videovq.rollouts", "{}"))
    if about.get("format") != FORMAT:
        raise UserError(f"{path}: is no session that this version of videovq saved")
    if about["networks"] != networks_sha256(pair):
        raise UserError(f"{path}: was saved with other networks, or in another precision; load those")
    read = read_tensors(path)
    states = [_state(_beginning(read, f"{i}."), pair) for i in range(about["rollouts"])]
    return Sampling(**about["sampling"]), states, _beginning(read, "kept."), about["facts"]


def _beginning(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value.clone() for name, value in tensors.items() if name.startswith(prefix)}


def _tensors(state: RolloutState) -> dict[str, Tensor]:
    of = state.predictor
    found = {"codes": of.codes, "actions": of.actions, **_random(state)}
    for i, layer in enumerate(of.cache.layers if of.cache else ()):
        found |= {f"cache.{i}.{j}": value for j, value in enumerate(layer)}
    if of.outcome is not None:
        found |= {"outcome.rewards": of.outcome.rewards, "outcome.ends": of.outcome.ends}
    return found


def _state(tensors: dict[str, Tensor], pair: Pair) -> RolloutState:
    device = pair.predictor.network.codebook.device
    there = {name: value.to(device) for name, value in tensors.items()}
    layers: dict[int, dict[int, Tensor]] = {}
    for name, value in there.items():
        if name.startswith("cache."):
            _, i, j = name.split(".")
            layers.setdefault(int(i), {})[int(j)] = value
    cache = KVCache([tuple(layers[i][j] for j in sorted(layers[i])) for i in sorted(layers)]) if layers else None
    outcome = OutcomeOutput(there["outcome.rewards"], there["outcome.ends"]) if "outcome.rewards" in there else None
    return _with_random(PredictorState(there["codes"], there["actions"], cache, outcome), tensors)


def _random(state: RolloutState) -> dict[str, Tensor]:
    """What decides the sampling noise to come; with :func:`_with_random` all that knows how it is kept."""
    return {"seed": state.seed, "frame": state.frame}


def _with_random(predictor: PredictorState, tensors: dict[str, Tensor]) -> RolloutState:
    return RolloutState(predictor, *(tensors[name].to(predictor.codes.device) for name in ("seed", "frame")))
