"""The door for ticks: who may send for whom, and what comes in is dropped with a reason or is a tick of its broker."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
import zmq

from quantmind.domain.quotes import Quote
from quantmind.domain.tokens import digest_of
from quantmind.edges import ingest
from quantmind.edges.ingest import DOMAIN, IngestDoor, open_ingest, plain_judge
from quantmind.net.errors import NetError
from quantmind.net.zap import Denied, Granted, ZapHandler, ZapRequest, ZapSocket
from quantmind.net.zmq import Incoming, SubSocket, ZmqContext
from quantmind.wire.auth import Authenticator, Identity
from quantmind.wire.ingest import IngestFault

HOST = "127.0.0.1"
TICK = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.2, "last": 0, "volume": 0, "time_msc": 5}
TOKENS = {
    "b-token": ("terminal", frozenset({"bridge"})),
    "r-token": ("reader", frozenset({"read", "ea", "trade"})),
    "o-token": ("owner", frozenset({"admin"})),
}


@attrs.define(eq=False)
class FakeFeed:
    """A feed that keeps what it is offered, and refuses one symbol."""

    taken: list[Quote] = attrs.field(factory=list)

    def offer(self, quote: Quote) -> None:
        if quote.symbol == "BAD":
            raise IngestFault("unknown_symbol", "there is no symbol BAD here")
        if quote.symbol == "BUG":
            raise ZeroDivisionError
        self.taken.append(quote)

    def snapshot(self) -> dict[str, Any]:
        return {"accepted": len(self.taken)}


@attrs.define(eq=False)
class Made:
    context: ZmqContext
    door: IngestDoor
    handler: ZapHandler
    demo: FakeFeed
    other: FakeFeed


@pytest.fixture
def made() -> Iterator[Made]:
    with ZmqContext() as context:
        zap = ZapSocket.open(context)
        feeds = {"demo": FakeFeed(), "other": FakeFeed()}
        socket = open_ingest(context, HOST, 0, plain=True)
        handler = ZapHandler(zap, {DOMAIN: plain_judge(Authenticator(TOKENS), feeds)})
        yield Made(context, IngestDoor(socket, feeds), handler, feeds["demo"], feeds["other"])


@pytest.fixture
def unasked() -> Iterator[tuple[IngestDoor, FakeFeed]]:
    with ZmqContext() as context:
        feed = FakeFeed()
        yield IngestDoor(open_ingest(context, HOST, 0, plain=False), {"demo": feed}, "demo"), feed


def key_of(token: str) -> str:
    return digest_of(token).hex()[:32]


def asks(user: str, token: str, mechanism: str = "PLAIN") -> ZapRequest:
    return ZapRequest(DOMAIN, HOST, mechanism, (user.encode(), token.encode()))


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        (asks("demo", "b-token"), Granted(f"demo/{key_of('b-token')}")),
        (asks("other", "b-token"), Granted(f"other/{key_of('b-token')}")),
        (asks("demo", "o-token"), Granted(f"demo/{key_of('o-token')}")),
        (asks("demo", "wrong"), Denied("unknown_token")),
        (asks("demo", ""), Denied("unknown_token")),
        (asks("", "b-token"), Denied("unknown_broker")),
        (asks("walk", "b-token"), Denied("unknown_broker")),
        (asks("DEMO", "b-token"), Denied("unknown_broker")),
        (asks("demo", "r-token"), Denied("no_scope_bridge")),
        (asks("demo", "b-token", "CURVE"), Denied("wrong_mechanism")),
        (ZapRequest(DOMAIN, HOST, "PLAIN", (b"demo",)), Denied("wrong_mechanism")),
        (ZapRequest(DOMAIN, HOST, "NULL", ()), Denied("wrong_mechanism")),
        (ZapRequest(DOMAIN, HOST, "PLAIN", (b"\xff", b"\xff\xfe")), Denied("unknown_token")),
    ],
)
def test_who_may_send(request_: ZapRequest, verdict: Granted | Denied):
    """The user is a broker that takes ticks, the password a token with scope bridge; all else is denied by name."""
    assert plain_judge(Authenticator(TOKENS), ["demo", "other"])(request_) == verdict


def test_a_token_of_another_broker():
    """A token that is bound to brokers sends for these alone."""
    bound = Identity("terminal", frozenset({"bridge"}), brokers=frozenset({"other"}), digest=digest_of("x"))
    authenticator = Authenticator({}, identities=[bound])
    judge = plain_judge(authenticator, ["demo", "other"])
    assert judge(asks("demo", "x")) == Denied("token_of_another_broker")
    assert judge(asks("other", "x")) == Granted(f"other/{bound.key}")
    assert authenticator.denials == {("ingest", "token_of_another_broker", "terminal"): 1}


async def test_a_revoked_token_brings_no_more_ticks(unasked: tuple[IngestDoor, FakeFeed]):
    """The connection that it opened stays, and what comes by it is dropped with the reason."""
    authenticator = Authenticator({})
    bound = Identity("terminal", frozenset({"bridge"}), brokers=frozenset({"demo"}), digest=digest_of("x"))
    authenticator.replace([bound])
    door, feed = unasked
    door = IngestDoor(door.socket, {"demo": feed}, None, authenticator.key_stands)
    door.take(incoming({}, f"demo/{bound.key}"))
    authenticator.replace([])
    door.take(incoming({}, f"demo/{bound.key}"))
    assert len(feed.taken) == 1
    assert door.statistics.dropped == {"demo": {"token_gone": 1}}


def incoming(fields: dict[str, Any] | bytes, user: str = "demo", topic: bytes = b"tick.EURUSD") -> Incoming:
    body = fields if isinstance(fields, bytes) else json.dumps({**TICK, **fields}).encode()
    return Incoming((topic,), body, None, user)


async def test_a_tick_goes_to_the_broker_of_its_connection(made: Made):
    """Whatever the tick says, only who sent it counts."""
    made.door.take(incoming({}))
    made.door.take(incoming({"bid": 1.15}, "other"))
    assert [quote.bid for quote in made.demo.taken] == [1.1]
    assert [quote.bid for quote in made.other.taken] == [1.15]
    assert made.door.statistics.accepted == {"demo": 1, "other": 1}


@pytest.mark.parametrize(
    ("message", "broker", "reason"),
    [
        (incoming({"bid": 2.0}), "demo", "crossed"),
        (incoming({"bid": -1}), "demo", "negative"),
        (incoming(b"{"), "demo", "invalid_json"),
        (incoming(b"\xff"), "demo", "not_utf8"),
        (incoming(b"x" * 2000), "demo", "oversize"),
        (incoming({}, topic=b"tick.GBPUSD"), "demo", "wrong_topic"),
        (incoming({"symbol": "BAD"}, topic=b"tick.BAD"), "demo", "unknown_symbol"),
        (incoming({"symbol": "BUG"}, topic=b"tick.BUG"), "demo", "internal"),
        (Incoming((b"tick.EURUSD",), None, "too many frames", "demo"), "demo", "frames"),
        (Incoming((), None, "no frames", "demo"), "demo", "frames"),
        (incoming({}, user="walk"), "-", "unknown_broker"),
        (incoming({}, user=""), "-", "unknown_broker"),
    ],
)
async def test_what_is_wrong_is_dropped_and_counted(made: Made, message: Incoming, broker: str, reason: str):
    """No message ends the door: each has its reason, by broker, and /status has it."""
    made.door.take(message)
    made.door.take(incoming({}))
    assert made.door.statistics.dropped == {broker: {reason: 1}}
    assert len(made.demo.taken) == 1
    assert made.door.snapshot()["dropped"] == {broker: {reason: 1}}
    assert made.door.snapshot()["received"] == 2
    assert made.door.snapshot()["brokers"] == {"demo": {"accepted": 1}, "other": {"accepted": 0}}


async def test_what_repeats_is_logged_now_and_then(made: Made, caplog, autojump_clock):
    """A broken terminal fills no disk: one line for a reason, and later how many there were."""
    caplog.set_level(logging.WARNING)
    for _ in range(100):
        made.door.take(incoming({"bid": 2.0}))
    assert len(caplog.records) == 1
    await trio.sleep(ingest.LOG_EVERY_S)
    made.door.take(incoming({"bid": 2.0}))
    assert len(caplog.records) == 2
    assert "count=100" in caplog.records[1].getMessage()


class Inbox:
    """What an actor needs of its inbox here."""

    def __init__(self) -> None:
        self.stopping = trio.Event()
        self.is_ready = False

    def ready(self) -> None:
        self.is_ready = True

    async def wait_stopping(self) -> None:
        await self.stopping.wait()


def send_from(port: int, user: bytes | None, password: bytes = b"") -> tuple[zmq.Context[Any], zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.PUB)
    socket.linger = 0
    if user is not None:
        socket.plain_username, socket.plain_password = user, password
    socket.connect(f"tcp://{HOST}:{port}")
    return context, socket


async def arrives(feed: FakeFeed, socket: zmq.Socket[bytes], body: dict[str, Any], within_s: float) -> bool:
    with trio.move_on_after(within_s):
        while not feed.taken:
            socket.send_multipart([b"tick.EURUSD", json.dumps(body).encode()])
            await trio.sleep(0.02)
    return bool(feed.taken)


async def test_over_real_sockets(made: Made, nursery):
    """A terminal with the right token is heard as its broker; a wrong one, a reader's and none at all are not."""
    inbox = Inbox()
    nursery.start_soon(made.door, inbox)
    nursery.start_soon(made.handler.run)
    port = made.door.socket.port
    for user, password in ((b"demo", b"wrong"), (b"demo", b"r-token"), (b"walk", b"b-token"), (None, b"")):
        context, socket = send_from(port, user, password)
        try:
            assert not await arrives(made.demo, socket, TICK, 0.4)
        finally:
            context.destroy(0)
    assert inbox.is_ready
    assert made.door.statistics.received == 0
    assert made.handler.statistics.denied == {"unknown_token": 1, "no_scope_bridge": 1, "unknown_broker": 1}
    context, socket = send_from(port, b"other", b"b-token")
    try:
        assert await arrives(made.other, socket, {**TICK, "broker": "demo"}, 1.0) is False
        assert await arrives(made.other, socket, TICK, 20.0)
    finally:
        context.destroy(0)
    assert made.demo.taken == []
    assert "invalid_message" in made.door.statistics.dropped["other"]
    inbox.stopping.set()


