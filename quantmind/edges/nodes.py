"""Other gateways at our command ports: one of our accounts is theirs to trade, and our governor judges each order.

Such a gateway has a broker of type mt5_socket in mode connect and asks what it would ask a worker (docs/protocol.md
section 3). An order becomes a command here, with its tag as the request id: what makes a repeat harmless for an EA
makes it harmless for a gateway.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import attrs
import msgspec
import trio

from actors.boards import Boards, PricedAt
from actors.durable import within
from actors.known import KnownCommands
from actors.runtime import Inbox, run_until_stopping
from quantmind.domain.accounts import Deal, PendingOrder, Position
from quantmind.domain.clock import Clock
from quantmind.domain.order_life import OrderState
from quantmind.domain.orders import Absent, Ending, Outcome, Placed, Refused, Unknown
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.edges.door import Door
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.net.bell import Bell
from quantmind.ports import Broker, Journal
from quantmind.records import OrderRecord
from quantmind.wire import bridge
from quantmind.wire.auth import Identity

logger: Final = logging.getLogger("quantmind.nodes")

MOST_GUESTS: Final = 16
"""Gateways that trade here at a time."""
MOST_WAITING: Final = 64
"""Requests of one of them that wait for their turn."""
STALE_S: Final = 4.0
"""A request that has waited so long for its turn is not begun: whoever asked has given it up."""
IDLE_S: Final = 60.0
"""One that asks nothing for so long has gone."""
READ_WITHIN_S: Final = 2.0
"""A journal that takes longer is as good as down: whoever waits behind it may want to close something."""
MOST_OF_A_TAG: Final = 20
MOST_LOOKUPS: Final = 500
"""Orders that are looked up in the journal for one answer."""
MOST_TAGS: Final = 20_000
"""Tags that are remembered: those of their orders, and those that were said to be absent."""
COMMANDS: Final[Mapping[type[bridge.AnyRequest], str]] = {
    bridge.OrderSend: "trade_open",
    bridge.PositionClose: "trade_close",
    bridge.PositionModify: "trade_modify",
    bridge.OrderCancel: "trade_cancel",
}
_NOT_DONE: Final = frozenset({OrderState.DENIED, OrderState.NOT_SENT, OrderState.REFUSED})
_NOT_YET: Final = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})
BEGUN_S: Final = 60.0
"""An order that was approved so long ago and was not begun will not be."""

Send = Callable[[bytes], bool]
_Tagged = TypeVar("_Tagged", Position, PendingOrder, Deal)

_encoder = msgspec.json.Encoder(decimal_format="number")


class _Refusal(Exception):
    """What is answered in place of what was asked for."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.define(eq=False)
