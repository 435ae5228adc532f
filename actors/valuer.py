"""What symbols are worth in the currency of an account, by the prices on the boards."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs
import trio

from actors.boards import Boards
from quantmind.domain.risk.worth import Rate, Worth, pairs_of, rate, worth_of
from quantmind.domain.symbols import SymbolSpec


@attrs.define(eq=False)
class Valuer:
    """Reads prices and specifications; keeps which symbol is which pair of currencies while a catalog stands."""

    boards: Boards
    _pairs: dict[str, tuple[Mapping[str, SymbolSpec], Mapping[tuple[str, str], str]]] = attrs.field(
        factory=dict, init=False
    )

    def worth(self, broker: str, symbol: str, currency: str) -> Worth | None:
        """A symbol of a broker in a currency; None where no price tells."""
        spec = self.boards.catalog.spec(broker, symbol)
        if spec is None:
            return None
        return worth_of(spec, currency, self._pairs_of(broker), self._prices(broker))

    def rate(self, broker: str, of: str, to: str) -> Rate | None:
        """The rate between two currencies by a broker's prices."""
        return rate(of, to, self._pairs_of(broker), self._prices(broker))

    def price(self, broker: str, symbol: str) -> tuple[Decimal, Decimal, float] | None:
        """(bid, ask, age in seconds), or None."""
        priced = self.boards.prices.read(broker, symbol)
        if priced is None:
            return None
        age = max(0.0, trio.current_time() - priced.confirmed_at)
        return Decimal(repr(priced.quote.bid)), Decimal(repr(priced.quote.ask)), age

    def _prices(self, broker: str) -> _Prices:
        return _Prices(self, broker)

    def _pairs_of(self, broker: str) -> Mapping[tuple[str, str], str]:
        specs = self.boards.catalog.symbols(broker)
        known = self._pairs.get(broker)
        if known is None or known[0] is not specs:
            known = self._pairs[broker] = (specs, pairs_of(specs.values()))
        return known[1]


@attrs.frozen
class _Prices:
    valuer: Valuer
    broker: str

    def __call__(self, symbol: str) -> tuple[Decimal, Decimal, float] | None:
        return self.valuer.price(self.broker, symbol)
