"""From book tickers and trades to ticks: in order, each once, though two connections tell them side by side. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import attrs

from quantmind.adapters.binance.handover import Handover
from quantmind.adapters.binance.market_wire import BookTicker, Trade
from quantmind.domain.quotes import Quote

MOST_WAITING: Final = 65_536
"""Ticks between two polls; with more of them the oldest go, and are counted. At 0.1 s that is 650,000 a second."""


@attrs.define(eq=False)
class _Symbol:
    books: Handover[tuple[BookTicker, int]] = attrs.field(factory=Handover)
    trades: Handover[Trade] = attrs.field(factory=Handover)
    trade_id: int = -1
    lost_trades: int = 0
    bid: float = 0.0
    """0: there is no book that anybody could trade on."""
    ask: float = 0.0
    last: float = 0.0
    time_msc: int = 0
    last_quote: Quote | None = None


@attrs.define(eq=False)
class Merger:
    """Of all symbols of a broker. A tick has bid and ask of the newest book ticker and the price of the newest trade.

    A book ticker gives a tick with volume 0, a trade one with its quantity. A time never goes back within a symbol.
    While a book is crossed, or has one side alone, trades give no ticks.
    """

    most: int = MOST_WAITING
    dropped: int = attrs.field(default=0, init=False)
    crossed: int = attrs.field(default=0, init=False)
    _crossed_taken: int = attrs.field(default=0, init=False)
    _symbols: dict[str, _Symbol] = attrs.field(factory=dict, init=False)
    _waiting: deque[Quote] = attrs.field(factory=deque, init=False)

    @property
    def duplicates(self) -> int:
        """Updates and trades that were told before: two connections overlap."""
        return sum(each.books.duplicates + each.trades.duplicates for each in self._symbols.values())

    @property
    def resets(self) -> int:
        """How often the exchange has begun to count anew."""
        return sum(each.books.resets + each.trades.resets for each in self._symbols.values())

    @property
    def lost_trades(self) -> int:
        """Trade ids that were left out: of a gap between two connections."""
        return sum(each.lost_trades for each in self._symbols.values())

    def book(self, said: BookTicker, arrived_msc: int, link: int = 0, at: float = 0.0) -> None:
        """Best bid and ask.

        Args:
            arrived_msc: by the exchange's clock, for one that has no time of its own.
            link: the connection that told it; a later one has a higher number.
            at: seconds, of the clock that `flush` is told.
        """
        known = self._of(said.symbol)
        for _, (ticker, arrived) in known.books.take(link, said.update_id, (said, arrived_msc), at):
            self._book(known, ticker, arrived)

    def trade(self, said: Trade, link: int = 0, at: float = 0.0) -> None:
        """A trade. One that comes before the first book ticker is kept for it."""
        known = self._of(said.symbol)
        for _, trade in known.trades.take(link, said.trade_id, said, at):
            self._trade(known, trade)

    def seed(self, symbol: str, bid: float, ask: float, time_msc: int) -> None:
        """Best bid and ask as they were asked for, where the streams have not told them."""
        self._book(self._of(symbol), BookTicker(symbol, 0, bid, ask, 0.0, 0.0, None, None), time_msc)

    def flush(self, at: float) -> None:
        """Give what has waited for a connection that fell silent."""
        for known in self._symbols.values():
            for _, (ticker, arrived) in known.books.flush(at):
                self._book(known, ticker, arrived)
            for _, trade in known.trades.flush(at):
                self._trade(known, trade)

    def end(self, link: int) -> None:
        """A connection has ended."""
        for known in self._symbols.values():
            for _, (ticker, arrived) in known.books.end(link):
                self._book(known, ticker, arrived)
            for _, trade in known.trades.end(link):
                self._trade(known, trade)

    def last(self, symbol: str) -> Quote | None:
        """The newest tick of a symbol."""
        known = self._symbols.get(symbol)
        return None if known is None else known.last_quote

    def take(self) -> list[Quote]:
        """The ticks since the last time, in the order in which they came."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def take_crossed(self) -> int:
        """How many book tickers nobody could trade on, since the last time."""
        crossed, self._crossed_taken = self.crossed - self._crossed_taken, self.crossed
        return crossed

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        return {
            "duplicates": self.duplicates,
            "lost_trades": {name: each.lost_trades for name, each in self._symbols.items() if each.lost_trades},
            "stalls": sum(each.books.stalls + each.trades.stalls for each in self._symbols.values()),
            "resets": self.resets,
            "dropped": self.dropped,
            "crossed": self.crossed,
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    def _of(self, symbol: str) -> _Symbol:
        known = self._symbols.get(symbol)
        if known is None:
            known = self._symbols[symbol] = _Symbol()
        return known

    def _book(self, known: _Symbol, said: BookTicker, arrived_msc: int) -> None:
        known.time_msc = max(known.time_msc, arrived_msc if said.transaction_msc is None else said.transaction_msc)
        if not 0.0 < said.bid <= said.ask:
            known.bid = 0.0
            self.crossed += 1
            return
        known.bid, known.ask = said.bid, said.ask
        self._put(known, Quote(said.symbol, said.bid, said.ask, known.time_msc, known.last))

    def _trade(self, known: _Symbol, said: Trade) -> None:
        if 0 <= known.trade_id < said.trade_id - 1:
            known.lost_trades += said.trade_id - known.trade_id - 1
        known.trade_id, known.last = said.trade_id, said.price
        known.time_msc = max(known.time_msc, said.trade_msc)
        if known.bid:
            self._put(known, Quote(said.symbol, known.bid, known.ask, known.time_msc, said.price, said.quantity))

    def _put(self, known: _Symbol, quote: Quote) -> None:
        known.last_quote = quote
        self._waiting.append(quote)
        if len(self._waiting) > self.most:
            self._waiting.popleft()
            self.dropped += 1
