"""HTTP/1.1 with connections that stay, over h11. Its only importer here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Final

import attrs
import h11
import trio

from quantmind.testing.binance.door import Stream
from quantmind.testing.binance.faults import Dropped, Held

MOST_BODY: Final = 64 * 1024
_READ: Final = 16 * 1024
_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


@attrs.frozen
class HttpRequest:
    """One request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class HttpAnswer:
    """One answer; lengths and dates are added."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = "application/json;charset=UTF-8"


class _TooBig(Exception):
    pass


async def serve_http(
    stream: Stream,
    head: bytes,
    answer: Callable[[HttpRequest], HttpAnswer | Dropped | Held],
    clock: Callable[[], float],
    idle_s: float,
) -> None:
    """Answer requests until the connection is over: the client ends it, is idle, or sends what is no HTTP.

    Args:
        head: what the client has sent by now.
        answer: decides at once; `Dropped` closes the connection, `Held` waits until the client does.
        clock: Unix seconds, for the Date header.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_READ)
    connection.receive_data(head)
    with contextlib.suppress(*_BROKEN):
        while True:
            try:
                request = None
                with trio.move_on_after(idle_s):
                    request = await _receive(connection, stream)
            except (h11.RemoteProtocolError, _TooBig) as error:
                status = 413 if isinstance(error, _TooBig) else getattr(error, "error_status_hint", 400)
                if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await _send(connection, stream, HttpAnswer(status, b""), clock)
                return
            if request is None:
                return
            said = answer(request)
            if isinstance(said, Dropped):
                return
            if isinstance(said, Held):
                await _until_gone(stream)
                return
            await _send(connection, stream, said, clock)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()


# None: the client is done.
async def _receive(connection: h11.Connection, stream: Stream) -> HttpRequest | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                await stream.send_all(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            connection.receive_data(bytes(await stream.receive_some(_READ)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MOST_BODY:
                raise _TooBig
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            target = head.target.decode("ascii")
            if not target.startswith("/"):
                raise h11.RemoteProtocolError("the target must be a path")
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return HttpRequest(head.method.decode("ascii"), target, headers, body)
        else:
            return None


async def _send(connection: h11.Connection, stream: Stream, said: HttpAnswer, clock: Callable[[], float]) -> None:
    headers = [
        ("Content-Type", said.content_type),
        ("Content-Length", str(len(said.body))),
        ("Date", formatdate(clock(), usegmt=True)),
        *said.headers,
    ]
    response = h11.Response(status_code=said.status, headers=headers)
    parts = (response, h11.Data(data=said.body), h11.EndOfMessage())
    await stream.send_all(b"".join(connection.send(part) or b"" for part in parts))


async def _until_gone(stream: Stream) -> None:
    while await stream.receive_some(_READ):
        pass
