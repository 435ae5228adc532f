"""Floods of one port, each from a process of its own and bounded in time and number; also a sink that withstands them.

    python tests/floods.py FLOOD PORT SECONDS [TOKEN]
    python tests/floods.py sink:KIND PORT SECONDS

Loopback only. A flood prints how many things it sent: connections, messages, requests or megabytes. The sink takes the
same from the same flooder and does nothing with it, so that what a flooder takes from the machine can be told from
what it does to a gateway.
"""

from __future__ import annotations

import itertools
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import zmq
from gateway_process import write_config

HOST = "127.0.0.1"
MOST_CONNECTIONS = 50_000
MOST_MESSAGES = 30_000_000
MOST_BYTES = 300_000_000
MOST_TOPICS = 40_000
BROKER = "demo"
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCHF")
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
"""Of ZMTP 3.0, for clients that libzmq would not let do what they do."""


def configured(folder: Path) -> Path:
    """A gateway that has every door to flood: an account on a random walk, and one that trades on ticks sent in."""
    feed = {"type": "random_walk", "seed": 1}
    brokers = {
        BROKER: {"type": "mt5_mock", "symbols": {name: {} for name in SYMBOLS}, "feed": feed},
        "sent": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "ingest"}},
    }
    path = write_config(
        folder,
        brokers,
        data={"ingest_port": 0},
        poll_interval_ms=20,
        latency_warning_ms=100,
        commands={"approval_ttl_s": 0.05},
    )
    whole = json.loads(path.read_text(encoding="utf-8"))
    limits = {"max_open_positions": 50, "max_volume": 100}
    path.write_text(json.dumps({**whole, "risk": {"accounts": {"default": limits}}}), encoding="utf-8")
    return path


@attrs.define
class Bounds:
    """When a flood ends: after so many seconds, or so many things."""

    end: float
    most: int = MOST_MESSAGES
    sent: int = 0

    def go_on(self, more: int = 1) -> bool:
        self.sent += more
        return self.sent < self.most and time.monotonic() < self.end


def _ready(kind: bytes) -> bytes:
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return b"\x04" + bytes([len(body)]) + body


def _masked(payload: bytes) -> bytes:
    mask = b"\x11\x22\x33\x44"
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return b"\x81" + bytes([0x80 | len(payload)]) + mask + masked


def _connected(port: int) -> socket.socket:
    opened = socket.create_connection((HOST, port), timeout=5)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


# ---------------------------------------------------------------------- over TCP, many connections in one loop


def _crowd(port: int, bounds: Bounds, count: int, opening: bytes, again: bytes | None, answers_end: bytes) -> None:
    """`count` connections, each of which says `opening`, reads an answer, and then says `again` or comes anew."""
    selector = selectors.DefaultSelector()
    said: dict[int, bytes] = {}

    def come() -> None:
        raw = socket.socket()
        raw.setblocking(False)
        raw.connect_ex((HOST, port))
        selector.register(raw, selectors.EVENT_WRITE)

    def go(raw: socket.socket) -> None:
        selector.unregister(raw)
        said.pop(raw.fileno(), None)
        raw.close()

    for _ in range(count):
        come()
    while bounds.go_on(0):
        for key, events in selector.select(0.05):
            raw = key.fileobj
            assert isinstance(raw, socket.socket)
            try:
                if events & selectors.EVENT_WRITE:
                    raw.sendall(opening)
                    said[raw.fileno()] = b""
                    selector.modify(raw, selectors.EVENT_READ)
                    continue
                data = raw.recv(1 << 16)
            except OSError:
                data = b""
            if data and answers_end not in said.get(raw.fileno(), b"") + data:
                said[raw.fileno()] = (said.get(raw.fileno(), b"") + data)[-len(answers_end) :]
                continue
            bounds.go_on()
            if data and again is not None:
                said[raw.fileno()] = b""
                try:
                    raw.sendall(again)
                    continue
                except OSError:
                    pass
            go(raw)
            if bounds.go_on(0):
                come()
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()


def ws_connects(port: int, bounds: Bounds, _token: str) -> None:
    """32 clients at a time connect over WebSocket, hear that they are in, and go."""
    bounds.most = MOST_CONNECTIONS
    _crowd(port, bounds, 32, _HANDSHAKE, None, b"\r\n\r\n")


