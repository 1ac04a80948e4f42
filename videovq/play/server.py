"""The server: one page, one WebSocket for each player, uploads and recordings."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from jaxtyping import UInt8
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect
from torch import Tensor

from videovq.config import PlayConfig
from videovq.data.clip import Clip
from videovq.data.resize import centre_resize
from videovq.data.video import uploaded_frames
from videovq.errors import UserError
from videovq.page import STYLESHEET
from videovq.play.dream import Dream, clip_sha256, uploaded_clip
from videovq.play.hello import scene_metadata, world_metadata
from videovq.play.messages import (
    MOST_FRAMES,
    Acknowledge,
    Act,
    Adjust,
    Load,
    Message,
    Rewind,
    Save,
    Start,
    parse_message,
)
from videovq.play.origins import checked_origin, stranger
from videovq.play.player import Player
from videovq.play.recording import ENDINGS, recorded
from videovq.play.thread import ModelThread
from videovq.rollout.pair import Pair, model_name

PAGE = Path(__file__).parent / "page"
IN_FLIGHT = 2  # frames that a player has been sent and has not acknowledged
MOST_TEXT = 2**19  # bytes of a message
MOST_UPLOAD = 16 * 2**20  # bytes
MOST_SIDE = 2048  # pixels
MOST_DECODED = 64  # frames of an upload
MOST_TOLD = 20  # different lines about requests that were refused
UPLOADS = 4  # that a player may have; the oldest makes place
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",  # the link holds the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class PlayServer:
    """Serves one pair of networks.

    Args:
        thread: computes with them; ends with the application.
        clips: scenes to start from.
        config: limits, and what the page shows at first.

    Attributes:
        token: who has it may play; part of the page's link.
        players: those connected, by id.
        origins: where a proxy shows the page.
    """

    def __init__(self, thread: ModelThread, clips: Sequence[Clip], config: PlayConfig) -> None:
        self.thread, self.config = thread, config
        self.pair = thread.pair
        self.clips = {clip.name: clip for clip in clips}
        self.token = secrets.token_urlsafe(16)
        self.players: dict[str, Player] = {}
        self.world = thread.now(world_metadata)
        self.origins = [checked_origin(text) for text in config.origins]
        self._render = asyncio.Semaphore(1)
        self._told: set[str] = set()

    def app(self) -> Starlette:
        """The ASGI application; it ends the model's thread when it is shut down."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            yield
            self.thread.close()

        routes = [
            Route("/", self.page),
            Route("/upload", self.upload, methods=["POST"]),
            Route("/recording/{player}.{ending}", self.recording),
            Route("/play", self.why, methods=["GET", "POST"]),
            WebSocketRoute("/play", self.socket),
            Route("/page/look.css", lambda _: FileResponse(STYLESHEET)),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    async def page(self, request: Request) -> Response:
        """The page, for those who have the token."""
        if not self._has_token(request.query_params.get("token", "")):
            return PlainTextResponse("Use the link with its token that `videovq play` printed.\n", 403, headers=SAFE)
        return Response((PAGE / "index.html").read_bytes(), media_type="text/html", headers=SAFE)

    async def upload(self, request: Request) -> Response:
        """A player's own video (the body of the request) as a scene."""
        player = self.players.get(request.query_params.get("player", ""))
        if player is None or not self._may_enter(request.headers, request.query_params.get("token", "")):
            return _refusal("upload: open the page first", 403)
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > MOST_UPLOAD:
                return _refusal(f"upload: {MOST_UPLOAD // 2**20} MB is the most; cut the video", 413)
        try:
            async with self._render:
                clip = await asyncio.to_thread(self._decoded, bytes(data))
        except UserError as error:
            return _refusal(str(error), 422)
        player.uploads.pop(clip.name, None)
        player.uploads[clip.name] = clip
        while len(player.uploads) > UPLOADS:
            del player.uploads[next(iter(player.uploads))]
        return JSONResponse(scene_metadata(clip), headers=SAFE)

    async def recording(self, request: Request) -> Response:
        """What a player has dreamt, as a GIF or MP4."""
        player = self.players.get(request.path_params["player"])
        if player is None or not self._may_enter(request.headers, request.query_params.get("token", "")):
            return _refusal("recording: open the page first", 403)
        ending = request.path_params["ending"]
        if ending not in ENDINGS:
            return _refusal(f"recording: choose {' or '.join(ENDINGS)}", 404)
        if player.dream is None or player.dream.now < 1:
            return _refusal("recording: dream a frame first", 409)
        clip, moments = player.dream.clip, list(player.dream.moments)
        async with self._render:
            data = await asyncio.to_thread(recorded, clip, moments, self.pair.predictor.action_spec, self.rate, ending)
        headers = {**SAFE, "Content-Disposition": f'attachment; filename="dream.{ending}"'}
        return Response(data, media_type=ENDINGS[ending], headers=headers)

    async def why(self, request: Request) -> Response:
        """Why a page got no WebSocket, which its browser does not tell it."""
        if not self._has_token(request.query_params.get("token", "")):
            return _refusal("play: use the link with its token that `videovq play` printed", 403)
        if not self._is_ours(request.headers):
            return _refusal(stranger(request.headers), 403)
        self._tell(NO_SOCKETS)
        return _refusal(NO_SOCKETS, 426)

    async def socket(self, socket: WebSocket) -> None:
        """One player, from arrival to departure."""
        if not self._may_enter(socket.headers, socket.query_params.get("token", "")):
            if self._has_token(socket.query_params.get("token", "")):
                self._tell(stranger(socket.headers))
            await socket.close(1008)
            return
        await socket.accept()
        if len(self.players) >= self.config.players:
            await socket.send_json({"type": "full", "why": f"{len(self.players)} are playing already; try again later"})
            await socket.close(1013)
            return
        player = Player()
        self.players[player.id] = player
        try:
            await socket.send_json(self._hello(player))
            await self._listen(socket, player)
        except WebSocketDisconnect:
            pass
        finally:
            del self.players[player.id]

    @property
    def rate(self) -> float:
        """Frames a second, unless the player wants more or fewer."""
        return self.config.rate or self.pair.predictor.fps

    async def _listen(self, socket: WebSocket, player: Player) -> None:
        """Answer one message after the other: while one is answered, the next wait in the connection."""
        while True:
            try:
                received = await asyncio.wait_for(socket.receive(), self.config.idle)
            except TimeoutError:
                await socket.send_json({"type": "idle", "why": "nothing came for a while; the dream is forgotten"})
                await socket.close(1000)
                return
            if received["type"] == "websocket.disconnect":
                return
            if not player.may_speak():
                await socket.send_json({"type": "refused", "why": "message: too many a second; goodbye"})
                await socket.close(1008)
                return
            text = received.get("text")
            try:
                if text is None or len(text) > MOST_TEXT:
                    raise UserError(f"message: must be a text of {MOST_TEXT} letters at most")
                await self._answer(socket, player, parse_message(text, self.pair.predictor.action_spec))
            except UserError as error:
                await socket.send_json({"type": "refused", "why": str(error)})

    async def _answer(self, socket: WebSocket, player: Player, message: Message) -> None:
        if isinstance(message, Act):
            dream = player.playing()
            if len(player.sent) >= IN_FLIGHT:
                raise UserError(f"act: acknowledge a frame first; {IN_FLIGHT} are on their way")
            moment = await dream.act(message.action)
            player.sent.append(dream.now)
            await socket.send_bytes(moment.packet(dream.now))
        elif isinstance(message, Acknowledge):
            if not player.sent or player.sent[0] != message.frame:
                raise UserError("acknowledge.frame: is not the oldest frame that is on its way")
            player.sent.popleft()
        elif isinstance(message, Adjust):
            self._check(message.sampling.top_k, 1.0)
            player.playing().adjust(message.sampling)
        elif isinstance(message, Rewind):
            await player.playing().rewind(message.frame)
            await socket.send_json({"type": "rewound", "frame": message.frame})
        elif isinstance(message, Save):
            await socket.send_json({"type": "replay", "replay": player.playing().replay(self.world["model"]).to_json()})
        else:
            await self._begin(socket, player, message)

    async def _begin(self, socket: WebSocket, player: Player, message: Start | Load) -> None:
        """Start a dream; with a replay, the page is told its actions and takes them."""
        begun: dict[str, Any] = {"type": "started", "actions": []}
        if isinstance(message, Load):
            replay = message.replay
            if replay.model != self.world["model"]:
                raise UserError("replay.model: it was dreamt by other networks, or in another precision")
            clip, seed, (_, sampling) = self._clip(player, replay.clip), replay.seed, replay.samplings[0]
            if clip_sha256(clip) != replay.clip_sha256:
                raise UserError(f"replay.clip: {clip.name!r} is another scene here")
            begun |= {name: value for name, value in replay.to_json().items() if name in REPLAYED}
        else:
            clip, seed, sampling = self._clip(player, message.clip), message.seed, message.sampling
        self._check(sampling.top_k, sampling.guidance)
        if len(player.sent) >= IN_FLIGHT:
            raise UserError(f"start: acknowledge a frame first; {IN_FLIGHT} are on their way")
        player.dream = None  # its memory is free before the next one takes some
        dream = player.dream = await Dream.started(self.thread, clip, seed, sampling)
        await socket.send_json({**begun, "clip": clip.name, "seed": seed, "guidance": sampling.guidance})
        player.sent.append(0)
        await socket.send_bytes(dream.moments[0].packet(0))

    def _clip(self, player: Player, name: str) -> Clip:
        clip = self.clips.get(name) or player.uploads.get(name)
        if clip is None:
            raise UserError(f"clip: there is no scene {name!r}; upload it if it is yours")
        return clip

    def _check(self, top_k: int, guidance: float) -> None:
        size = len(self.pair.predictor.network.codebook)
        if top_k > size:
            raise UserError(f"top_k: there are {size} codes")
        if guidance != 1 and not self._guides():
            raise UserError("guidance: the predictor never saw frames without actions; leave it at 1")

    def _guides(self) -> bool:
        predictor = self.pair.predictor
        return predictor.config.action_dropout > 0 and predictor.action_spec.kind != "none"

    def _hello(self, player: Player) -> dict[str, Any]:
        """All that the page must know of the model."""
        c = self.config
        return {
            "type": "hello",
            "player": player.id,
            **self.world,
            "name": model_name(c),
            "rate": self.rate,
            "guidance": self._guides(),
            "sampling": {"temperature": c.temperature, "top_k": c.top_k, "top_p": c.top_p},
            "seed": c.seed,
            "most": MOST_FRAMES,
            "recordings": list(ENDINGS),
            "clips": [scene_metadata(clip) for clip in self.clips.values()],
        }

    def _decoded(self, data: bytes) -> Clip:
        """What an upload shows, in the model's size; each frame is made small at once."""
        large = uploaded_frames(data, MOST_DECODED, MOST_SIDE)
        frames = [self.thread.now(partial(_small, one)) for one in large]
        return self.thread.now(lambda pair: uploaded_clip(torch.cat(frames), pair, self.config.context_frames))

    def _has_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _may_enter(self, headers: Headers, token: str) -> bool:
        """Whether a request has the token and, if a page made it, that page is ours."""
        return self._has_token(token) and self._is_ours(headers)

    def _is_ours(self, headers: Headers) -> bool:
        """Whether the page that made a request, if one did, came from this server, or from where a proxy shows it."""
        origin = headers.get("origin")
        if origin is None or origin in self.origins:
            return True
        try:
            return urlsplit(origin).netloc == headers.get("host", "")
        except ValueError:
            return False

    def _tell(self, what: str) -> None:
        """Print something once."""
        if what not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(what)
            print(what, file=sys.stderr, flush=True)


REPLAYED = ("actions", "sampling", "digest")
NO_SOCKETS = (
    "play: the page can be reached, but not by WebSocket; let the proxy before it pass on the headers Upgrade and"
    " Connection (docs/play.md)"
)


def _small(frame: UInt8[Tensor, "one h w c"], pair: Pair) -> UInt8[Tensor, "one size size c"]:
    return centre_resize(frame, pair.vqvae.frame_size[0], "video")


def _refusal(why: str, status: int) -> Response:
    return JSONResponse({"why": why}, status, headers=SAFE)
