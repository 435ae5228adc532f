"""Who may connect: real PLAIN, NULL and CURVE peers, and a handler that is absent, wrong or comes back."""

from __future__ import annotations

import contextlib
import socket as tcp
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
import zmq
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.net.errors import NetError
from quantmind.net.zap import Denied, Granted, ZapHandler, ZapRequest, ZapSocket, make_reply, read_request
from quantmind.net.zmq import DealerSocket, FeedSocket, Incoming, PlainLogin, RouterSocket, SubSocket, ZmqContext

HOST = "127.0.0.1"
EXAMPLES = examples(2_000, 500)
QUIET_S = 0.5
"""Long enough for a handshake on loopback that succeeds."""


def judge(request: ZapRequest) -> Granted | Denied:
    if request.mechanism != "PLAIN":
        return Denied("wrong_mechanism")
    if request.credentials == (b"demo", b"boom"):
        raise RuntimeError("the password is boom")
    return Granted(request.credentials[0].decode()) if request.credentials[1] == b"right" else Denied("unknown_token")


@attrs.define(eq=False)
class Door:
    """A bound SUB that asks, and everything around it."""

    context: ZmqContext
    socket: SubSocket
    handler: ZapHandler
    got: list[Incoming] = attrs.field(factory=list)

    async def read(self) -> None:
        while True:
            self.got += await self.socket.receive_batch()


@pytest.fixture
def door() -> Iterator[Door]:
    with ZmqContext() as context:
        handler = ZapHandler(ZapSocket.open(context), {"ingest": judge})
        socket = SubSocket.bind(context, HOST, 0, plain_domain="ingest")
        socket.subscribe(b"tick.")
        yield Door(context, socket, handler)


