"""The prices of a broker's symbols: streams, what watches that they are not silently dead, and what confirms a price.

A connection can be alive and say nothing: a futures stream asked for on the wrong path does so for ever. So a symbol of
which its line said nothing for a while is asked for over REST: the same price confirms it, another one, twice, while
the line stays silent, means that the line is dead.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.clock import ServerClock
from quantmind.adapters.binance.errors import BinanceError
from quantmind.adapters.binance.faults import WireFault
from quantmind.adapters.binance.market_wire import BookTicker, OtherMarket, ServerShutdown, Trade, market_event
from quantmind.adapters.binance.merge import Merger
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import Attempts, Live, Shutdown, StreamLine

logger: Final = logging.getLogger("quantmind.binance")

MOST_SYMBOLS: Final = 90
"""On one connection: with two streams each its URL has less than 4 kB, and futures' 200 streams are not reached."""
QUIET_S: Final = 3.0
ASK_EVERY_S: Final = 2.5
ASK_WITHIN_S: Final = 5.0
LOOKS: Final = 2
"""Other prices over REST in so many looks in a row, and nothing on the line: it is dead."""
TRADES_QUIET_S: Final = 60.0
"""A market may trade nothing for long; its line is then connected anew, which costs nothing, once in this time."""

Rows = list[tuple[str, Decimal, Decimal]]


@attrs.define(eq=False)
class _Look:
    """What REST said of a symbol while its line was silent."""

    prices: tuple[float, float]
    times: int = 1


