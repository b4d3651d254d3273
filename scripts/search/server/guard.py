"""What every request passes: who may ask, how much it may send, and what browsers may do with the answer.

- The Host header names this server (an address, `localhost`, or a name that was allowed): otherwise a page of another
  site, whose name was turned to our address after it was loaded, could ask as if it were ours (DNS rebinding).
- What changes something comes from our own pages, or from no browser. Nothing of the API is for other sites' pages.
- A body is counted while it is read, and refused at its limit, or when it does not come to its end.
"""

import asyncio
import ipaddress
import time
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from scripts.search.server.answers import Refusal, refusal
from scripts.search.server.login import Login

UPLOAD_BYTES = 20_000_000
IMAGE_SEARCH = "/api/search/image"
_FORM_BYTES = 64_000  # boundaries and fields around an upload
_BODY_BYTES = 256_000  # of other requests
_BODY_S = 120.0
_HEAD_S = 20.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC = ("/static/", "/login")

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """The outermost layer of the application.

    Args:
        app: what it guards.
        hosts: names, besides addresses and `localhost`, under which the server may be asked for.
        login: who may ask; None where everybody may.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], login: Login | None) -> None:
        self._app, self._login = app, login
        self._hosts = frozenset(host.lower().rstrip(".") for host in hosts) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer why not."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, scope["path"])
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is not None:
            await refusal(refused.status_code, refused.error, str(refused.detail), refused.headers)(
                scope, receive, send
            )
            return
        await self._app(scope, _limited(receive, _limit(scope["path"])), send)

    def _refused(self, scope: Scope, headers: Headers) -> Refusal | None:
        path, method = str(scope["path"]), str(scope["method"])
        if not self._is_ours(headers.getlist("host")):
            return Refusal(
                421, "host", "this server does not go by that name; start it with --allow-host NAME to allow one"
            )
        if (path.startswith("/api/") or method not in _SAFE) and not _is_same_site(headers, method):
            return Refusal(403, "cross_site", "this is for the pages of this server only")
        if self._login is not None and not path.startswith(_PUBLIC) and not self._login.knows(headers.get("cookie")):
            if path == "/" or "text/html" in headers.get("accept", ""):
                return Refusal(303, "login", "log in first", {"Location": "/login"})
            return Refusal(401, "login", "log in first: POST /login with the field password")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal():
            return Refusal(400, "length", "Content-Length is no number")
        if int(length) > _limit(path):
            return _too_large(_limit(path))
        return None

    def _is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        try:
            name = (urlsplit(f"//{hosts[0]}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_site(headers: Headers, method: str) -> bool:
    """Whether no other site's page asks. Programs that are no browsers send neither of the headers."""
    fetched = headers.get("sec-fetch-site")
    if fetched is not None and fetched not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        # A browser that tells neither is old; it tells the page instead, which we forbid: let reading pass.
        return True
    if method in _SAFE and fetched is not None:
        return True
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _limit(path: str) -> int:
    return UPLOAD_BYTES + _FORM_BYTES if path == IMAGE_SEARCH else _BODY_BYTES


def _too_large(limit: int) -> Refusal:
    # Without the close, the rest of the body would be read and thrown away.
    close = {"Connection": "close"}
    return Refusal(413, "too_large", f"more than {limit // 1_000_000 or limit / 1e6:g} MB; send less", close)


def _limited(receive: Receive, limit: int) -> Receive:
    """The same body, refused once it is longer than `limit` bytes or takes too long."""
    taken, deadline = 0, time.monotonic() + _BODY_S
    whole = False

    async def counted() -> Message:
        nonlocal taken, whole
        if whole:  # nothing but the client's going comes now
            return await receive()
        with anyio.move_on_after(deadline - time.monotonic()):
            message = await receive()
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > limit:
                raise _too_large(limit)
            return message
        raise Refusal(408, "slow", "the request did not come to its end", {"Connection": "close"})

    return counted


def _with_headers(send: Send, path: str) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if path.startswith("/api/"):
                headers.setdefault("Cache-Control", "no-store")
            else:  # browsers ask again by the file's etag: no old module beside new ones after an update
                headers.setdefault("Cache-Control", "no-cache")
        await send(message)

    return sender


class Connection(H11Protocol):
    """A connection that is closed when the head of a request does not come to its end.

    Uvicorn waits for ever; some hundred clients that say half a line would keep all others out.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes, and wait for more only where it is no whole head."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None
        elif self._waiting is None:
            self._wait()

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(_HEAD_S, self._give_up)

    def _give_up(self) -> None:
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def options() -> dict[str, Any]:
    """What uvicorn is told so that one client cannot take all: connections, heads of requests, idle seconds."""
    return {
        "http": Connection,
        "limit_concurrency": 512,
        "timeout_keep_alive": 15,
        "h11_max_incomplete_event_size": 32_768,
        "timeout_graceful_shutdown": 5,
        "server_header": False,
        "proxy_headers": False,
        "ws": "none",
    }