@contextlib.contextmanager
def publisher(port: int, **options: Any) -> Iterator[zmq.Socket[bytes]]:
    """Any libzmq publisher, with the options of pyzmq's names."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.linger = 0
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(f"tcp://{HOST}:{port}")
        yield socket


async def sends(door: Door, socket: zmq.Socket[bytes], *, within_s: float = 20.0) -> bool:
    """Publish until something arrives or the time is over."""
    door.got.clear()
    with trio.move_on_after(within_s):
        while not door.got:
            socket.send_multipart([b"tick.E", b"{}"])
            await trio.sleep(0.02)
    return bool(door.got)


async def test_the_right_password_is_let_in_and_named(door: Door, nursery):
    """Each message says who sent it, whoever else is connected."""
    nursery.start_soon(door.handler.run)
    nursery.start_soon(door.read)
    for user in (b"demo", b"other"):
        with publisher(door.socket.port, plain_username=user, plain_password=b"right") as socket:
            assert await sends(door, socket)
            assert {incoming.user for incoming in door.got} == {user.decode()}
    assert door.handler.statistics.granted == 2
    assert door.handler.statistics.denied == {}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"plain_username": b"demo", "plain_password": b"wrong"}, "unknown_token"),
        ({"plain_username": b"demo", "plain_password": b"boom"}, "crashed"),
        ({"plain_username": b"demo", "plain_password": b"right", "zap_domain": b"other"}, None),
    ],
)
async def test_who_is_denied_gets_nothing_in(door: Door, nursery, options: dict[str, Any], reason: str | None, caplog):
    """Denied by the judge, or by its crash; the reason is counted, and no password is in the log."""
    nursery.start_soon(door.handler.run)
    nursery.start_soon(door.read)
    with publisher(door.socket.port, **options) as socket:
        if reason is None:  # a client's own domain says nothing
            assert await sends(door, socket)
            return
        assert not await sends(door, socket, within_s=QUIET_S)
    assert list(door.handler.statistics.denied) == [reason]
    assert door.handler.statistics.granted == 0
    assert "boom" not in caplog.text
    assert "wrong" not in caplog.text


async def test_null_and_curve_are_not_let_in(door: Door, nursery):
    """One mechanism to an endpoint: who comes with another is turned away, and the right one still gets in."""
    nursery.start_soon(door.handler.run)
    nursery.start_soon(door.read)
    server, _ = zmq.curve_keypair()
    public, secret = zmq.curve_keypair()
    with publisher(door.socket.port) as null:
        assert not await sends(door, null, within_s=QUIET_S)
    curve = {"curve_serverkey": server, "curve_publickey": public, "curve_secretkey": secret}
    with publisher(door.socket.port, **curve) as socket:
        assert not await sends(door, socket, within_s=QUIET_S)
    assert door.handler.statistics.granted == 0
    with publisher(door.socket.port, plain_username=b"demo", plain_password=b"right") as socket:
        assert await sends(door, socket)


async def test_without_a_handler_nobody_gets_in_and_then_everybody(door: Door, nursery):
    """A handler that is down closes the door; what was asked meanwhile is answered when it is back."""
    nursery.start_soon(door.read)
    with publisher(door.socket.port, plain_username=b"demo", plain_password=b"right") as socket:
        assert not await sends(door, socket, within_s=QUIET_S)
        nursery.start_soon(door.handler.run)
        assert await sends(door, socket)


async def test_no_socket_to_ask_lets_nobody_in(nursery):
    """A door with a domain in a context without any handler is closed, not open."""
    with ZmqContext() as context:
        socket = SubSocket.bind(context, HOST, 0, plain_domain="ingest")
        socket.subscribe(b"tick.")
        with publisher(socket.port, plain_username=b"demo", plain_password=b"right") as theirs:
            with trio.move_on_after(QUIET_S):
                while True:
                    theirs.send_multipart([b"tick.E", b"{}"])
                    await trio.sleep(0.02)
                    assert socket.drain() == []


async def test_another_handler_after_a_crash_goes_on(door: Door, nursery):
    """Whoever is in stays in while the handler is down, and its next run answers newcomers."""
    nursery.start_soon(door.read)
    first = trio.CancelScope()

    async def run() -> None:
        with first:
            await door.handler.run()

    nursery.start_soon(run)
    with (
        publisher(door.socket.port, plain_username=b"demo", plain_password=b"right") as early,
        publisher(door.socket.port, plain_username=b"demo", plain_password=b"right") as late,
    ):
        assert await sends(door, early)
        late.disconnect(f"tcp://{HOST}:{door.socket.port}")
        first.cancel()
        await trio.sleep(0.05)
        late.connect(f"tcp://{HOST}:{door.socket.port}")
        assert not await sends(door, late, within_s=QUIET_S)
        assert await sends(door, early)
        nursery.start_soon(door.handler.run)
        assert await sends(door, late)


async def test_an_unknown_domain_is_denied(door: Door, nursery):
    """A socket that names a domain of nobody lets nobody in."""
    nursery.start_soon(door.handler.run)
    socket = SubSocket.bind(door.context, HOST, 0, plain_domain="elsewhere")
    with publisher(socket.port, plain_username=b"demo", plain_password=b"right"), trio.fail_after(20):
        while not door.handler.statistics.denied:
            assert socket.drain() == []
            await trio.sleep(0.02)
    assert door.handler.statistics.denied == {"unknown_domain": 1}


async def test_null_sockets_of_the_same_context_are_not_asked_about(door: Door, nursery):
    """Commands go on with the handler down: NULL without a domain needs no answer."""
    router = RouterSocket.bind(door.context, HOST, 0)
    with ZmqContext() as theirs, trio.fail_after(20):
        dealer = DealerSocket.connect(theirs, HOST, router.port)
        dealer.send(b"hello")
        (incoming,) = await router.receive_batch()
        assert incoming.body == b"hello"
        assert incoming.user == ""
    assert list(door.handler.socket.drain_requests()) == []


async def test_the_one_who_asks_first_is_the_handler():
    """A second one in the same context is an error, not a silent rival."""
    with ZmqContext() as context:
        ZapSocket.open(context)
        with pytest.raises(NetError, match="zap"):
            ZapSocket.open(context)


async def test_a_peer_cannot_say_who_it_is(door: Door, nursery):
    """A ZMTP peer that sends a property User-Id of its own is still who the handler said."""
    nursery.start_soon(door.handler.run)
    nursery.start_soon(door.read)

    def short(name: bytes, body: bytes) -> bytes:
        command = bytes((len(name),)) + name + body
        return b"\x04" + bytes((len(command),)) + command

    def prop(name: bytes, value: bytes) -> bytes:
        return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value

    done = threading.Event()

    def speak() -> None:
        # RFC 23 and 24: greeting, HELLO, INITIATE with metadata, one message of two frames.
        with tcp.create_connection((HOST, door.socket.port), timeout=20) as raw:
            raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32))
            received = b""
            while len(received) < 64:
                received += raw.recv(4096)
            raw.sendall(short(b"HELLO", b"\x05other\x05right"))
            while b"WELCOME" not in received:
                received += raw.recv(4096)
            raw.sendall(short(b"INITIATE", prop(b"Socket-Type", b"PUB") + prop(b"User-Id", b"demo")))
            while b"READY" not in received:
                received += raw.recv(4096)
            raw.sendall(b"\x01\x06tick.E\x00\x02{}")
            done.wait(20)

    with trio.fail_after(30):
        nursery.start_soon(trio.to_thread.run_sync, speak)
        while not door.got:
            await trio.sleep(0.02)
        done.set()
    assert door.got[0] == Incoming((b"tick.E",), b"{}", None, "other")


async def test_a_feed_socket_hears_whether_it_is_listened_to(door: Door, nursery):
    """It sends only while the other side listens, keeps nothing for later, and is let in anew after a restart."""
    nursery.start_soon(door.handler.run)
    with ZmqContext() as theirs, trio.fail_after(60):
        feed = FeedSocket.connect(theirs, HOST, door.socket.port, login=PlainLogin("demo", "right"))
        assert not feed.publish(b"tick.E", b"too early")
        while not feed.heard:
            door.socket.drain()
            await trio.sleep(0.01)
        assert feed.publish(b"tick.E", b"1")
        assert not feed.publish(b"other.E", b"2")
        (incoming,) = await door.socket.receive_batch()
        assert incoming == Incoming((b"tick.E",), b"1", None, "demo")
        port = door.socket.port
        door.socket.close()
        while feed.heard:
            await trio.sleep(0.01)
        assert not feed.publish(b"tick.E", b"while away")
        again = SubSocket.bind(door.context, HOST, port, plain_domain="ingest")
        again.subscribe(b"tick.")
        while not feed.heard:
            again.drain()
            await trio.sleep(0.01)
        assert feed.publish(b"tick.E", b"3")
        (incoming,) = await again.receive_batch()
        assert incoming.body == b"3"
        feed.close()
        assert not feed.heard
        assert not feed.publish(b"tick.E", b"4")


@pytest.mark.parametrize(("user", "password"), [("", "x"), ("x", ""), ("x" * 256, "x"), ("x", "\u00e9" * 128)])
def test_a_login_that_plain_cannot_carry(user: str, password: str):
    """Longer or emptier than the protocol can say is refused before it is sent; a password is never shown."""
    with pytest.raises(ValueError, match="255"):
        PlainLogin(user, password)
    assert "secret" not in repr(PlainLogin("demo", "secret"))


def test_a_request_and_its_reply():
    """The frames of RFC 27."""
    frames = [b"1.0", b"7", b"ingest", b"127.0.0.1", b"", b"PLAIN", b"demo", b"right"]
    request = read_request(frames)
    assert request == ZapRequest("ingest", "127.0.0.1", "PLAIN", (b"demo", b"right"))
    assert "right" not in repr(request)
    assert make_reply(b"7", b"200", "demo") == (b"1.0", b"7", b"200", b"OK", b"demo", b"")
    assert make_reply(b"7", b"400")[2:5] == (b"400", b"not allowed", b"")
    assert read_request([b"2.0", *frames[1:]]) is None
    assert read_request(frames[:5]) is None
    with pytest.raises(ValueError):
        Granted("")


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"1.0", b"PLAIN", b"ingest", b""]), max_size=12))
@settings(max_examples=EXAMPLES)
def test_any_frames_are_a_request_or_none(frames: list[bytes]):
    """Whatever libzmq would ask, it is read or it is none."""
    request = read_request(frames)
    assert (request is None) == (len(frames) < 6 or frames[0] != b"1.0")