@attrs.define(eq=False)
class MarketFeed:
    """Of one broker.

    Args:
        base: of the streams, as wss://stream.binance.com:9443.
        is_futures: prices and trades have lines of their own, on paths of their own.
        ask: best bid and ask of symbols over REST. Raises BinanceError.
        wall: Unix seconds of this machine, for the exchange's clock.
        life_s: see `StreamLine`.
    """

    base: str
    symbols: Sequence[str]
    is_futures: bool
    ask: Callable[[Sequence[str]], Awaitable[Rows]]
    clock: ServerClock
    wall: Callable[[], float]
    strange: Strange
    attempts: Attempts = attrs.field(factory=Attempts)
    merger: Merger = attrs.field(factory=Merger)
    line_settings: dict[str, Any] = attrs.field(factory=dict)
    """For tests: other times of the lines."""
    faults: int = attrs.field(default=0, init=False)
    """Messages that could not be read."""
    silent_deaths: int = attrs.field(default=0, init=False)
    trades_restarts: int = attrs.field(default=0, init=False)
    trades_path: str = attrs.field(default="market", init=False)
    """Futures: the path on which trades are looked for; sources disagree on it."""
    _lines: dict[str, StreamLine] = attrs.field(factory=dict, init=False)
    _line_of: dict[str, str] = attrs.field(factory=dict, init=False)
    """Of a symbol's prices: the name of the line."""
    _heard: dict[str, float] = attrs.field(factory=dict, init=False)
    _confirmed: dict[str, None] = attrs.field(factory=dict, init=False)
    _looks: dict[str, _Look] = attrs.field(factory=dict, init=False)
    _trades_at: float = attrs.field(default=0.0, init=False)
    _moved_since: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        for number in range(0, len(self.symbols), MOST_SYMBOLS):
            chunk = self.symbols[number : number + MOST_SYMBOLS]
            tail = f" {number // MOST_SYMBOLS + 1}" if len(self.symbols) > MOST_SYMBOLS else ""
            if self.is_futures:
                self._add(f"prices{tail}", chunk, ["bookTicker"], lambda: "/public")
                self._add(f"trades{tail}", chunk, ["trade"], lambda: f"/{self.trades_path}")
            else:
                self._add(f"market{tail}", chunk, ["bookTicker", "trade"], lambda: "")

    async def run(self) -> None:
        """Keep all lines up, and watch them, until cancelled. Never raises for trouble of the network."""
        now = trio.current_time()
        self._heard = dict.fromkeys(self.symbols, now)
        self._trades_at = now
        async with trio.open_nursery() as nursery:
            for line in self._lines.values():
                nursery.start_soon(line.run)
            nursery.start_soon(self._watch)

    async def opened(self) -> None:
        """Wait until all lines are open."""
        for line in self._lines.values():
            await line.opened()

    @property
    def lost(self) -> str | None:
        """Why there are no prices now; None: there are."""
        return next((line.lost for line in self._price_lines() if line.lost is not None), None)

    def confirmed(self) -> list[str]:
        """Symbols whose last price the exchange has confirmed since the last time."""
        confirmed = list(self._confirmed)
        self._confirmed.clear()
        return confirmed

    def restart(self, symbols: Sequence[str]) -> None:
        """Connect the lines of these symbols anew."""
        for name in {self._line_of[symbol] for symbol in symbols if symbol in self._line_of}:
            self._lines[name].restart("it was asked to be connected anew")

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return {
            "lines": {name: line.snapshot() for name, line in self._lines.items()},
            **self.merger.snapshot(),
            "faults": self.faults,
            "silent_deaths": self.silent_deaths,
            "trades_restarts": self.trades_restarts,
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    def _add(self, name: str, symbols: Sequence[str], kinds: Sequence[str], path: Callable[[], str]) -> None:
        streams = "/".join(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds)

        async def address() -> str:
            await trio.lowlevel.checkpoint()
            return f"{self.base}{path()}/stream?streams={streams}"

        self._lines[name] = StreamLine(name, address, self._listen, self.attempts, **self.line_settings)
        if "bookTicker" in kinds:
            self._line_of.update(dict.fromkeys(symbols, name))

    def _price_lines(self) -> list[StreamLine]:
        return [self._lines[name] for name in dict.fromkeys(self._line_of.values())]

    def _listen(self, body: bytes, live: Live) -> Hashable:
        del live
        try:
            event = market_event(body)
        except WireFault as fault:
            self.faults += 1
            if self.faults == 1:
                logger.warning("fail.message reason=%s", ascii(str(fault)))
            return None
        if isinstance(event, BookTicker):
            self._heard[event.symbol] = trio.current_time()
            self._looks.pop(event.symbol, None)
            self._note(event.event_msc)
            self.merger.book(event, int(self.clock.now() * 1000))
            self._moved_since += 1
            return event.symbol, "book"
        if isinstance(event, Trade):
            self._trades_at, self._moved_since = trio.current_time(), 0
            self._note(event.event_msc)
            self.merger.trade(event)
            return event.symbol, "trade"
        if isinstance(event, ServerShutdown):
            return Shutdown
        if isinstance(event, OtherMarket):
            self.strange.look(event)
        return None

    def _note(self, event_msc: int | None) -> None:
        if event_msc is not None:
            self.clock.note_event(self.wall() * 1000, event_msc)

    async def _watch(self) -> None:
        while True:
            await trio.sleep(ASK_EVERY_S)
            now = trio.current_time()
            quiet = [symbol for symbol, heard in self._heard.items() if now - heard >= QUIET_S]
            quiet = [symbol for symbol in quiet if self._lines[self._line_of[symbol]].lost is None]
            if quiet:
                await self._ask(quiet)
            self._look_at_trades(now)

    async def _ask(self, quiet: Sequence[str]) -> None:
        try:
            with trio.fail_after(ASK_WITHIN_S):
                rows = await self.ask(quiet)
        except (BinanceError, trio.TooSlowError):
            return  # nothing is confirmed; a symbol that stays silent is told by whoever polls
        dead: set[str] = set()
        for symbol, bid, ask in rows:
            last = self.merger.last(symbol)
            prices = (float(bid), float(ask))
            if last is not None and (last.bid, last.ask) == prices:
                self._confirmed[symbol] = None
                self._looks.pop(symbol, None)
                continue
            look = self._looks.get(symbol)
            if look is None:
                self._looks[symbol] = _Look(prices)
                continue
            look.times += 1
            if look.times >= LOOKS and trio.current_time() - self._heard[symbol] >= QUIET_S:
                dead.add(self._line_of[symbol])
        for name in dead:
            self._die(name)

    def _die(self, name: str) -> None:
        self.silent_deaths += 1
        logger.error("die.stream name=%s reason='prices move and it says nothing'", name)
        now = trio.current_time()
        for symbol, line in self._line_of.items():
            if line == name:
                self._heard[symbol] = now
                self._looks.pop(symbol, None)
        self._lines[name].restart("it said nothing while prices moved")

    # Prices move, and nobody seems to trade. On futures the path may be the wrong one: the other one is tried.
    def _look_at_trades(self, now: float) -> None:
        if now - self._trades_at < TRADES_QUIET_S or not self._moved_since:
            return
        self._trades_at, self._moved_since = now, 0
        if not self.is_futures:
            return  # the line that prices come by is alive
        self.trades_restarts += 1
        self.trades_path = "public" if self.trades_path == "market" else "market"
        for name, line in self._lines.items():
            if name.startswith("trades"):
                line.restart(f"it told of no trades; /{self.trades_path} is tried")
