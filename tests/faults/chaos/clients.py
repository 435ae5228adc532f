"""Clients that ask with one id until they know: over ZeroMQ and over HTTP, through whatever the network does.

They are written against the protocol alone, and share nothing with the product's own client but the socket.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any, Protocol

import attrs
import trio
from faults.chaos import http_once
from faults.chaos.answers import Reply, Said, expired, from_http, said
from faults.chaos.history import History

from quantmind.net.zmq import DealerSocket, ZmqContext

FIRST_PAUSE_S = 0.15
LONGEST_PAUSE_S = 0.8
SILENT_S = 0.8
"""Without a word for so long, while something is asked, the socket is opened anew: the connection may be half-open."""
HTTP_WITHIN_S = 6.0
"""The gateway answers an order by ticket within 7 s, most much sooner; who waits less repeats."""
HOPELESS_AFTER_S = 8.0
"""A position that was not there for so long has been closed."""


@attrs.frozen(eq=False)
class Request:
    """One order with its id. `expires_at` (Unix seconds) is when it may no longer be started; None: never."""

    ea_name: str
    request_id: str
    """No two requests of a run have the same, of whatever EA."""
    body: dict[str, Any]
    """As it goes over the wire, without token and expiry. Of HTTP also its `path`, and what it `closes`."""
    expires_at: float | None = None
    doubt: trio.Event = attrs.field(factory=trio.Event)
    """Set once an answer says that it went out, and that nobody knows its fate."""

    def hear(self, reply: Reply) -> None:
        """Take note of an answer."""
        if said(reply) is Said.UNKNOWN and "order_id" in reply:
            self.doubt.set()


class Client(Protocol):
    """What carries requests to the gateway."""

    async def settle(self, request: Request) -> Reply | None:
        """Ask until the answer is definite; None when it can be given up: nobody will ever carry it out."""
        ...

    async def final(self, request: Request) -> Reply | None:
        """What became of a request that was asked before. ZeroMQ: without a chance to be started."""
        ...


@attrs.define(eq=False)
class _Asked:
    """A request that waits for an answer."""

    news: trio.Event = attrs.field(factory=trio.Event)
    replies: list[Reply] = attrs.field(factory=list)


@attrs.define(eq=False)
class ZmqClient:
    """One DEALER socket, any number of requests in flight. `run` reads."""

    context: ZmqContext
    port: int
    token: str
    history: History
    rng: random.Random
    reopened: int = 0
    copies: int = 0
    _asked: dict[str, _Asked] = attrs.field(factory=dict, init=False)
    _socket: DealerSocket = attrs.field(init=False)
    _heard_at: float = attrs.field(factory=trio.current_time, init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = DealerSocket.connect(self.context, "127.0.0.1", self.port)

    async def run(self) -> None:
        """Read replies until cancelled."""
        while True:
            try:
                batch = await self._socket.receive_batch()
            except trio.ClosedResourceError:
                continue  # there is a new one
            self._heard_at = trio.current_time()
            for incoming in batch:
                assert incoming.body is not None, incoming.fault
                reply = json.loads(incoming.body)
                self._take(reply)

    def _take(self, reply: Reply) -> None:
        # An answer to a copy that came late counts as well: it must not tell anything else.
        request_id = reply["request_id"]
        self.history.write("answer", via="zmq", request_id=request_id, reply=reply)
        asked = self._asked.get(request_id)
        if asked is not None:
            asked.replies.append(reply)
            asked.news.set()

    async def settle(self, request: Request) -> Reply | None:
        """See `Client`."""
        return await self._carry(request, request.expires_at or 0.0)

    async def final(self, request: Request) -> Reply | None:
        """See `Client`. Sent as one that expired long ago, it can be found and never started."""
        return await self._carry(request, 1.0)

    async def _carry(self, request: Request, expires_at: float) -> Reply | None:
        message = {**request.body, "ea_name": request.ea_name, "request_id": request.request_id}
        raw = json.dumps({**message, "expires_at": expires_at, "token": self.token}).encode()
        asked = self._asked[request.request_id] = _Asked()
        over = False
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                self._send(request, raw, expires_at)
                with trio.move_on_after(self.rng.uniform(pause_s / 2, pause_s)):
                    await asked.news.wait()
                asked.news = trio.Event()
                replies, asked.replies = asked.replies, []
                for reply in replies:
                    request.hear(reply)
                    if said(reply) in (Said.DONE, Said.NOTHING):
                        return reply
                    if expired(reply) and reply["timestamp"] > (request.expires_at or 0.0):
                        if over:
                            return reply  # twice, the first time after its end: no copy can be before this one
                        over = True
                if replies:
                    await trio.sleep(self.rng.uniform(FIRST_PAUSE_S / 2, FIRST_PAUSE_S))
                else:
                    self._reopen_if_silent()
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            del self._asked[request.request_id]

    def _send(self, request: Request, raw: bytes, expires_at: float) -> None:
        self.history.write(
            "ask",
            via="zmq",
            ea=request.ea_name,
            request_id=request.request_id,
            body=request.body,
            expires_at=expires_at,
        )
        self._socket.send(raw)  # a full queue is as good as a lost copy
        self.copies += 1

    def _reopen_if_silent(self) -> None:
        if trio.current_time() - self._heard_at < SILENT_S:
            return
        old, self._socket = self._socket, DealerSocket.connect(self.context, "127.0.0.1", self.port)
        self._heard_at = trio.current_time()
        self.reopened += 1
        old.close()


@attrs.define(eq=False)
class HttpClient:
    """Orders by POST, each with its Idempotency-Key, each copy on a connection of its own."""

    port: int
    token: str
    history: History
    rng: random.Random
    copies: int = 0

    async def settle(self, request: Request) -> Reply | None:
        """See `Client`."""
        missing_since: float | None = None
        while True:
            reply = await self._once(request)
            if reply is not None:
                request.hear(reply)
                if said(reply) in (Said.DONE, Said.NOTHING):
                    return reply
                if reply.get("code") == "unknown_ticket":
                    missing_since = missing_since or trio.current_time()
                    if trio.current_time() - missing_since > HOPELESS_AFTER_S:
                        return None
                else:
                    missing_since = None
            await trio.sleep(self.rng.uniform(FIRST_PAUSE_S / 2, 2 * FIRST_PAUSE_S))

    async def final(self, request: Request) -> Reply | None:
        """See `Client`."""
        return await self.settle(request)

    async def _once(self, request: Request) -> Reply | None:
        self.history.write("ask", via="http", ea=request.ea_name, request_id=request.request_id, body=request.body)
        self.copies += 1
        headers = {"X-Token": self.token, "Idempotency-Key": request.request_id}
        path = request.body["path"]
        body = {name: item for name, item in request.body.items() if name not in ("path", "closes")}
        try:
            with trio.fail_after(HTTP_WITHIN_S):
                status, answer = await http_once.ask(self.port, "POST", path, headers, body)
        except (http_once.NoAnswer, trio.TooSlowError):
            return None
        reply = {"timestamp": round(time.time(), 3), **from_http(status, answer)}
        self.history.write("answer", via="http", request_id=request.request_id, reply=reply)
        return reply
