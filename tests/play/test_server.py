from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.conftest import same_pictures, world, write_episode
from tests.play.bombs import wide
from tests.play.conftest import Seat, seated
from tests.play.test_messages import refused
from videovq.play import dream
from videovq.play.player import BURST
from videovq.play.server import IN_FLIGHT, MOST_UPLOAD, PlayServer
from videovq.play.thread import ModelThread
from videovq.rollout.engine import generate
from videovq.types import RolloutRequest, Sampling


def dreamt_alone(server: PlayServer, name: str, actions: list[int], seed: int, sampling: Sampling):
    """What ``generate`` makes of the same."""
    clip = server.clips[name]
    request = RolloutRequest(clip.frames, clip.actions, torch.tensor(actions)[:, None], 1, sampling, seed)
    found = generate(server.pair.vqvae.network, server.pair.predictor.network, request)
    assert found.frames is not None
    return found.codes[0].flatten(1).numpy(), found.frames[0].numpy()


def test_a_player_sees_what_generate_makes(client: TestClient, server: PlayServer) -> None:
    actions = [1, 1, 0, 2, 1, 2, 2, 0]
    name = list(server.clips)[1]
    with seated(client, server) as socket:
        seat = Seat(socket)
        first = seat.start(name, seed=7, temperature=0.8, top_k=20)
        frames = seat.act(*actions)
    assert seat.hello["actions"]["names"] == ["stay", "left", "right"] and seat.hello["size"] == [24, 24]
    assert np.array_equal(first.picture, server.clips[name].frames[-1].numpy()) and first.number == 0
    codes, pictures = dreamt_alone(server, name, actions, 7, Sampling(0.8, 20))
    assert [frame.number for frame in frames] == list(range(1, 9))
    assert np.array_equal(np.stack([frame.codes for frame in frames]), codes)
    assert same_pictures(np.stack([frame.picture for frame in frames]), pictures)
    assert all(0 < frame.bits.mean() < 255 for frame in frames)


def test_players_at_once_share_batches_and_see_what_each_would_alone(client: TestClient, server: PlayServer) -> None:
    """Three players; the third's states are as long as theirs only later on, and it draws otherwise."""
    names = list(server.clips)
    ways = [(names[0], 1, Sampling()), (names[1], 2, Sampling()), (names[0], 3, Sampling(0.5, 0, 0.9))]
    runs: list[list[int]] = [[1, 2, 0, 1, 1, 0], [2, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 1]]
    with seated(client, server) as a, seated(client, server) as b, seated(client, server) as c:
        seats = [Seat(socket) for socket in (a, b, c)]
        for seat, (name, seed, sampling) in zip(seats, ways, strict=True):
            seat.start(name, seed, temperature=sampling.temperature, top_p=sampling.top_p)
        found: list[list[np.ndarray]] = [[], [], []]
        for step in range(6):
            for seat, run in zip(seats, runs, strict=True):
                seat.send(type="act", action=[run[step]])
            for seat, seen in zip(seats, found, strict=True):
                seen.append(seat.frame().codes)
    for seen, (name, seed, sampling), run in zip(found, ways, runs, strict=True):
        assert np.array_equal(np.stack(seen), dreamt_alone(server, name, run, seed, sampling)[0])


def test_guidance_is_offered_where_the_predictor_knows_missing_actions(server: PlayServer) -> None:
    server.thread.close()
    predictor = server.pair.predictor
    pair = server.pair._replace(predictor=replace(predictor, config=replace(predictor.config, action_dropout=0.1)))
    guided, name = (
        PlayServer(ModelThread(lambda: pair), list(server.clips.values()), server.config),
        next(iter(server.clips)),
    )
    with TestClient(guided.app()) as client, seated(client, guided) as socket:
        seat = Seat(socket)
        assert seat.hello["guidance"] is True
        seat.start(name, seed=2, guidance=3)
        frames = seat.act(1, 2, 1)
    codes, _ = dreamt_alone(server, name, [1, 2, 1], 2, Sampling(guidance=3.0))
    assert np.array_equal(np.stack([frame.codes for frame in frames]), codes)


