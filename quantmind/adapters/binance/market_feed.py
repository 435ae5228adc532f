"""The prices of a broker's symbols: streams, what watches that they are not silently dead, and what confirms a price.

A connection can be alive and say nothing: a futures stream asked for on the wrong path does so for ever. So a symbol of
which its line said nothing for a while is asked for over REST, see `looks`.
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
from quantmind.adapters.binance.looks import Looks, Verdict
from quantmind.adapters.binance.market_wire import BookTicker, OtherMarket, ServerShutdown, Trade, market_event
from quantmind.adapters.binance.merge import Merger
from quantmind.adapters.binance.strange import Strange
from quantmind.adapters.binance.stream import Attempts, Live, Shutdown, StreamLine

logger: Final = logging.getLogger("quantmind.binance")

MOST_SYMBOLS: Final = 90
"""On one connection: with two streams each, futures' 200 streams are not reached."""
MOST_CHARACTERS: Final = 3800
"""Of the streams in an address: what is longer than 4 kB is refused by some on the way."""
QUIET_S: Final = 3.0
ASK_EVERY_S: Final = 2.5
ASK_WITHIN_S: Final = 5.0
TICK_S: Final = 0.5
DIES_EVERY_S: Final = 30.0
"""A line that is dead again is connected anew no sooner."""
TRADES_QUIET_S: Final = 60.0
TRADES_QUIET_MOST_S: Final = 3600.0
TRADES_MOVES: Final = 200
"""A market may trade nothing for long. If its prices have moved so often meanwhile, the line of its trades is connected
anew; each time it is waited twice as long, until there is a trade."""

