"""One HTTP request on a connection of its own, as a program sends it that trusts no connection."""

from __future__ import annotations

import json
from typing import Any

import h11
import trio

READ_BYTES = 64 * 1024


class NoAnswer(Exception):
    """The connection ended, or could not be made, before a whole answer was there: anything may have happened."""


async def ask(
    port: int, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """Status and JSON body. Callers bound it.

    Raises:
        NoAnswer: there is none.
    """
    raw = b"" if body is None else json.dumps(body).encode()
    fields = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(raw)), "Connection": "close", **headers}
    if raw:
        fields["Content-Type"] = "application/json"
    connection = h11.Connection(h11.CLIENT)
    request = connection.send(h11.Request(method=method, target=path, headers=list(fields.items())))
    assert request is not None
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            data = connection.send(h11.Data(raw)) or b""
            await stream.send_all(request + data + (connection.send(h11.EndOfMessage()) or b""))
            return await _answer(connection, stream)
    except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from None


async def _answer(connection: h11.Connection, stream: trio.SocketStream) -> tuple[int, Any]:
    status, pieces = 0, []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return status, json.loads(b"".join(pieces))
        else:
            raise NoAnswer(f"the connection ended: {type(event).__name__}")
