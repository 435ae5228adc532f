"""The spot engine's public trades, ours and others', with the ids that they share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.spot_orders import quote_amount
from quantmind.testing.binance.symbols import eight

_KEPT: Final = 1000
"""What GET trades can show: older ones are forgotten."""
_ENDLESS: Final = Decimal(1000)
"""What is said of a quantity that never runs out."""


@attrs.define(eq=False)
class Tape:
    """What the market's streams show. `tell` gets what `engine.Engine.on_market` is promised."""

    markets: Mapping[str, Market]
    tell: Callable[[Payload], None]
    _trades: dict[str, deque[Payload]] = attrs.field(factory=dict, init=False)
    _last_ids: dict[str, int] = attrs.field(factory=dict, init=False)

    def print(self, symbol: str, price: Decimal, quantity: Decimal, time_msc: int, buyer_is_maker: bool) -> int:
        """A trade has happened. Returns its id, which is unique for its symbol alone."""
        trade_id = self._last_ids[symbol] = self._last_ids.get(symbol, 0) + 1
        self.markets[symbol].last = price
        self._trades.setdefault(symbol, deque(maxlen=_KEPT)).append(
            {
                "id": trade_id,
                "price": eight(price),
                "qty": eight(quantity),
                "quoteQty": eight(quote_amount(quantity, price)),
                "time": time_msc,
                "isBuyerMaker": buyer_is_maker,
                "isBestMatch": True,
            }
        )
        data: Payload = {
            "e": "trade",
            "E": time_msc,
            "s": symbol,
            "t": trade_id,
            "p": eight(price),
            "q": eight(quantity),
            "T": time_msc,
            "m": buyer_is_maker,
            "M": True,
        }
        self.tell({"kind": "trade", "symbol": symbol, "data": data})
        return trade_id

    def quote(self, symbol: str) -> None:
        """The best prices have moved."""
        market = self.markets[symbol]
        data: Payload = {
            "u": market.update_id,
            "s": symbol,
            "b": eight(market.bid),
            "B": eight(_said(market.bid_qty)),
            "a": eight(market.ask),
            "A": eight(_said(market.ask_qty)),
        }
        self.tell({"kind": "bookTicker", "symbol": symbol, "data": data})

    def trades(self, symbol: str, limit: int) -> list[Payload]:
        """The newest ones, oldest of them first."""
        return list(self._trades.get(symbol, ()))[-limit:]

    def best(self, symbol: str) -> Payload:
        """Of GET ticker/bookTicker."""
        market = self.markets[symbol]
        return {
            "symbol": symbol,
            "bidPrice": eight(market.bid),
            "bidQty": eight(_said(market.bid_qty)),
            "askPrice": eight(market.ask),
            "askQty": eight(_said(market.ask_qty)),
        }


def _said(quantity: Decimal | None) -> Decimal:
    return _ENDLESS if quantity is None else quantity
