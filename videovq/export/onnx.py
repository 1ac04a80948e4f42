"""Graphs of a learned world as programs of torch.export, and those as ONNX."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from videovq.export.graphs import STATE, ExportedModel, StepGraph, WatchGraph

NEEDED = ("onnx", "onnxscript")
AFTER = tuple(f"next_{name}" for name in STATE)

Described = dict[str, dict[str, Any]]
"""Type and shape of each input or output, by its name."""


@dataclass(frozen=True)
class Graph:
    """A network traced for inputs of fixed shapes."""

    program: torch.export.ExportedProgram
    inputs: Described
    outputs: Described


def traced_step(model: ExportedModel) -> Graph:
    """The traced graph that predicts a frame."""
    network = model.predictor
    inputs = {
        **_before(model),
        "noise": torch.zeros(1, *network.grid, len(network.codebook)),
        "temperature": torch.ones(1),
    }
    return _traced(StepGraph(model), inputs, ("codes", "bits", "frame", *AFTER))


def traced_watch(model: ExportedModel) -> Graph:
    """The traced graph that takes a context frame in."""
    frame = torch.zeros(1, *model.frame_size, 3, dtype=torch.uint8)
    return _traced(WatchGraph(model), {**_before(model), "frame": frame}, ("codes", *AFTER))


def start_arrays(model: ExportedModel) -> dict[str, Any]:
    """The state before any frame, and the action that leads to the first, as NumPy arrays."""
    return {name: value.numpy() for name, value in _before(model).items()}


def write_onnx(graph: Graph, path: Path) -> None:
    """Write a graph as one ONNX file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own workings
        torch.onnx.export(
            graph.program,
            f=path,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _before(model: ExportedModel) -> dict[str, Tensor]:
    return {**model.initial_state()._asdict(), "action": model.unknown_action()}


@torch.no_grad()
def _traced(network: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...]) -> Graph:
    program = torch.export.export(network, tuple(inputs.values()), strict=False)
    values = dict(zip(outputs, network(*inputs.values()), strict=True))
    return Graph(program, _described(inputs), _described(values))


def _described(tensors: dict[str, Tensor]) -> Described:
    return {name: {"type": str(z.dtype).removeprefix("torch."), "shape": list(z.shape)} for name, z in tensors.items()}
