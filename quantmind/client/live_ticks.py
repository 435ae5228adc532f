"""Live ticks of a gateway, one message after the other."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs
import trio

from quantmind.client.errors import FeedRefused
from quantmind.net.errors import NetError
from quantmind.net.ws import ClientConnection, connect

__all__ = ["FeedRefused", "TickFeed", "open_ticks"]

OPEN_WITHIN_S: Final = 10.0
QUIET_S: Final = 15.0
"""After so long without a word the gateway is asked whether it lives: a quiet market and a dead line look alike."""
ANSWER_WITHIN_S: Final = 10.0


@attrs.frozen
class TickFeed:
    """Messages of the feed, decoded: `subscribed`, `tick`, `status`, `heartbeat`. Iterate over it.

    Each tick carries its `seq`, so a gap shows. Iteration raises `FeedRefused` when a symbol is unknown or a token is
    needed, `quantmind.net.errors.PeerGone` when the connection ends, and `NetError` when what answers is no gateway,
    or answers no more.
    """

    url: str
    connection: ClientConnection

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while True:
            message = self._decode(await self._receive())
            if message["type"] == "error":
                raise FeedRefused(f"{message.get('code')}: {message.get('message')}")
            if message["type"] == "subscribed" and message.get("rejected"):
                rejected = ", ".join(f"{item['symbol']} ({item['reason']})" for item in message["rejected"])
                raise FeedRefused(f"not subscribed: {rejected}")
            if message["type"] != "pong":
                return message

    async def _receive(self) -> str:
        with trio.move_on_after(QUIET_S):
            return await self.connection.receive()
        with trio.move_on_after(ANSWER_WITHIN_S):
            await self.connection.send('{"type":"ping"}')
            return await self.connection.receive()
        raise NetError(f"{self.url} has not said a word for {QUIET_S + ANSWER_WITHIN_S:g} s")

    def _decode(self, text: str) -> dict[str, Any]:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise NetError(f"{self.url} sent {text[:60]!r}: is it a QuantMind gateway?")
        return message


@contextlib.asynccontextmanager
async def open_ticks(
    url: str, symbols: Sequence[str], *, token: str | None = None, ca: str | Path | None = None
) -> AsyncIterator[TickFeed]:
    """Connect and subscribe, for the length of the block.

    Args:
        url: as `ws://127.0.0.1:8765/`, or `wss://` with TLS.
        symbols: names as the gateway knows them, `NAME@broker` for one of several brokers.
        token: needed where the gateway asks for one.
        ca: for wss://, the file of the authority to trust; None: that of QUANTMIND_CA, else the system's.

    Raises:
        quantmind.net.errors.NetError: no gateway answers there.
    """
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    # The connection's tasks outlive its opening, so the limit is taken off instead of left.
    with trio.CancelScope(deadline=trio.current_time() + OPEN_WITHIN_S) as patience:
        async with connect(url, headers=headers, ca=ca) as connection:
            await connection.send(json.dumps({"type": "subscribe", "symbols": list(symbols)}))
            patience.deadline = math.inf
            yield TickFeed(url, connection)
    if patience.cancelled_caught:
        raise NetError(f"{url} takes connections and answers none: it hangs, or is no WebSocket server")