def _ws_talkers(port: int, bounds: Bounds, count: int) -> None:
    talk = _masked(b'{"type":"ping"}') * 64
    selector = selectors.DefaultSelector()
    rests: dict[socket.socket, bytes] = {}

    def come() -> None:
        try:
            raw = _connected(port)
            raw.sendall(_HANDSHAKE)
            raw.recv(1 << 12)  # before it has its answer a client may send little
        except OSError:
            return
        raw.setblocking(False)
        rests[raw] = b""
        selector.register(raw, selectors.EVENT_READ | selectors.EVENT_WRITE)

    while bounds.go_on(0):
        if len(rests) < count:
            come()
        for key, events in selector.select(0.05):
            raw = key.fileobj
            assert isinstance(raw, socket.socket)
            try:
                if events & selectors.EVENT_READ and not raw.recv(1 << 16):
                    raise ConnectionResetError
                if events & selectors.EVENT_WRITE:
                    rest = rests[raw] or talk
                    taken = raw.send(rest)
                    rests[raw] = rest[taken:]
                    bounds.go_on(taken * 64 // len(talk))
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(raw)
                del rests[raw]
                raw.close()
    for raw in rests:
        raw.close()


def ws_messages(port: int, bounds: Bounds, _token: str) -> None:
    """One WebSocket client sends as fast as it can, and comes again when it is closed."""
    _ws_talkers(port, bounds, 1)


def ws_messages_50(port: int, bounds: Bounds, _token: str) -> None:
    """Fifty of them."""
    _ws_talkers(port, bounds, 50)


def _request(path: str, token: str | None) -> bytes:
    shown = "" if token is None else f"X-Token: {token}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{shown}\r\n".encode()


def http_connects(port: int, bounds: Bounds, _token: str) -> None:
    """64 clients at a time connect over HTTP, ask without a token, and go."""
    bounds.most = MOST_CONNECTIONS
    _crowd(port, bounds, 64, _request("/status", None), None, b"\r\n\r\n")


def http_wrong(port: int, bounds: Bounds, _token: str) -> None:
    """64 clients stay connected and try wrong tokens."""
    asked = _request("/status", "wrong-" * 5)
    _crowd(port, bounds, 64, asked, asked, b"\r\n\r\n")


def http_valid(port: int, bounds: Bounds, token: str) -> None:
    """64 clients stay connected and ask for a price with the right token."""
    asked = _request("/ticks/EURUSD", token)
    _crowd(port, bounds, 64, asked, asked, b"\r\n\r\n")


def http_idle(port: int, bounds: Bounds, _token: str) -> None:
    """600 clients: half say nothing, half a byte of a head each half second; who is closed comes again."""
    bounds.most = MOST_CONNECTIONS
    selector = selectors.DefaultSelector()
    slow: set[socket.socket] = set()
    count, due = 0, time.monotonic()
    while bounds.go_on(0):
        for _ in range(min(600 - count, 64)):
            raw = socket.socket()
            raw.setblocking(False)
            raw.connect_ex((HOST, port))
            selector.register(raw, selectors.EVENT_READ)
            count += 1
            if bounds.sent % 2:
                slow.add(raw)
            bounds.go_on()
        if time.monotonic() >= due:
            due += 0.5
            for raw in slow:
                try:
                    raw.send(b"G")
                except OSError:
                    continue
        for key, _ in selector.select(0.02):
            raw = key.fileobj  # type: ignore[assignment]
            try:
                gone = not raw.recv(1 << 16)
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                selector.unregister(raw)
                slow.discard(raw)
                raw.close()
                count -= 1
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()


# ---------------------------------------------------------------------- over ZeroMQ


def _dealer(port: int, bounds: Bounds, payloads: Iterator[bytes], *, reads: bool = True) -> None:
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.SNDHWM, 1000)
    if not reads:
        dealer.setsockopt(zmq.RCVHWM, 1)
        dealer.setsockopt(zmq.RCVBUF, 4096)
    dealer.connect(f"tcp://{HOST}:{port}")
    for payload in payloads:
        if not bounds.go_on(0):
            break
        try:
            dealer.send(payload, zmq.NOBLOCK)
            bounds.go_on()
        except zmq.Again:
            dealer.poll(5, zmq.POLLIN | zmq.POLLOUT if reads else zmq.POLLOUT)
        while reads:
            try:
                dealer.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
    context.destroy(0)


