"""``videovq play --in-browser``: the page and the networks as a folder for any web server.

The page is that of the server, with a worker in place of the connection, which runs the exported graphs with
onnxruntime-web.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from videovq.config import PlayConfig
from videovq.data.clip import Clip
from videovq.errors import UserError
from videovq.export.graphs import STATE, ExportedModel
from videovq.export.onnx import NEEDED, Graph, start_arrays, traced_step, traced_watch, write_onnx
from videovq.packages import require
from videovq.page import STYLESHEET
from videovq.pictures import png
from videovq.play.dream import context_length
from videovq.play.hello import scene_metadata, world_metadata
from videovq.play.messages import MOST_FRAMES
from videovq.rollout.pair import Pair, model_name
from videovq.storage import atomic

HERE = Path(__file__).parent
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def check(config: PlayConfig) -> None:
    """Check early that :func:`write_page` can write the page.

    Raises:
        UserError: a package or a part of onnxruntime-web is missing, or there is something at ``config.in_browser``.
    """
    require(NEEDED, "export", "in_browser")
    for name in RUNTIME:
        if not (Path(config.onnxruntime_web) / name).is_file():
            raise UserError(
                f"onnxruntime_web: {config.onnxruntime_web} has no {name}; run: npm install onnxruntime-web,"
                " and give its folder dist"
            )
    out = Path(config.in_browser)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"in_browser: {out} is there already; remove it or choose another folder")


def write_page(config: PlayConfig, pair: Pair, clips: list[Clip]) -> None:
    """Write the folder ``config.in_browser``: page, networks, scenes and onnxruntime-web.

    Args:
        config: one that :func:`check` accepts.
        clips: scenes to start from.

    Raises:
        UserError: the predictor is of a kind that cannot be exported.
    """
    model = ExportedModel(pair)
    graphs = {"step": traced_step(model), "watch": traced_watch(model)}
    out = Path(config.in_browser)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as scratch:
        shutil.copytree(HERE / "page", scratch / "page")
        (scratch / "page" / "index.html").unlink()
        shutil.copy(STYLESHEET, scratch / "page")
        (scratch / "index.html").write_text(front_page(), encoding="utf-8")
        for name in ("connection.js", "dream.js", "noise.js"):
            shutil.copy(HERE / "in_browser_page" / name, scratch / "page" / name)
        shutil.copy(HERE / "in_browser_page" / "isolate.js", scratch / "isolate.js")
        for part in ("ort", "world"):
            (scratch / part).mkdir()
        for name in RUNTIME:
            shutil.copy(Path(config.onnxruntime_web) / name, scratch / "ort" / name)
        for name, graph in graphs.items():
            write_onnx(graph, scratch / "world" / f"{name}.onnx")
        for i, clip in enumerate(clips):
            (scratch / "world" / f"scene{i}.png").write_bytes(png(clip.frames.flatten(0, 1).numpy()))
        said = hello(config, pair, model, graphs, clips)
        (scratch / "world" / "hello.json").write_text(json.dumps(said))
        if out.is_dir():
            out.rmdir()
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"wrote {out}: {size / 2**20:.0f} MiB; python -m http.server --directory {out} is server enough")


def front_page() -> str:
    """The server's page, with a note: browsers run nothing of it where it is opened as a file."""
    page = (HERE / "page" / "index.html").read_text(encoding="utf-8")
    needed = "Loading … If nothing comes: the page needs a web server, such as python -m http.server in its folder."
    return page.replace("Connecting …", needed)


def hello(
    config: PlayConfig, pair: Pair, model: ExportedModel, graphs: dict[str, Graph], clips: list[Clip]
) -> dict[str, Any]:
    """The metadata that the page receives first."""
    before = {name: value.flatten().tolist() for name, value in start_arrays(model).items() if value.any()}
    return {
        "type": "hello",
        **world_metadata(pair),
        "name": model_name(config),
        "rate": config.rate or pair.predictor.fps,
        "guidance": False,
        "sampling": {"temperature": config.temperature},
        "seed": config.seed,
        "most": MOST_FRAMES,
        "recordings": ["webm"],
        "upload_frames": context_length(pair, config.context_frames),
        "clips": [
            {**scene_metadata(clip), "file": f"scene{i}.png", "actions": clip.actions.tolist()}
            for i, clip in enumerate(clips)
        ],
        "state": list(STATE),
        "start": before,
        "graphs": {name: {"inputs": graph.inputs, "outputs": graph.outputs} for name, graph in graphs.items()},
    }
