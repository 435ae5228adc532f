"""The door for ticks of terminals: who may send for which broker, and every tick checked before it counts."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import attrs
import trio

from actors.runtime import Inbox, run_until_stopping
from quantmind.domain.quotes import Quote
from quantmind.domain.rarely import Rarely
from quantmind.net.errors import NetError
from quantmind.net.turns import Pace, Turns
from quantmind.net.zap import Denied, Granted, Judge, ZapHandler, ZapRequest
from quantmind.net.zmq import Incoming, PeerLimits, SubSocket, ZmqContext
from quantmind.wire.auth import Authenticator, Denial
from quantmind.wire.ingest import TOPIC, IngestFault, decode_tick

logger: Final = logging.getLogger("quantmind.ingest")

DOMAIN: Final = "ingest"
"""The ZAP domain of the socket."""
MAX_FRAME_BYTES: Final = 64 * 1024
"""What the socket takes, so that a frame that is too long is counted; a longer one ends its connection."""
_BY: Final = "/"
"""Between the broker and the key of the token that a connection was let in with; no broker's name has it."""
PEERS: Final = PeerLimits(per_s=4e6, at_once=16e6, all_per_s=16e6, all_at_once=64e6)
"""Bytes that come in: some thirty thousand ticks a second of one terminal."""
HIGH_WATER: Final = 10_000
"""Ticks of one terminal that wait for us, at most; what comes then waits at the terminal, or is lost there."""
BATCH: Final = 32
"""Ticks in one go: some four milliseconds of work with what becomes of them, then commands have a turn."""
PACED_BATCH: Final = 8
"""And beyond the door's share."""
PER_S: Final = 500.0
AT_ONCE: Final = 100.0
"""Ticks of all terminals together that need no turn."""
LOG_EVERY_S: Final = 10.0
REMIND_AFTER_S: Final = 30.0