def _opens() -> Iterator[bytes]:
    opening = {"type": "trade_open", "ea_name": "flood", "symbol": "EURUSD", "volume": 0.01, "magic": 9, "side": "buy"}
    opening["broker"] = BROKER
    for number in itertools.count():
        yield json.dumps({**opening, "request_id": f"flood-{number}-{os.getpid()}"}).encode()


def zmq_garbage(port: int, bounds: Bounds, _token: str) -> None:
    """A DEALER sends what is no command as fast as it can."""
    _dealer(port, bounds, itertools.repeat(b'{"type": "trade_open", "ea_name": '))


def zmq_heartbeats(port: int, bounds: Bounds, _token: str) -> None:
    """A DEALER sends heartbeats as fast as it can."""
    _dealer(port, bounds, itertools.repeat(b'{"type": "heartbeat", "ea_name": "flood", "broker": "demo"}'))


def zmq_opens(port: int, bounds: Bounds, _token: str) -> None:
    """A DEALER asks for verdicts as fast as it can."""
    _dealer(port, bounds, _opens())


def zmq_deaf(port: int, bounds: Bounds, _token: str) -> None:
    """A DEALER sends heartbeats as fast as it can and reads no answer."""
    _dealer(port, bounds, itertools.repeat(b'{"type": "heartbeat", "ea_name": "flood", "broker": "demo"}'), reads=False)


def greeted(port: int, kind: bytes) -> socket.socket:
    """A connection of our own making that has said which kind of ZeroMQ socket it is, and has heard the same."""
    raw = _connected(port)
    try:
        raw.sendall(_GREETING + _ready(kind))
        # libzmq takes messages only from who has waited for its READY: a greeting of 64 bytes, a head of two, and it.
        heard = b""
        while len(heard) < 66 or len(heard) < 66 + heard[65]:
            data = raw.recv(4096)
            if not data:
                raise ConnectionResetError("turned away")
            heard += data
    except BaseException:
        raw.close()
        raise
    return raw


def _zmtp(port: int, kind: bytes, bounds: Bounds) -> Iterator[socket.socket]:
    """Such connections, one after the other as they are closed."""
    while bounds.go_on(0):
        try:
            with greeted(port, kind) as raw:
                yield raw
        except OSError:
            time.sleep(0.02)


def zmq_frames(port: int, bounds: Bounds, _token: str) -> None:
    """Messages that never end: frame after frame of 64 KB, each of which says that more is to come."""
    frame = b"\x03" + (60_000).to_bytes(8, "big") + bytes(60_000)
    bounds.most = MOST_BYTES // 1_000_000
    taken = 0
    for raw in _zmtp(port, b"DEALER", bounds):
        try:
            while bounds.go_on(0):
                raw.sendall(frame)
                taken += len(frame)
                bounds.sent = taken // 1_000_000
        except OSError:
            continue


def pub_topics(port: int, bounds: Bounds, _token: str) -> None:
    """A subscriber names one long topic after the other."""
    bounds.most = MOST_TOPICS
    for raw in _zmtp(port, b"SUB", bounds):
        try:
            while bounds.go_on(0):
                topics = [b"\x01" + os.urandom(249).hex().encode() for _ in range(64)]
                raw.sendall(b"".join(b"\x02" + len(topic).to_bytes(8, "big") + topic for topic in topics))
                bounds.go_on(len(topics))
        except OSError:
            continue


def _ingest(port: int, bounds: Bounds, token: str, payloads: Iterator[bytes]) -> None:
    context = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.setsockopt(zmq.XPUB_NODROP, 1)
    if token:
        publisher.setsockopt(zmq.PLAIN_USERNAME, b"sent")
        publisher.setsockopt(zmq.PLAIN_PASSWORD, token.encode())
    publisher.connect(f"tcp://{HOST}:{port}")
    publisher.poll(5000)
    for payload in payloads:
        if not bounds.go_on(0):
            break
        try:
            publisher.send_multipart((b"tick.EURUSD", payload), zmq.NOBLOCK)
            bounds.go_on()
        except zmq.Again:
            publisher.poll(2, zmq.POLLOUT)
    context.destroy(0)


