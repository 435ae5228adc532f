"""Where a bridge that comes by itself is received: an EA in a terminal, or a worker that calls the gateway.

A terminal can't listen, so the bridge connects to the gateway's command port; from then on it is asked as a worker is.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.mt5.line import Peer
from quantmind.errors import BrokerUnavailable
from quantmind.net.bell import Bell
from quantmind.net.errors import PeerGone
from quantmind.net.zmq import Incoming, ZmqContext
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5")

ARRIVES_WITHIN_S: Final = 25.0
"""So long it is waited for a bridge; then the broker is unavailable, and says why."""
MOST_WAITING: Final = 64
"""Messages of one bridge that wait to be read; it is asked a dozen things at once at the most."""
ENDED: Final = 1000

Send = Callable[[bytes], bool]


@attrs.define(eq=False)
class Caller:
    """A bridge that has come: a `quantmind.adapters.mt5.host.Place`. What it says is given to `take`.

    Args:
        account: the number of its account.
        since: when it came, Unix seconds.
    """

    _send: Send
    account: int
    server: str
    since: float
    proof: str = attrs.field(factory=lambda: secrets.token_urlsafe(16), init=False, repr=False)
    """What everything that it says must have in it: nobody else has heard it."""
    received: int = attrs.field(default=0, init=False)
    strange: int = attrs.field(default=0, init=False)
    """Messages without its session, which were not looked at."""
    _said: deque[Incoming] = attrs.field(factory=deque, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    _gone: str | None = attrs.field(default=None, init=False)

    @property
    def token(self) -> str:
        """None is needed: it came to us."""
        return ""

    @property
    def gone(self) -> str | None:
        """Why it is asked no more; None: it is there."""
        return self._gone

    def open(self, context: ZmqContext) -> Peer:
        """The way to it: it is there. What it said to an earlier line is of no use to this one."""
        del context
        self._said.clear()
        return _Way(self)

    # --- for the door it came by -------------------------------------------------------------------------------------

    def take(self, body: bytes) -> None:
        """A message of it. Never waits; one that says far more than it was asked for is let go."""
        if not self.counts(body):
            return
        if len(self._said) >= MOST_WAITING:
            self.leave(f"the bridge said more than it was asked for: {MOST_WAITING} messages wait")
            return
        self._said.append(Incoming((), body, None))
        self.tell()

    def counts(self, body: bytes) -> bool:
        """Whether a message of it is to be looked at: it is asked still, and its session is somewhere in it."""
        self.received += 1
        if self._gone is not None:
            return False
        # It may still answer a gateway that was here before; or somebody else speaks by its name. Whoever reads the
        # message looks where in it that stands.
        if self.proof.encode() in body:
            return True
        self.strange += 1
        return False

    def leave(self, why: str, code: str = bridge.UNAUTHORIZED) -> None:
        """It is asked no more, and told so; who waits for an answer hears that it is lost. Safe to repeat."""
        if self._gone is None:
            self._gone = why
            self._said.clear()
            self.tell()
            self._send(bridge.encode_error(bridge.UNASKED, code, why))

    # --- for the line to it ------------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> bool:
        """Send a message, never waiting; False: it has gone."""
        if self._gone is not None:
            return False
        if not self._send(payload):
            self.leave("the bridge has gone, or takes nothing in")
            return False
        return True

    def said(self) -> list[Incoming]:
        """What has come since the last time. Raises PeerGone: it has left."""
        if self._gone is not None:
            raise PeerGone(ENDED, self._gone)
        said = list(self._said)
        self._said.clear()
        return said

    async def heard(self) -> None:
        """Wait until it says something, or leaves, or `tell` is called."""
        await self._news.wait()

    def tell(self) -> None:
        """Wake who waits."""
        self._news.ring()


@attrs.define(eq=False)
class _Way:
    """One line's way to a caller: a `quantmind.adapters.mt5.line.Peer`."""

    _caller: Caller
    _closed: bool = attrs.field(default=False, init=False)

    def send(self, payload: bytes) -> bool:
        return not self._closed and self._caller.send(payload)

    async def receive_batch(self) -> Sequence[Incoming]:
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            said = self._caller.said()
            if said:
                return said
            await self._caller.heard()

    def close(self) -> None:
        self._closed = True
        self._caller.tell()


@attrs.define(eq=False)
class Berth:
    """The place of one broker's bridge. Whoever comes last has it: a terminal that crashed leaves a dead connection.

    It is a `quantmind.adapters.mt5.host.Host` whose worker somebody else runs.

    Args:
        broker: the broker's name.
        account: the number that it must be; None: any.
    """

    broker: str
    account: str | None = None
    _caller: Caller | None = attrs.field(default=None, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    arrivals: int = attrs.field(default=0, init=False)

    def arrive(self, send: Send, account: int, server: str, now: float) -> Caller:
        """Take in a bridge that may come; the one before it is asked no more.

        Args:
            now: Unix seconds.
        """
        before, caller = self._caller, Caller(send, account, server, now)
        self._caller = caller
        self.arrivals += 1
        if before is not None:
            before.leave(bridge.ANOTHER, bridge.REPLACED)
        self._news.ring()
        logger.info("accept.bridge broker=%s account=%d server=%s", self.broker, account, ascii(server))
        return caller

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        caller = self._caller
        there = caller is not None and caller.gone is None
        return {
            "connected": there,
            "account": None if caller is None else caller.account,
            "since": None if caller is None or not there else round(caller.since, 3),
            "arrivals": self.arrivals,
            "received": 0 if caller is None else caller.received,
            "strange": 0 if caller is None else caller.strange,
        }

    # --- as the host of a worker -------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether a bridge is there, as far as anybody can know."""
        return self._caller is not None and self._caller.gone is None

    async def start(self) -> Caller:
        """The bridge that is there; it is waited for.

        Raises:
            BrokerUnavailable: none has come.
        """
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(ARRIVES_WITHIN_S):
            while self._caller is None or self._caller.gone is not None:
                await self._news.wait()
            return self._caller
        expected = "" if self.account is None else f" with account {self.account}"
        raise BrokerUnavailable(
            f"no bridge has come to broker {self.broker} within {ARRIVES_WITHIN_S:g} s: start the bridge EA in the "
            f"terminal{expected}, or `quantmind mt5-worker --to`, with a token of scope bridge"
        )

    async def kill(self) -> None:
        """Ask the bridge no more: nobody here can end it. It may come again. Safe to repeat."""
        if self._caller is not None:
            self._caller.leave("the bridge did not answer in time")
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Nothing: the bridge stays where it is, and may be asked again."""
        await trio.lowlevel.checkpoint()
