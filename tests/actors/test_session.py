"""Sessions over real sockets: limits, slow and silent peers, hubs that end, and stopping."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Hashable, Sequence
from typing import Any

import pytest
import trio
from protocol.ws.ws_gateway import Client, FakeClock, open_gateway
from session_desk import masked, open_desk, raw_client, read_all, until

from actors import session
from actors.messages import Detach, Unsubscribe
from actors.session import MAX_UNANSWERED
from quantmind.net.errors import NetError
from quantmind.net.ws import connect
from quantmind.wire import ws_rate

T = 1_795_424_400_000


# --- who may come in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://desk.example"])
async def test_pages_that_may(origin: str) -> None:
    """A page of this machine, and one that the configuration names."""
    async with (
        open_gateway(origins=("https://desk.example",)) as gateway,
        gateway.connect({"Origin": origin}) as client,
    ):
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_other_pages_are_refused_before_the_upgrade() -> None:
    """HTTP 403, counted, and nothing else is disturbed."""
    async with open_gateway() as gateway:
        with pytest.raises(NetError, match="403"):
            async with gateway.connect({"Origin": "https://evil.example"}):
                pass
        assert gateway.statistics.refused == {"origin": 1}
        assert gateway.statistics.accepted == 0
        async with gateway.connect() as client:
            assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_what_is_no_handshake_is_counted_and_dropped() -> None:
    """Noise, silence and HTTP from outside cost one connection each."""
    async with open_gateway() as gateway:
        for noise in (b"\x00" * 100, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nX: \xff\xfe\r\n\r\n"):
            stream = await trio.open_tcp_stream("127.0.0.1", gateway.address.port)
            async with stream:
                await stream.send_all(noise)
                with trio.fail_after(10):
                    await read_all(stream)
        await until(lambda: gateway.statistics.refused.get("handshake") == 3)
        async with gateway.connect() as client:
            assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_a_place_is_free_again_when_a_client_goes() -> None:
    """`max_clients` counts those that are there."""
    async with open_gateway(max_clients=1) as gateway:
        for _ in range(3):
            async with gateway.connect() as client:
                assert (await client.ask({"type": "ping"}))["type"] == "pong"
            await until(lambda: len(gateway.clients) == 0)
        assert gateway.statistics.accepted == 3


async def test_a_crowd_beyond_the_spare_is_dropped_at_once() -> None:
    """Connections that never speak can't take more than the pool holds."""
    async with open_gateway(max_clients=1) as gateway:
        crowd = [await trio.open_tcp_stream("127.0.0.1", gateway.address.port) for _ in range(70)]
        try:
            await until(lambda: gateway.statistics.refused.get("overload", 0) >= 5)
            assert len(gateway.pool) <= gateway.pool.capacity
        finally:
            for stream in crowd:
                await stream.aclose()
        await until(lambda: len(gateway.pool) == 0)
        async with gateway.connect() as client:
            assert (await client.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("header", ["Basic good-token", "Bearer", "good-token", "Bearer wrong"])
async def test_a_header_that_is_no_good_token_ends_it(header: str) -> None:
    """It is not ignored, even where no token is needed."""
    async with open_gateway() as gateway, gateway.connect({"Authorization": header}) as client:
        assert (await client.receive())["code"] == "unauthorized"
        assert await client.closed() == 4001
        await until(lambda: gateway.statistics.closed == {4001: 1})


async def test_a_token_in_the_url_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """It would be in logs and histories: the handshake is refused, and the token stands in no log of ours."""
    async with open_gateway(auth="required") as gateway:
        with pytest.raises(NetError, match="HTTP status 400"):
            async with connect(f"{gateway.url}?token=good-token"):
                pass
    assert "good-token" not in caplog.text


# --- peers that misbehave -----------------------------------------------------------------------------------------


async def test_a_flood_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message over the rate is refused, and patience ends with 4029."""
    monkeypatch.setattr(ws_rate, "PATIENCE_S", 0.2)
    async with open_gateway(rate_limit_per_s=20) as gateway, gateway.connect() as client:

        async def flood() -> None:
            with contextlib.suppress(NetError):
                while True:
                    await client.send({"type": "ping"})
                    await trio.sleep(0.002)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            with pytest.raises(NetError) as gone:
                while True:
                    await client.receive()
            nursery.cancel_scope.cancel()
        assert gone.value.code == 4029  # type: ignore[attr-defined]
        assert gateway.statistics.errors["rate_limited"] > 3
        await until(lambda: gateway.statistics.closed == {4029: 1})


async def test_a_client_that_reads_nothing_is_dropped_and_slows_nobody() -> None:
    """It is counted as 4008; another one gets every tick meanwhile."""
    symbols = [f"SYM{n:03}USD" for n in range(200)]
    async with open_gateway(symbols, slow_client_timeout_s=0.5, heartbeat_interval_s=60) as gateway:
        async with raw_client(gateway, SO_RCVBUF=4096) as stuck, gateway.connect() as healthy:
            wish = json.dumps({"type": "subscribe", "symbols": symbols}).encode()
            await stuck.send_all(masked(wish))
            await healthy.subscribe(*symbols)
            await until(lambda: gateway.hub_statistics.sinks == 2)
            sent = 0
            conflated = 0
            with trio.fail_after(30):
                while 4008 not in gateway.statistics.closed:
                    sent += 1
                    price = sent * 0.01
                    gateway.publish(*[(name, price, price + 0.01, T + sent) for name in symbols])
                    for _ in symbols:
                        assert (await healthy.receive())["data"]["seq"] == sent
                    conflated = max([conflated, *(info.conflated for info in gateway.clients.all())])
            assert conflated > 0
        await until(lambda: gateway.hub_statistics.sinks == 0)


async def test_a_client_that_comes_back_gets_the_newest_of_each() -> None:
    """The gap shows in `seq`, which never goes back, and an unsubscription is not trailed by old ticks."""
    symbols = [f"SYM{n:03}USD" for n in range(200)]
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(symbols, slow_client_timeout_s=20))
        async with raw_client(gateway, SO_RCVBUF=4096) as stream:
            await stream.send_all(masked(json.dumps({"type": "subscribe", "symbols": symbols}).encode()))
            await until(lambda: gateway.hub_statistics.sinks == 1)
            rounds = 0
            while not any(info.conflated > 2000 for info in gateway.clients.all()):
                rounds += 1
                price = rounds * 0.01
                gateway.publish(*[(name, price, price + 0.01, T + rounds) for name in symbols])
                await trio.sleep(0.001)
            # Snapshots overtake the ticks that wait, which must not come after them.
            await stream.send_all(masked(b'{"type":"subscribe","symbols":["SYM001USD"],"id":"again"}'))
            await stream.send_all(masked(b'{"type":"unsubscribe","symbols":["SYM000USD"],"id":"u"}'))
            await until(lambda: gateway.hub_statistics.groups == 1 and gateway.clients.all()[0].subscriptions == 199)
            messages = []
            buffer = b""
            with trio.move_on_after(1.0):
                async for chunk in stream:
                    buffer += chunk
            at = 0
            while at + 4 <= len(buffer):
                size, start = buffer[at + 1], at + 2
                if size == 126:
                    size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
                elif size == 127:
                    size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
                messages.append(json.loads(buffer[start : start + size]))
                at = start + size
    last: dict[str, int] = {}
    unsubscribed = False
    for message in messages:
        if message["type"] == "unsubscribed":
            unsubscribed = True
        if message["type"] == "tick":
            symbol, seq = message["data"]["symbol"], message["data"]["seq"]
            assert seq > last.get(symbol, 0)
            last[symbol] = seq
            assert not (unsubscribed and symbol == "SYM000USD")
    assert unsubscribed
    assert {seq for name, seq in last.items() if name != "SYM000USD"} == {rounds}


async def test_a_peer_that_does_not_pong_is_dropped() -> None:
    """Before the next heartbeat its place is free; one that does pong stays."""
    beats: list[Any] = []

    async def listen(client: Client) -> None:
        while True:
            beats.append(await client.receive())

    async with (
        open_gateway(heartbeat_interval_s=0.2) as gateway,
        raw_client(gateway) as silent,
        gateway.connect() as healthy,
        trio.open_nursery() as readers,
    ):
        readers.start_soon(listen, healthy)
        await until(lambda: len(gateway.clients) == 2)
        await until(lambda: len(gateway.clients) == 1)
        seen = len(beats)
        await until(lambda: len(beats) >= seen + 3)
        assert len(gateway.clients) == 1
        with trio.fail_after(10):
            data = await read_all(silent)
        assert data.count(b'"heartbeat"') == 1
        await until(lambda: gateway.statistics.closed == {1011: 1})
        readers.cancel_scope.cancel()


@pytest.mark.parametrize("phase_s", [0.0, 0.1, 0.2])
async def test_a_process_that_stood_still_blames_no_peer(phase_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a laptop slept, nobody had the time to pong: they are asked again, and stay."""
    monkeypatch.setattr(session, "STOOD_STILL_S", 0.2)

    async def listen(client: Client) -> None:
        while True:
            await client.receive()

    async with (
        open_gateway(heartbeat_interval_s=0.3) as gateway,
        raw_client(gateway),
        gateway.connect() as client,
        trio.open_nursery() as readers,
    ):
        readers.start_soon(listen, client)
        await until(lambda: len(gateway.clients) == 2)
        await trio.sleep(phase_s)
        time.sleep(1.5)  # noqa: ASYNC251  # it holds up this whole process, which is the point
        await trio.sleep(0.02)
        assert len(gateway.clients) == 2
        # Who still does not pong is dropped as ever.
        await until(lambda: len(gateway.clients) == 1)
        readers.cancel_scope.cancel()


async def test_one_peer_never_takes_the_server_down() -> None:
    """Bad frames, a ping after our Close, a reset in the middle: each ends its own connection only."""
    async with open_gateway(max_message_bytes=1024) as gateway, gateway.connect() as witness:
        evil = [
            b"\x83\x80\0\0\0\0",  # an opcode that does not exist
            b"\x81\x05hello",  # not masked
            b"\xf1\x80\0\0\0\0",  # reserved bits
            masked(b"\xff\xfe"),  # not UTF-8
            masked(b"x" * 2000),  # too long
            masked(b"x" * 126, opcode=9),  # a ping that is too long
            masked(b"x" * 2000) + masked(b"", opcode=9) * 5 + masked(b"", opcode=8),  # pings after our Close
        ]
        for frames in evil:
            async with raw_client(gateway) as stream:
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(frames)
                with trio.fail_after(10):
                    await read_all(stream)
            assert (await witness.ask({"type": "ping"}))["type"] == "pong"
        async with raw_client(gateway) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await until(lambda: len(gateway.clients) == 1)
        assert gateway.tree.snapshot().restarts == 0
        assert all(child.restarts == 0 for child in gateway.tree.snapshot().children)


async def test_long_and_odd_lists_are_answered() -> None:
    """Thousands of names, duplicates and strange characters are rejected one by one."""
    async with open_gateway() as gateway, gateway.connect() as client:
        names = [f"N{n}" for n in range(5000)] + ["EURUSD", "EURUSD", "@", "@demo", "EURUSD@", "a@b@c", "é\u0000\n"]
        answer = await client.subscribe(*names)
        assert answer["symbols"] == ["EURUSD"]
        assert len(answer["rejected"]) == 5005
        listed = await client.ask({"type": "get_symbols", "match": "[!"})
        assert listed["symbols"] == []
        listed = await client.ask({"type": "get_symbols", "match": "*" * 30 + "a" + "*a" * 15})
        assert listed["symbols"] == []


# --- hubs that end ------------------------------------------------------------------------------------------------


async def test_after_a_hub_crash_clients_get_the_new_epoch_and_go_on() -> None:
    """`subscribed` without an id, snapshots, then ticks numbered in the new epoch."""
    async with open_gateway() as gateway, gateway.connect() as client, gateway.connect() as idle:
        first = await client.subscribe("EURUSD", "GBPUSD@demo")
        gateway.publish(("EURUSD", 1.1, 1.2, T), ("EURUSD", 1.11, 1.2, T))
        assert [(await client.receive())["data"]["seq"] for _ in range(2)] == [1, 2]
        assert gateway.tree.fail("hub", RuntimeError("a bug in the hub"))
        again = await client.receive()
        assert again["symbols"] == ["EURUSD", "GBPUSD@demo"]
        assert "id" not in again
        assert again["epoch"] != first["epoch"]
        snapshot = await client.receive()
        assert (snapshot["snapshot"], snapshot["data"]["bid"], snapshot["data"]["seq"]) == (True, 1.11, 1)
        gateway.publish(("EURUSD", 1.3, 1.4, T))
        assert (await client.receive())["data"]["seq"] == 2
        # Who wants nothing hears nothing.
        assert (await idle.ask({"type": "ping"}))["type"] == "pong"


async def test_a_crash_of_the_listener_keeps_clients_and_port() -> None:
    """Its sessions live elsewhere, and new clients come to the same address."""
    async with open_gateway() as gateway, gateway.connect() as client:
        assert gateway.tree.fail("ws", RuntimeError("a bug in the listener"))
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
        async with gateway.connect() as other:
            assert (await other.ask({"type": "ping"}))["type"] == "pong"


async def test_a_failing_sink_closes_its_own_client() -> None:
    """The client must not wait in silence for ticks that never come."""
    async with open_gateway() as gateway, gateway.connect() as client, gateway.connect() as other:
        await client.subscribe("EURUSD")
        await other.subscribe("EURUSD")
        (broken, *_) = gateway.clients._sessions.values()

        def fail(items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
            raise RuntimeError("a bug in the sink")

        broken.push_ticks = fail
        await client.subscribe("GBPUSD")  # joins another group, with the push as it is now
        gateway.publish(("EURUSD", 1.1, 1.2, T))
        assert (await other.receive())["type"] == "tick"
        assert (await client.receive())["code"] == "internal"
        assert await client.closed() == 1011
        assert gateway.hub_statistics.sink_errors == 1


def subscribe(*names: str, id: str | None = None) -> dict[str, Any]:  # noqa: A002
    message: dict[str, Any] = {"type": "subscribe", "symbols": names}
    return message if id is None else {**message, "id": id}


async def test_what_a_hub_left_unanswered_is_asked_again() -> None:
    """A subscription that was in a hub's hand when it ended is answered by the next, with its id, once."""
    async with open_desk() as desk:
        await desk.client.send(subscribe("EURUSD", id="a"))
        lost = await desk.next()
        assert lost.names == ("EURUSD",)
        await desk.restart_hub("e2")
        restore = await desk.next()
        assert restore.names == ("EURUSD",)
        desk.welcome(restore, epoch="e2")
        first = await desk.client.receive()
        assert (first["epoch"], first["symbols"], "id" in first) == ("e2", ["EURUSD"], False)
        again = await desk.next()
        assert (again.names, again.request_id) == (lost.names, lost.request_id)
        desk.welcome(again, epoch="e2")
        assert (await desk.client.receive())["id"] == "a"
        assert (await desk.client.ask({"type": "ping"}))["type"] == "pong"


async def test_what_is_still_queued_is_not_asked_twice() -> None:
    """A message that outlived the hub in its mailbox is answered by the next one."""
    async with open_desk() as desk:
        await desk.client.send(subscribe("EURUSD", id="a"))
        queued = await desk.next()
        await desk.restart_hub("e2")
        restore = await desk.next()
        desk.welcome(queued, epoch="e2")
        desk.welcome(restore, epoch="e2")
        assert (await desk.client.receive())["id"] == "a"
        assert "id" not in await desk.client.receive()
        assert (await desk.client.ask({"type": "ping"}))["type"] == "pong"
        assert not desk.hub.load_nowait()


async def test_a_restart_during_a_restart_asks_once() -> None:
    """Only the answer to the newest restoration says what was lost."""
    async with open_desk() as desk:
        await desk.client.send(subscribe("EURUSD", id="a"))
        await desk.next()
        await desk.restart_hub("e2")
        second = await desk.next()
        await desk.restart_hub("e3")
        third = await desk.next()
        desk.welcome(second, epoch="e3")
        desk.welcome(third, epoch="e3")
        again = await desk.next()
        desk.welcome(again, epoch="e3")
        received = [await desk.client.receive() for _ in range(3)]
        assert [message.get("id") for message in received] == [None, None, "a"]
        assert (await desk.client.ask({"type": "ping"}))["type"] == "pong"
        assert not desk.hub.load_nowait()


async def test_what_was_unsubscribed_is_not_restored() -> None:
    """Also when the hub ended before it said so, and by another spelling."""
    async with open_desk() as desk:
        await desk.client.send(subscribe("EURUSD", "GBPUSD", "NOSUCH"))
        desk.welcome(await desk.next(), rejected=("NOSUCH",))
        await desk.client.receive()
        await desk.client.send({"type": "unsubscribe", "symbols": ["EURUSD@demo"], "id": "u"})
        lost = await desk.next()
        assert isinstance(lost, Unsubscribe)
        await desk.restart_hub("e2")
        restore = await desk.next()
        assert restore.names == ("GBPUSD",)
        desk.welcome(restore, epoch="e2")
        assert (await desk.client.receive())["symbols"] == ["GBPUSD"]
        again = await desk.next()
        assert (again.names, again.request_id) == (("EURUSD@demo",), lost.request_id)
        again.sink.push_goodbye(again.request_id, again.names, 1)
        assert (await desk.client.receive())["id"] == "u"


async def test_without_a_hub_the_wish_is_kept_and_the_rest_answered() -> None:
    """Nothing dies or hangs; the next hub is asked."""
    async with open_desk() as desk:
        desk.hub.close("the hub is parked")
        await desk.client.send(subscribe("EURUSD", id="a"))
        assert (await desk.client.ask({"type": "ping"}))["type"] == "pong"
        assert (await desk.client.ask({"type": "get_symbols"}))["total"] == 5
        desk.hub.open()
        await desk.restart_hub("e2")
        restore = await desk.next()
        assert restore.names == ("EURUSD",)
        desk.welcome(restore, epoch="e2")
        desk.welcome(await desk.next(), epoch="e2")
        assert [(await desk.client.receive()).get("id") for _ in range(2)] == [None, "a"]


async def test_wishes_without_a_hub_are_bounded() -> None:
    """Beyond the bound the client is told that it was not done."""
    async with open_desk() as desk:
        desk.hub.close("the hub is parked")
        for number in range(MAX_UNANSWERED):
            await desk.client.send(subscribe("EURUSD", id=str(number)))
        answer = await desk.client.ask(subscribe("EURUSD", id="beyond"))
        assert (answer["code"], answer["id"]) == ("internal", "beyond")


async def test_a_client_that_goes_is_detached() -> None:
    """The hub hears it, though the session is over."""
    async with open_desk() as desk:
        await desk.client.send(subscribe("EURUSD"))
        desk.welcome(await desk.next())
        await desk.client.receive()
        await desk.client.connection.close()
        gone = await desk.next()
        assert gone == Detach(desk.session)


# --- stopping, and what can be seen -------------------------------------------------------------------------------


async def test_stopping_ends_every_kind_of_connection() -> None:
    """Clients get 1001; one that reads nothing and one in its handshake hold nothing up."""
    async with open_gateway() as gateway:
        mute = await trio.open_tcp_stream("127.0.0.1", gateway.address.port)
        async with mute, raw_client(gateway), gateway.connect() as client:
            await client.subscribe("EURUSD")
            with trio.fail_after(12):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(gateway.tree.stop)
                    assert await client.receive() == {"type": "status", "state": "stopping"}
                    assert await client.closed() == 1001
        assert gateway.statistics.closed[1001] == 2
        assert gateway.statistics.refused == {"stopping": 1}


async def test_clients_can_be_seen() -> None:
    """Who is there, since when, and what it has cost."""
    async with open_gateway() as gateway, gateway.connect({"Authorization": "Bearer all-token"}) as client:
        await client.subscribe("EURUSD", "GBPUSD")
        gateway.publish(("EURUSD", 1.1, 1.2, T))
        await client.receive()
        (info,) = gateway.clients.all()
        assert info.remote.startswith("127.0.0.1:")
        assert (info.name, info.scopes) == ("all", ("admin", "read"))
        assert (info.subscriptions, info.messages, info.conflated) == (2, 1, 0)
        assert info.symbols == ("EURUSD", "GBPUSD")
        assert info.messages_sent >= 2
        assert info.connected_at == FakeClock().now()
        assert info.bytes_sent > 300
        await client.ask({"type": "unsubscribe", "symbols": ["EURUSD"]})
        assert gateway.clients.all()[0].subscriptions == 1
        assert gateway.statistics.messages == 2
    assert gateway.clients.all() == []
    assert gateway.statistics.closed == {1000: 1}
