"""What stands between the server and Quart: bodies come in whole, answers go out whole.

QuartTrio runs each request in a nursery that it cancels as soon as the response has gone, or the client. The
server's own work after a response (to recycle the connection, or to close it) happens inside that `send` and is
cancelled with it: a request whose body nobody read then hangs the next one on its connection, and idle connections
are never closed. Here Quart only ever talks to this gate: the body is read before it starts, its answer is kept until
its nursery has ended, and the server is told by a task that nobody cancels. No shield is needed for that.
tests/unit/edges/rest/test_upstream.py shows the defects in the plain stack, and will tell when they are gone.

A streamed response can't pass: it would never end here. There is none.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import attrs
import trio

from quantmind.wire import problems
from quantmind.wire.problems import CONTENT_TYPE, HttpProblem
from quantmind.wire.ws_origin import origin_allowed

logger: Final = logging.getLogger("quantmind.rest")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

BODY_WITHIN_S: Final = 10.0
"""A body has this long to come in whole."""
LINGER_S: Final = 1.0
"""A client that still sends is listened to for so long after a refusal, or the reset would destroy the refusal."""
LINGER_BYTES: Final = 1 << 20

BODY_KEY: Final = "quantmind.body"
"""Where in its scope Quart finds the whole body."""

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS: Final = b"Authorization, X-Token, Content-Type, Idempotency-Key"
_EXPOSED_HEADERS: Final = b"Idempotency-Key, Retry-After"
_PREFLIGHT_AGE_S: Final = b"600"
_ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Every answer is for who asked and for nobody's cache, is what it says it is, and stands in no page."""


@attrs.frozen
class _Body:
    data: bytes = attrs.field(default=b"", repr=False)
    problem: HttpProblem | None = None
    """Why it was not read to its end."""