class Guest:
    """A gateway that was let in for one of our brokers, and what it has asked."""

    identity: Identity
    broker: str
    send: Send = attrs.field(repr=False)
    session: str = attrs.field(factory=lambda: secrets.token_urlsafe(16), init=False, repr=False)
    gone: str | None = attrs.field(default=None, init=False)
    """Why it is answered no more; None: it is there."""
    _asked: deque[tuple[float, bytes]] = attrs.field(factory=deque, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    batch: bridge.Ticks = attrs.field(factory=lambda: bridge.Ticks(number=0, ticks=()), init=False)
    given: dict[str, PricedAt] = attrs.field(factory=dict, init=False)
    """The price of each symbol that it knows."""

    @property
    def ea_name(self) -> str:
        """The name that its orders have here."""
        return next(iter(sorted(self.identity.eas)), self.identity.name)

    def ask(self, body: bytes) -> None:
        """A request of it. Never waits; one that asks far more than it waits for is let go."""
        if len(self._asked) >= MOST_WAITING:
            self.leave(f"{MOST_WAITING} requests wait for their turn")
        if self.gone is None:
            self._asked.append((trio.current_time(), body))
            self._news.ring()

    def leave(self, why: str) -> None:
        """It is answered no more. Safe to repeat."""
        if self.gone is None:
            self.gone = why
            self._asked.clear()
            self._news.ring()

    async def next(self) -> tuple[float, bytes] | None:
        """When its next request came (Trio's clock) and what it is; None: there will be none."""
        while not self._asked:
            if self.gone is not None:
                return None
            with trio.move_on_after(IDLE_S) as idle:
                await self._news.wait()
            if idle.cancelled_caught:
                self.leave("it has asked nothing for a minute")
        return self._asked.popleft()


@attrs.define(eq=False)
class NodeStatistics:
    """For /status: what was asked, and how often something else was answered."""

    requests: int = 0
    orders: int = 0
    errors: int = 0


@attrs.define(eq=False)
class NodeHost:
    """The actor that answers other gateways, each in the order that it asks. Guests outlive its incarnations.

    Args:
        brokers: ours, by name.
        known: commands by their ids, whether or not a journal could take them.
        door: takes their orders as commands.
    """

    brokers: Mapping[str, Broker]
    boards: Boards
    journal: Journal
    known: KnownCommands
    door: Door
    clock: Clock
    statistics: NodeStatistics = attrs.field(factory=NodeStatistics)
    guests: list[Guest] = attrs.field(factory=list, init=False)
    _came: trio.Event = attrs.field(factory=trio.Event, init=False)
    _served: set[int] = attrs.field(factory=set, init=False)
    _in_hand: set[str] = attrs.field(factory=set, init=False)
    """Tags of orders whose command has no answer yet."""
    _absent: OrderedDict[tuple[str, str], None] = attrs.field(factory=OrderedDict, init=False)
    """(EA, tag) that was said to be absent: it must not come after that."""
    _lost: dict[tuple[str, str], float] = attrs.field(factory=dict, init=False)
    """(EA, tag) of commands whose answer was lost and of which no record tells: since when that is known."""
    _tags: OrderedDict[tuple[str, str], str] = attrs.field(factory=OrderedDict, init=False)
    """(EA, our order id) → their tag; empty: it is no order of theirs."""

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        self._served.clear()
        await run_until_stopping(inbox, self.door.sweep, self._receive)

    # --- for the gate --------------------------------------------------------------------------------------------

    def arrive(self, identity: Identity, broker: str, send: Send) -> Guest:
        """Let a gateway in; one that had the same token and broker is answered no more.

        Raises:
            OverflowError: there are too many.
        """
        for other in self.guests:
            if (other.identity.key, other.broker) == (identity.key, broker):
                other.leave(bridge.ANOTHER)
        self.guests = [guest for guest in self.guests if guest.gone is None]
        if len(self.guests) >= MOST_GUESTS:
            raise OverflowError(f"{MOST_GUESTS} gateways trade here already")
        guest = Guest(identity, broker, send)
        self.guests.append(guest)
        self._came.set()
        logger.info("accept.node broker=%s token=%s", broker, identity.name)
        return guest

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        here = [{"token": guest.identity.name, "broker": guest.broker} for guest in self.guests if guest.gone is None]
        return {**attrs.asdict(self.statistics), "guests": here}

    # --- one after the other -------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                self._came = trio.Event()
                for guest in self.guests:
                    if id(guest) not in self._served:
                        self._served.add(id(guest))
                        nursery.start_soon(self._serve, guest)
                await self._came.wait()

    async def _serve(self, guest: Guest) -> None:
        try:
            while True:
                asked = await guest.next()
                if asked is None:
                    return
                came_at, body = asked
                answer = await self._answer(guest, came_at, body)
                if guest.gone is None and not guest.send(answer):
                    guest.leave("it has gone, or takes nothing in")
        finally:
            self._served.discard(id(guest))

    async def _answer(self, guest: Guest, came_at: float, body: bytes) -> bytes:
        self.statistics.requests += 1
        request_id = bridge.id_in(body)
        try:
            request = bridge.decode(body)
            if not isinstance(request, bridge.Hello) and not _is_of(guest, request):
                raise _Refusal(bridge.UNAUTHORIZED, "say bridge_hello first, and put its session into each request")
            if trio.current_time() - came_at > STALE_S:
                raise _Refusal(bridge.UNAVAILABLE, f"it waited {STALE_S:g} s for its turn; nothing was done")
            return bridge.encode_reply(request_id, await self._handle(guest, request))
        except bridge.BridgeFault as fault:
            code, why = bridge.INVALID, str(fault)
        except _Refusal as refusal:
            code, why = refusal.code, str(refusal)
        except (BrokerUnavailable, JournalDown) as error:
            code, why = bridge.UNAVAILABLE, str(error)
        except Exception as error:  # a bug here must not end the others
            logger.exception("fail.node broker=%s", guest.broker)
            code, why = bridge.INTERNAL, f"the gateway failed: {type(error).__name__}"
        self.statistics.errors += 1
        return bridge.encode_error(request_id, code, why)

    async def _handle(self, guest: Guest, request: bridge.AnyRequest) -> msgspec.Struct:
        broker = self.brokers[guest.broker]
        match request:
            case bridge.Hello():
                return self._welcome(guest)
            case bridge.SymbolsGet():
                return bridge.Symbols(symbols=tuple(self.boards.catalog.symbols(guest.broker).values()))
            case bridge.TicksGet():
                return self._ticks(guest, request.after)
            case bridge.FeedRestart():
                return bridge.Nothing()  # our own watch looks after our feed
            case bridge.SampleGet():
                sample = await broker.sample()
                return bridge.Holdings(
                    account=sample.account,
                    positions=await self._retagged(guest, sample.positions),
                    orders=await self._retagged(guest, sample.orders),
                )
            case bridge.DealsGet():
                deals = await broker.deals(request.since_msc)
                newest = list(deals)[-max(1, min(request.most, bridge.MOST_DEALS)) :]
                return bridge.Deals(deals=await self._retagged(guest, newest))
            case bridge.OrderFind():
                return bridge.Found.of(await self._find(guest, request.tag))
            case _:
                return bridge.Result.of(await self._trade(guest, request))

    def _welcome(self, guest: Guest) -> bridge.Welcome:
        link = self.boards.links.of(guest.broker)
        specs = self.boards.catalog.symbols(guest.broker)
        if link.sample is None or not specs:
            why = f": {link.feed_error}" if link.feed_error else ""
            raise _Refusal(bridge.UNAVAILABLE, f"broker {guest.broker} is not connected there yet{why}")
        account = link.sample.account
        guest.given.clear()
        return bridge.Welcome(
            protocol=bridge.PROTOCOL,
            account=account.login,
            server=account.server,
            margin_mode="netting" if account.margin_mode == "netting" else "hedging",
            symbols=tuple(specs),
            company="QuantMind",
            session=guest.session,
            clock_ms=_clock_ms(),
        )

    # The newest price of each symbol that has changed since the batch before; those between two questions are not told.
    def _ticks(self, guest: Guest, after: int) -> bridge.Ticks:
        if after == guest.batch.number - 1 and after:
            return guest.batch  # it did not arrive
        if after == 0:
            guest.given.clear()
        ticks: list[Quote] = []
        confirmed: list[str] = []
        for symbol in self.boards.catalog.symbols(guest.broker):
            priced, before = self.boards.prices.read(guest.broker, symbol), guest.given.get(symbol)
            if priced is None:
                continue
            if before is None or before.quote is not priced.quote:
                ticks.append(priced.quote)
            elif before.confirmed_at != priced.confirmed_at:
                confirmed.append(symbol)
            guest.given[symbol] = priced
        ticks.sort(key=lambda quote: quote.time_msc)
        guest.batch = bridge.Ticks(number=guest.batch.number + 1, ticks=tuple(ticks), confirmed=tuple(confirmed))
        return guest.batch

    # --- orders ----------------------------------------------------------------------------------------------------

    async def _trade(self, guest: Guest, request: bridge.AnyRequest) -> Outcome:
        assert isinstance(request, bridge.OrderSend | bridge.PositionClose | bridge.PositionModify | bridge.OrderCancel)
        if (guest.ea_name, request.tag) in self._absent:
            raise _Refusal(bridge.UNAVAILABLE, "it was looked for, and said to be absent; nothing was sent")
        if 0 < request.start_by_ms < _clock_ms():
            raise _Refusal(bridge.LATE, "it came too late: whoever asked has given it up; nothing was sent")
        self.statistics.orders += 1
        reply = await self._asked(guest, request)
        if isinstance(reply.get("order_id"), str):
            self._remember(guest.ea_name, reply["order_id"], request.tag)
        return _outcome(reply)

    # Whoever waits here may be cancelled; the command goes on, and its tag is in hand until it has its answer.
    async def _asked(self, guest: Guest, request: bridge.Trading) -> Mapping[str, Any]:
        done = trio.Event()
        answers: list[Mapping[str, Any]] = []

        def keep(reply: Mapping[str, Any]) -> None:
            self._in_hand.discard(request.tag)
            answers.append(reply)
            done.set()

        self._in_hand.add(request.tag)
        self.door.submit(self._command(guest, request), keep, identity=guest.identity)
        await done.wait()
        return answers[0]

    def _command(self, guest: Guest, request: bridge.AnyRequest) -> bytes:
        asked = {name: getattr(request, name) for name in request.__struct_fields__}
        for name in ("id", "session", "tag", "reduces", "start_by_ms"):
            del asked[name]
        if isinstance(request, bridge.PositionClose):
            asked["close_by"] = asked.pop("by")
        command = {
            "type": COMMANDS[type(request)],
            "ea_name": guest.ea_name,
            "broker": guest.broker,
            "request_id": getattr(request, "tag", None),
            "execute": True,
            "timestamp": self.clock.now(),
            **{name: value for name, value in asked.items() if value is not None},
        }
        return _encoder.encode(command)

    async def _find(self, guest: Guest, tag: str) -> Placed | Absent | None:
        if tag in self._in_hand:
            return None
        # Of any EA: the token may have had another name when the order came, and no two orders have one tag.
        found = await within(self.journal.remembered(tag, None, MOST_OF_A_TAG), READ_WITHIN_S)
        records = [each for each in found if each.broker == guest.broker]
        if not records:
            # What reduces goes out without a journal, too: then it is known in memory alone.
            for entry in self.known.of_id(tag).values():
                if not entry.lost or self._lost_for(guest, tag) < BEGUN_S:
                    return _heard(entry.reply)
            self._absent[guest.ea_name, tag] = None
            while len(self._absent) > MOST_TAGS:
                self._absent.popitem(last=False)
            return Absent()
        record = records[0]
        if record.state is OrderState.APPROVED:
            return None if self.clock.now() - record.at < BEGUN_S else Absent()
        return _found(record)

    def _lost_for(self, guest: Guest, tag: str) -> float:
        now = trio.current_time()
        since = self._lost.setdefault((guest.ea_name, tag), now)
        while len(self._lost) > MOST_TAGS:
            del self._lost[next(iter(self._lost))]
        return now - since

    # --- tags --------------------------------------------------------------------------------------------------------

    # The newest first: of a long history so many are looked up each time, so that nobody waits behind it for long.
    async def _retagged(self, guest: Guest, things: Sequence[_Tagged], most: int = MOST_LOOKUPS) -> tuple[_Tagged, ...]:
        found = []
        for each in reversed(things):
            tag = self._tags.get((guest.ea_name, each.tag)) if each.tag else ""
            if tag is None:
                tag = await self._tag_of(guest, each.tag) if most > 0 else ""
                most -= 1
            found.append(attrs.evolve(each, tag=tag))
        return tuple(reversed(found))

    # Our own tag is the order's id here; theirs is what they asked with.
    async def _tag_of(self, guest: Guest, order_id: str) -> str:
        record = await within(self.journal.order(order_id), READ_WITHIN_S)
        theirs = record.request_id if record is not None and record.ea_name == guest.ea_name else None
        self._remember(guest.ea_name, order_id, theirs or "")
        return theirs or ""

    def _remember(self, ea_name: str, order_id: str, tag: str) -> None:
        self._tags[ea_name, order_id] = tag
        while len(self._tags) > MOST_TAGS:
            self._tags.popitem(last=False)


def _clock_ms() -> int:
    return int(trio.current_time() * 1000)


def _is_of(guest: Guest, request: bridge.AnyRequest) -> bool:
    return secrets.compare_digest(request.session.encode(), guest.session.encode())


def _outcome(reply: Mapping[str, Any]) -> Outcome:
    """What the answer to an order means to who asked. Raises _Refusal: surely nothing was sent, for now."""
    status = reply.get("status")
    if status == "success":
        return _placed(reply)
    if status == "rejected":
        reasons = "; ".join(str(each.get("message")) for each in reply.get("reasons", ()))
        return Refused(int(Retcode.REJECT), f"the governor of that gateway refuses: {reasons}"[:400])
    if status == "error":
        code, message = str(reply.get("code")), str(reply.get("message"))
        if code == "broker_refused":
            return Refused(int(reply.get("retcode") or Retcode.REJECT), message)
        if code in ("busy", "broker_unavailable", "internal", "expired"):
            raise _Refusal(bridge.UNAVAILABLE, message)
        return Refused(int(Retcode.INVALID), message)
    return Unknown(str(reply.get("message") or "that gateway does not know what became of it"))


def _heard(reply: Mapping[str, Any] | None) -> Placed | Absent | None:
    if reply is None or reply.get("status") == "unknown":
        return None
    return _placed(reply) if reply.get("status") == "success" else Absent()


def _found(record: OrderRecord) -> Placed | Absent | None:
    if record.state is OrderState.REFUSED and record.reply is not None and record.reply.get("ended") is not None:
        return _placed(record.reply)  # it waited, and its server took it off
    if record.state in _NOT_DONE:
        return Absent()
    if record.reply is None or record.state in _NOT_YET:
        return None
    return _placed(record.reply)


def _placed(reply: Mapping[str, Any]) -> Placed:
    ended = reply.get("ended")
    return Placed(
        retcode=int(reply.get("retcode") or Retcode.DONE),
        order=int(reply.get("order") or 0),
        ticket=int(reply.get("ticket") or 0),
        price=_decimal(reply.get("price")),
        volume=_decimal(reply.get("volume")),
        profit=_decimal(reply.get("profit")),
        sl=_decimal(reply.get("sl")),
        tp=_decimal(reply.get("tp")),
        pending=bool(reply.get("pending")),
        ended=None if ended is None else Ending(ended),
    )


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
