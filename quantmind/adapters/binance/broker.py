"""One Binance account behind `quantmind.ports.Broker`.

Its connections are kept up by `run`, which an actor of the tree runs; the calls of the port look at what they brought.
The account is the book's: what the user stream told since a snapshot. Before each answer it is made sure that the
stream still tells (a ping and its pong on the same connection), and that trades and wallets fit together.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.book import Book
from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.desk import Desk
from quantmind.adapters.binance.errors import BinanceError
from quantmind.adapters.binance.finder import Finder
from quantmind.adapters.binance.http import Api
from quantmind.adapters.binance.keeper import StopKeeper
from quantmind.adapters.binance.market_feed import MarketFeed
from quantmind.adapters.binance.records import BalancesSaid, LeverageSaid, OrderSaid, UserEvent
from quantmind.adapters.binance.refusals import words_of
from quantmind.adapters.binance.rules import Rules, spec_of
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.upkeep import Upkeep
from quantmind.adapters.binance.user_stream import UserStream
from quantmind.adapters.binance.venue import Venue
from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.orders import Absent, Outcome, Placed
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import Sessions
from quantmind.domain.symbols import SymbolSpec
from quantmind.errors import BrokerUnavailable
from quantmind.net.bell import Bell
from quantmind.ports import Poll, Recovery

logger: Final = logging.getLogger("quantmind.binance")

SETTLES_S: Final = 1.0
"""So long it is waited until wallets and trades fit together; then the account is read anew."""
READS: Final = 3
"""So often it is read until they do."""
PROOF_S: Final = 3.0
"""A ping on the user stream is answered within this, or the stream is taken for dead."""
OPENS_WITHIN_S: Final = 15.0
GAP_S: Final = 2.0
"""So long the market's streams may be away, while they are connected anew, before it is told."""
BEGINS_WITHIN_S: Final = 2.0
RULES_EVERY_S: Final = 900.0
"""Between two looks whether the exchange has changed the rules of a symbol."""

Seed = tuple[Decimal, Decimal, int]
"""Bid and ask as they were asked for, and when: Unix milliseconds of the exchange, not later than it was."""


