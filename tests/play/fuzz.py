"""Malformed messages and uploads must be refused: no crash, no exception in the server's log, nothing left behind.

    python -m tests.play.fuzz [MESSAGES]

Starts ``videovq play`` as a process of its own with a tiny model and sends it MESSAGES (10,000) malformed WebSocket
messages, an upload with every tenth, and bytes that are no WebSocket or HTTP with every fiftieth. Seeded, so that a
case can be repeated. A message that is refused is refused in the words that its own parser finds for it; anything else
that may happen is a close. Before and after it somebody plays the same dream.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.conftest import PATIENCE, predictor_config, prep_config, vqvae_config, world, write_episode
from tests.damage import damage
from tests.play.bombs import bombs, videos
from tests.play.browser import until
from tests.play.conftest import SAMPLING
from tests.play.served import PLAYERS, Full, Player, Served
from tests.play.test_messages import malformed
from videovq.config import EncodeConfig
from videovq.errors import UserError
from videovq.play.messages import parse_message
from videovq.play.server import MOST_TEXT, MOST_UPLOAD
from videovq.prep.prepare import prepare
from videovq.training import predictor, vqvae
from videovq.training.encode import encode
from videovq.types import ActionSpec

VISIT = 100  # messages of a connection: fewer than the server takes at once
NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "-0", "1e-400", "0x10", "1_0", "00", "1.5", str(2**64))
STRANGE = (
    b"", b"\0" * 64, b"hello, I am a video" * 9, b"#EXTM3U\nfile:///etc/passwd\n", b"\x89PNG\r\n\x1a\n" + bytes(64),
    b"GIF89a" + bytes(64), b"\x7fELF" + bytes(64), b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3" + bytes(range(256)),
    b"\x93NUMPY\x01\0v\0{'descr': '<f8', 'shape': (1000000000000,), }",
)  # fmt: skip


def dreamt(served: Served) -> str:
    """Fingerprint of a dream that is always the same."""
    player = Player(served)
    clip = player.hello["clips"][0]["name"]
    frame = player.say(type="start", clip=clip, seed=1, guidance=1, sampling=SAMPLING)[1]
    for action in (1, 2, 0, 1, 1, 2):
        player.acknowledge()
        (frame,) = player.say(type="act", action=[action])
    player.socket.close()
    return frame.digest


def sensible(served: Served) -> list[dict[str, Any]]:
    """Messages that this server understands."""
    player = Player(served)
    clip = player.hello["clips"][0]["name"]
    start = {"type": "start", "clip": clip, "seed": 1, "guidance": 1, "sampling": SAMPLING}
    act = {"type": "act", "action": [1]}
    player.say(**start)
    player.say(**act)
    (saved,) = player.say(type="save")
    player.socket.close()
    adjust = {"type": "adjust", "sampling": {"temperature": 0.5, "top_k": 3, "top_p": 0.9}}
    others: list[dict[str, Any]] = [
        {"type": "acknowledge", "frame": 0},
        {"type": "rewind", "frame": 0},
        {"type": "save"},
    ]
    return [start, act, adjust, *others, {"type": "load", "replay": saved["replay"]}]


def message(chance: Random, good: list[dict[str, Any]]) -> str | bytes:
    """Something to say, most of it nonsense."""
    kind = chance.choice(("mutated", "mutated", "mutated", "cut", "noise", "bytes", "number", "deep", "long", "good"))
    text = json.dumps(chance.choice(good))
    if kind == "mutated":
        return malformed(chance, good)
    if kind == "cut":
        return text[: chance.randrange(len(text))]
    if kind == "noise":
        return "".join(chr(chance.choice((chance.randrange(128), chance.randrange(0xD800)))) for _ in range(40))
    if kind == "bytes":
        return chance.randbytes(chance.randrange(300))
    if kind == "number":
        return re.sub(r"\d+(\.\d+)?", lambda _: chance.choice(NUMBERS), text)
    if kind == "deep":
        opening, closing, depth = chance.choice((("[", "]", 10), ('{"a":', "}", 100), ("[", "]", 100_000)))
        return '{"type": "act", "action": ' + opening * depth + "0" + closing * depth * chance.randint(0, 1) + "}"
    if kind == "long":
        length = MOST_TEXT * 2 if chance.random() < 0.1 else chance.randrange(MOST_TEXT // 2)
        return json.dumps({"type": "start", "clip": "x" * length})
    return text


def verdict(said: str | bytes, spec: ActionSpec) -> str:
    """Why a message is refused; empty: it is one."""
    if isinstance(said, bytes):
        return f"message: must be a text of {MOST_TEXT} letters at most"
    try:
        parse_message(said, spec)
    except UserError as error:
        return str(error)
    return ""


def upload(chance: Random, whole: dict[str, bytes]) -> bytes:
    """A video with some faults, or something else."""
    if chance.random() < 0.1:
        return chance.choice(STRANGE)
    data = chance.choice(list(whole.values()))
    for _ in range(chance.randint(1, 3)):
        data = damage(data or b"\0", chance)
    return data


# uvicorn logs it when a request turns out malformed while its answer is under way; it hangs up, as it should.
LIBRARY = {"h11._util.LocalProtocolError"}


def knock(served: Served, chance: Random) -> None:
    """Bytes that are no WebSocket or no HTTP, until the server hangs up."""
    key = base64.b64encode(chance.randbytes(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
    enter = f"GET /play?token={served.token} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\r\n".encode()
    frames = (
        chance.randbytes(chance.randrange(1, 2000)),
        b"\x81\x05hello",  # not masked
        b"\xf1\x80" + bytes(4),  # reserved bits
        b"\x81\xff" + (2**63 - 1).to_bytes(8, "big") + bytes(4),
        b"\x80\x80" + bytes(4),  # goes on with nothing
        b"\x89\xfe\x01\x00" + bytes(260),  # a ping that is too long
        b"\x81\x82" + bytes(4) + b"\xff\xfe",  # not UTF-8
        b"\x81\xfe\x10\x00" + bytes(20),  # breaks off
        b"\x88\x82" + bytes(4) + b"\x00\x01",  # a close with a code that there is not
    )
    requests = (
        enter,
        f"POST /upload?token={served.token}&player=%FF HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nx".encode(),
        b"POST /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        f"GET /recording/%2e%2e.gif?token={served.token} HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        b"GET /page/../../config.py HTTP/1.1\r\nHost: h\r\nOrigin: http://[\r\n\r\n",
    )
    said = enter + chance.choice(frames) if chance.random() < 0.5 else damage(chance.choice(requests), chance)
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as line:
        try:
            line.sendall(said)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass
        except ConnectionError:
            pass


def fuzz(served: Served, messages: int) -> dict[str, Any]:
    """What became of everything, and of the server's memory (MiB).

    Raises:
        AssertionError: the server did something else than refuse or close.
    """
    counts: Counter[str] = Counter()
    before, good, whole = dreamt(served), sensible(served), videos()
    idle = served.memory()
    player = Player(served)
    for name, bomb in bombs(whole["lossless"], whole["web"]).items():
        began = time.monotonic()
        status, most = player.upload(bomb), served.memory("VmHWM")
        print(f"{name}: {status}, {time.monotonic() - began:.2f} s, most {most:.0f} MiB", file=sys.stderr, flush=True)
    most = served.memory("VmHWM")
    counts[f"upload {player.upload(bytes(MOST_UPLOAD + 1))}"] += 1
    warm = 0.0
    for case in range(messages):
        chance = Random(case)
        if case == messages // 10:
            warm = served.memory()
        if case % 1000 == 0:
            print(f"{case} messages, {served.memory():.0f} MiB", file=sys.stderr, flush=True)
        if case % VISIT == 0:
            leave(player, chance)
            player = Player(served)
        said = message(chance, good)
        try:
            if why := verdict(said, player.spec):
                assert player.refused(said) == why and "\n" not in why
                counts["refused"] += 1
            else:
                assert isinstance(said, str)
                player.told(said)
                counts["understood"] += 1
                if chance.random() < 0.8:
                    player.acknowledge()
            if case % 10 == 0:
                counts[f"upload {player.upload(upload(chance, whole))}"] += 1
        except ConnectionClosed as closed:
            assert len(said) > MOST_TEXT, (case, said[:200])
            # The server hangs up while we still talk, so its reason may be lost with the connection.
            assert closed.rcvd is None or closed.rcvd.code == 1009, case
            counts["closed"] += 1
            player = Player(served)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"case {case}: {said[:200]!r}: {error!r}") from error
        if case % 50 == 0:
            knock(served, chance)
            counts["knocked"] += 1
    leave(player, Random(0))
    assert dreamt(served) == before
    after = served.memory()
    until(lambda: is_empty(served))
    assert served.process.poll() is None
    log = served.log.read_text()
    raised = set(re.findall(r"^([\w.]*(?:Error|Exception)\b)", log, re.MULTILINE))
    assert raised <= LIBRARY, log[-3000:]
    memory = {"idle": idle, "most, bombs": most, "warm": warm, "after": after}
    return {"counts": dict(counts), "memory": {name: round(value) for name, value in memory.items()}}


def is_empty(served: Served) -> bool:
    """Whether nobody sits there any more: there is a seat for every player."""
    seats: list[Player] = []
    try:
        for _ in range(PLAYERS):
            seats.append(Player(served))
    except Full:
        return False
    finally:
        for seat in seats:
            seat.socket.close()
    return True


def leave(player: Player, chance: Random) -> None:
    """With a goodbye, or without."""
    if chance.random() < 0.5:
        player.socket.socket.shutdown(socket.SHUT_RDWR)
    player.socket.close()
    time.sleep(0.05)  # the server notices


def tiny(folder: Path) -> tuple[Path, Path, Path]:
    """A VQ-VAE run, a predictor run and a store, hardly trained."""
    recordings = folder / "recordings"
    recordings.mkdir()
    for i in range(6):
        frames, actions = world(i)
        write_episode(recordings, f"episode_{i:06d}", frames, actions, split="test" if i >= 4 else "train")
    store = prepare(prep_config(recordings, folder / "store", validation_fraction=0.3))
    vqvae.train(vqvae_config(store, folder / "vqvae", steps=20))
    settings = EncodeConfig(store=str(folder / "store"), vqvae=str(folder / "vqvae"), out=str(folder / "codes"))
    predictor.train(predictor_config(encode(settings), folder / "predictor", steps=2))
    return folder / "vqvae", folder / "predictor", folder / "store"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        running = Served(*tiny(Path(scratch)), Path(scratch) / "log")
        try:
            began = time.monotonic()
            print(fuzz(running, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
            print(f"{time.monotonic() - began:.0f} s")
        finally:
            running.close()
            print(running.log.read_text()[-3000:], file=sys.stderr)
