"""What a lot is worth in the account's currency: rates between currencies, tick values, margins.

Two sides of each rate are kept, since a loss has to be counted by the dearer one and a profit by the cheaper one.
Formulas: docs/risk.md, which has the recorded terminal that they were checked against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from quantmind.domain.symbols import SymbolSpec

ONE = Decimal(1)
ZERO = Decimal(0)
_BRIDGES = ("USD", "EUR", "GBP", "JPY", "CHF")
"""Currencies by which a rate is looked for where no symbol has both; those that most symbols have first."""

Priced = Callable[[str], tuple[Decimal, Decimal, float] | None]
"""(bid, ask, age in seconds) of a symbol, or None."""


@attrs.frozen
class Rate:
    """What a unit costs in another currency: at least `low`, at most `high`; `age_s` is that of its oldest price."""

    low: Decimal
    high: Decimal
    age_s: float = 0.0

    def of(self, amount: Decimal) -> Decimal:
        """An amount in the other currency, counted against its owner: a loss dear, a profit cheap."""
        return amount * (self.high if amount < 0 else self.low)

    @property
    def middle(self) -> Decimal:
        """Between the two: for what is neither a loss nor a profit."""
        return self.high if self.high == self.low else (self.low + self.high) / 2


SAME = Rate(ONE, ONE)


def pairs_of(specs: Iterable[SymbolSpec]) -> Mapping[tuple[str, str], str]:
    """The symbol of each pair of currencies (base, profit); the first one where a broker has several."""
    found: dict[tuple[str, str], str] = {}
    for spec in specs:
        if spec.currency_base != spec.currency_profit:
            found.setdefault((spec.currency_base, spec.currency_profit), spec.name)
    return found


def rate(of: str, to: str, pairs: Mapping[tuple[str, str], str], priced: Priced) -> Rate | None:
    """The rate of one currency to another by the prices there are, of their pair or of two pairs; None without any."""
    if of == to:
        return SAME
    direct = _step(of, to, pairs, priced)
    if direct is not None:
        return direct
    for bridge in _BRIDGES:
        first = _step(of, bridge, pairs, priced)
        second = None if first is None else _step(bridge, to, pairs, priced)
        if first is not None and second is not None:
            return Rate(first.low * second.low, first.high * second.high, max(first.age_s, second.age_s))
    return None


def _step(of: str, to: str, pairs: Mapping[tuple[str, str], str], priced: Priced) -> Rate | None:
    symbol = pairs.get((of, to))
    price = None if symbol is None else priced(symbol)
    if price is not None and _sound(price):
        return Rate(price[0], price[1], price[2])
    symbol = pairs.get((to, of))
    price = None if symbol is None else priced(symbol)
    if price is not None and _sound(price):
        return Rate(ONE / price[1], ONE / price[0], price[2])
    return None


def _sound(price: tuple[Decimal, Decimal, float]) -> bool:
    return price[0].is_finite() and price[1].is_finite() and 0 < price[0] <= price[1]


@attrs.frozen
class Worth:
    """What a symbol is worth in the account's currency.

    `profit` is the rate of the symbol's profit currency, `base` that of its base currency and `margin` that of its
    margin currency. Of a CFD, whose base is its profit currency, base and margin are a unit at its price.
    """

    symbol: str
    contract_size: Decimal
    point: Decimal
    currency_base: str
    currency_profit: str
    profit: Rate
    base: Rate | None
    margin: Rate | None

    def change(self, volume: Decimal, points: Decimal) -> Decimal:
        """What lots make or lose by a change of the price in their favour: (close - open) x contract x rate."""
        return self.profit.of(volume * self.contract_size * points)

    @property
    def own(self) -> bool:
        """It is no pair of currencies: an index, a share."""
        return self.currency_base == self.currency_profit

    def exposure_of_a_lot(self) -> Decimal | None:
        """What a lot moves, in the account's currency; None where no rate of its base currency is known."""
        return None if self.base is None else self.contract_size * self.base.middle

    def margin_of_a_lot(self, leverage: int) -> Decimal | None:
        """contract size / leverage x rate(margin currency -> account currency), dear; None where it is not known."""
        if self.margin is None or leverage <= 0:
            return None
        return self.contract_size / Decimal(leverage) * self.margin.high


def tick_value(spec: SymbolSpec, profit: Rate) -> Decimal:
    """Money of one tick of one lot: tick size x contract size x rate(profit currency -> account currency)."""
    return spec.tick_size * spec.contract_size * profit.high


def worth_of(
    spec: SymbolSpec, account_currency: str, pairs: Mapping[tuple[str, str], str], priced: Priced
) -> Worth | None:
    """A symbol in an account's currency; None where its price, or a rate that a loss is counted by, is not known."""
    profit = rate(spec.currency_profit, account_currency, pairs, priced)
    if profit is None:
        return None
    if spec.currency_base == spec.currency_profit:
        price = priced(spec.name)
        if price is None or not _sound(price):
            return None
        unit = Rate(price[0] * profit.low, price[1] * profit.high, max(price[2], profit.age_s))
        return _worth(spec, profit, unit, unit)
    base = rate(spec.currency_base, account_currency, pairs, priced)
    same = spec.currency_margin == spec.currency_base
    margin = base if same else rate(spec.currency_margin, account_currency, pairs, priced)
    return _worth(spec, profit, base, margin)


def _worth(spec: SymbolSpec, profit: Rate, base: Rate | None, margin: Rate | None) -> Worth:
    return Worth(
        spec.name, spec.contract_size, spec.point, spec.currency_base, spec.currency_profit, profit, base, margin
    )
