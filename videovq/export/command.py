"""``videovq export``: the graphs of a learned world, with the metadata and the initial state to run them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videovq import __version__
from videovq.config import ExportConfig
from videovq.export.graphs import STATE, ExportedModel
from videovq.export.onnx import NEEDED, Graph, start_arrays, traced_step, traced_watch, write_onnx
from videovq.packages import require
from videovq.progress import progress
from videovq.rollout.pair import Pair, load_pair
from videovq.runs import fingerprint
from videovq.storage import atomic, write_json

WORLD_FORMAT = "videovq world 2"
TRACED = {"step": traced_step, "watch": traced_watch}
FILES = ("step.pt2", "watch.pt2", "step.onnx", "watch.onnx", "start.npz", "world.json")


def export_model(config: ExportConfig) -> None:
    """Write ``step`` and ``watch`` as ``.pt2`` and ``.onnx``, ``start.npz`` and ``world.json`` to ``config.out``.

    Raises:
        UserError: a run cannot be used, the predictor is of a kind that cannot be exported, or a package is missing.
    """
    require(NEEDED, "export", "export")
    pair = load_pair(config)
    model = ExportedModel(pair)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    graphs: dict[str, Graph] = {}
    with progress(len(TRACED), "export", "graph") as bar, ExitStack() as whole:
        partial = {name: whole.enter_context(atomic(out / name)) for name in FILES}
        for name, traced in TRACED.items():
            graphs[name] = traced(model)
            with partial[f"{name}.pt2"].open("wb") as file:
                torch.export.save(graphs[name].program, file)
            write_onnx(graphs[name], partial[f"{name}.onnx"])
            bar.update()
        with partial["start.npz"].open("wb") as file:
            np.savez_compressed(file, **start_arrays(model))
        write_json(partial["world.json"], metadata(pair, graphs))
    for name in FILES:
        print(f"wrote {out / name}: {(out / name).stat().st_size / 2**20:.1f} MiB")


def metadata(pair: Pair, graphs: dict[str, Graph]) -> dict[str, Any]:
    """The content of ``world.json``."""
    predictor = pair.predictor
    return {
        "format": WORLD_FORMAT,
        "videovq": __version__,
        "predictor": fingerprint(predictor.config, predictor.network),
        "vqvae": pair.vqvae.fingerprint,
        "fps": predictor.fps,
        "actions": predictor.action_spec.to_json(),
        "state": list(STATE),
        "graphs": {name: {"inputs": graph.inputs, "outputs": graph.outputs} for name, graph in graphs.items()},
        "start": "start.npz holds the state before any frame, and the action that leads to the first. Run watch for"
        " each given frame (RGB) with the action taken before it, then step for each frame to draw; every next_NAME"
        " is the following run's NAME.",
        "noise": "-log(-log(u)), u uniform in (0, 1), another for every step; videovq/models/noise.py computes it from"
        " a seed and the number of the frame",
        "temperature": "1 draws from the model; 0 takes the most likely codes",
    }
