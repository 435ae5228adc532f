"""What peers of a ZeroMQ socket bring in: an honest one is left alone, and one that never ends is cut, alone."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
import zmq
from floods import Bounds, greeted

from quantmind.net.zmq import DealerSocket, PeerLimits, PubSocket, RouterSocket, ZmqContext, watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what peers bring can be bounded on Linux only")

HOST = "127.0.0.1"
LIMITS = PeerLimits(per_s=100_000, at_once=1_000_000, all_per_s=100_000, all_at_once=3_000_000)
FRAME = b"\x03" + (50_000).to_bytes(8, "big") + bytes(50_000)
"""Of a message of which more is to come."""


@pytest.fixture
def context() -> Iterator[ZmqContext]:
    with ZmqContext() as made:
        yield made


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def push(raw: socket.socket, frames: int) -> bool:
    """Send so many frames; False: the other side took them no more."""
    raw.settimeout(1)
    try:
        for _ in range(frames):
            raw.sendall(FRAME)
    except OSError:
        return False
    return True


def ended(raw: socket.socket) -> bool:
    """Whether the other side has said that it is through."""
    raw.settimeout(20)
    try:
        while raw.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_a_message_that_never_ends_is_cut_and_others_are_not(context: ZmqContext) -> None:
    """Its connection is shut down, and what an honest peer sends meanwhile arrives."""
    router = RouterSocket.bind(context, HOST, 0)
    counts = router.watch("commands", LIMITS)
    honest = DealerSocket.connect(context, HOST, router.port)
    honest.send(b"before")
    until(lambda: counts.connections == 1)
    with greeted(router.port, b"DEALER") as flood:
        push(flood, 100)
        until(lambda: counts.cut == 1)
        assert ended(flood)
    honest.send(b"after")
    bodies: list[bytes | None] = []
    until(lambda: bodies.extend(each.body for each in router.drain()) or len(bodies) == 2)
    assert bodies == [b"before", b"after"]
    assert router.statistics().cut == 1


def test_within_its_bytes_nobody_is_cut(context: ZmqContext) -> None:
    """What is allowed at once may come at once, and time gives more."""
    router = RouterSocket.bind(context, HOST, 0)
    counts = router.watch("commands", LIMITS)
    with greeted(router.port, b"DEALER") as peer:
        assert push(peer, 19)
        until(lambda: counts.connections == 1)
        time.sleep(0.2)
        assert counts.cut == 0


def test_many_that_are_each_within_are_bounded_together(context: ZmqContext) -> None:
    """Beyond what all may bring, those are cut that bring most just then."""
    router = RouterSocket.bind(context, HOST, 0)
    counts = router.watch("commands", LIMITS)
    quiet = DealerSocket.connect(context, HOST, router.port)
    quiet.send(b"here")
    peers = [greeted(router.port, b"DEALER") for _ in range(6)]
    for _ in range(16):
        for peer in peers:
            push(peer, 1)
    until(lambda: counts.cut)
    quiet.send(b"still here")
    bodies: list[bytes | None] = []
    until(lambda: bodies.extend(each.body for each in router.drain()) or len(bodies) == 2)
    for peer in peers:
        peer.close()


def test_endless_topics_are_cut(context: ZmqContext) -> None:
    """A subscriber that names one topic after the other is shut down; another one goes on receiving."""
    publisher = PubSocket.bind(context, HOST, 0)
    counts = publisher.watch("publish", PeerLimits(per_s=1_000, at_once=5_000, all_per_s=1e6, all_at_once=1e6))
    plain = zmq.Context()
    subscriber = plain.socket(zmq.SUB)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"tick.")
    subscriber.connect(f"tcp://{HOST}:{publisher.port}")
    with greeted(publisher.port, b"SUB") as flood:
        flood.settimeout(1)
        bounds = Bounds(time.monotonic() + 20, 10_000)
        try:
            while bounds.go_on():
                flood.sendall(b"\x00\x15\x01" + b"%020d" % bounds.sent)
                publisher.publish(b"other", b"")
        except OSError:
            pass
        until(lambda: publisher.publish(b"other", b"") or counts.cut)
    until(lambda: publisher.publish(b"tick.EURUSD", b"{}") or subscriber.poll(5))
    assert subscriber.recv_multipart() == [b"tick.EURUSD", b"{}"]
    assert (counts.cut, publisher.statistics().cut) == (1, 1)
    plain.destroy(0)


def test_one_connection_too_many_is_cut(context: ZmqContext) -> None:
    """It is the newest; those that are there stay, and who comes when one has gone is let in."""
    router = RouterSocket.bind(context, HOST, 0)
    counts = router.watch("commands", attrs.evolve(LIMITS, most=3))
    first = [greeted(router.port, b"DEALER") for _ in range(3)]
    until(lambda: counts.connections == 3)
    with greeted(router.port, b"DEALER") as extra:
        assert ended(extra)
    until(lambda: (counts.cut, counts.connections) == (1, 3))
    first.pop().close()
    until(lambda: counts.connections == 2)
    first.append(greeted(router.port, b"DEALER"))
    until(lambda: counts.connections == 3)
    assert counts.cut == 1
    for each in first:
        each.close()


def test_only_its_own_connections_are_touched(context: ZmqContext, tmp_path: Path) -> None:
    """A number that has become a file, a pipe or a connection of another port is left alone, and nothing leaks."""
    router = RouterSocket.bind(context, HOST, 0)
    pair, other = socket.socketpair()
    with greeted(router.port, b"DEALER") as peer, (tmp_path / "file").open("wb") as file, pair, other:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in (peer.fileno(), file.fileno(), pair.fileno(), 10_000):
            with watch._opened(number, router.port) as found:
                assert found is None
        with watch._opened(peer.fileno(), peer.getsockname()[1]) as found:
            assert found is not None
            assert found.getpeername()[1] == router.port
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_connection_that_ends_by_itself_is_forgotten(context: ZmqContext) -> None:
    """Nothing is kept of who has gone, however many come and go."""
    router = RouterSocket.bind(context, HOST, 0)
    counts = router.watch("commands", LIMITS)
    for _ in range(20):
        greeted(router.port, b"DEALER").close()
    last = greeted(router.port, b"DEALER")
    until(lambda: counts.connections == 1)
    last.close()
    until(lambda: counts.connections == 0)
    assert counts.cut == 0
