"""What the exchange tells of an account: spot over the WebSocket API, futures by a listen key.

`opened`, `said` and `lost` are told at once, in order. After a gap the account has to be read anew; a planned
replacement has none, but tells some things twice.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol

import attrs
import msgspec
import trio

from quantmind.adapters.binance import futures_events, futures_wire, spot_events
from quantmind.adapters.binance.errors import BinanceError, NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.faults import WireFault
from quantmind.adapters.binance.http import Api
from quantmind.adapters.binance.records import BalancesSaid, Ended, OrderSaid, OtherSaid, UserEvent
from quantmind.adapters.binance.refusals import is_ban, is_of_key, printable
from quantmind.adapters.binance.signing import Signer, signed_params
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import Attempts, Live, Shutdown, StreamLine
from quantmind.adapters.binance.ws_wire import WsReply, ws_reply
from quantmind.errors import BrokerUnavailable
from quantmind.net.errors import NetError

logger: Final = logging.getLogger("quantmind.binance")

SUBSCRIBES_WITHIN_S: Final = 8.0
CONNECT_WEIGHT: Final = 2
SUBSCRIBE_WEIGHT: Final = 2
KEEP_ALIVE_S: Final = 30 * 60.0
"""A listen key ends an hour after it was used last (futures docs)."""
KEEP_ALIVE_RETRY_S: Final = 60.0
LONGEST_SAID: Final = 200
_LISTEN_KEY: Final = "/fapi/v1/listenKey"
_NO_SUCH_KEY: Final = -1125
_BAD_TIME: Final = -1021
_SHUTDOWN: Final = "serverShutdown"


class Dialect(Protocol):
    """How one of the two exchanges is subscribed to."""

    expired: Callable[[str], None]
    """Called when the subscription is found to be over, and why."""

    async def address(self) -> str:
        """The URL of a new connection. Raises BinanceError."""
        ...

    async def begin(self, live: Live) -> None:
        """What must be said on it first. Raises BinanceError."""
        ...

    def hear(self, body: bytes, live: Live) -> UserEvent | None:
        """A message; None: it is no event. Raises WireFault."""
        ...

    async def keep(self) -> None:
        """What has to be done again and again, until cancelled."""
        ...


@attrs.define(eq=False)
class SpotDialect:
    """`userDataStream.subscribe.signature`: any kind of key, no listen key (retired 2026-02-20).

    Args:
        url: of the WebSocket API.
    """

    url: str
    signer: Signer
    api: Api
    expired: Callable[[str], None] = lambda _: None
    _ids: Any = attrs.field(factory=lambda: itertools.count(1), init=False)
    _waiting: dict[str, list[WsReply]] = attrs.field(factory=dict, init=False)

    async def address(self) -> str:
        """Always the same. Raises NotSent: whoever is banned and goes on is banned for longer."""
        await trio.lowlevel.checkpoint()
        self.api.budget.admit(CONNECT_WEIGHT, reserve=True)
        return self.url

    async def begin(self, live: Live) -> None:
        """Subscribe, and wait for the answer."""
        self.api.budget.admit(SUBSCRIBE_WEIGHT, reserve=True)
        request_id = f"subscribe-{next(self._ids)}"
        params = signed_params(self.signer, {}, self.api.clock.now_ms(), self.api.recv_window_ms)
        asked = {"id": request_id, "method": "userDataStream.subscribe.signature", "params": params}
        replies = self._waiting[request_id] = []
        connection = live.connection
        assert connection is not None
        try:
            await connection.send(msgspec.json.encode(asked).decode())
            with trio.move_on_after(SUBSCRIBES_WITHIN_S):
                while not replies:
                    await live.stirred.wait()
        except NetError as error:
            raise NotSent(str(error)) from None
        finally:
            del self._waiting[request_id]
        if not replies:
            raise OutcomeUnknown(f"the subscription was not answered within {SUBSCRIBES_WITHIN_S:g} s")
        if replies[0].status != 200:
            raise Refusal(replies[0].code, f"the account's stream was refused: {replies[0].said}", replies[0].status)

    def hear(self, body: bytes, live: Live) -> UserEvent | None:
        """An event, or the answer to a subscription."""
        reply = ws_reply(body)
        if reply is None:
            return spot_events.user_event(body)
        for used in reply.used:
            self.api.budget.counted(used.kind, used.interval, used.number, used.count, self.api.budget.clock())
        if is_ban(reply.status):
            self.api.budget.refused(reply.status, reply.code, None, reply.said)
        if reply.code == _BAD_TIME:
            self.api.clock.refused()
        waiting = self._waiting.get(str(reply.id))
        if waiting is not None:
            waiting.append(reply)
            live.stir()
        elif reply.id is None and reply.status != 200:
            # It answers nothing: the key has become invalid, and the stream tells nothing any more.
            live.end(f"the exchange says: {printable(reply.said)} ({reply.code})"[:LONGEST_SAID])
        return None

    async def keep(self) -> None:
        """Nothing: a subscription lives as long as its connection."""
        await trio.sleep_forever()


@attrs.define(eq=False)
class FuturesDialect:
    """`listenKey` over REST, and a private path that has it in its name.

    Args:
        base: of the streams.
    """

    base: str
    api: Api
    expired: Callable[[str], None] = lambda _: None

    async def address(self) -> str:
        """Ask for a key: the one that there is, if it lives still."""
        body = await self.api.call("POST", _LISTEN_KEY, {}, keyed=True, reserve=True)
        return f"{self.base}/private/ws/{futures_wire.listen_key(body)}"

    async def begin(self, live: Live) -> None:
        """Nothing: the address says it all."""
        del live
        await trio.lowlevel.checkpoint()

    def hear(self, body: bytes, live: Live) -> UserEvent | None:
        """An event."""
        del live
        return futures_events.user_event(body)

    async def keep(self) -> None:
        """Say that the key is in use."""
        pause = KEEP_ALIVE_S
        while True:
            await trio.sleep(pause)
            try:
                with trio.fail_after(SUBSCRIBES_WITHIN_S):
                    await self.api.call("PUT", _LISTEN_KEY, {}, keyed=True, reserve=True)
                pause = KEEP_ALIVE_S
            except (BinanceError, trio.TooSlowError) as error:
                pause = KEEP_ALIVE_RETRY_S
                if isinstance(error, Refusal) and error.code == _NO_SUCH_KEY:
                    pause = KEEP_ALIVE_S
                    self.expired("its listen key has ended")
                logger.warning("fail.listen_key reason=%s", ascii(str(error)))


@attrs.define(eq=False)
class UserStream:
    """Of one account."""

    dialect: Dialect
    strange: Strange
    attempts: Attempts
    on_open: Callable[[], None] = lambda: None
    on_event: Callable[[UserEvent], None] = lambda _: None
    line_settings: dict[str, Any] = attrs.field(factory=dict)
    line: StreamLine = attrs.field(init=False)
    events: int = attrs.field(default=0, init=False)
    faults: int = attrs.field(default=0, init=False)
    """Messages that could not be read: an event may be among them, so the account is read anew."""

    def __attrs_post_init__(self) -> None:
        self.line = StreamLine(
            "account",
            self.dialect.address,
            self._listen,
            self.attempts,
            begin=self.dialect.begin,
            on_open=self._opened,
            **self.line_settings,
        )
        self.dialect.expired = self.line.restart

    async def run(self) -> None:
        """Keep it up until cancelled. Never raises for trouble of the network."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.line.run)
            nursery.start_soon(self.dialect.keep)

    @property
    def lost(self) -> str | None:
        """Why nothing is told now; None: it is open."""
        return self.line.lost

    async def opened(self) -> None:
        """Wait until it is open. Raises Refusal: the exchange does not take the key; it is tried again all the same."""
        while self.line.lost is not None:
            refusal = self.line.refusal
            if refusal is not None and is_of_key(refusal):
                raise Refusal(refusal.code, refusal.said, refusal.status)
            await self.line.news()

    def restart(self, why: str) -> None:
        """Let the connection go, and make another."""
        self.line.restart(why)

    async def prove(self) -> None:
        """Make sure that all has been heard that was told until now. Callers bound it. Raises BrokerUnavailable."""
        try:
            await self.line.prove()
        except NotSent as error:
            raise BrokerUnavailable(str(error)) from None

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return {**self.line.snapshot(), "events": self.events, "faults": self.faults}

    def _opened(self) -> None:
        self.on_open()

    def _listen(self, body: bytes, live: Live) -> Hashable:
        try:
            event = self.dialect.hear(body, live)
        except WireFault as fault:
            self.faults += 1
            logger.error("fail.event reason=%s", ascii(str(fault)))
            self.on_open()  # whatever it was is in the next snapshot
            return None
        if event is None:
            return None
        self.events += 1
        if isinstance(event, OrderSaid | BalancesSaid | OtherSaid):
            self.strange.look(event)
        if isinstance(event, OtherSaid) and event.kind == _SHUTDOWN:
            return Shutdown
        self.on_event(event)
        if isinstance(event, Ended):
            live.end(event.why)
        return None
