"""``videovq export``: the graphs of a learned world, and all that a program needs to run them."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from videovq import __version__
from videovq.checkpoints import fingerprint
from videovq.config import ExportConfig
from videovq.export.graphs import STATE, Step, Watch, World
from videovq.rollout.pair import Pair, load_pair

NEEDED = ("onnx", "onnxscript")
FORMAT = "videovq world 1"
AFTER = tuple(f"next_{name}" for name in STATE)


def export(config: ExportConfig) -> None:
    """Write ``step`` and ``watch`` as ``.pt2`` and ``.onnx``, ``start.npz`` and ``world.json`` to ``config.out``.

    Raises:
        ValueError: a run cannot be used, the predictor is of a kind that cannot be exported, or a package is missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(f'export: needs {", ".join(missing)}; run: pip install "videovq[export]"')
    pair = load_pair(config)
    world = World(pair)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    nothing, action = world.nothing()._asdict(), world.no_action()
    network = pair.predictor.network
    noise = torch.zeros(1, *network.grid, len(network.codebook))
    frame = torch.zeros(1, *world.frame_size, 3, dtype=torch.uint8)
    graphs = {
        "step": (Step(world), {**nothing, "action": action, "noise": noise, "temperature": torch.ones(1)},
                 ("codes", "frame", *AFTER)),
        "watch": (Watch(world), {**nothing, "action": action, "frame": frame}, ("codes", *AFTER)),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=out) as folder:
        scratch = Path(folder)
        described = {name: write_graph(scratch / name, *graph) for name, graph in graphs.items()}
        arrays: dict[str, Any] = {name: value.numpy() for name, value in {**nothing, "action": action}.items()}
        np.savez_compressed(scratch / "start.npz", **arrays)
        (scratch / "world.json").write_text(json.dumps(facts(pair, described), indent=2) + "\n")
        for name in ("step.pt2", "watch.pt2", "step.onnx", "watch.onnx", "start.npz", "world.json"):
            os.replace(scratch / name, out / name)
            print(f"wrote {out / name}: {(out / name).stat().st_size / 2**20:.1f} MiB")


@torch.no_grad()
def write_graph(
    path: Path, network: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Write ``path`` + ``.pt2`` and ``.onnx``.

    Args:
        inputs: an example of each, in order.

    Returns:
        The type and shape of each input and output.
    """
    program = torch.export.export(network, tuple(inputs.values()), strict=False)
    torch.export.save(program, path.with_suffix(".pt2"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own workings
        torch.onnx.export(
            program,
            f=path.with_suffix(".onnx"),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    values = network(*inputs.values())
    return {"inputs": _described(inputs), "outputs": _described(dict(zip(outputs, values, strict=True)))}


def facts(pair: Pair, graphs: dict[str, Any]) -> dict[str, Any]:
    """What ``world.json`` says."""
    predictor = pair.predictor
    return {
        "format": FORMAT,
        "videovq": __version__,
        "predictor": fingerprint(predictor.config, predictor.network),
        "vqvae": pair.vqvae.fingerprint,
        "fps": predictor.fps,
        "actions": predictor.action_spec.to_json(),
        "state": list(STATE),
        "graphs": graphs,
        "start": "start.npz holds the state before any frame, and the action that leads to the first. Run watch for"
        " each given frame (RGB) with the action taken before it, then step for each frame to draw; every next_NAME"
        " is the following run's NAME.",
        "noise": "-log(-log(u)), u uniform in (0, 1), drawn anew for every step",
        "temperature": "1 draws from the model; 0 takes the most likely codes",
    }


def _described(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: {"type": str(z.dtype).removeprefix("torch."), "shape": list(z.shape)} for name, z in tensors.items()}
