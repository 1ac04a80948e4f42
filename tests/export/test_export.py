"""The exported graphs draw what the networks draw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.small import SMALL_RASTER
from videovq.config import ExportConfig, ModelChoice
from videovq.data.store import EpisodeStore
from videovq.export.command import export_model
from videovq.export.graphs import STATE, ExportedModel
from videovq.export.onnx import NEEDED
from videovq.models.noise import seed_tensor
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import generate
from videovq.rollout.pair import Pair, load_pair
from videovq.rollout.state import start_rollouts, step_rollouts
from videovq.types import RolloutRequest, Sampling

pytestmark = pytest.mark.slow

onnxruntime = pytest.importorskip("onnxruntime")
FRAMES, SEED, TEMPERATURE = 24, 3, 0.8
Run = Callable[[str, dict[str, np.ndarray]], list[np.ndarray]]


@pytest.fixture(scope="module")
def pair(vqvae_run: Path, predictor_run: Path) -> Pair:
    return load_pair(ModelChoice(str(predictor_run), str(vqvae_run)))


@cache
def with_onnxruntime(folder: Path) -> Run:
    graphs = {name: onnxruntime.InferenceSession(str(folder / f"{name}.onnx")) for name in ("step", "watch")}
    return lambda name, inputs: graphs[name].run(None, inputs)


@cache
def with_torch(folder: Path) -> Run:
    graphs = {name: torch.export.load(folder / f"{name}.pt2").module() for name in ("step", "watch")}

    @torch.no_grad()
    def run(name: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        order = json.loads((folder / "world.json").read_text())["graphs"][name]["inputs"]
        return [value.numpy() for value in graphs[name](*(torch.from_numpy(inputs[key]) for key in order))]

    return run


@pytest.mark.parametrize("runtime", [with_onnxruntime, with_torch])
@pytest.mark.parametrize("given", [1, 2, 6])
def test_a_walk_is_the_rollout_of_the_same_noise(
    exported: Path, pair: Pair, episode_store: EpisodeStore, runtime: Callable[[Path], Run], given: int
) -> None:
    """The window is 4 frames: contexts that do not fill it, and one that more than does."""
    clip = contexts(str(episode_store), "", pair, given, 4)[1]
    actions = torch.randint(3, (FRAMES, 1), generator=torch.Generator().manual_seed(0))
    request = RolloutRequest(clip.frames, clip.actions, actions, 1, Sampling(TEMPERATURE), SEED)
    eager = generate(pair.vqvae.network, pair.predictor.network, request)
    assert eager.frames is not None and len(eager.codes[0].unique()) > 5

    run, start = runtime(exported), dict(np.load(exported / "start.npz"))
    state = [start[name] for name in STATE]
    led = [start["action"], *clip.actions[:, None].numpy()]
    for frame, action in zip(clip.frames[:, None].numpy(), led, strict=True):
        codes, *state = run("watch", {**dict(zip(STATE, state, strict=True)), "action": action, "frame": frame})
        known = codes
    assert np.array_equal(known[0], eager.context_codes[-1].numpy())
    network, seeds = pair.predictor.network, seed_tensor([SEED], torch.device("cpu"))
    (rollout,) = start_rollouts(pair.predictor.network, eager.context_codes[None], clip.actions[None], [SEED])
    for t, action in enumerate(actions):
        noise = network.noise(seeds, torch.tensor([t + 1])).unflatten(1, network.grid).numpy()
        told = {"action": action[None].numpy(), "noise": noise, "temperature": np.array([TEMPERATURE], np.float32)}
        codes, bits, frame, *state = run("step", {**dict(zip(STATE, state, strict=True)), **told})
        assert np.array_equal(codes[0], eager.codes[0, t].numpy()), t
        (drawn,) = step_rollouts(pair.predictor.network, [rollout], [action], [Sampling(TEMPERATURE)])
        assert np.abs(bits[0] - drawn.entropy.numpy()).max() < 1e-3
        rollout = drawn.state
        assert np.abs(frame[0].astype(int) - eager.frames[0, t].numpy().astype(int)).max() <= 1
    assert state[STATE.index("seen")] == 3


def test_the_json_says_what_the_graphs_take_and_give(exported: Path) -> None:
    world = json.loads((exported / "world.json").read_text())
    assert world["fps"] == 15 and world["actions"]["names"] == ["stay", "left", "right"]
    for name in ("step", "watch"):
        graph = onnxruntime.InferenceSession(str(exported / f"{name}.onnx"))
        for kind, found in (("inputs", graph.get_inputs()), ("outputs", graph.get_outputs())):
            said = world["graphs"][name][kind]
            assert [(one.name, one.shape) for one in found] == [(key, one["shape"]) for key, one in said.items()]
            assert [one.type for one in found] == [
                f"tensor({one['type'].replace('float32', 'float')})" for one in said.values()
            ]


def test_the_example_needs_neither_torch_nor_videovq(exported: Path, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "exported.py"
    Image.new("RGB", (48, 48), "red").save(tmp_path / "red.png")
    code = "import runpy, sys; sys.modules |= dict(torch=None, videovq=None); "
    code += f"runpy.run_path({str(example)!r}, run_name='__main__')"
    words = [sys.executable, "-c", code, str(exported), "red.png", "left", "left", "2"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "walk.gif: 4 frames\n", done.stderr
    with Image.open(tmp_path / "walk.gif") as image:
        assert image.size == (72, 72)


def test_what_cannot_be_exported_is_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = replace(pair.predictor, config=replace(pair.predictor.config, model=SMALL_RASTER))
    with pytest.raises(ValueError, match="RasterPredictorConfig cannot be exported"):
        ExportedModel(pair._replace(predictor=raster))
    monkeypatch.setattr("videovq.packages.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"{NEEDED[0]}, {NEEDED[1]}; run: pip install"):
        export_model(ExportConfig())
