"""The feed on real sockets: it comes back, never waits for its consumer, and ends only by a refusal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from quantmind.client import (
    Connected,
    Disconnected,
    Feed,
    FeedRefused,
    FeedSettings,
    Gap,
    NewEpoch,
    Subscribed,
    Tick,
    open_ticks,
)
from quantmind.net.errors import NetError
from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.ws import ConnectionLimits, ServerConnection, serve_connection
from quantmind.wire import ws_messages

QUICK = FeedSettings(quiet_s=0.2, answer_within_s=0.2, open_within_s=1.0, first_pause_s=0.01, most_pause_s=0.05)
PATIENT = FeedSettings(first_pause_s=0.01, most_pause_s=0.05)

Talk = Callable[[ServerConnection, int], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """A WebSocket server that says what it is told to; `talk` gets each connection and its number."""
    listener = open_listener("127.0.0.1", 0)
    number = 0

    async def serve(raw: Any, number: int) -> None:
        async with serve_connection(raw, ConnectionLimits()) as connection:
            await connection.handshake()
            await connection.accept()
            await talk(connection, number)

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(close_listener, listener)
        nursery = await stack.enter_async_context(trio.open_nursery())

        def handle(raw: Any) -> None:
            nonlocal number
            number += 1
            nursery.start_soon(serve, raw, number)

        nursery.start_soon(partial(accept_connections, listener, handle))
        with trio.fail_after(20):
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


def tick(seq: int, symbol: str = "EURUSD", *, snapshot: bool = False) -> bytes:
    data = {"symbol": symbol, "bid": 1.1, "ask": 1.2, "time_msc": 5, "seq": seq, "broker": "demo"}
    return json.dumps({"type": "tick", "snapshot": snapshot, "data": data}).encode()


async def welcome(connection: ServerConnection, epoch: str = "e") -> list[str]:
    """Answer the next subscription; gives its symbols."""
    while True:
        message = json.loads(await connection.receive())
        if message["type"] == "subscribe":
            connection.push(ws_messages.subscribed(message["symbols"], (), 1, epoch))
            return list(message["symbols"])
        connection.push(ws_messages.pong(""))


async def events_until(feed: Feed, kind: type[Any], count: int = 1) -> list[Any]:
    events: list[Any] = []
    while sum(isinstance(event, kind) for event in events) < count:
        events.append(await anext(feed))
    return events


async def test_an_outage_is_an_event() -> None:
    """A lost connection is told, opened again, subscribed to again, and what was missed is named."""

    async def talk(connection: ServerConnection, number: int) -> None:
        assert await welcome(connection) == ["EURUSD"]
        connection.push(tick(10 * number, snapshot=True))
        if number == 2:
            await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=PATIENT) as feed:
        first = await events_until(feed, Tick)
        assert [type(event) for event in first] == [NewEpoch, Connected, Subscribed, Tick]
        second = await events_until(feed, Tick)
        assert [type(event) for event in second] == [Disconnected, Connected, Subscribed, Gap, Tick]
        assert second[3] == Gap("EURUSD", "demo", 11, 19)
        assert feed.statistics().connections == 2


async def test_a_gateway_that_is_not_there_yet() -> None:
    """Whoever starts before the gateway waits for it, and is told."""
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    async with open_ticks(f"ws://127.0.0.1:{port}/", ["EURUSD"], settings=PATIENT) as feed:
        with trio.fail_after(20):
            tried = await events_until(feed, Disconnected, 3)
    assert [event.tries for event in tried] == [1, 2, 3]
    assert "is it running?" in tried[0].reason


async def test_a_silent_gateway_is_left() -> None:
    """A half-open connection says nothing: it is asked, and then opened anew."""
    asked = 0

    async def talk(connection: ServerConnection, number: int) -> None:
        nonlocal asked
        await welcome(connection)
        if number == 1:
            while json.loads(await connection.receive())["type"] != "ping":
                pass
            asked += 1
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=QUICK) as feed:
        lost = await events_until(feed, Disconnected)
        assert "has not said a word" in lost[-1].reason
        await events_until(feed, Connected)
    assert asked == 1


async def test_a_quiet_market_is_no_dead_line() -> None:
    """A gateway that answers is not left, however quiet it is."""

    async def talk(connection: ServerConnection, number: int) -> None:
        await welcome(connection)
        for _ in range(3):
            while json.loads(await connection.receive())["type"] != "ping":
                pass
            connection.push(ws_messages.pong(""))
        connection.push(tick(1))
        await trio.sleep_forever()

    patient = FeedSettings(quiet_s=0.05, answer_within_s=15, first_pause_s=0.01)
    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=patient) as feed:
        events = await events_until(feed, Tick)
    assert not any(isinstance(event, Disconnected) for event in events)


async def test_who_does_not_answer_the_subscription_is_left() -> None:
    """A server that takes connections and says nothing is tried again."""

    async def talk(connection: ServerConnection, number: int) -> None:
        if number > 1:
            await welcome(connection)
        await trio.sleep_forever()

    impatient = FeedSettings(open_within_s=0.3, first_pause_s=0.01)
    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=impatient) as feed:
        events = await events_until(feed, Connected)
    assert "has not answered a subscription" in events[0].reason


async def test_noise_is_left() -> None:
    """A server that is no gateway is told by what it sent, and tried again."""

    async def talk(connection: ServerConnection, number: int) -> None:
        connection.push(b"hello")
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=PATIENT) as feed:
        assert "is it a QuantMind gateway?" in (await events_until(feed, Disconnected))[0].reason


async def test_a_slow_consumer_holds_up_nothing() -> None:
    """The socket is read to the end while nobody takes events, and the gap names what was dropped."""
    done = trio.Event()

    async def talk(connection: ServerConnection, number: int) -> None:
        await welcome(connection)
        for seq in range(1, 2001):
            connection.push(tick(seq))
            if seq % 50 == 0:
                await connection.ping()  # so that it was read
        done.set()
        await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=FeedSettings(buffer=10)) as feed:
        await done.wait()
        while feed.statistics().ticks < 2000:
            await trio.sleep(0.01)
        assert feed.statistics().buffered < 20
        expected = 1
        dropped = 0
        while expected <= 2000:
            event = await anext(feed)
            if isinstance(event, Gap):
                assert (event.from_seq, event.conflated) == (expected, True)
                dropped += event.count
                expected = event.to_seq + 1
            elif isinstance(event, Tick):
                assert event.seq == expected
                expected += 1
        assert dropped == feed.statistics().conflated > 1900


async def test_symbols_are_added_and_removed_while_it_runs() -> None:
    """And a reconnection asks for what is wanted by then."""
    said: list[tuple[int, str, list[str]]] = []

    async def talk(connection: ServerConnection, number: int) -> None:
        while len(said) < (3 if number == 1 else 4):
            message = json.loads(await connection.receive())
            said.append((number, message["type"], message.get("symbols", [])))
            if message["type"] == "subscribe":
                connection.push(ws_messages.subscribed(message["symbols"], (), 1, "e"))
        if number == 2:
            await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], settings=PATIENT) as feed:
        await events_until(feed, Subscribed)
        feed.add("GBPUSD")
        await events_until(feed, Subscribed)
        feed.remove("EURUSD")
        assert feed.symbols == ("GBPUSD",)
        await events_until(feed, Subscribed)
        with pytest.raises(ValueError, match="symbols"):
            feed.add("")
    assert said == [
        (1, "subscribe", ["EURUSD"]),
        (1, "subscribe", ["GBPUSD"]),
        (1, "unsubscribe", ["EURUSD"]),
        (2, "subscribe", ["GBPUSD"]),
    ]


@pytest.mark.parametrize("by_code", [True, False])
async def test_a_bad_token_ends_it(by_code: bool) -> None:
    """A refusal is an error, after everything that came before, each time somebody looks."""

    async def talk(connection: ServerConnection, number: int) -> None:
        await welcome(connection)
        connection.push(tick(1))
        if by_code:
            await connection.close(4001, "bad token")
        else:
            connection.push(ws_messages.error("unauthorized", "the token is not known"))
            await trio.sleep_forever()

    async with server(talk) as url, open_ticks(url, ["EURUSD"], token="x") as feed:
        await events_until(feed, Tick)
        for _ in range(2):
            with pytest.raises(FeedRefused, match="the token is not known"):
                await anext(feed)
        with pytest.raises(FeedRefused):
            feed.take()


async def test_the_token_goes_into_the_header() -> None:
    """Never into the address, where it would end up in logs."""
    seen: list[str | None] = []
    listener = open_listener("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:

        async def serve(raw: Any) -> None:
            async with serve_connection(raw, ConnectionLimits()) as connection:
                seen.append((await connection.handshake()).headers.get("authorization"))

        nursery.start_soon(partial(accept_connections, listener, lambda raw: nursery.start_soon(serve, raw)))
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        async with open_ticks(url, [], token="secret", settings=PATIENT) as feed:
            with trio.fail_after(20):
                await events_until(feed, Disconnected)
        nursery.cancel_scope.cancel()
    listener.close()
    assert seen[0] == "Bearer secret"
    with pytest.raises(ValueError, match="address"):
        async with open_ticks(url + "?token=secret", []):
            pass
    with pytest.raises(NetError, match="ws://"):
        async with open_ticks("http://x/", []):
            pass


async def test_leaving_closes_in_order_and_an_error_comes_out_as_it_is() -> None:
    """The gateway sees a close and no broken line; the block's own error is not wrapped."""
    codes: list[int | None] = []
    ended = trio.Event()

    async def talk(connection: ServerConnection, number: int) -> None:
        await welcome(connection)
        with contextlib.suppress(Exception):
            await connection.receive()
        codes.append(connection.close_code)
        ended.set()

    async with server(talk) as url:
        async with open_ticks(url, ["EURUSD"]) as feed:
            await events_until(feed, Connected)
        await ended.wait()
        assert codes == [1000]
        with pytest.raises(trio.ClosedResourceError):
            await events_until(feed, Tick)
        with pytest.raises(KeyError):
            async with open_ticks(url, ["EURUSD"]):
                raise KeyError