@attrs.define
class _Response:
    """What Quart answered, once it is all there."""

    status: int = 0
    headers: Headers = attrs.field(factory=list)
    parts: list[bytes] = attrs.field(factory=list)
    whole: bool = False

    async def keep(self, message: Message) -> None:
        """An ASGI `send`. Never waits, so a cancellation can't cut an answer in two."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
            self.whole = not message.get("more_body", False)

    @classmethod
    def of(cls, problem: HttpProblem) -> _Response:
        body = problem.encode()
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers]
        return cls(problem.status, headers, [body], whole=True)


@attrs.frozen
class Gate:
    """An ASGI app around Quart's: whole bodies, whole answers, hosts, origins, and a last resort for errors."""

    app: Callable[[Any, Any, Any], Awaitable[None]]
    max_body_bytes: int
    hosts: Collection[str]
    origins: Collection[str]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _refuse_websocket(receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _misframed(scope) or await _take_body(scope, receive, self.max_body_bytes)
        if body is None:
            return  # the client has gone
        response = await self._answer(scope, body, receive)
        if not response.whole:
            return  # as above: Quart gave the request up
        await _send_whole(scope, response, receive, send, unread=body.problem is not None)

    async def _answer(self, scope: Message, body: _Body, receive: Receive) -> _Response:
        response = _Response()
        origin = _header(scope, b"origin")
        welcome = origin_allowed(None if origin is None else origin.decode("latin-1"), self.origins)
        try:
            inner = {**scope, "path": self._path(scope), BODY_KEY: body.data}
            if origin is not None and not welcome:
                page = origin.decode("latin-1")[:80]
                detail = f"pages of {page!r} may not call this gateway; if they should, add that to rest.origins"
                raise HttpProblem(403, "origin_not_allowed", detail)
            if _is_preflight(scope):
                response = _Response(204, [(b"allow", METHODS)], [b""], whole=True)
            elif body.problem is not None:
                raise body.problem
            else:
                await self.app(inner, _nothing_then(receive), response.keep)
        except HttpProblem as problem:
            response = _Response.of(problem)
        except Exception:
            # Routes answer their own errors; this is for what breaks around them.
            incident = new_incident()
            logger.exception("fail.request id=%s method=%s path=%r", incident, scope["method"], scope["path"])
            response = _Response.of(problems.internal(incident))
        named = {name.lower() for name, _ in response.headers}
        response.headers += [(name, value) for name, value in _ALWAYS if name not in named]
        if origin is not None and welcome:
            response.headers += _cors(origin, preflight=_is_preflight(scope))
        return response

    def _path(self, scope: Message) -> str:
        """The path of the request, which must be for one of our hosts."""
        hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
        path: str = scope["path"]
        if not scope["query_string"].isascii():
            raise HttpProblem(400, "invalid_target", "the query has bytes that are not ASCII; percent-encode them")
        if not path.startswith("/") and path != "*":
            # The target may be a whole URL; then its own host counts too.
            try:
                url = urlsplit(scope.get("raw_path", b"").decode("ascii"))
            except ValueError:
                url = urlsplit("")
            if url.scheme.lower() not in ("http", "https") or not url.netloc:
                raise HttpProblem(400, "invalid_target", "the request's target must be a path such as /status")
            hosts.append(url.netloc.encode())
            path = unquote(url.path) or "/"
        if not hosts or not all(host_allowed(host.decode("latin-1"), self.hosts) for host in hosts):
            detail = (
                "the Host header names none of this gateway's hosts; use http://127.0.0.1 or http://localhost, or add "
                "the name to rest.hosts"
            )
            raise HttpProblem(421, "host_not_allowed", detail)
        return path


def host_allowed(host: str, allowed: Collection[str]) -> bool:
    """Whether a Host header names one of the hosts, with any port; IPv6 addresses in brackets."""
    if host.startswith("["):
        name, closed, port = host[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            return False
        port = port[1:]
    else:
        name, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return False
    return bool(name) and name.lower() in {each.strip("[]").lower() for each in allowed}


def new_incident() -> str:
    """An id that is in the log and in the answer."""
    return secrets.token_hex(6)


def _misframed(scope: Message) -> _Body | None:
    """What stands for a body whose end is told in two ways: a proxy before us may see another end, and so another
    request, than we do."""
    names = {name.lower() for name, _ in scope["headers"]}
    if b"transfer-encoding" not in names or (b"content-length" not in names and scope["http_version"] != "1.0"):
        return None
    detail = "send Content-Length, or with HTTP/1.1 Transfer-Encoding: chunked, and not both"
    return _Body(problem=HttpProblem(400, "ambiguous_body", detail))


async def _take_body(scope: Message, receive: Receive, limit: int) -> _Body | None:
    """The whole body, or as little of it as shows that it is too large; None when the client has gone."""
    too_large = HttpProblem(413, "body_too_large", f"the body has more than {limit} bytes (rest.max_body_bytes)")
    declared = _header(scope, b"content-length")
    if declared is not None and declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        return _Body(problem=too_large)
    data = bytearray()
    with trio.move_on_after(BODY_WITHIN_S):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            data += message.get("body", b"")
            if len(data) > limit:
                return _Body(problem=too_large)
            if not message.get("more_body", False):
                return _Body(bytes(data))
    return _Body(problem=HttpProblem(408, "body_too_slow", f"the body did not come in whole in {BODY_WITHIN_S:g} s"))


def _nothing_then(receive: Receive) -> Receive:
    """An ASGI `receive` for Quart: an empty body, then what comes (the client's leaving)."""
    given = False

    async def give() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return give


async def _send_whole(scope: Message, response: _Response, receive: Receive, send: Send, *, unread: bool) -> None:
    headers = response.headers
    if unread and scope["http_version"].startswith("1"):
        headers = [*headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"".join(response.parts)
    if not unread:
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return
    # The client has its answer by the content length; the server closes when it is told of the end.
    await send({"type": "http.response.body", "body": body, "more_body": True})
    async with trio.open_nursery() as nursery:
        # Somebody must go on reading: the server waits for room in our queue before it closes.
        with trio.move_on_after(LINGER_S):
            await _discard(receive, LINGER_BYTES)
        nursery.start_soon(_discard, receive, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _discard(receive: Receive, most: int | None) -> None:
    """Read a body to its end, or the client's leaving, or `most` bytes."""
    seen = 0
    while most is None or seen < most:
        message = await receive()
        if message["type"] != "http.request":
            return
        seen += len(message.get("body", b""))
        if not message.get("more_body", False) and most is not None:
            return


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    await receive()
    detail = "this is the REST door; WebSocket clients connect to the gateway's websocket address"
    response = _Response.of(HttpProblem(404, "not_found", detail))
    start = {
        "type": "websocket.http.response.start",
        "status": response.status,
        "headers": [*response.headers, *_ALWAYS],
    }
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b"".join(response.parts), "more_body": False})


def _header(scope: Message, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _is_preflight(scope: Message) -> bool:
    return scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None


def _cors(origin: bytes, *, preflight: bool) -> Headers:
    headers = [
        (b"access-control-allow-origin", origin),
        (b"vary", b"Origin"),
        (b"access-control-expose-headers", _EXPOSED_HEADERS),
    ]
    if preflight:
        headers += [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_AGE_S),
        ]
    return headers