Rows = list[tuple[str, Decimal, Decimal]]


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
    looks: int = attrs.field(default=0, init=False)
    """Questions for prices over REST."""
    failed_looks: int = attrs.field(default=0, init=False)
    trades_restarts: int = attrs.field(default=0, init=False)
    trades_path: str = attrs.field(default="market", init=False)
    """Futures: the path on which trades are looked for; sources disagree on it."""
    _lines: dict[str, StreamLine] = attrs.field(factory=dict, init=False)
    _line_of: dict[str, str] = attrs.field(factory=dict, init=False)
    """Of a symbol's prices: the name of the line."""
    _heard: dict[str, float] = attrs.field(factory=dict, init=False)
    _confirmed: dict[str, None] = attrs.field(factory=dict, init=False)
    _looks: Looks = attrs.field(factory=Looks, init=False)
    _asked_at: float = attrs.field(default=0.0, init=False)
    _died_at: dict[str, float] = attrs.field(factory=dict, init=False)
    _trades_at: float = attrs.field(default=0.0, init=False)
    _trades_pause_s: float = attrs.field(default=TRADES_QUIET_S, init=False)
    _trades_paths: set[str] = attrs.field(factory=set, init=False)
    """Those that trades have come by."""
    _moved_since: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        chunks = _chunks(self.symbols)
        for number, chunk in enumerate(chunks, 1):
            tail = f" {number}" if len(chunks) > 1 else ""
            if self.is_futures:
                self._add(f"prices{tail}", chunk, ["bookTicker"], lambda: "/public")
                self._add(f"trades{tail}", chunk, ["trade"], lambda: f"/{self.trades_path}")
            else:
                self._add(f"market{tail}", chunk, ["bookTicker", "trade"], lambda: "")

    async def run(self) -> None:
        """Keep all lines up, and watch them, until cancelled. Never raises for trouble of the network."""
        now = trio.current_time()
        self._heard = dict.fromkeys(self.symbols, now)
        self._trades_at = self._asked_at = now
        self._confirmed.clear()
        async with trio.open_nursery() as nursery:
            for line in self._lines.values():
                nursery.start_soon(line.run)
            nursery.start_soon(self._watch)

    async def opened(self) -> None:
        """Wait until all lines of prices are open: without trades a market can be traded on."""
        for line in self._price_lines():
            await line.opened()

    async def trades_opened(self) -> None:
        """Wait until those of trades are open, too, where there are any."""
        for name, line in self._lines.items():
            if name.startswith("trades"):
                await line.opened()

    @property
    def lost(self) -> str | None:
        """Why there are no prices now; None: there are."""
        lost = next((line.lost for line in self._price_lines() if line.lost is not None), None)
        return None if lost is None else f"{lost} ({self.base})"

    @property
    def trades_lost(self) -> str | None:
        """Why nobody tells trades now, where they have lines of their own; None: they are open."""
        return next((line.lost for name, line in self._lines.items() if name.startswith("trades")), None)

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
            "looks": self.looks,
            "failed_looks": self.failed_looks,
            "silent_deaths": self.silent_deaths,
            "trades_restarts": self.trades_restarts,
            **({"trades_path": self.trades_path} if self.is_futures else {}),
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    def _add(self, name: str, symbols: Sequence[str], kinds: Sequence[str], path: Callable[[], str]) -> None:
        streams = "/".join(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in kinds)

        async def address() -> str:
            await trio.lowlevel.checkpoint()
            return f"{self.base}{path()}/stream?streams={streams}"

        def opened() -> None:
            if "bookTicker" in kinds:
                self._begun(symbols)

        def ended(live: Live) -> None:
            self.merger.end(live.number)

        self._lines[name] = StreamLine(
            name, address, self._listen, self.attempts, on_open=opened, on_end=ended, **self.line_settings
        )
        if "bookTicker" in kinds:
            self._line_of.update(dict.fromkeys(symbols, name))

    def _price_lines(self) -> list[StreamLine]:
        return [self._lines[name] for name in dict.fromkeys(self._line_of.values())]

    # After a gap: what its line told before is of then.
    def _begun(self, symbols: Sequence[str]) -> None:
        self._looks.begun(symbols)
        self._heard.update(dict.fromkeys(symbols, trio.current_time()))

    def _listen(self, body: bytes, live: Live) -> Hashable:
        try:
            event = market_event(body)
        except WireFault as fault:
            self.faults += 1
            if self.faults == 1:
                logger.warning("fail.message reason=%s", ascii(str(fault)))
            return None
        if isinstance(event, BookTicker | Trade) and event.symbol not in self._heard:
            return None
        if isinstance(event, BookTicker):
            self._heard[event.symbol] = live.heard_at
            self._looks.told(event.symbol)
            self._note(event.event_msc)
            self.merger.book(event, int(self.clock.now() * 1000), live.number, live.heard_at)
            self._moved_since += 1
            return event.symbol, "book"
        if isinstance(event, Trade):
            self._trades_at, self._moved_since, self._trades_pause_s = live.heard_at, 0, TRADES_QUIET_S
            self._trades_paths.add(self.trades_path)
            self._note(event.event_msc)
            self.merger.trade(event, live.number, live.heard_at)
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
            await trio.sleep(TICK_S)
            now = trio.current_time()
            self.merger.flush(now)
            quiet = [symbol for symbol, heard in self._heard.items() if now - heard >= QUIET_S]
            quiet = [symbol for symbol in quiet if self._lines[self._line_of[symbol]].lost is None]
            if quiet and now - self._asked_at >= ASK_EVERY_S:
                self._asked_at = now
                await self._ask(quiet)
            self._look_at_trades(now)

    async def _ask(self, quiet: Sequence[str]) -> None:
        self.looks += 1
        asked_at = trio.current_time()
        try:
            with trio.fail_after(ASK_WITHIN_S):
                rows = await self.ask(quiet)
        except (BinanceError, trio.TooSlowError) as error:
            self.failed_looks += 1  # nothing is confirmed; a symbol that stays silent is told by whoever polls
            logger.info("fail.look symbols=%d reason=%s", len(quiet), ascii(str(error) or "it was too slow"))
            return
        wanted, dead = set(quiet), set()
        for symbol, bid, ask in rows:
            line = self._line_of.get(symbol)
            if symbol not in wanted or line is None or self._lines[line].lost is not None:
                continue
            if self._heard[symbol] >= asked_at:
                continue  # it has spoken meanwhile
            if not 0 < bid <= ask:
                continue  # nobody could trade on it
            last = self.merger.last(symbol)
            prices = (float(bid), float(ask))
            match self._looks.look(symbol, prices, None if last is None else (last.bid, last.ask)):
                case Verdict.SAME:
                    self._confirmed[symbol] = None
                case Verdict.FIRST:
                    self.merger.seed(symbol, *prices, int(self.clock.now() * 1000))
                case Verdict.DEAD:
                    dead.add(line)
                case Verdict.OTHER:
                    pass
        for name in dead:
            self._die(name)

    def _die(self, name: str) -> None:
        now = trio.current_time()
        if now - self._died_at.get(name, -DIES_EVERY_S) < DIES_EVERY_S:
            return
        self._died_at[name] = now
        self.silent_deaths += 1
        logger.error("die.stream name=%s reason='prices move and it says nothing'", name)
        self._lines[name].restart("it said nothing while prices moved")

    # Prices move, and nobody seems to trade. On futures the path may be the wrong one: unless trades have come by it,
    # the other one is tried.
    def _look_at_trades(self, now: float) -> None:
        if now - self._trades_at < self._trades_pause_s or self._moved_since < TRADES_MOVES:
            return
        self._trades_at, self._moved_since = now, 0
        self._trades_pause_s = min(2 * self._trades_pause_s, TRADES_QUIET_MOST_S)
        if not self.is_futures:
            return  # the line that prices come by is alive
        self.trades_restarts += 1
        if not self._trades_paths:
            self.trades_path = "public" if self.trades_path == "market" else "market"
        logger.warning("restart.trades path=%s", self.trades_path)
        for name, line in self._lines.items():
            if name.startswith("trades"):
                line.restart("it told of no trades")


# Symbols of one connection each.
def _chunks(symbols: Sequence[str]) -> list[list[str]]:
    chunks: list[list[str]] = []
    left = 0
    for symbol in symbols:
        characters = len(f"{symbol}@bookTicker/{symbol}@trade/")
        if not chunks or left < characters or len(chunks[-1]) == MOST_SYMBOLS:
            chunks.append([])
            left = MOST_CHARACTERS
        chunks[-1].append(symbol)
        left -= characters
    return chunks
