"""The last prices of an account's symbols, and money changed from one currency to another at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.mock.money import HIGHEST_PRICE, exact_price
from quantmind.domain.orders import Side
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec

_VIA = "USD"
"""A currency without a pair of its own to the account's goes through this one, as at retail brokers."""


@attrs.frozen
class Price:
    """Bid and ask of one symbol, exact; `time_msc` UTC milliseconds."""

    bid: Decimal
    ask: Decimal
    time_msc: int

    def fill(self, side: Side) -> Decimal:
        """Where a market order fills: a buy at the ask, a sell at the bid."""
        return self.ask if side is Side.BUY else self.bid

    def exit(self, side: Side) -> Decimal:
        """Where a position closes: a buy at the bid, a sell at the ask."""
        return self.bid if side is Side.BUY else self.ask


class Market:
    """What an account trades, and each symbol's last tick.

    Ticks stay floats until somebody asks for a price: most of them are only passed on.
    """

    def __init__(self, specs: Iterable[SymbolSpec]) -> None:
        self.specs: Mapping[str, SymbolSpec] = {spec.name: spec for spec in specs}
        # EURUSD and EURUSD.r are the same money: the first one with a price names the rate.
        self._pairs: dict[tuple[str, str], list[str]] = {}
        for spec in self.specs.values():
            if spec.currency_base != spec.currency_profit:
                self._pairs.setdefault((spec.currency_base, spec.currency_profit), []).append(spec.name)
        # Below half a point a price would show as 0, which is no price.
        self._floors = {spec.name: float(spec.point) / 2 for spec in self.specs.values()}
        self._last: dict[str, Quote] = {}

    def update(self, quote: Quote) -> None:
        """Keep the tick.

        Raises:
            ValueError: it is crossed, not a price, or of a symbol that is not traded here.
        """
        self.check(quote)
        self._last[quote.symbol] = quote

    def check(self, quote: Quote) -> None:
        """Whether `update` would take the tick; changes nothing.

        Raises:
            ValueError: as `update` does.
        """
        symbol = quote.symbol
        floor = self._floors.get(symbol)
        if floor is None:
            raise ValueError(f"there is no symbol {symbol} here, only {', '.join(self.specs)}")
        if not floor < quote.bid <= quote.ask <= HIGHEST_PRICE:
            raise ValueError(f"bid {quote.bid} and ask {quote.ask} of {symbol} are not prices to trade on")

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """The last tick of each symbol that has had one."""
        return self._last

    def price(self, symbol: str) -> Price | None:
        """The last price, or None before the first tick."""
        quote = self._last.get(symbol)
        if quote is None:
            return None
        digits = self.specs[symbol].digits
        return Price(exact_price(quote.bid, digits), exact_price(quote.ask, digits), quote.time_msc)

    def convert(self, amount: Decimal, source: str, target: str, *, paying: bool) -> Decimal | None:
        """The amount in another currency at the last prices; None when there is no rate.

        The rate is that of the pair of the two currencies, either way round, else by way of USD. `paying` takes the
        dear side of the spread (what it costs to buy `amount`), else the cheap one (what `amount` sells for):
        a terminal's tick value of a loss and of a profit.
        """
        if source == target:
            return amount
        direct = self._convert_by_pair(amount, source, target, paying)
        if direct is not None or _VIA in (source, target):
            return direct
        between = self._convert_by_pair(amount, source, _VIA, paying)
        return None if between is None else self._convert_by_pair(between, _VIA, target, paying)

    def route(self, source: str, target: str) -> Sequence[str]:
        """The symbols whose prices make the rate of `convert` now: none, one, or two by way of USD."""
        if source == target:
            return ()
        direct = self._pair(source, target)
        if direct is not None:
            return (direct,)
        between, beyond = self._pair(source, _VIA), self._pair(_VIA, target)
        return () if between is None or beyond is None else (between, beyond)

    def _convert_by_pair(self, amount: Decimal, source: str, target: str, paying: bool) -> Decimal | None:
        symbol = self._first_priced(source, target)
        if symbol is not None:
            price = self.price(symbol)
            assert price is not None
            return amount * (price.ask if paying else price.bid)
        symbol = self._first_priced(target, source)
        if symbol is not None:
            price = self.price(symbol)
            assert price is not None
            return amount / (price.bid if paying else price.ask)
        return None

    def _pair(self, source: str, target: str) -> str | None:
        return self._first_priced(source, target) or self._first_priced(target, source)

    def _first_priced(self, base: str, profit: str) -> str | None:
        for symbol in self._pairs.get((base, profit), ()):
            if symbol in self._last:
                return symbol
        return None
