"""The quantizers and predictors that can be chosen, a line each: the name of their settings, and where the network is.

Nothing is imported until it is chosen, so that the settings of a new network may stand in the network's own file,
below torch; those of the networks here are in :mod:`videovq.config.models`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from videovq.config.checks import checked
from videovq.config.models import PredictorConfig, QuantizerConfig
from videovq.errors import UserError

QUANTIZERS: dict[str, str] = {
    "EMAConfig": "learned:EMAQuantizer",
    "CodebookLossConfig": "learned:CodebookLossQuantizer",
    "CosineConfig": "learned:CosineQuantizer",
    "FSQConfig": "library:FSQQuantizer",
    "LFQConfig": "library:LFQQuantizer",
    "RotationConfig": "library:RotationQuantizer",
    "ResidualConfig": "library:ResidualQuantizer",
}
"""Settings -> ``file:Class`` of the quantizer, in ``videovq/models/quantizers/``."""

PREDICTORS: dict[str, tuple[str, str]] = {
    "PatchPredictorConfig": ("lookup_context:LookupContext", "patch_decoder:PatchDecoder"),
    "RasterPredictorConfig": ("lookup_context:LookupContext", "raster_decoder:RasterDecoder"),
    "PixelCNNPredictorConfig": ("convolutional_context:ConvolutionalContext", "gated_pixelcnn:GatedPixelCNN"),
}
"""Settings -> ``file:Class`` of the context network and of the frame decoder, in ``videovq/models/predictors/``."""


def registered(base: type) -> dict[str, tuple[str, ...]]:
    """The classes that can be chosen where a field holds ``base``: name -> ``module:Class`` of each part.

    Empty: ``base`` is not what is registered here.
    """
    if issubclass(base, QuantizerConfig):
        return {name: (f"videovq.models.quantizers.{part}",) for name, part in QUANTIZERS.items()}
    if issubclass(base, PredictorConfig):
        return {
            name: tuple(f"videovq.models.predictors.{part}" for part in parts) for name, parts in PREDICTORS.items()
        }
    return {}


def parts_of(settings: QuantizerConfig | PredictorConfig, setting: str) -> tuple[Any, ...]:
    """The classes of the network that settings describe.

    Args:
        setting: what the settings are called, for messages.

    Raises:
        UserError: nothing is registered for them, or their numbers cannot work.
    """
    known, name = registered(type(settings)), type(settings).__name__
    if name not in known:
        raise UserError(f"{setting}: {name} is of no network; choose from {', '.join(known)}")
    checked(settings, setting)
    return tuple(_found(part) for part in known[name])


def own_settings(name: str) -> Any:
    """The class of settings that stands in the file of its network; None: nothing of this name is registered."""
    parts = {**registered(QuantizerConfig), **registered(PredictorConfig)}.get(name, ())
    for module in (import_module(part.partition(":")[0]) for part in parts):
        if hasattr(module, name):
            return getattr(module, name)
    return None


def _found(part: str) -> Any:
    module, _, name = part.partition(":")
    return getattr(import_module(module), name)
