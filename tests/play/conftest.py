from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient, WebSocketTestSession

from videovq.config import ModelChoice, PlayConfig
from videovq.data.store import EpisodeStore
from videovq.play.server import PlayServer
from videovq.play.thread import ModelThread
from videovq.rollout.contexts import contexts
from videovq.rollout.pair import Pair, load_pair

SAMPLING = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


@pytest.fixture(scope="session")
def pair(vqvae_run: Path, predictor_run: Path) -> Pair:
    return load_pair(ModelChoice(str(predictor_run), str(vqvae_run)))


@pytest.fixture
def server(pair: Pair, episode_store: EpisodeStore) -> PlayServer:
    clips = contexts(str(episode_store), "", pair, 6, 24)
    return PlayServer(ModelThread(lambda: pair), clips, PlayConfig(players=3))


@pytest.fixture
def client(server: PlayServer) -> Iterator[TestClient]:
    with TestClient(server.app()) as client:
        yield client


class Frame(NamedTuple):
    """A packet, taken apart."""

    number: int
    digest: str
    picture: np.ndarray
    codes: np.ndarray
    bits: np.ndarray
    raw: bytes


def taken_apart(packet: bytes) -> Frame:
    length = int.from_bytes(packet[:4], "big")
    header = json.loads(packet[4 : 4 + length])
    start = 4 + length + header["png"]
    picture = np.asarray(Image.open(BytesIO(packet[4 + length : start])))
    cells = (len(packet) - start) // 5
    codes = np.frombuffer(packet[start : start + 4 * cells], "<u4")
    return Frame(
        header["frame"], header["digest"], picture, codes, np.frombuffer(packet[start + 4 * cells :], "u1"), packet
    )


class Seat:
    """A player as the page is one."""

    def __init__(self, socket: WebSocketTestSession) -> None:
        self.socket = socket
        self.hello = socket.receive_json()

    def send(self, **message: Any) -> None:
        self.socket.send_json(message)

    def frame(self) -> Frame:
        frame = taken_apart(self.socket.receive_bytes())
        self.send(type="acknowledge", frame=frame.number)
        return frame

    def start(self, clip: str, seed: int = 0, guidance: float = 1, **sampling: float) -> Frame:
        self.send(type="start", clip=clip, seed=seed, guidance=guidance, sampling={**SAMPLING, **sampling})
        assert self.socket.receive_json()["type"] == "started"
        return self.frame()

    def act(self, *actions: int) -> list[Frame]:
        frames = []
        for action in actions:
            self.send(type="act", action=[action])
            frames.append(self.frame())
        return frames

    def refused(self) -> str:
        said = self.socket.receive_json()
        assert said["type"] == "refused"
        return said["why"]


def seated(client: TestClient, server: PlayServer, **headers: str):
    return client.websocket_connect(f"/play?token={server.token}", headers=headers)
