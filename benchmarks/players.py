"""The players of benchmarks/play.py: one for each scene, as fast as frames come.

    python benchmarks/players.py LINK SECONDS SCENE [SCENE ...]

Prints as JSON, for each player, the seconds from every action to its picture's arrival, once the window is full.
"""

from arguments import arguments

if __name__ == "__main__":  # before what takes long to import
    LINK, SECONDS, SCENES = arguments(__doc__, LINK=str, SECONDS=float, SCENE=[str])

import asyncio
import json
import time

import numpy as np
from websockets.asyncio.client import connect

COLD = 16  # frames until the window is full


async def player(clip: str, seed: int) -> list[float]:
    async with connect(LINK, max_size=None) as socket:
        hello = json.loads(await socket.recv())
        choices = hello["actions"]["sizes"][0]
        sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}
        start = json.dumps({"type": "start", "clip": clip, "seed": seed, "guidance": 1, "sampling": sampling})
        actions, seconds, begun = np.random.default_rng(seed), [], time.perf_counter()
        while time.perf_counter() - begun < SECONDS or len(seconds) <= COLD:
            frame = len(seconds) % hello["most"]
            if frame == 0:
                await socket.send(start)
                await socket.recv()
                await socket.recv()
                await socket.send(json.dumps({"type": "acknowledge", "frame": 0}))
            asked = time.perf_counter()
            await socket.send(json.dumps({"type": "act", "action": [int(actions.integers(choices))]}))
            await socket.recv()
            seconds.append(time.perf_counter() - asked)
            await socket.send(json.dumps({"type": "acknowledge", "frame": frame + 1}))
        return seconds[COLD:]


async def together() -> list[list[float]]:
    return await asyncio.gather(*(player(clip, seed) for seed, clip in enumerate(SCENES)))


print(json.dumps(asyncio.run(together())))
