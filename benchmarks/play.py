"""Speed of playing: frames a second over a WebSocket, and steps a second of the Gymnasium environments.

    python benchmarks/play.py VQVAE_RUN PREDICTOR_RUN EPISODE_STORE [SECONDS]

Every player acts as soon as the last frame has come, SECONDS (60) long, at temperature 1, and starts again where a
dream is as long as one may be; they are a process of their own on the same machine. Memory: of the server's process.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    vqvae, predictor, store, SECONDS = arguments(
        __doc__, VQVAE_RUN=there, PREDICTOR_RUN=there, EPISODE_STORE=there, SECONDS=60.0
    )

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np
import uvicorn

import videovq.gym
from videovq.config import ModelChoice, PlayConfig
from videovq.play.server import PlayServer
from videovq.play.thread import ModelThread
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import to_device
from videovq.rollout.pair import Pair, load_pair


def resident() -> float:
    """MiB of memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * 4096 / 2**20


def played_by(link: str, clips: list[str]) -> tuple[list[list[float]], list[float]]:
    """Seconds for each frame of each player, and MiB of memory of this process, ten times along the way."""
    command = [sys.executable, str(Path(__file__).with_name("players.py")), link, str(SECONDS), *clips]
    players = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = []
    for _ in range(10):
        time.sleep(SECONDS / 10)
        memory.append(resident())
    said, _ = players.communicate()
    return json.loads(said), memory


def loaded() -> Pair:
    pair = load_pair(ModelChoice(predictor, vqvae))
    to_device(pair.vqvae.network, pair.predictor.network, "auto", "auto")
    return pair


def played() -> None:
    model = ModelThread(loaded)
    server = PlayServer(model, model.now(lambda pair: contexts(store, "", pair, 6, 4)), PlayConfig())
    serving = uvicorn.Server(uvicorn.Config(server.app(), port=0, log_level="warning", ws_per_message_deflate=False))
    thread = threading.Thread(target=serving.run)
    thread.start()
    while not serving.started:
        time.sleep(0.05)
    port = serving.servers[0].sockets[0].getsockname()[1]
    names = list(server.clips)
    print("players  frames/s each  median ms  95th percentile ms  steps a batch  memory MiB along the way")
    for number in (1, 4):
        server.thread.batches.clear()
        link = f"ws://127.0.0.1:{port}/play?token={server.token}"
        found, memory = played_by(link, (names * 4)[:number])
        each = np.concatenate(found)
        rate = np.mean([len(seconds) / sum(seconds) for seconds in found])
        shared = np.mean([len(batch) for batch in server.thread.batches])
        middle, worst = np.percentile(each, [50, 95]) * 1000
        along = " ".join(f"{mib:.0f}" for mib in memory)
        print(f"{number:7} {rate:14.1f} {middle:10.1f} {worst:19.1f} {shared:14.1f}  {along}", flush=True)
    serving.should_exit = True
    thread.join()


def stepped() -> None:
    print("environments  steps/s (of all together)")
    for number in (1, 8, 32):
        dreams = gymnasium.make_vec(
            videovq.gym.ID, num_envs=number, vqvae=vqvae, predictor=predictor, context=store, steps=10**9
        )
        dreams.reset(seed=0)
        dreams.action_space.seed(0)
        for _ in range(2):
            dreams.step(dreams.action_space.sample())
        steps, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < SECONDS / 6:
            dreams.step(dreams.action_space.sample())
            steps += number
        print(f"{number:12} {steps / (time.perf_counter() - begun):24.1f}", flush=True)


played()
stepped()
