"""What stands before every broker: each call has a deadline, and its end is told to the broker's circuit breaker."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import attrs
import trio

from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.breaker import Breaker, Path
from quantmind.domain.orders import Absent, Outcome, Placed, Refused, Unknown
from quantmind.domain.retcodes import Retcode
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import Sessions
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker, Poll, Recovery

_T = TypeVar("_T")
_OVERLOADED = frozenset({Retcode.TOO_MANY_REQUESTS})
"""Answers that say: leave me alone for a while."""


@attrs.frozen
class Deadlines:
    """How long a broker has for each call, in seconds."""

    connect_s: float = 30.0
    poll_s: float = 10.0
    sample_s: float = 10.0
    deals_s: float = 10.0
    place_s: float = 20.0
    """One that takes longer has left the order unknown, and the next one gets its turn."""
    find_s: float = 10.0
    recover_s: float = 30.0


@attrs.frozen(eq=False)
class GuardedBroker:
    """A `Broker` in front of another one: no call lasts longer than its deadline, and nothing new goes to a broker
    whose breaker is open.

    What reduces risk is sent whatever the breaker says, and so is every call that only looks. A call that was cancelled
    is no failure. Reading deals counts for nothing: an account trades on without its history, and says so.
    """

    inner: Broker
    breaker: Breaker
    deadlines: Deadlines = attrs.field(factory=Deadlines)

    @property
    def name(self) -> str:
        """That of the broker behind it."""
        return self.inner.name

    @property
    def paced(self) -> bool:
        """As the broker behind it."""
        return self.inner.paced

    def start_feed(self) -> None:
        """As the broker behind it."""
        self.inner.start_feed()

    def sessions(self, symbol: str) -> Sessions:
        """As the broker behind it."""
        return self.inner.sessions(symbol)

    async def connect(self) -> Sequence[SymbolSpec]:
        """Reach the broker and say what it trades. Raises BrokerUnavailable."""
        return await self._watched(Path.MARKET, self.inner.connect(), self.deadlines.connect_s, proof=False)

    async def poll(self) -> Poll:
        """The ticks since the last poll. Raises BrokerUnavailable."""
        return await self._watched(Path.MARKET, self.inner.poll(), self.deadlines.poll_s)

    async def sample(self) -> Sample:
        """Account, positions and pending orders. Raises BrokerUnavailable."""
        return await self._watched(Path.ACCOUNT, self.inner.sample(), self.deadlines.sample_s)

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time. Raises BrokerUnavailable."""
        return await _within(self.inner.deals(since_msc), self.deadlines.deals_s)

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved order once; after its deadline it is Unknown.

        Raises:
            BrokerUnavailable: nothing was sent; the breaker refuses it, or the broker can't be reached.
        """
        if not order.reduces:
            refusal = self.breaker.refusal(trio.current_time())
            if refusal is not None:
                raise BrokerUnavailable(refusal)
        outcome: Outcome = Unknown(f"the broker has not answered for {self.deadlines.place_s:g} s")
        try:
            with trio.move_on_after(self.deadlines.place_s):
                outcome = await self.inner.place(order, tag)
        except Exception as exc:
            self._failed(Path.ORDERS, exc)
            raise
        if isinstance(outcome, Unknown):
            self.breaker.failed(Path.ORDERS, outcome.reason, trio.current_time())
        elif isinstance(outcome, Refused) and outcome.retcode in _OVERLOADED:
            self.breaker.failed(Path.ORDERS, outcome.comment, trio.current_time())
        else:
            self.breaker.answered(Path.ORDERS, trio.current_time())
        return outcome

    async def find(self, tag: str) -> Placed | Absent | None:
        """What the broker knows of an order by its tag. Raises BrokerUnavailable."""
        return await self._watched(Path.ORDERS, self.inner.find(tag), self.deadlines.find_s, proof=False)

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """Get a silent feed going again. Raises BrokerUnavailable.

        One that fails counts; that a connection was let go says nothing of whoever was at its other end.
        """
        try:
            await _within(self.inner.recover(step, symbols), self.deadlines.recover_s)
        except Exception as exc:
            self._failed(Path.MARKET, exc)
            raise

    async def aclose(self) -> None:
        """Let the connection go."""
        await self.inner.aclose()

    async def _watched(self, path: Path, call: Awaitable[_T], within_s: float, *, proof: bool = True) -> _T:
        try:
            result = await _within(call, within_s)
        except Exception as exc:
            self._failed(path, exc)
            raise
        self.breaker.answered(path, trio.current_time(), proof=proof)
        return result

    def _failed(self, path: Path, error: Exception) -> None:
        reason = str(error) if isinstance(error, BrokerUnavailable) else repr(error)
        self.breaker.failed(path, reason, trio.current_time())


async def _within(call: Awaitable[_T], within_s: float) -> _T:
    try:
        with trio.fail_after(within_s):
            return await call
    except trio.TooSlowError:
        raise BrokerUnavailable(f"it did not answer within {within_s:g} s") from None
