"""`NativeBridge`: commands and ticks over ZeroMQ for a plain program, without waiting."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import attrs
import msgspec

from quantmind.client.native_link import Link
from quantmind.domain.quotes import Quote
from quantmind.errors import QuantMindError
from quantmind.net.zmq import PlainLogin, ZmqContext
from quantmind.net.zmq.missing import Missing
from quantmind.wire.ingest import IngestFault, decode_tick, encode_tick

MOST_IN_FLIGHT: Final = 1024
"""Commands without an answer, and answers that nobody received yet, together."""
MOST_BYTES: Final = 64 * 1024
"""The longest command that a gateway takes."""
LONGEST_ID: Final = 64
CONNECT_WITHIN_S: Final = 2.0
"""A command waits so long for a connection; then it is answered here, and nothing was sent."""
REPLY_WITHIN_S: Final = 10.0
"""Twice what the gateway takes at most; without a reply by then the outcome of a command is unknown."""

_SYMBOL: Final = re.compile(r"([A-Za-z0-9._#&-]{1,31})(?:@([A-Za-z0-9_-]{1,32}))?")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class BridgeClosed(QuantMindError):
    """The bridge was closed; open another."""


class BridgeBusy(QuantMindError):
    """Too many commands have no answer yet, or their answers were not received; nothing was sent."""


class AmbiguousSymbol(QuantMindError):
    """Several brokers publish the symbol; the message names them."""


@attrs.define(eq=False)
class BridgeStatistics:
    """What went through a bridge."""

    commands: int = 0
    replies: int = 0
    unsent: int = 0
    """Commands answered here since no gateway was connected."""
    unanswered: int = 0
    """Commands answered here as unknown since no reply came."""
    late: int = 0
    """Replies that came after that, or were no replies: dropped."""
    ticks_published: int = 0
    ticks_unheard: int = 0
    """Ticks not sent since the gateway did not listen."""
    overflows: int = 0
    """How often published ticks were lost since nobody looked at them."""


@attrs.define(eq=False)
class _Command:
    request_id: str
    payload: bytes
    deadline: float


class NativeBridge:
    """Commands to a gateway and ticks from and to it, for a loop that looks in every few milliseconds.

    No call waits, and no thread or event loop is needed: sockets are looked at whenever a method is called, so call
    `receive`, `poll` or `get_latest_tick` at least every few seconds. Safe to use from several threads, which take
    turns. Not across a fork.

    Every command gets exactly one answer from `receive`, marked `"local": True` where the bridge and not the gateway
    gave it: `error` with code `not_connected` (nothing was sent), or `unknown` with code `no_reply`. Never send such
    an order with another `request_id` then: the same command with the same one and `expires_at` 1 asks what became of
    it, and never starts it. No local answer ever approves anything.

    Connections are made in the background, and again whenever they are lost. Nothing is kept for later: commands wait
    two seconds for a connection at most, ticks not at all.

    Without pyzmq it is a simulation: `simulated` is True, constructing it warns, there are no ticks, and every command
    is answered `approved: False` with the reason.

    Args:
        command_port: the gateway's `commands.port`.
        data_port: its `data.ingest_port`, for `publish_tick`.
        publish_port: its `data.publish_port`, for `get_latest_tick`.
        host: the gateway's address; these sockets are not encrypted, so loopback or a tunnel.
        user: the broker whose ticks are published, for PLAIN on `data_port`.
        token: a token with scope bridge, for the same; a command carries its own in `token`.
        broker: keeps ticks of this broker only; None: of all.

    Raises:
        ValueError: a port is out of range, or only one of `user` and `token` is given.
    """

    def __init__(
        self,
        command_port: int = 5555,
        data_port: int = 5556,
        publish_port: int = 5557,
        *,
        host: str = "127.0.0.1",
        user: str | None = None,
        token: str | None = None,
        broker: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.statistics = BridgeStatistics()
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._wall = wall
        self._closed = False
        self._outbox: deque[_Command] = deque()  # in_flight bounds it: each is there, too
        self._in_flight: dict[str, _Command] = {}
        self._replies: deque[dict[str, Any]] = deque()  # bounded together with in_flight, in send_command
        ports = (command_port, data_port, publish_port)
        for name, port in zip(("command_port", "data_port", "publish_port"), ports, strict=True):
            if not 1 <= port <= 65535:
                raise ValueError(f"{name} must be 1 to 65535, was {port}")
        if (user is None) != (token is None):
            raise ValueError(
                "user and token belong together: give both, or neither for a gateway with ingest_auth none"
            )
        topic = b"tick." if broker is None else f"tick.{broker}.".encode()
        login = None if user is None or token is None else (user, token)
        self._link = _open_link(host, ports, topic, login, monotonic())

    @property
    def simulated(self) -> bool:
        """Whether there is no pyzmq and so nothing behind it."""
        return self._link is None

    @property
    def publishing(self) -> bool:
        """Whether the gateway takes the ticks of `publish_tick` now; False before the first one."""
        with self._lock:
            return self._link is not None and not self._closed and self._link.publishing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close at once: what was not sent is lost, and nobody hears of what was. Safe to repeat."""
        with self._lock:
            self._closed = True
            if self._link is not None:
                self._link.close()

    # ------------------------------------------------------------------ commands

    def send_command(self, command: Mapping[str, Any]) -> str:
        """Send one command of the protocol and return its `request_id`, made here when it has none.

        `timestamp` is filled in, so that the gateway refuses an order that lay about. Numbers may be Decimal.

        Raises:
            ValueError: it is no command: what is wrong is in the text, and nothing was sent.
            BridgeBusy: `receive` the answers first; nothing was sent.
            BridgeClosed: the bridge was closed.
        """
        message = {"timestamp": round(self._wall(), 3), **command}
        message.setdefault("request_id", uuid.uuid4().hex)
        payload = _payload(message)
        request_id: str = message["request_id"]
        with self._lock:
            now = self._pump()
            if request_id in self._in_flight:
                raise ValueError(f"request_id {request_id!r} is in flight already; give each command its own")
            if len(self._in_flight) + len(self._replies) >= MOST_IN_FLIGHT:
                raise BridgeBusy(
                    f"{len(self._in_flight)} commands wait for their answer and {len(self._replies)} answers for "
                    f"receive(), {MOST_IN_FLIGHT} at most; nothing was sent"
                )
            self.statistics.commands += 1
            if self._link is None:
                self._answer(request_id, "rejected", "simulated", "pyzmq is not installed: this is a simulation")
                return request_id
            pending = _Command(request_id, payload, now + CONNECT_WITHIN_S)
            self._in_flight[request_id] = pending
            self._outbox.append(pending)
            self._flush(now)
        return request_id

    def receive(self) -> dict[str, Any] | None:
        """The next answer, or None when there is none yet. Raises BridgeClosed."""
        with self._lock:
            self._pump()
            return self._replies.popleft() if self._replies else None

    def poll(self) -> int:
        """Take what has come and send what waits; how many answers `receive` has. Raises BridgeClosed."""
        with self._lock:
            self._pump()
            return len(self._replies)

    # ------------------------------------------------------------------ ticks

    def get_latest_tick(self, symbol: str, *, max_age_s: float | None = None) -> dict[str, Any] | None:
        """The newest tick that the gateway published of a symbol, or None.

        It is the tick object of the protocol (`bid`, `ask`, `time_msc`, `seq`, `broker` and so on) with
        `received_ms_ago`, an upper limit. The gateway publishes changes only: in a quiet market, and when the
        gateway is gone, it grows.

        Args:
            symbol: as `EURUSD`, or `EURUSD@demo` for one of several brokers.
            max_age_s: None for a tick that may have been received longer ago.

        Raises:
            ValueError: that is no symbol.
            AmbiguousSymbol: several brokers publish it.
            BridgeClosed: the bridge was closed.
        """
        match = _SYMBOL.fullmatch(symbol)
        if match is None:
            raise ValueError(f"a symbol is 1 to 31 letters, digits and . _ # & -, or that with @broker, was {symbol!r}")
        name, broker = match.groups()
        with self._lock:
            now = self._pump()
            if self._link is None:
                return None
            self._link.look(now)
            self.statistics.overflows = self._link.overflows
            held = self._link.held(name.encode())
        if broker is not None:
            held = {key: tick for key, tick in held.items() if key == broker.encode()}
        if len(held) > 1:
            brokers = ", ".join(sorted(key.decode() for key in held))
            raise AmbiguousSymbol(f"{name} is published by {brokers}; ask for {name}@BROKER")
        for payload, not_before in held.values():
            age_s = max(0.0, now - not_before)
            tick = _object(payload)
            if tick is not None and (max_age_s is None or age_s <= max_age_s):
                return {**tick, "received_ms_ago": round(age_s * 1000)}
        return None

    def publish_tick(
        self,
        symbol: str,
        bid: float,
        ask: float,
        last: float = 0.0,
        volume: float = 0.0,
        time_msc: int | None = None,
    ) -> bool:
        """Send a price to the gateway, for a broker with a feed of type ingest; True: it was handed over.

        False: the gateway does not listen to us (yet), and the tick is gone. True does not say that the gateway
        accepted it: GET /status has why ticks were dropped.

        Args:
            symbol: as the broker's configuration has it.
            time_msc: when the price was seen, UTC milliseconds; None: now. Send an unchanged price again now and
                then, or the gateway takes it for stale.

        Raises:
            ValueError: it is no price.
            BridgeClosed: the bridge was closed.
        """
        prices = {"bid": bid, "ask": ask, "last": last, "volume": volume}
        for field, value in prices.items():
            if not math.isfinite(value):
                raise ValueError(f"{field} must be a number, was {value}")
        seen = round(self._wall() * 1000) if time_msc is None else time_msc
        topic, payload = encode_tick(Quote(symbol, float(bid), float(ask), seen, float(last), float(volume)))
        try:
            decode_tick(topic, payload)
        except IngestFault as fault:
            raise ValueError(str(fault)) from None
        with self._lock:
            now = self._pump()
            sent = self._link is not None and self._link.publish(topic, payload, now)
            if sent:
                self.statistics.ticks_published += 1
            else:
                self.statistics.ticks_unheard += 1
        return sent

    # ------------------------------------------------------------------ inside, under the lock

    def _pump(self) -> float:
        if self._closed:
            raise BridgeClosed("the bridge was closed; open another")
        now = self._monotonic()
        if self._link is not None:
            for payload in self._link.replies():
                self._take(payload)
            # In this order: what has waited too long must not go out once there is a connection again.
            self._expire(now)
            self._flush(now)
        return now

    def _take(self, payload: bytes) -> None:
        reply = _object(payload)
        request_id = None if reply is None else reply.get("request_id")
        if reply is None or not isinstance(request_id, str) or self._in_flight.pop(request_id, None) is None:
            self.statistics.late += 1
            return
        self.statistics.replies += 1
        self._replies.append(reply)

    def _flush(self, now: float) -> None:
        while self._link is not None and self._outbox and self._link.send(self._outbox[0].payload):
            self._outbox.popleft().deadline = now + REPLY_WITHIN_S

    def _expire(self, now: float) -> None:
        unsent = {command.request_id for command in self._outbox}
        for command in [each for each in self._in_flight.values() if each.deadline <= now]:
            del self._in_flight[command.request_id]
            if command.request_id in unsent:
                self._outbox.remove(command)
                self.statistics.unsent += 1
                self._answer(command.request_id, "error", "not_connected", "no gateway is connected; nothing was sent")
            else:
                self.statistics.unanswered += 1
                message = (
                    f"no reply within {REPLY_WITHIN_S:g} s; the same command with this request_id and expires_at 1 "
                    "asks what became of it, another request_id would be another order"
                )
                self._answer(command.request_id, "unknown", "no_reply", message)

    def _answer(self, request_id: str, status: str, code: str, message: str) -> None:
        answer = {
            "status": status,
            "approved": False,
            "code": code,
            "message": message,
            "reasons": [{"rule": code, "message": message}],
            "timestamp": round(self._wall(), 3),
            "request_id": request_id,
            "local": True,
        }
        self._replies.append({**answer, "simulated": True} if self.simulated else answer)


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _payload(message: Mapping[str, Any]) -> bytes:
    kind, request_id = message.get("type"), message["request_id"]
    if not isinstance(kind, str) or not kind:
        raise ValueError(f"type must name a command such as trade_open, was {kind!r}")
    if not isinstance(request_id, str) or not 0 < len(request_id) <= LONGEST_ID:
        raise ValueError(f"request_id must be a text of 1 to {LONGEST_ID} characters, was {request_id!r}")
    for name, value in message.items():
        if isinstance(value, float | Decimal) and not math.isfinite(value):
            raise ValueError(f"{name} must be a number, was {value}")
    try:
        payload = _encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"the command can't be written as JSON: {error}") from error
    if len(payload) > MOST_BYTES:
        raise ValueError(f"the command has {len(payload)} bytes, at most {MOST_BYTES} are taken")
    return payload


def _open_link(
    host: str, ports: tuple[int, int, int], topic: bytes, login: tuple[str, str] | None, now: float
) -> Link | None:
    if issubclass(ZmqContext, Missing):
        message = "pyzmq is not installed, so this NativeBridge is a simulation that approves nothing; install pyzmq"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
        return None
    return Link(host, ports, topic=topic, login=None if login is None else PlainLogin(*login), now=now)