async def test_nobody_is_asked_where_that_is_configured(unasked: tuple[IngestDoor, FakeFeed], nursery):
    """With `none` every program of this machine sends for the one broker, whoever it says it is."""
    door, feed = unasked
    nursery.start_soon(door, Inbox())
    context, socket = send_from(door.socket.port, None)
    try:
        assert await arrives(feed, socket, TICK, 20.0)
    finally:
        context.destroy(0)
    door.take(incoming({}, user="other"))
    assert door.statistics.accepted["demo"] == len(feed.taken)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org"])
def test_nobody_is_asked_on_loopback_only(host: str):
    """Any machine that reaches such a door could make up prices."""
    with ZmqContext() as context, pytest.raises(NetError, match=r"loopback only.*ingest_auth to plain"):
        open_ingest(context, host, 0, plain=False)


async def test_a_door_that_nobody_uses_says_how_to(unasked: tuple[IngestDoor, FakeFeed], caplog, nursery, mock_clock):
    """Who connects without credentials is turned away by libzmq in silence, so the gateway says what is needed."""
    caplog.set_level(logging.WARNING)
    door, _ = unasked
    nursery.start_soon(door, Inbox())
    await trio.testing.wait_all_tasks_blocked()
    assert caplog.records == []
    mock_clock.jump(ingest.REMIND_AFTER_S + 1)
    with trio.move_on_after(60):
        await trio.testing.wait_all_tasks_blocked()
    assert "wait.ticks broker=demo" in caplog.text


async def test_a_flood_from_one_terminal_is_bounded(made: Made, nursery):
    """Ticks come in batches that give others a turn, and all of them are counted."""
    inbox = Inbox()
    nursery.start_soon(made.handler.run)
    context, socket = send_from(made.door.socket.port, b"demo", b"b-token")
    try:
        nursery.start_soon(made.door, inbox)
        assert await arrives(made.demo, socket, TICK, 20.0)
        body = json.dumps(TICK).encode()
        turns = 0
        with trio.fail_after(60):
            for _ in range(900):
                socket.send_multipart([b"tick.EURUSD", body])
            socket.send_multipart([b"tick.EURUSD", json.dumps({**TICK, "bid": 1.19}).encode()])
            while made.demo.taken[-1].bid != 1.19:
                turns += 1
                await trio.lowlevel.checkpoint()
        assert turns >= 900 // ingest.BATCH
        assert made.door.statistics.accepted["demo"] >= 901
    finally:
        context.destroy(0)


def test_the_socket_asks_by_default():
    """What the door opens with `plain` is a SUB that knows its users."""
    with ZmqContext() as context:
        assert isinstance(open_ingest(context, HOST, 0, plain=True), SubSocket)
