"""`MockBroker`: a paper account behind the Broker port."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.faults import Faults
from quantmind.adapters.mock.feed import Feed
from quantmind.adapters.mock.persist import AccountFileDown, Persistence
from quantmind.adapters.mock.recordings import ReplayError
from quantmind.adapters.mock.report import Reporter
from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.orders import Absent, Outcome, Placed, Refused, Unknown
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import Sessions
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery

_log = logging.getLogger(__name__)

_LONGEST_TAG = 16
_MOST_DEALS = 10_000


class MockBroker:
    """A `quantmind.ports.Broker` that trades on paper.

    Orders fill at the last tick that `poll` gave out: what a client saw is what it trades on. Each tick passes the
    account's stops and waiting orders before it goes out. Nothing here is torn by cancellation: the account changes
    between two checkpoints, and a call that was cancelled before its change did nothing.

    Args:
        monotonic: seconds of the gateway's clock, for the pace of the feed and the age of samples.
        clock: Unix seconds, where the account's time goes on without ticks; None: only ticks say what time it is, as
            in a recording.
        persistence: keeps the account over restarts; what a call answers is on disk by then. None: nothing is kept.

    Attributes:
        account: the account itself, to look at.
        faults: switches for tests.
    """

    def __init__(
        self,
        *,
        name: str,
        account: PaperAccount,
        feed: Feed,
        monotonic: Callable[[], float] = trio.current_time,
        clock: Callable[[], float] | None = None,
        persistence: Persistence | None = None,
    ) -> None:
        self.account = account
        self.faults = Faults()
        self._name = name
        self._feed = feed
        self._monotonic = monotonic
        self._clock = clock
        self._persistence = persistence
        self._connected = False
        self._begun = False
        self._reporter = Reporter(name, account)

    @property
    def name(self) -> str:
        """The broker's name in the configuration."""
        return self._name

    @property
    def feed(self) -> Feed:
        """Where its prices come from."""
        return self._feed

    @property
    def paced(self) -> bool:
        """False while the feed gives as much as is taken."""
        return self._feed.paced

    def start_feed(self) -> None:
        """Begin a replay that waits for its first subscriber. Safe to repeat."""
        self._feed.start()

    def sessions(self, symbol: str) -> Sessions:
        """The hours of the configuration."""
        return self.account.terms_of(symbol).sessions

    async def connect(self) -> Sequence[SymbolSpec]:
        """Open the feed. Safe to repeat: a feed goes on where it was.

        Raises:
            BrokerUnavailable: a replay's file is missing, unreadable, or turned out bad.
        """
        await trio.lowlevel.checkpoint()
        if self.faults.connect_delay_s > 0:
            await trio.sleep(self.faults.connect_delay_s)
        _fail(self.faults.connect_error)
        try:
            self._feed.open()
        except ReplayError as exc:
            raise BrokerUnavailable(str(exc)) from exc
        self._connected = True
        return tuple(self.account.market.specs.values())

    async def poll(self) -> Poll:
        """The ticks since the last poll, after they have passed the account's stops.

        Raises:
            BrokerUnavailable: not connected, or the replay stopped at a bad line.
        """
        await trio.lowlevel.checkpoint()
        self._check(self.faults.poll_error)
        if self.faults.poll_silent:
            return Poll(())
        try:
            step = self._feed.advance(self._monotonic())
        except ReplayError as exc:
            raise BrokerUnavailable(str(exc)) from exc
        if self._clock is None and step.quotes and not self._begun:
            # A kept account may come from the end of a recording, or from another one. Later than its ticks, it
            # would stand still: a market that was closed stays closed, and no swap falls due.
            self.account.begin_at(step.quotes[0].time_msc)
            self._begun = True
        tick = self.account.tick
        for quote in step.quotes:
            deals = tick(quote)
            if deals:
                self._reporter.report_deals(deals)
        self._pass_time()
        self._reporter.report()
        quotes, silent = step.quotes, self.faults.silent_symbols
        if silent:
            quotes = [quote for quote in quotes if quote.symbol not in silent]
        return Poll(quotes, step.crossed, step.ended)

    async def sample(self) -> Sample:
        """Account and positions at the last ticks given out. Raises BrokerUnavailable."""
        await trio.lowlevel.checkpoint()
        self._check(self.faults.sample_error)
        sample = Sample(
            broker=self._name,
            account=self.account.state(),
            positions=self.account.positions(),
            orders=self.account.orders(),
            taken_at=self._monotonic(),
        )
        await self._keep()
        return sample

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time, oldest first. Raises BrokerUnavailable.

        Where a recording began anew, those that were made after it did are among them, though their time is earlier.
        """
        await trio.lowlevel.checkpoint()
        self._check(self.faults.sample_error)
        deals = self.account.latest_deals(_MOST_DEALS)
        first = next((number for number, deal in enumerate(deals) if deal.time_msc >= since_msc), len(deals))
        deals = deals[first:]
        await self._keep()
        return deals

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved order once, at the last tick given out.

        Cancelled before its first checkpoint is over it did nothing; after that it has been carried out.

        Raises:
            BrokerUnavailable: nothing was sent.
        """
        if not 0 < len(tag) <= _LONGEST_TAG:
            raise ValueError(f"the tag {tag!r} has {len(tag)} characters, a broker keeps 1 to {_LONGEST_TAG}")
        await trio.lowlevel.checkpoint()
        faults = self.faults
        self._check(faults.place_error)
        if self._persistence is not None and self._persistence.down is not None:
            await self._keep()
        unknown, delay_s = faults.place_unknown, faults.place_delay_s
        outcome: Outcome = (
            Unknown("the request was lost on its way") if unknown == "lost" else self._carry_out(order, tag)
        )
        if isinstance(outcome, Placed):
            try:
                await self._keep()
            except BrokerUnavailable as exc:
                # It was carried out, and a restart may not know of it: `find` says so once it is on disk.
                outcome = Unknown(str(exc))
        if unknown == "executed":
            outcome = Unknown("the answer to the request was lost")
        if delay_s > 0:
            await trio.sleep(delay_s)
        return outcome

    async def find(self, tag: str) -> Placed | Absent | None:
        """What the account knows of an order by its tag. Raises BrokerUnavailable."""
        await trio.lowlevel.checkpoint()
        self._check(self.faults.find_error)
        if self.faults.find_blind:
            return None
        found = self.account.find(tag) or Absent()
        await self._keep()
        return found

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """Nothing: the account is in this process, and its feed has no connection that could hang.

        Raises:
            BrokerUnavailable: a switch of `faults` says so.
        """
        del symbols
        await trio.lowlevel.checkpoint()
        faults = self.faults
        _fail(faults.recover_error)
        if faults.cured_by is step:
            faults.poll_silent, faults.silent_symbols = False, frozenset()

    async def aclose(self) -> None:
        """Let the feed's file go, and that of the account after its last prices are in it. Safe to repeat.

        `connect` goes on where it was.
        """
        self._connected = False
        self._feed.close()
        if self._persistence is None:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._persistence.aclose(self.account)
        except AccountFileDown as exc:
            _log.error("fail.save broker=%s reason=%s", self._name, exc)

    async def _keep(self) -> None:
        if self._persistence is None:
            return
        try:
            await self._persistence.save(self.account)
        except AccountFileDown as exc:
            raise BrokerUnavailable(f"broker {self._name}: {exc}") from exc

    def _carry_out(self, order: Approved, tag: str) -> Placed | Refused:
        # An order that has expired by now must not be changed, nor one placed into a session that is over.
        self._pass_time()
        outcome = self.account.carry_out(order.proposal, tag)
        self._reporter.report()
        return outcome

    def _check(self, fault: str | None) -> None:
        _fail(fault)
        if not self._connected:
            raise BrokerUnavailable(f"broker {self._name} is not connected")

    def _pass_time(self) -> None:
        if self._clock is None:
            return
        deals = self.account.pass_time(int(self._clock() * 1000))
        if deals:
            self._reporter.report_deals(deals)


def _fail(fault: str | None) -> None:
    if fault is not None:
        raise BrokerUnavailable(fault)
