"""Who may enter: the token, the pages of this server, and those that a proxy shows."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.play.conftest import seated
from videovq.play.origins import checked_origin
from videovq.play.server import PlayServer


def test_who_is_let_in(client: TestClient, server: PlayServer) -> None:
    for query, origin in (("token=x", "http://testserver"), ("", "http://testserver"), (f"token={server.token}", "http://evil.example"),
                          (f"token={server.token}", "null"), (f"token={server.token}", "http://[")):  # fmt: skip
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/play?{query}", headers={"origin": origin}):
            pass
    assert client.get("/").status_code == 403 and client.get("/?token=%FF").status_code == 403
    page = client.get(f"/?token={server.token}")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["content-security-policy"]
    assert client.get("/page/main.js").status_code == client.get("/page/look.css").status_code == 200
    assert client.get("/page/..%2f..%2fconfig.py").status_code == 404
    with (
        seated(client, server, origin="http://testserver") as a,
        seated(client, server) as b,
        seated(client, server) as c,
    ):
        for socket in (a, b, c):
            assert socket.receive_json()["type"] == "hello"
        with seated(client, server) as d:
            assert d.receive_json()["type"] == "full"
    assert server.players == {}, "players who left leave nothing behind"


def test_a_page_behind_a_proxy_that_rewrites_host_is_told_what_to_set(
    client: TestClient, server: PlayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A browser does not tell a page why a WebSocket was refused: the page asks again without one."""
    link, elsewhere = f"/play?token={server.token}", {"origin": "https://dreams.example.org"}
    for _ in range(2):
        with pytest.raises(WebSocketDisconnect), seated(client, server, **elsewhere):
            pass
    answer = client.post(link, headers=elsewhere)
    remedy = (
        """refused a page from https://dreams.example.org, since the server was asked for as testserver. If a proxy"""
    )
    assert answer.status_code == 403 and remedy in answer.json()["why"]
    assert """start videovq play with --origins '["https://dreams.example.org"]'""" in answer.json()["why"]
    assert capsys.readouterr().err == f"{answer.json()['why']}\n", "in the terminal, once"
    server.origins = [checked_origin("https://dreams.example.org")]
    with seated(client, server, **elsewhere) as socket:
        assert socket.receive_json()["type"] == "hello"
    with pytest.raises(WebSocketDisconnect), seated(client, server, origin="https://evil.example.org"):
        pass
    assert "evil" in capsys.readouterr().err


def test_a_proxy_that_passes_no_websockets_is_named(
    client: TestClient, server: PlayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in (client.get(f"/play?token={server.token}"), client.post(f"/play?token={server.token}")):
        assert answer.status_code == 426 and "Upgrade and Connection" in answer.json()["why"]
    assert capsys.readouterr().err.count("Upgrade and Connection") == 1


def test_strangers_neither_learn_nor_print_anything(
    client: TestClient, server: PlayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for origin in ("https://evil.example.org", "http://testserver"):
        answer = client.post("/play?token=x", headers={"origin": origin})
        assert answer.status_code == 403 and "use the link" in answer.json()["why"]
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/play?token=x", headers={"origin": origin}):
            pass
    assert capsys.readouterr().err == ""
    for origin in ("null", "https://x';reboot;'", "\x1b[2J", "https://[", "file:///etc"):
        with pytest.raises(WebSocketDisconnect), seated(client, server, origin=origin):
            pass
    assert capsys.readouterr().err == "play: a page from elsewhere asked for a connection and was refused\n"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://Dreams.example.org/", "https://dreams.example.org"),
        ("https://dreams.example.org:443", "https://dreams.example.org"),
        ("http://dreams:8443", "http://dreams:8443"),
        ("http://[::1]:80", "http://[::1]"),
        ("dreams.example.org", None),
        ("https://dreams.example.org/play", None),
        ("https://*.example.org", None),
        ("*", None),
    ],
)
def test_the_address_of_a_proxy(given: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(ValueError, match="origins: .*is no address such as"):
            checked_origin(given)
    else:
        assert checked_origin(given) == meant
