"""Walk through an exported world with NumPy, Pillow and onnxruntime: neither videovq nor PyTorch.

    python docs/examples/exported.py EXPORTS PICTURE ACTION [ACTION ...]

EXPORTS is the folder that `videovq export` wrote, PICTURE a picture to begin with, each ACTION a name or a number.
Writes walk.gif.
"""

import argparse
import json
import math
from pathlib import Path

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("EXPORTS", type=Path)
    parser.add_argument("PICTURE", type=Path)
    parser.add_argument("ACTION", nargs="+")
    given = parser.parse_args()
    folder, picture, actions = given.EXPORTS, given.PICTURE, given.ACTION
    for path in (folder / "world.json", picture):
        if not path.is_file():
            parser.error(f"{path}: no such file")

try:
    import numpy as np
    import onnxruntime
    from PIL import Image
except ModuleNotFoundError as error:
    raise SystemExit(f"error: {error}; pip install numpy pillow onnxruntime") from None

TEMPERATURE = 0.85  # what videovq takes where rollouts are looked at
world = json.loads((folder / "world.json").read_text())
names = world["actions"].get("names", [])
watch, step = (onnxruntime.InferenceSession(str(folder / f"{name}.onnx")) for name in ("watch", "step"))
results = {graph: [output.name for output in graph.get_outputs()] for graph in (watch, step)}


def run(graph, state, **inputs):
    """The outputs, and the state for the next run."""
    outputs = dict(zip(results[graph], graph.run(None, {**state, **inputs}), strict=True))
    return outputs, {name: outputs[f"next_{name}"] for name in world["state"]}


start = dict(np.load(folder / "start.npz"))
state = {name: start[name] for name in world["state"]}
_, height, width, _ = world["graphs"]["watch"]["inputs"]["frame"]["shape"]
frames = [np.asarray(Image.open(picture).convert("RGB").resize((width, height), Image.Resampling.BOX))]
_, state = run(watch, state, action=start["action"], frame=frames[0][None])

random = np.random.default_rng(0)
for action in actions:
    if action not in names and not action.isdigit():
        parser.error(f"no action {action!r}; choose from {', '.join(names)}")
    number = names.index(action) if action in names else int(action)
    uniform = random.uniform(np.finfo(np.float32).tiny, 1, world["graphs"]["step"]["inputs"]["noise"]["shape"])
    outputs, state = run(
        step,
        state,
        action=np.array([[number]], start["action"].dtype),
        noise=-np.log(-np.log(uniform)).astype(np.float32),
        temperature=np.array([TEMPERATURE], np.float32),
    )
    frames.append(outputs["frame"][0])

every, size = math.ceil(world["fps"] / 50), (3 * width, 3 * height)  # browsers show slowly what is faster than 50
pictures = [Image.fromarray(frame).resize(size, Image.Resampling.NEAREST) for frame in frames[::every]]
pictures[0].save("walk.gif", save_all=True, append_images=pictures[1:], duration=1000 * every / world["fps"], loop=0)
print(f"walk.gif: {len(frames)} frames")