def test_a_branch_is_what_a_fresh_run_of_it_would_be(
    client: TestClient, server: PlayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dream, "KEPT", 3)  # so that going back leads along known codes
    name = next(iter(server.clips))
    with seated(client, server) as socket:
        seat = Seat(socket)
        seat.start(name, seed=5)
        seat.act(1, 1, 2, 0, 1, 2, 2, 0, 1)
        assert sorted(server.players[seat.hello["player"]].dream._states) == [0, 4, 8]
        seat.send(type="rewind", frame=7)
        assert socket.receive_json() == {"type": "rewound", "frame": 7}
        seat.act(0)
        seat.send(type="rewind", frame=3)
        assert socket.receive_json() == {"type": "rewound", "frame": 3}
        branch = seat.act(2, 2, 1, 0, 1)
        fresh = seat.start(name, seed=5), *seat.act(1, 1, 2, 2, 2, 1, 0, 1)
    assert [frame.raw for frame in branch] == [frame.raw for frame in fresh[-5:]]


def test_a_replay_gives_the_same_bytes(client: TestClient, server: PlayServer) -> None:
    with seated(client, server) as socket:
        seat = Seat(socket)
        before = [seat.start(next(iter(server.clips)), seed=3), *seat.act(1, 2)]
        seat.send(type="adjust", sampling={"temperature": 0.3, "top_k": 5, "top_p": 0.9})
        before += seat.act(0, 2)
        seat.send(type="save")
        saved = json.loads(json.dumps(socket.receive_json()["replay"]))
    assert [change["from"] for change in saved["sampling"]] == [0, 2] and saved["actions"] == [[1], [2], [0], [2]]
    with seated(client, server) as socket:
        seat = Seat(socket)
        seat.send(type="load", replay=saved)
        begun = socket.receive_json()
        after = [seat.frame(), *seat.act(*[action for (action,) in begun["actions"][:2]])]
        change = {name: begun["sampling"][1][name] for name in ("temperature", "top_k", "top_p")}
        seat.send(type="adjust", sampling=change)
        after += seat.act(*[action for (action,) in begun["actions"][2:]])
        assert [frame.raw for frame in after] == [frame.raw for frame in before]
        assert after[-1].digest == begun["digest"]
        for wrong, named in (
            ({"model": "x"}, "other networks"),
            ({"clip": "x"}, "no scene"),
            ({"clip_sha256": "x"}, "another"),
        ):
            seat.send(type="load", replay={**saved, **wrong})
            assert named in seat.refused()


def test_a_dream_is_recorded(client: TestClient, server: PlayServer) -> None:
    with seated(client, server) as socket:
        seat = Seat(socket)
        link = f"/recording/{seat.hello['player']}.{{}}?token={server.token}"
        assert client.get(link.format("gif")).status_code == 409
        seat.start(next(iter(server.clips)))
        seat.act(1, 0)
        assert len(iio.imread(BytesIO(client.get(link.format("gif")).content))) == 8
        movie = client.get(link.format("mp4"))
        assert movie.headers["content-type"] == "video/mp4" and movie.content[4:8] == b"ftyp"
        assert client.get(link.format("exe")).status_code == 404
        assert client.get(link.format("gif").replace(server.token, "x")).status_code == 403
    assert client.get(link.format("gif")).status_code == 403, "it leaves with its player"