@attrs.define(eq=False)
class BinanceBroker:
    """A `quantmind.ports.Broker` over a spot or a futures account.

    Args:
        server: where the exchange is, for people.
        symbols: those that are to be followed; what the exchange does not trade of them is left out, and told.
        seeds: what was asked for by symbol, see `price_of`; the book reads them, too.
        strange: words of the exchange that are new to us.
        measure: measures the exchange's clock. Raises BinanceError.
        monotonic: seconds.
    """

    name: str
    server: str
    symbols: Sequence[str]
    venue: Venue
    book: Book
    desk: Desk
    finder: Finder
    keeper: StopKeeper
    api: Api
    clock: ServerClock
    feed: MarketFeed
    user: UserStream
    upkeep: Upkeep
    rules: dict[str, Rules]
    seeds: dict[str, Seed]
    strange: Strange
    measure: Callable[[], Awaitable[None]]
    monotonic: Callable[[], float] = trio.current_time
    on_event: Callable[[], None] = lambda: None
    """Told that something has happened to the account."""
    missing: list[str] = attrs.field(factory=list, init=False)
    """Symbols that the exchange does not trade, by its rules as they were read last."""
    _wanted: bool = attrs.field(default=False, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    _running: bool = attrs.field(default=False, init=False)
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)
    _connected: bool = attrs.field(default=False, init=False)
    _was_connected: bool = attrs.field(default=False, init=False)
    """Whether the account was read since this process began."""
    _reading: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _reads: int = attrs.field(default=0, init=False)
    _feed_held_at: float = attrs.field(default=-math.inf, init=False)
    _lost: str = attrs.field(default="it was not connected yet", init=False)

    @property
    def followed(self) -> list[str]:
        """Those of its symbols that the exchange trades, as far as its rules were read."""
        return [symbol for symbol in self.symbols if symbol in self.rules]

    @property
    def paced(self) -> bool:
        """True: the exchange gives ticks as its market makes them."""
        return True

    def start_feed(self) -> None:
        """Nothing: an exchange waits for nobody."""

    def sessions(self, symbol: str) -> Sessions:
        """Always open."""
        del symbol
        return Sessions()

    # --- the connections ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the connections up while they are wanted, until cancelled. Never raises for trouble of the network."""
        self._running = True
        self._news.ring()
        try:
            while True:
                while not self._wanted:
                    await self._news.wait()
                async with trio.open_nursery() as nursery:
                    self._scope = nursery.cancel_scope
                    nursery.start_soon(self.feed.run)
                    nursery.start_soon(self.user.run)
                    nursery.start_soon(self.keeper.run)
                    nursery.start_soon(self.upkeep.run)
                    nursery.start_soon(self._watch_rules)
                self._scope = None
        finally:
            self._running, self._scope = False, None

    async def connect(self) -> Sequence[SymbolSpec]:
        """Reach the exchange, read its rules and the account. Safe to repeat.

        Raises:
            BrokerUnavailable: it can't be reached, or a symbol is not traded there.
        """
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(BEGINS_WITHIN_S):
            while not self._running:
                await self._news.wait()
        if not self._running:
            raise BrokerUnavailable(f"broker {self.name}: nobody keeps its connections up yet; it is tried again")
        try:
            with self._unavailable():
                if not self.clock.is_measured:
                    await self.measure()
                specs = await self.read_rules()
                await self.venue.prepare(self.followed)
                await self.read_prices()
            self.book.trades({spec.name: spec for spec in specs})
            self._wanted = True
            self._news.ring()
            await self._opened()
            await self._settled()
        except BrokerUnavailable as error:
            self._connected, self._lost = False, str(error).removeprefix(f"broker {self.name}: ")
            raise
        if not self._connected:
            logger.info("connect.exchange broker=%s server=%s login=%d", self.name, self.server, self.book.login)
        self._connected = self._was_connected = True
        return specs

    async def aclose(self) -> None:
        """Let the connections go; `connect` makes others. Safe to repeat."""
        self._connected, self._wanted, self._lost = False, False, "the connection was closed"
        self._feed_held_at = -math.inf
        if self._scope is not None:
            self._scope.cancel()
        await self.api.aclose()
        await trio.lowlevel.checkpoint()

    # --- the port ----------------------------------------------------------------------------------------------------

    async def poll(self) -> Poll:
        """The ticks since the last poll. Raises BrokerUnavailable: the market's streams are lost."""
        await trio.lowlevel.checkpoint()
        self._open()
        lost, now = self.feed.lost, trio.current_time()
        if lost is None:
            self._feed_held_at = now
        elif self.user.lost is not None or now - self._feed_held_at > GAP_S:
            raise BrokerUnavailable(f"broker {self.name}: {lost}")
        crossed = self.feed.merger.take_crossed()
        return Poll(self.feed.merger.take(), crossed, confirmed=self.feed.confirmed())

    async def sample(self) -> Sample:
        """Account, positions and pending orders. Raises BrokerUnavailable.

        It is as old as the question.
        """
        await trio.lowlevel.checkpoint()
        self._open()
        taken_at = self.monotonic()
        await self._proved()
        await self._settled()
        if self.feed.lost is not None:
            await self._ask_prices()
            await self._settled()  # that took a while
        return attrs.evolve(self.book.sample(taken_at), unprotected=self.keeper.unprotected())

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time, oldest first. Raises BrokerUnavailable."""
        await trio.lowlevel.checkpoint()
        self._open()
        await self._proved()
        await self._settled()
        return self.book.deals(since_msc)

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved order once. What reduces risk is sent though streams are away, or are being connected
        anew: requests have connections of their own.

        Raises:
            BrokerUnavailable: nothing was sent.
        """
        await trio.lowlevel.checkpoint()
        if not (order.reduces and self._was_connected):
            self._open()
            if self.user.lost is not None:
                raise BrokerUnavailable(f"broker {self.name}: {self.user.lost}; nothing was sent")
        return await self.desk.place(order, tag)

    async def find(self, tag: str) -> Placed | Absent | None:
        """What the exchange knows of an order by its tag. Raises BrokerUnavailable."""
        await trio.lowlevel.checkpoint()
        self._open()
        await self._settled()
        return await self.finder.find(tag)

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """Subscribe again; let all connections go. Raises BrokerUnavailable."""
        await trio.lowlevel.checkpoint()
        if step is Recovery.RESUBSCRIBE:
            self._open()
            self.feed.restart(symbols)
            return
        await self.aclose()

    # --- for /status -------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """How its connections, clock, budget and stops stand."""
        return {
            "connected": self._connected,
            "market": self.feed.snapshot(),
            "user": self.user.snapshot(),
            "clock": self.clock.snapshot(),
            "budget": self.api.budget.snapshot(),
            "requests": self.api.snapshot(),
            "stops": self.keeper.snapshot(),
            "reads": self._reads,
            "silent_deaths": self.upkeep.silent_deaths,
            "settings_unset": list(self.venue.unset),
            "symbols_missing": list(self.missing),
            "not_counted": list(self.book.not_counted),
            "strange": self.strange.snapshot(),
        }

    # --- what the user stream says -----------------------------------------------------------------------------------

    def opened(self) -> None:
        """Its stream has begun."""
        self.book.begin_stream()

    def said(self, event: UserEvent) -> None:
        """It has said something."""
        if isinstance(event, LeverageSaid):
            self.book.levered(event.symbol, event.leverage)
        if isinstance(event, OrderSaid | BalancesSaid):
            self.book.take(event)
            self.on_event()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if not self._connected:
            raise BrokerUnavailable(f"broker {self.name}: {self._lost}")

    async def _opened(self) -> None:
        with trio.move_on_after(OPENS_WITHIN_S), self._unavailable():
            await self.user.opened()
            await self.feed.opened()
            return
        why = self.user.lost or self.feed.lost or "its streams do not open"
        raise BrokerUnavailable(f"broker {self.name}: {why}")

    async def _proved(self) -> None:
        try:
            with trio.fail_after(PROOF_S):
                await self.user.prove()
        except trio.TooSlowError:
            self.user.restart(f"no pong within {PROOF_S:g} s")
            raise BrokerUnavailable(
                f"broker {self.name}: the account's stream at {self.server} does not answer"
            ) from None

    # Without its streams positions are worth what the exchange says when it is asked, or nothing is told of them.
    async def _ask_prices(self) -> None:
        with self._unavailable(), trio.move_on_after(PROOF_S) as patience:
            await self.read_prices()
        if patience.cancelled_caught:
            raise BrokerUnavailable(f"broker {self.name}: {self.feed.lost}, and prices can't be asked for")

    # Until what is told fits together; read anew where it does not by itself.
    async def _settled(self) -> None:
        for _ in range(READS):
            if self.user.lost is not None:
                raise BrokerUnavailable(f"broker {self.name}: {self.user.lost}")
            if not self.book.synced or self.book.overrun:
                await self._read()
            with trio.move_on_after(SETTLES_S):
                while self.book.synced and not self.book.overrun and self.book.unsettled() is not None:
                    await self.book.news()
            if self.book.unsettled() is None:
                return
            if self.book.synced:  # else it is about to be read, and who does that must not be made to begin again
                self.book.begin_stream()
        why = self.book.unsettled()
        raise BrokerUnavailable(f"broker {self.name}: the account does not add up: {why}")

    async def reread(self) -> None:
        """Read the account anew; trouble is told by the next sample."""
        self.book.begin_stream()
        try:
            await self._read()
        except BrokerUnavailable as error:
            logger.warning("fail.read broker=%s reason=%s", self.name, ascii(str(error)))

    async def _read(self) -> None:
        async with self._reading:
            if self.book.synced and not self.book.overrun:
                return
            if self.book.overrun:
                self.book.begin_stream()
            self._reads += 1
            with self._unavailable():
                await self.venue.snapshot(self.book, self.followed)
            for order in self.book.orders:
                self.strange.look(order)

    async def read_prices(self) -> None:
        """Read bid and ask of each symbol, for as long as no stream tells them. Raises BinanceError."""
        at_msc = self.clock.now_ms()
        for symbol, bid, ask in await self.venue.prices(self.followed):
            self.seeds[symbol] = (bid, ask, at_msc)

    async def read_rules(self) -> list[SymbolSpec]:
        """Read the exchange's rules of the symbols. One that it does not trade is left out, and logged.

        Raises:
            BrokerUnavailable: it trades none of them, or no more one that this gateway has positions or orders of, or
                one of them is paid in another currency.
        """
        rules = await self.venue.rules(self.symbols)
        missing = [symbol for symbol in self.symbols if symbol not in rules]
        if missing and (not rules or self._in_use(missing)):
            raise BrokerUnavailable(f"broker {self.name}: {self.not_traded(missing)}")
        if missing and missing != self.missing:
            logger.error("miss.symbols broker=%s reason=%s", self.name, ascii(self.not_traded(missing)))
        self.missing = missing
        for rule in rules.values():
            self.strange.look(rule)
        specs = [spec_of(rules[symbol]) for symbol in self.symbols if symbol in rules]
        for spec in specs:
            if spec.currency_profit != self.book.currency:
                raise BrokerUnavailable(
                    f"broker {self.name}: {spec.name} is paid in {spec.currency_profit}, and the account is kept in "
                    f"{self.book.currency}: take it out of `symbols`, or give it a broker with that `currency`"
                )
        self.rules.clear()
        self.rules.update(rules)
        return specs

    # Those of which this gateway has a position or an order.
    def _in_use(self, symbols: Iterable[str]) -> list[str]:
        kept = {item.symbol for item in self.book.carried.items.values()}
        return sorted(kept.intersection(symbols))

    def not_traded(self, symbols: Sequence[str]) -> str:
        """What is told of symbols that the exchange does not trade."""
        return f"{self.server} does not trade {', '.join(symbols)}: correct `symbols`"

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except BinanceError as error:
            raise BrokerUnavailable(f"broker {self.name}: {words_of(error)}") from None

    # Price steps change, and symbols are closed, while we run. Whoever connects next is told of it. A symbol that is
    # gone though something is open there would keep all others from being connected: it waits for whoever sees to it.
    async def _watch_rules(self) -> None:
        while True:
            await trio.sleep(RULES_EVERY_S)
            try:
                rules = await self.venue.rules(self.symbols)
            except BinanceError as error:
                logger.info("fail.rules broker=%s reason=%s", self.name, ascii(str(error)))
                continue
            gone = [symbol for symbol in self.symbols if symbol not in rules]
            if not rules or self._in_use(gone):
                logger.error("lose.symbols broker=%s symbols=%s", self.name, ",".join(gone))
                continue
            known = self.book.specs
            changed = [symbol for symbol in rules if spec_of(rules[symbol]) != known.get(symbol)]
            changed += [symbol for symbol in gone if symbol in known]
            if not changed:
                self.rules.update(rules)  # what of it only our own checks look at
            elif self._connected:
                logger.warning("change.rules broker=%s symbols=%s", self.name, ",".join(changed))
                self._connected = False
                self._lost = f"the exchange has changed the rules of {', '.join(changed)}; it is connected anew"


def price_of(feed: MarketFeed, seeds: Mapping[str, Seed]) -> Callable[[str], Any]:
    """Bid and ask of a symbol: the stream's, or those that were asked for, if they are newer."""

    def prices(symbol: str) -> tuple[Decimal, Decimal] | None:
        last, seed = feed.merger.last(symbol), seeds.get(symbol)
        if seed is not None and (last is None or seed[2] > last.time_msc):
            return seed[:2]
        return None if last is None else (Decimal(repr(last.bid)), Decimal(repr(last.ask)))

    return prices
