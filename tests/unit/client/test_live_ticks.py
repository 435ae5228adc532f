"""The feed of live ticks: it ends with a reason, whatever answers, and never waits in silence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from quantmind.client import live_ticks
from quantmind.client.live_ticks import FeedRefused, open_ticks
from quantmind.net.errors import NetError
from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.ws import ConnectionLimits, ServerConnection, serve_connection

Talk = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Talk | None) -> AsyncIterator[str]:
    """A WebSocket server that says what it is told to; None: it takes connections and is silent."""
    listener = open_listener("127.0.0.1", 0)
    silent: list[Any] = []

    async def serve(raw: Any, talk: Talk) -> None:
        async with serve_connection(raw, ConnectionLimits()) as connection:
            await connection.handshake()
            await connection.accept()
            await talk(connection)

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(close_listener, listener)
        nursery = await stack.enter_async_context(trio.open_nursery())

        def handle(raw: Any) -> None:
            if talk is None:
                silent.append(raw)
            else:
                nursery.start_soon(serve, raw, talk)

        nursery.start_soon(partial(accept_connections, listener, handle))
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        nursery.cancel_scope.cancel()
    for raw in silent:
        raw.close()


async def test_a_server_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for ticks does not hang at the door."""
    monkeypatch.setattr(live_ticks, "OPEN_WITHIN_S", 0.2)
    async with server(None) as url:
        with trio.fail_after(10), pytest.raises(NetError, match="answers none"):
            async with open_ticks(url, ["EURUSD"]):
                pass


async def test_a_quiet_market_is_no_dead_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that has no news is asked, and its pong is nobody's message; one that is silent is given up."""
    monkeypatch.setattr(live_ticks, "QUIET_S", 0.1)
    monkeypatch.setattr(live_ticks, "ANSWER_WITHIN_S", 0.3)
    pings = 0

    async def talk(connection: ServerConnection) -> None:
        nonlocal pings
        while pings < 3:
            if json.loads(await connection.receive())["type"] == "ping":
                pings += 1
                connection.push(b'{"type":"pong","timestamp":""}')
        connection.push(b'{"type":"tick","data":{}}')
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"]) as feed:
        with trio.fail_after(10):
            assert (await feed.__anext__())["type"] == "tick"
            with pytest.raises(NetError, match="has not said a word"):
                await feed.__anext__()
    assert pings == 3


@pytest.mark.parametrize("said", [b"hello", b"[]", b'{"type":1}', b"{}"])
async def test_what_is_no_gateway_is_said(said: bytes) -> None:
    """Any WebSocket server may be at the address."""

    async def talk(connection: ServerConnection) -> None:
        connection.push(said)
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"]) as feed:
        with trio.fail_after(10), pytest.raises(NetError, match="is it a QuantMind gateway"):
            await feed.__anext__()


async def test_what_is_refused_is_told_in_words() -> None:
    """An unknown symbol, or a token that is needed."""

    async def talk(connection: ServerConnection) -> None:
        connection.push(b'{"type":"subscribed","rejected":[{"symbol":"X","reason":"unknown_symbol"}]}')
        connection.push(b'{"type":"error","code":"unauthorized","message":"send auth first"}')
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["X"]) as feed:
        with trio.fail_after(10):
            with pytest.raises(FeedRefused, match=r"X \(unknown_symbol\)"):
                await feed.__anext__()
            with pytest.raises(FeedRefused, match="unauthorized: send auth first"):
                await feed.__anext__()
