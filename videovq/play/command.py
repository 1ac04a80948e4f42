"""``videovq play``: load the networks, find scenes, serve the page."""

from __future__ import annotations

import socket
import webbrowser
from contextlib import closing
from functools import partial

from videovq.config import PlayConfig
from videovq.data.clip import Clip
from videovq.errors import UserError
from videovq.packages import require
from videovq.play import in_browser
from videovq.play.thread import ModelThread
from videovq.rollout.contexts import contexts
from videovq.rollout.engine import to_device
from videovq.rollout.pair import Pair, load_pair

NEEDED = ("starlette", "uvicorn", "websockets")
SCENES = 24


def play(config: PlayConfig) -> None:
    """Serve the page until interrupted or terminated, or write one that needs no server.

    Raises:
        UserError: a setting, a run or the store cannot be used, or a package is missing.
    """
    if config.in_browser:
        if config.origins:
            raise UserError("origins: has no effect beside in_browser, which serves nothing; leave it out")
        in_browser.check(config)
        pair = load_pair(config)
        clips = _scenes(config, pair)
        in_browser.write_page(config, pair, clips)
    else:
        _serve(config)


def _serve(config: PlayConfig) -> None:
    require(NEEDED, "play", "play")

    import uvicorn

    from videovq.play.origins import checked_origin
    from videovq.play.server import MOST_TEXT, PlayServer

    for text in config.origins:
        checked_origin(text)
    with closing(_listen(config.host, config.port)) as listener, closing(ModelThread(partial(_load, config))) as thread:
        clips = thread.now(partial(_scenes, config))
        server = PlayServer(thread, clips, config)
        host = "localhost" if config.host in ("0.0.0.0", "::") else config.host
        here = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        links = [f"{address}/?token={server.token}" for address in (here, *server.origins)]
        print(f"{len(clips)} scene(s); play at {' or '.join(links)}\nCtrl-C ends it", flush=True)
        if config.open and has_window():
            webbrowser.open(links[0])
        settings = uvicorn.Config(
            server.app(),
            log_level="warning",
            ws_max_size=MOST_TEXT,
            ws_per_message_deflate=False,  # pictures are compressed already
            ws_max_queue=8,
            limit_concurrency=64,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        try:
            uvicorn.Server(settings).run(sockets=[listener])
        except KeyboardInterrupt:
            print("ended")


def has_window() -> bool:
    """Whether the browser opens beside this command; one in the terminal would keep it from serving."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    return isinstance(browser, webbrowser.BackgroundBrowser) or not isinstance(browser, webbrowser.GenericBrowser)


def _scenes(config: PlayConfig, pair: Pair) -> list[Clip]:
    return contexts(config.store, config.pretrained, pair, config.context_frames, SCENES, config.declare)


def _load(config: PlayConfig) -> Pair:
    pair = load_pair(config)
    to_device(pair.vqvae.network, pair.predictor.network, config.device, config.precision)
    return pair


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(f"port: cannot listen on {host}:{port} ({error}); choose another port or host") from None
    listener.setblocking(False)
    return listener
