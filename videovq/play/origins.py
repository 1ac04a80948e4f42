"""Where a page that asks for a connection came from, as its browser says in the header Origin."""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from videovq.errors import UserError

ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")


def checked_origin(text: str) -> str:
    """An address as browsers write it in the header Origin.

    Raises:
        UserError: it is none.
    """
    found = text.lower().rstrip("/")
    if not ORIGIN.fullmatch(found):
        raise UserError(f"origins: {text!r} is no address such as https://dreams.example.org (without a path)")
    scheme, port = found.split("://")[0], found.rpartition(":")[2]
    return found.removesuffix(f":{port}") if (scheme, port) in (("http", "80"), ("https", "443")) else found


def stranger(headers: Headers) -> str:
    """Why a page that came from elsewhere is refused, and what to do where it is ours nevertheless."""
    origin, host = (headers.get(name, "").lower() for name in ("origin", "host"))
    if not ORIGIN.fullmatch(origin) or not ORIGIN.fullmatch(f"http://{host}"):
        return "play: a page from elsewhere asked for a connection and was refused"
    return (
        f"play: refused a page from {origin}, since the server was asked for as {host}. If a proxy between them changes"
        f" Host: let it pass Host on, or start videovq play with --origins '[\"{origin}\"]' (docs/play.md)"
    )
