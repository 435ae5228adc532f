"""Balances of the spot engine: what is free, what is locked for which order, and what a trade costs."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.spot_orders import NOUGHT
from quantmind.testing.binance.symbols import eight

_FINEST: Final = Decimal("1E-8")
_BNB_DISCOUNT: Final = Decimal("0.25")
Key = tuple[str, int]
"""What a lock is for: a symbol and the lowest order id of those that share it (both legs of an OCO)."""


class Charge(enum.Enum):
    """In which asset commissions are paid."""

    RECEIVED = "received"
    """In what the trade brings: base for a buy, quote for a sell."""
    BNB = "BNB"
    """In BNB as long as there is enough that is free, with the usual discount; else as `RECEIVED`."""


@attrs.frozen
class Commission:
    """Rates as a part of the traded amount; 0: none. `bnb_price` is that of one BNB in every quote asset."""

    maker: Decimal = NOUGHT
    taker: Decimal = NOUGHT
    charge: Charge = Charge.RECEIVED
    bnb_price: Decimal = Decimal(600)


@attrs.define(eq=False)
class SpotAccount:
    """One account. Nothing in it is ever below 0: who would take too much gets an AssertionError, not a balance."""

    commission: Commission
    _free: dict[str, Decimal]
    _locks: dict[Key, tuple[str, Decimal]] = attrs.field(factory=dict, init=False)
    _touched: set[str] = attrs.field(factory=set, init=False)
    updated_msc: int = 0

    def free(self, asset: str) -> Decimal:
        """What can be spent."""
        return self._free.get(asset, NOUGHT)

    def locked(self, asset: str) -> Decimal:
        """What open orders hold."""
        return sum((amount for of, amount in self._locks.values() if of == asset), NOUGHT)

    def held(self, key: Key) -> Decimal:
        """What is locked for this alone."""
        return self._locks.get(key, ("", NOUGHT))[1]

    def can_hold(self, wanted: Mapping[str, Decimal]) -> bool:
        """Whether so much of each asset is free."""
        return all(self.free(asset) >= amount for asset, amount in wanted.items())

    def hold(self, key: Key, asset: str, amount: Decimal) -> None:
        """Lock so much for this, not a unit more or less; what was locked for it before counts. 0 ends it."""
        more = amount - self.held(key)
        if not more:
            return
        self.change(asset, -more)
        if amount:
            self._locks[key] = (asset, amount)
        else:
            del self._locks[key]

    def change(self, asset: str, by: Decimal) -> None:
        """More or less is free."""
        left = self.free(asset) + by
        assert left >= 0, f"{left} {asset} would be free"
        self._free[asset] = left
        self._touched.add(asset)

    def charge(self, asset: str, amount: Decimal, worth: Decimal, is_maker: bool) -> tuple[str, Decimal]:
        """Take the commission of a trade that brought `amount` of an asset, `worth` so much of the quote asset.

        Returns:
            In which asset, and how much.
        """
        rate = self.commission.maker if is_maker else self.commission.taker
        if rate and self.commission.charge is Charge.BNB:
            cost = _cut(worth * rate * (1 - _BNB_DISCOUNT) / self.commission.bnb_price)
            if self.free("BNB") >= cost:
                self.change("BNB", -cost)
                return "BNB", cost
        cost = _cut(amount * rate)
        self.change(asset, -cost)
        return asset, cost

    def touched(self) -> list[str]:
        """Assets that may have changed since the last time that this was asked, by name."""
        names = sorted(self._touched)
        self._touched.clear()
        return names

    def balances(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        """As GET /api/v3/account says them; None: all of them."""
        return [
            {"asset": name, "free": eight(self.free(name)), "locked": eight(self.locked(name))}
            for name in (sorted(self._free) if names is None else names)
        ]


def _cut(amount: Decimal) -> Decimal:
    return amount.quantize(_FINEST, ROUND_DOWN)
