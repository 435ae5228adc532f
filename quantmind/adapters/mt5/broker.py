"""`BridgedBroker`: an account behind a worker, behind the Broker port."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import attrs
import msgspec
import trio

from quantmind.adapters.mt5.host import Host, Place
from quantmind.adapters.mt5.line import AnswerLost, Line, NotSent, Refusal, Stuck
from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.orders import Absent, Open, Outcome, Placed, Refused, Unknown
from quantmind.domain.retcodes import Retcode
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import Sessions
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable
from quantmind.net.zmq import ZmqContext
from quantmind.ports import Poll, Recovery
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5")

LONGEST_TAG: Final = 16
MOST_TAGS: Final = 1000
ALWAYS_OPEN: Final = Sessions()

T = TypeVar("T", bound=msgspec.Struct)


@attrs.frozen
class Limits:
    """How long a worker may take, in seconds; one that takes longer is stuck, and is ended and started again."""

    connect_s: float = 70.0
    """Reaching the terminal, which may have to be started."""
    order_s: float = 10.0
    query_s: float = 8.0
    recover_s: float = 10.0


@attrs.define(eq=False)
class BridgedBroker:
    """A `quantmind.ports.Broker` whose account is at the other end of a line.

    A call that outlives its limit makes the worker stuck: it is ended, everything else that it was asked for has no
    answer, and the next `connect` starts another. What it was doing is unknown until it is looked up.

    Args:
        name: the broker's name in the configuration.
        host: who runs the worker.
        sessions_of: the hours of a symbol.
        monotonic: seconds of the gateway's clock, for the age of samples.
        account: the number of the account that it must be; None: whichever the worker has.
        retries: so often a question whose answer was lost is asked again. An order never is.
        most_deals: so many come in one answer, the newest.
        settle_s: how long after it was sent a request that the terminal does not know may still get through.
        shared: the worker is somebody else's, so there may be another one with orders of an earlier gateway.
        on_event: told that something has happened to the account, so that it is worth a look.
    """

    name: str
    host: Host
    limits: Limits = attrs.field(factory=Limits)
    sessions_of: Callable[[str], Sessions] = lambda _: ALWAYS_OPEN
    monotonic: Callable[[], float] = trio.current_time
    account: str | None = None
    retries: int = 0
    most_deals: int = bridge.MOST_DEALS
    settle_s: float = 0.0
    shared: bool = False
    on_event: Callable[[], None] = lambda: None
    welcome: bridge.Welcome | None = attrs.field(default=None, init=False)
    """What the worker said of the account when it was reached last."""
    terminal_names: Mapping[str, str] = attrs.field(factory=dict, init=False)
    """Our symbols that the terminal calls otherwise."""
    _context: ZmqContext | None = attrs.field(default=None, init=False)
    _line: Line | None = attrs.field(default=None, init=False)
    _place: Place | None = attrs.field(default=None, init=False)
    _connected: bool = attrs.field(default=False, init=False)
    _anew: bool = attrs.field(default=False, init=False)
    _batch: int = attrs.field(default=0, init=False)
    _earlier_by: float = attrs.field(init=False)
    _began_by: dict[str, float] = attrs.field(factory=dict, init=False)
    """By when an order has begun or never will, by its tag; those of an earlier gateway were sent before this one."""
    _clock_ms: float | None = attrs.field(default=None, init=False)
    """How far the worker's clock is ahead of ours, by which an order ends that has waited too long there."""
    # Not from 0: a bridge may still answer the gateway that was here before this one.
    _last: int = attrs.field(factory=lambda: secrets.randbelow(1 << 40), init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @_earlier_by.default
    def _of_an_earlier_gateway(self) -> float:
        return self.monotonic() + self.settle_s if self.shared else -math.inf

    @property
    def paced(self) -> bool:
        """True: a terminal gives ticks as its market makes them."""
        return True

    def start_feed(self) -> None:
        """Nothing: a terminal waits for nobody."""

    def sessions(self, symbol: str) -> Sessions:
        """The hours of a symbol."""
        return self.sessions_of(symbol)

    async def connect(self) -> Sequence[SymbolSpec]:
        """Start a worker if there is none, reach the terminal, and say what it trades. Safe to repeat.

        Raises:
            BrokerUnavailable: the worker or the terminal can't be reached, or it is another account.
        """
        try:
            line = await self._reach_worker()
            welcome = await self._greet(line, anew=self._anew)
            if self.account is not None and str(welcome.account) != self.account:
                raise BrokerUnavailable(
                    f"the worker has account {welcome.account}, and `account_id` says {self.account}: correct one of "
                    "them"
                )
            asked = bridge.SymbolsGet(id=line.next_id())
            symbols = await line.ask(asked, bridge.Symbols, self.limits.query_s)
        except Refusal as refusal:
            self._connected = False
            raise BrokerUnavailable(str(refusal)) from None
        except (NotSent, AnswerLost) as error:
            self._connected = False
            await self._end_worker(error)
            raise BrokerUnavailable(str(error)) from None
        except BrokerUnavailable:
            self._connected = False
            raise
        self._anew = False
        self.welcome, self.terminal_names = welcome, symbols.terminal_names
        if not self._connected:
            logger.info(
                "connect.terminal broker=%s account=%d server=%s clock=%s",
                self.name,
                welcome.account,
                welcome.server,
                welcome.clock,
            )
        self._connected = True
        return symbols.symbols

    async def poll(self) -> Poll:
        """The ticks since the last poll. Raises BrokerUnavailable.

        Cancelled it loses none: a batch is given again until the next one is asked for.
        """
        ticks = await self._ask(lambda i: bridge.TicksGet(id=i, after=self._batch), bridge.Ticks)
        self._batch = ticks.number
        return Poll(ticks.ticks, ticks.crossed, confirmed=ticks.confirmed)

    async def sample(self) -> Sample:
        """Account, positions and pending orders. Raises BrokerUnavailable.

        It is as old as the question: what the answer holds was true after that.
        """
        taken_at = self.monotonic()
        held = await self._ask(lambda i: bridge.SampleGet(id=i), bridge.Holdings)
        return Sample(self.name, held.account, held.positions, held.orders, taken_at)

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time, oldest first. Raises BrokerUnavailable."""
        found = await self._ask(
            lambda i: bridge.DealsGet(id=i, since_msc=max(0, since_msc), most=self.most_deals), bridge.Deals
        )
        return found.deals

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved order once.

        Cancelled after it was sent it may have been carried out: look it up with `find`.

        Raises:
            BrokerUnavailable: nothing was sent.
        """
        if not 0 < len(tag) <= LONGEST_TAG:
            raise ValueError(f"the tag {tag!r} has {len(tag)} characters, a broker keeps 1 to {LONGEST_TAG}")
        await trio.lowlevel.checkpoint()
        self._open_line()
        if isinstance(order.proposal, Open) and order.proposal.side is None:
            return Refused(int(Retcode.INVALID), "an order that is sent needs a side")
        # A terminal does one thing at a time. What waits here and not there was surely not sent, whatever becomes of
        # the order before it.
        async with self._turn:
            return await self._send_once(order, tag)

    async def _send_once(self, order: Approved, tag: str) -> Outcome:
        outcome = await self._try_to_send(order, tag)
        if outcome is not None:
            return outcome
        # It was said to be late at once, so the two clocks have drifted apart; surely it was not sent.
        try:
            await self._greet(self._open_line(), anew=False)
        except (NotSent, AnswerLost, Refusal) as error:
            raise BrokerUnavailable(f"broker {self.name}: {error}; nothing was sent") from None
        outcome = await self._try_to_send(order, tag)
        if outcome is None:
            raise BrokerUnavailable(f"broker {self.name}: the worker says that the order came too late")
        return outcome

    # None: it came too late, and was not begun.
    async def _try_to_send(self, order: Approved, tag: str) -> Outcome | None:
        line = self._open_line()
        request = bridge.request_of(order, tag, line.next_id(), self._start_by_ms())
        try:
            bridge.check(request)
        except bridge.BridgeFault as fault:
            code = Retcode.INVALID_VOLUME if str(fault).startswith("volume") else Retcode.INVALID_PRICE
            return Refused(int(code), str(fault))
        self._note(tag)
        try:
            return (await line.ask(request, bridge.Result, self.limits.order_s)).outcome()
        except NotSent as error:
            raise BrokerUnavailable(f"broker {self.name}: {error}; nothing was sent") from None
        except Refusal as refusal:
            if refusal.code == bridge.LATE:
                return None
            if refusal.code in (bridge.UNAVAILABLE, bridge.UNAUTHORIZED, bridge.INVALID):
                raise BrokerUnavailable(str(refusal)) from None
            return Unknown(f"the worker failed with it: {refusal}")
        except Stuck as error:
            await self._end_worker(error)
            return Unknown(str(error))
        except (AnswerLost, bridge.BridgeFault) as error:
            return Unknown(str(error))

    async def find(self, tag: str) -> Placed | Absent | None:
        """What the terminal knows of an order by its tag. Raises BrokerUnavailable."""
        found = await self._ask(lambda i: bridge.OrderFind(id=i, tag=tag), bridge.Found)
        try:
            answer = found.answer()
        except bridge.BridgeFault as fault:
            raise BrokerUnavailable(f"broker {self.name}: {fault}") from None
        # Another worker may have been asked than the one that it was sent to, and that one may still begin it.
        # And one that could not write it down is followed by one that knows nothing of it.
        if isinstance(answer, Absent) and self.monotonic() < self._began_by.get(tag, self._earlier_by):
            return None
        return answer

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """Ask for prices again; let the terminal go and reach it again; end the worker and begin anew.

        Raises:
            BrokerUnavailable: it can't be reached now.
        """
        if step is Recovery.RESUBSCRIBE:
            wanted = tuple(symbols)
            await self._ask(lambda i: bridge.FeedRestart(id=i, symbols=wanted), bridge.Nothing, self.limits.recover_s)
            return
        self._anew = True
        if step is Recovery.RESTART:
            await self._end_worker(AnswerLost("the worker is begun anew"))
        else:
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Let the worker end; `connect` starts another. Safe to repeat."""
        self._connected = False
        self._drop_line("the connection was closed")
        context, self._context = self._context, None
        try:
            await self.host.aclose()
        finally:
            if context is not None:
                context.close()

    # --- inside ------------------------------------------------------------------------------------------------

    @property
    def _token(self) -> str:
        return "" if self._place is None else self._place.token

    async def _reach_worker(self) -> Line:
        place = await self.host.start()
        if self._line is None or self._line.closed or place != self._place:
            self._drop_line("there is another worker")
            if self._context is None:
                self._context = ZmqContext()
            self._line = Line(
                place.open(self._context), lambda: self.host.alive, self._last, self.on_event, place.proof
            )
            self._place, self._batch = place, 0
        return self._line

    async def _greet(self, line: Line, *, anew: bool) -> bridge.Welcome:
        hello = bridge.Hello(id=line.next_id(), protocol=bridge.PROTOCOL, token=self._token, anew=anew)
        welcome = await line.reach(hello, bridge.Welcome, self.limits.connect_s)
        line.session = welcome.session
        self._clock_ms = welcome.clock_ms - self.monotonic() * 1000 if welcome.clock_ms else None
        return welcome

    def _note(self, tag: str) -> None:
        self._began_by[tag] = self.monotonic() + self.settle_s
        while len(self._began_by) > MOST_TAGS:
            del self._began_by[next(iter(self._began_by))]

    # The answer to the greeting was under way, so this is early rather than late.
    def _start_by_ms(self) -> int:
        if self._clock_ms is None:
            return 0
        return int(self._clock_ms + (self.monotonic() + self.limits.order_s) * 1000)

    def _open_line(self) -> Line:
        if self._line is None or not self._connected:
            raise BrokerUnavailable(f"broker {self.name} is not connected")
        return self._line

    async def _ask(self, make: Callable[[str], bridge.AnyRequest], kind: type[T], within_s: float | None = None) -> T:
        await trio.lowlevel.checkpoint()
        left = self.retries
        while True:
            line = self._open_line()
            try:
                return await line.ask(make(line.next_id()), kind, self.limits.query_s if within_s is None else within_s)
            except Stuck as error:
                await self._end_worker(error)
                raise BrokerUnavailable(f"broker {self.name}: {error}; it is started again") from None
            except (NotSent, AnswerLost, Refusal) as error:
                if not left or not isinstance(error, AnswerLost):
                    raise BrokerUnavailable(f"broker {self.name}: {error}") from None
            left -= 1

    async def _end_worker(self, why: Exception) -> None:
        self._connected = False
        self._drop_line(str(why))
        await self.host.kill()

    def _drop_line(self, why: str) -> None:
        if self._line is not None:
            self._line.close(why)
            self._last = self._line.last
            self._line = None