def _prices() -> Iterator[bytes]:
    tick = {"symbol": "EURUSD", "bid": 1.1, "ask": 1.1001, "last": 0.0, "volume": 0.0}
    for number in itertools.count():
        bid = 1.1 + (number % 1000) * 1e-5
        yield json.dumps(
            {**tick, "bid": round(bid, 5), "ask": round(bid + 1e-4, 5), "time_msc": time.time_ns() // 1_000_000}
        ).encode()


def ingest_valid(port: int, bounds: Bounds, token: str) -> None:
    """A terminal sends prices as fast as it can."""
    _ingest(port, bounds, token, _prices())


def ingest_garbage(port: int, bounds: Bounds, token: str) -> None:
    """A terminal sends what is no price as fast as it can."""
    _ingest(port, bounds, token, itertools.repeat(b'{"symbol": "EURUSD", "bid": '))


@attrs.frozen
class Flood:
    """Which door it goes to, what it sends, what takes the same from it elsewhere."""

    door: str
    run: Callable[[int, Bounds, str], None]
    sink: str


FLOODS = {
    flood.run.__name__: flood
    for flood in (
        Flood("websocket", ws_connects, "tcp"),
        Flood("websocket", ws_messages, "tcp"),
        Flood("websocket", ws_messages_50, "tcp"),
        Flood("rest", http_connects, "tcp"),
        Flood("rest", http_wrong, "tcp"),
        Flood("rest", http_valid, "tcp"),
        Flood("rest", http_idle, "tcp"),
        Flood("commands", zmq_garbage, "router"),
        Flood("commands", zmq_heartbeats, "router"),
        Flood("commands", zmq_opens, "router"),
        Flood("commands", zmq_deaf, "router"),
        Flood("commands", zmq_frames, "zmtp"),
        Flood("publish", pub_topics, "zmtp"),
        Flood("ingest", ingest_valid, "sub"),
        Flood("ingest", ingest_garbage, "sub"),
    )
}


# ---------------------------------------------------------------------- the sink


def _sink_tcp(port: int, end: float, zmtp: bool) -> None:
    listener = socket.create_server((HOST, port), backlog=512)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while time.monotonic() < end:
        for key, _ in selector.select(0.05):
            raw = key.fileobj
            assert isinstance(raw, socket.socket)
            try:
                if raw is listener:
                    taken = raw.accept()[0]
                    taken.setblocking(False)
                    selector.register(taken, selectors.EVENT_READ)
                    if zmtp:
                        taken.send(_GREETING + _ready(b"ROUTER"))
                    continue
                data = raw.recv(1 << 18)
                if not data:
                    raise ConnectionResetError
                if b"Upgrade" in data:
                    raw.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                elif data.startswith(b"GET /"):
                    raw.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            except BlockingIOError:
                continue
            except OSError:
                selector.unregister(raw)
                raw.close()


def _sink_zmq(port: int, end: float, kind: int) -> None:
    context = zmq.Context()
    sink = context.socket(kind)
    sink.bind(f"tcp://{HOST}:{port}")
    if kind == zmq.SUB:
        sink.setsockopt(zmq.SUBSCRIBE, b"")
    while time.monotonic() < end:
        if sink.poll(50):
            for _ in range(256):
                try:
                    sink.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
    context.destroy(0)


def run_sink(kind: str, port: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    match kind:
        case "router":
            _sink_zmq(port, end, zmq.ROUTER)
        case "sub":
            _sink_zmq(port, end, zmq.SUB)
        case _:
            _sink_tcp(port, end, zmtp=kind == "zmtp")


def start(name: str, port: int, seconds: float, token: str = "") -> subprocess.Popen[str]:
    """Start a flood, or `sink:KIND`, in a process of its own, which ends by itself."""
    arguments = [sys.executable, str(Path(__file__).resolve()), name, str(port), str(seconds), token]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def main(name: str, port: str, seconds: str, token: str = "") -> Any:
    if name.startswith("sink:"):
        run_sink(name.removeprefix("sink:"), int(port), float(seconds))
        return
    bounds = Bounds(time.monotonic() + float(seconds))
    FLOODS[name].run(int(port), bounds, token)
    print(bounds.sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
