"""From book tickers and trades to ticks: in order, each once, though two connections tell them side by side. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import attrs

from quantmind.adapters.binance.market_wire import BookTicker, Trade
from quantmind.domain.quotes import Quote

MOST_WAITING: Final = 65_536
"""Ticks between two polls; with more of them the oldest go, and are counted. At 0.1 s that is 650,000 a second."""
RESET_AFTER: Final = 100
"""So many in a row that are less than half of the last one mean that the exchange counts anew."""


@attrs.define(eq=False)
class _Symbol:
    update_id: int = -1
    trade_id: int = -1
    low: int = 0
    """Ids in a row that were less than half of the last one."""
    bid: float = 0.0
    ask: float = 0.0
    last: float = 0.0
    time_msc: int = 0
    last_quote: Quote | None = None


@attrs.define(eq=False)
class Merger:
    """Of all symbols of a broker. A tick has bid and ask of the newest book ticker and the price of the newest trade.

    A book ticker gives a tick with volume 0, a trade one with its quantity. A time never goes back within a symbol.
    """

    most: int = MOST_WAITING
    duplicates: int = attrs.field(default=0, init=False)
    """Updates and trades that were told before: two connections overlap."""
    lost_trades: int = attrs.field(default=0, init=False)
    """Trade ids that were left out: of a gap between two connections."""
    resets: int = attrs.field(default=0, init=False)
    dropped: int = attrs.field(default=0, init=False)
    crossed: int = attrs.field(default=0, init=False)
    _crossed_taken: int = attrs.field(default=0, init=False)
    _symbols: dict[str, _Symbol] = attrs.field(factory=dict, init=False)
    _waiting: deque[Quote] = attrs.field(factory=deque, init=False)

    def book(self, said: BookTicker, arrived_msc: int) -> Quote | None:
        """Best bid and ask. `arrived_msc`: by the exchange's clock, for one that has no time of its own.

        Returns:
            The tick; None: it was told before, or nobody could trade on it.
        """
        known = self._of(said.symbol)
        if said.update_id <= known.update_id and not self._is_reset(known, said.update_id, known.update_id):
            self.duplicates += 1
            return None
        known.update_id, known.low = said.update_id, 0
        time_msc = arrived_msc if said.transaction_msc is None else said.transaction_msc
        known.time_msc = max(known.time_msc, time_msc)
        if not 0.0 < said.bid <= said.ask:
            self.crossed += 1
            return None
        known.bid, known.ask = said.bid, said.ask
        return self._put(known, Quote(said.symbol, said.bid, said.ask, known.time_msc, known.last))

    def trade(self, said: Trade) -> Quote | None:
        """A trade. One that comes before the first book ticker is kept for it."""
        known = self._of(said.symbol)
        if said.trade_id <= known.trade_id and not self._is_reset(known, said.trade_id, known.trade_id):
            self.duplicates += 1
            return None
        known.low = 0
        if 0 <= known.trade_id < said.trade_id - 1:
            self.lost_trades += said.trade_id - known.trade_id - 1
        known.trade_id, known.last = said.trade_id, said.price
        known.time_msc = max(known.time_msc, said.trade_msc)
        if not known.bid:
            return None
        quote = Quote(said.symbol, known.bid, known.ask, known.time_msc, said.price, said.quantity)
        return self._put(known, quote)

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
            "lost_trades": self.lost_trades,
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

    def _is_reset(self, known: _Symbol, said: int, last: int) -> bool:
        if said >= last / 2:
            return False
        known.low += 1
        if known.low < RESET_AFTER:
            return False
        self.resets += 1
        return True

    def _put(self, known: _Symbol, quote: Quote) -> Quote:
        known.last_quote = quote
        self._waiting.append(quote)
        if len(self._waiting) > self.most:
            self._waiting.popleft()
            self.dropped += 1
        return quote