def open_ingest(context: ZmqContext, host: str, port: int, *, plain: bool) -> SubSocket:
    """Listen for terminals that send ticks; port 0 takes any free one.

    Args:
        plain: lets in whom the context's ZAP handler lets in; else any program of this machine.

    Raises:
        AddressTaken: another program listens there.
        NetError: the address can't be used, or others than this machine reach it and nobody would be asked.
    """
    if not plain and not _is_loopback(host):
        raise NetError(
            f"ticks without credentials are taken on loopback only, and {host} is not: any machine that reaches it "
            "could make up prices; set gateway.data.ingest_auth to plain or gateway.data.host to 127.0.0.1"
        )
    socket = SubSocket.bind(
        context,
        host,
        port,
        max_message_bytes=MAX_FRAME_BYTES,
        high_water=HIGH_WATER,
        plain_domain=DOMAIN if plain else None,
    )
    socket.subscribe(TOPIC)
    socket.watch(DOMAIN, PEERS)
    return socket


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class TickInlet(Protocol):
    """A broker's feed, seen from where its ticks come in."""

    def offer(self, quote: Quote) -> None:
        """Take a tick in, never waiting. Raises IngestFault."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """What became of its ticks, for /status."""
        ...


@attrs.define(eq=False)
class IngestStatistics:
    """For /status: what came, and for each broker why ticks were dropped."""

    received: int = 0
    accepted: dict[str, int] = attrs.field(factory=dict)
    dropped: dict[str, dict[str, int]] = attrs.field(factory=dict)


def plain_judge(authenticator: Authenticator, brokers: Iterable[str]) -> Judge:
    """Who may send ticks: user = a broker with such a feed, password = a token with scope bridge for that broker.

    The token is compared in constant time, before the user is looked at. What a peer sends then names the token, so
    that its ticks end with it though its connection stays.
    """
    names = frozenset(brokers)

    def judge(request: ZapRequest) -> Granted | Denied:
        if request.mechanism != "PLAIN" or len(request.credentials) != 2:
            return Denied("wrong_mechanism")
        user, password = (each.decode("utf-8", "replace") for each in request.credentials)
        identity = authenticator.admit(password, peer=request.address, via="ingest")
        if isinstance(identity, Denial):
            return Denied(identity.reason, again=identity.retry_after_s is not None)
        if not identity.may("bridge"):
            authenticator.count_denied("ingest", "no_scope_bridge", identity.name)
            return Denied("no_scope_bridge")
        if user not in names:
            return Denied("unknown_broker")
        if not identity.reaches(user):
            authenticator.count_denied("ingest", "token_of_another_broker", identity.name)
            return Denied("token_of_another_broker")
        return Granted(f"{user}{_BY}{identity.key}")

    return judge


def _always(_key: str) -> bool:
    return True


@attrs.define
class ZapDoor:
    """The actor that answers who may connect. The questions outlive it: while it is down nobody new gets in."""

    handler: ZapHandler

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        await run_until_stopping(inbox, self.handler.run)


@attrs.define
class IngestDoor:
    """The actor that reads ticks. Socket, feeds and statistics outlive it, so a crash loses at most the tick in hand.

    A tick goes to the feed of the broker that its connection was let in for, whatever is in it.

    Args:
        feeds: the feeds by broker.
        everyone: the broker of all ticks where nobody is asked who they are (`ingest_auth: none`); else None.
        stands: whether the token with this key still opens the door.
        turns: what goes beyond the door's share takes turns there.
    """

    socket: SubSocket
    feeds: Mapping[str, TickInlet]
    everyone: str | None = None
    stands: Callable[[str], bool] = _always
    statistics: IngestStatistics = attrs.field(factory=IngestStatistics)
    turns: Turns = attrs.field(factory=Turns)
    _rarely: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        await run_until_stopping(inbox, self._read, self._remind)

    # Who shows no credentials is turned away by libzmq, which tells us nothing of it.
    async def _remind(self) -> None:
        await trio.sleep(REMIND_AFTER_S)
        for broker in self.feeds:
            if not self.statistics.accepted.get(broker):
                how = f"by PLAIN as user {broker} with a token of scope bridge" if self.everyone is None else "by NULL"
                logger.warning(
                    "wait.ticks broker=%s reason=none was accepted in %g s; a terminal connects to port %d %s",
                    broker,
                    REMIND_AFTER_S,
                    self.socket.port,
                    how,
                )

    async def _read(self) -> None:
        pace = Pace(self.turns, "ingest", PER_S, AT_ONCE)
        while True:
            await self.socket.wait_incoming()
            batch = BATCH
            if pace.spent:
                await pace.turn()
                batch = PACED_BATCH
            taken = self.socket.drain(batch)
            pace.count(len(taken))
            for incoming in taken:
                self.take(incoming)

    def take(self, incoming: Incoming) -> None:
        """Give a tick to its broker's feed, or count why not. Never raises for what came in."""
        self.statistics.received += 1
        broker, key = self.everyone, ""
        if broker is None:
            broker, _, key = incoming.user.partition(_BY)
        feed = self.feeds.get(broker)
        try:
            if feed is None:
                raise IngestFault("unknown_broker", "nobody said who sent it")
            if self.everyone is None and not self.stands(key):
                raise IngestFault("token_gone", "the token that it was let in with has been revoked or has expired")
            if incoming.body is None:
                raise IngestFault("frames", incoming.fault or "a message is a topic and one frame")
            feed.offer(decode_tick(incoming.route[0], incoming.body))
        except IngestFault as fault:
            self._drop(broker if feed is not None else "-", fault)
        # A bug here must not silence every terminal.
        except Exception:
            logger.exception("fail.tick broker=%s", broker)
            self._drop(broker if feed is not None else "-", IngestFault("internal", "it could not be read"))
        else:
            self.statistics.accepted[broker] = self.statistics.accepted.get(broker, 0) + 1

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return {
            **attrs.asdict(self.statistics),
            "socket": attrs.asdict(self.socket.statistics()),
            "brokers": {name: dict(feed.snapshot()) for name, feed in self.feeds.items()},
        }

    def _drop(self, broker: str, fault: IngestFault) -> None:
        dropped = self.statistics.dropped.setdefault(broker, {})
        dropped[fault.reason] = dropped.get(fault.reason, 0) + 1
        count = self._rarely.due((broker, fault.reason), trio.current_time())
        if count:
            logger.warning("drop.tick broker=%s reason=%s count=%d: %s", broker, fault.reason, count, fault.message)
