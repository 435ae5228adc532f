"""Live ticks of a gateway, one message after the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import attrs

from quantmind.errors import QuantMindError
from quantmind.net.ws import ClientConnection, connect


class FeedRefused(QuantMindError):
    """The gateway refused what was asked for; the message says why."""


@attrs.frozen
class TickFeed:
    """Messages of the feed, decoded: `subscribed`, `tick`, `status`, `heartbeat`. Iterate over it.

    Each tick carries its `seq`, so a gap shows. Iteration raises `quantmind.net.errors.PeerGone` when the
    connection ends and `FeedRefused` when a symbol is unknown or a token is needed.
    """

    connection: ClientConnection

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.connection.receive())
        if message["type"] == "error":
            raise FeedRefused(f"{message['code']}: {message['message']}")
        if message["type"] == "subscribed" and message["rejected"]:
            rejected = ", ".join(f"{item['symbol']} ({item['reason']})" for item in message["rejected"])
            raise FeedRefused(f"not subscribed: {rejected}")
        return message


@contextlib.asynccontextmanager
async def open_ticks(url: str, symbols: Sequence[str], *, token: str | None = None) -> AsyncIterator[TickFeed]:
    """Connect and subscribe, for the length of the block.

    Args:
        url: as `ws://127.0.0.1:8765/`.
        symbols: names as the gateway knows them, `NAME@broker` for one of several brokers.
        token: needed where the gateway asks for one.

    Raises:
        quantmind.net.errors.NetError: no gateway answers there.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with connect(url, headers=headers) as connection:
        await connection.send(json.dumps({"type": "subscribe", "symbols": list(symbols)}))
        yield TickFeed(connection)
