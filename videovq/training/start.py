"""Initial weights of a training: those of another run, of a model that ships, or of a packed world."""

from __future__ import annotations

from typing import Any

from torch import nn

from videovq.config import BEGINS_AS_NOTHING, LEARNING_ALONE, PredictorConfig, VQVAEConfig
from videovq.data.store import CodeStore
from videovq.errors import UserError
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.runs import fingerprint, init_run, load_predictor, load_vqvae
from videovq.training.decoder import DecoderAlone
from videovq.training.loop import differences
from videovq.types import ActionSpec
from videovq.worlds import world_called

DATA_STATISTICS = ("data_variance", "mean", "std", "values")  # buffers: of frames, actions and rewards


def vqvae_starts(network: VQVAE, config: VQVAEConfig, init: str) -> dict[str, Any]:
    """Give a VQ-VAE the weights of another; what it knows of the data's statistics stays.

    Args:
        init: a name, a run folder, or the path of a packed world.

    Returns:
        What the run remembers of it: name and fingerprint, and whose codes it keeps where its decoder alone learns.

    Raises:
        UserError: there is no such VQ-VAE, or it has another architecture.
    """
    trained = load_vqvae(init_run(init, "vqvae"))
    _load_weights(init, trained.network, trained.config, network, config)
    keeps = {"codes_of": trained.codes_of} if isinstance(network, DecoderAlone) else {}
    return {"init": {"name": world_called(init), "fingerprint": trained.fingerprint}, **keeps}


def predictor_starts(network: Predictor, config: PredictorConfig, store: CodeStore, init: str) -> dict[str, Any]:
    """Give a predictor the weights of another; what it knows of the data's statistics stays.

    Args:
        store: the codes that it will be trained on.
        init: a name, a run folder, or the path of a packed world.

    Returns:
        What the run remembers of it: name and fingerprint.

    Raises:
        UserError: there is no such predictor, or it is of other codes, actions or architecture.
    """
    trained = load_predictor(init_run(init, "predictor"))
    if trained.vqvae != store.header.fingerprint:
        raise UserError(
            f"init: {init} predicts the codes of another VQ-VAE than that of {store}, where the same numbers mean"
            " something else; encode the episodes with its VQ-VAE, or leave init out"
        )
    ours, theirs = _meaning(store.header.action_spec), _meaning(trained.action_spec)
    if ours != theirs:
        raise UserError(f"init: {init} knows other actions ({theirs}) than {store} has ({ours}); leave init out")
    _load_weights(init, trained.network, trained.config.model, network, config)
    return {"init": {"name": world_called(init), "fingerprint": fingerprint(trained.config.model, trained.network)}}


def _load_weights(init: str, trained: nn.Module, theirs: Any, network: nn.Module, ours: Any) -> None:
    changed = differences(theirs, ours, "model")
    new = tuple(name for name, off in BEGINS_AS_NOTHING.items() if getattr(theirs, name, off) == off)
    fields = {one: one.partition(":")[0].rpartition(".")[2] for one in changed}
    fixed = [one for one, field in fields.items() if not (field in LEARNING_ALONE or field.startswith(new))]
    state, own = trained.state_dict(), network.state_dict()
    added = any(field.startswith(new) for field in fields.values())
    shapes, own_shapes = ({name: value.shape for name, value in one.items()} for one in (state, own))
    fits = shapes.items() <= own_shapes.items() if added else shapes == own_shapes
    if fixed or not fits:
        first = next(iter(fixed or changed), "of its grids")
        raise UserError(f"init: {init} has another architecture ({first}); set it as it is there, or leave init out")
    taken = {name: value for name, value in state.items() if name.rpartition(".")[2] not in DATA_STATISTICS}
    network.load_state_dict(own | taken)


def _meaning(spec: ActionSpec) -> str:
    """The kind, names and sizes of actions, without their statistics."""
    parts = {"discrete": spec.names or spec.sizes, "multi_discrete": spec.sizes, "continuous": (spec.width,)}
    return " ".join([spec.kind, *map(str, parts.get(spec.kind, ()))])
