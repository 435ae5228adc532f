"""The market's best prices, and which of them an order looks at. Both engines use it."""

from __future__ import annotations

from decimal import Decimal

import attrs


@attrs.define(eq=False)
class Market:
    """One symbol's best bid and ask. A quantity that is None never runs out.

    Rules that make it predictable:

    * A trigger of a sell looks at the bid, one of a buy at the ask: a quote is taken for a trade at both of its prices.
      A public trade (`Engine.trade`) is looked at by both. So a stop may trigger on a wide spread, as it does on thin
      markets, and a test moves one price to trigger one order.
    * What rests is filled at its own price as soon as the other side reaches it (a buy: ask <= its price), up to the
      quantity that is quoted there.
    * `last` is the newest traded price, moved into the spread by a quote that leaves it behind.
    """

    bid: Decimal = Decimal(0)
    ask: Decimal = Decimal(0)
    bid_qty: Decimal | None = None
    ask_qty: Decimal | None = None
    last: Decimal = Decimal(0)
    update_id: int = 0

    @property
    def is_quoted(self) -> bool:
        """False until the first quote: market orders find nobody then."""
        return self.bid > 0 and self.ask > 0

    def move(self, bid: Decimal, ask: Decimal, bid_qty: Decimal | None, ask_qty: Decimal | None) -> None:
        """A new quote. Raises ValueError: it is no market."""
        if not (bid.is_finite() and ask.is_finite() and 0 < bid <= ask):
            raise ValueError(f"bid {bid} and ask {ask} are no market: 0 < bid <= ask")
        if any(qty is not None and not (qty.is_finite() and qty >= 0) for qty in (bid_qty, ask_qty)):
            raise ValueError(f"the quantities {bid_qty} and {ask_qty} must not be below 0")
        self.bid, self.ask, self.bid_qty, self.ask_qty = bid, ask, bid_qty, ask_qty
        self.last = min(max(self.last, bid), ask)
        self.update_id += 1

    def price_for(self, side: str) -> Decimal:
        """What a market order of this side (BUY, SELL) pays, and what its triggers look at."""
        return self.ask if side == "BUY" else self.bid

    def offered_to(self, side: str) -> Decimal | None:
        """How much a market order of this side finds; None: as much as it wants."""
        return self.ask_qty if side == "BUY" else self.bid_qty

    def take(self, side: str, quantity: Decimal) -> None:
        """An order of this side has traded so much with the quote."""
        if side == "BUY" and self.ask_qty is not None:
            self.ask_qty = max(Decimal(0), self.ask_qty - quantity)
        elif side == "SELL" and self.bid_qty is not None:
            self.bid_qty = max(Decimal(0), self.bid_qty - quantity)

    def reaches(self, side: str, limit: Decimal) -> bool:
        """Whether a limit order of this side trades with the quote."""
        return self.is_quoted and (self.ask <= limit if side == "BUY" else self.bid >= limit)