def test_an_upload_is_a_scene(client: TestClient, server: PlayServer, tmp_path: Path) -> None:
    frames, actions = world(3)
    write_episode(tmp_path, "large", frames.repeat(3, axis=1).repeat(2, axis=2), actions)
    data = (tmp_path / "large.mp4").read_bytes()
    with seated(client, server) as socket:
        seat = Seat(socket)
        link = f"/upload?token={server.token}&player={seat.hello['player']}"
        clip = client.post(link, content=data).json()
        assert clip["name"].startswith("upload ") and clip["frames"] == 1, "this model needs to know the actions"
        first = seat.start(clip["name"])
        assert first.picture.shape == (24, 24, 3)
        assert len(seat.act(1, 1)) == 2
        seat.send(type="save")
        saved = socket.receive_json()["replay"]
        again = client.post(link, content=data).json()
        assert again["name"] == clip["name"] == saved["clip"], "whoever has the clip can replay it"
        for content, status, named in (
            (data[: len(data) // 3], 422, "cannot be decoded"),
            (b"hello, I am a video" * 9, 422, "neither MP4 nor WebM"),
            (b"#EXTM3U\nfile:///etc/passwd\n", 422, "neither MP4 nor WebM"),
            (b"", 422, "neither"),
            (b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8, 422, "video: "),
            (wide(), 422, "4096x32 pixels; 2048 a side is the most"),
            (b"\0" * (MOST_UPLOAD + 1), 413, "16 MB"),
        ):
            answer = client.post(link, content=content)
            assert answer.status_code == status and named in answer.json()["why"], answer.text
        assert client.post(link.replace(server.token, "x"), content=data).status_code == 403
        assert client.post(link, content=data, headers={"origin": "http://evil.example"}).status_code == 403
        assert len(seat.act(0)) == 1, "the dream goes on"


def test_a_predictor_that_knows_missing_actions_is_given_more_of_an_upload(server: PlayServer) -> None:
    frames = torch.from_numpy(world(0)[0])
    predictor = server.pair.predictor
    pair = server.pair._replace(predictor=replace(predictor, config=replace(predictor.config, action_dropout=0.1)))
    clip = dream.uploaded_clip(frames, pair, 6)
    assert len(clip.frames) == 6 and (clip.actions == -1).all() and clip.actions.shape == (5, 1)
    server.thread.close()


def test_nobody_is_sent_more_frames_than_they_acknowledge(client: TestClient, server: PlayServer) -> None:
    with seated(client, server) as socket:
        seat = Seat(socket)
        seat.start(next(iter(server.clips)))
        for _ in range(IN_FLIGHT + 1):
            seat.send(type="act", action=[0])
        for _ in range(IN_FLIGHT):
            socket.receive_bytes()
        assert "acknowledge a frame first" in seat.refused()
        seat.send(type="acknowledge", frame=2)
        assert "oldest" in seat.refused()
        seat.send(type="acknowledge", frame=1)
        seat.send(type="act", action=[0])
        assert socket.receive_bytes()


def test_who_floods_or_falls_silent_has_to_go(
    client: TestClient, server: PlayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videovq.play.player.MESSAGES", 0.0)
    with seated(client, server) as socket:
        seat = Seat(socket)
        for _ in range(int(BURST) + 1):
            seat.send(type="save")
        said = [seat.refused() for _ in range(int(BURST) + 1)]
        assert ["too many" in why for why in said] == [False] * int(BURST) + [True]
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    server.config = replace(server.config, idle=0.05)
    with seated(client, server) as socket:
        Seat(socket)
        assert socket.receive_json()["type"] == "idle"
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    assert server.players == {}


def test_malformed_messages_are_refused_and_the_dream_goes_on(
    client: TestClient, server: PlayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videovq.play.player.BURST", 1e9)
    with seated(client, server) as socket:
        seat = Seat(socket)
        server.players[seat.hello["player"]].budget = 1e9
        seat.send(type="act", action=[0])
        assert "no dream yet" in seat.refused()
        socket.send_bytes(b"\0\1")
        assert "text" in seat.refused()
        name = next(iter(server.clips))
        seat.start(name)
        seat.act(1, 1)
        for text in refused(server.pair.predictor.action_spec, 2, 400):
            socket.send_text(text)
            assert seat.refused()
        seat.send(type="rewind", frame=9)
        assert "not within 0 to 2" in seat.refused()
        seat.send(type="start", clip=name, seed=0, guidance=2, sampling={"temperature": 1, "top_k": 0, "top_p": 1})
        assert "leave it at 1" in seat.refused()
        seat.send(type="start", clip=name, seed=0, guidance=1, sampling={"temperature": 1, "top_k": 99, "top_p": 1})
        assert "32 codes" in seat.refused()
        assert seat.act(2)[0].number == 3


def test_a_dream_has_an_end(client: TestClient, server: PlayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream, "MOST_FRAMES", 2)
    with seated(client, server) as socket:
        seat = Seat(socket)
        seat.start(next(iter(server.clips)))
        seat.act(0, 0)
        seat.send(type="act", action=[0])
        assert "ends after 2 frames" in seat.refused()
