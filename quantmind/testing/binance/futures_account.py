"""The account of the made-up futures exchange: wallets, positions, leverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.futures_orders import NOUGHT, QUOTE, FuturesOrder, FuturesPosition
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import plain


@attrs.define(eq=False)
class FuturesAccount:
    """One account with crossed margin."""

    wallets: dict[str, Decimal]
    markets: Mapping[str, Market]
    leverages: dict[str, int]
    hedges: bool = False
    margin_types: dict[str, str] = attrs.field(factory=dict)
    positions: dict[tuple[str, str], FuturesPosition] = attrs.field(factory=dict)

    def position(self, symbol: str, side: str) -> FuturesPosition:
        """The position of a side; one of nothing where there is none."""
        return self.positions.setdefault((symbol, side), FuturesPosition(symbol, side))

    def is_held(self, symbol: str) -> bool:
        """Whether any position of a symbol is open."""
        return any(each.symbol == symbol and each.amount for each in self.positions.values())

    def unrealized(self, position: FuturesPosition) -> Decimal:
        """By the last price, which stands for the mark price."""
        return position.worth(self.markets[position.symbol].last) if position.amount else NOUGHT

    def margin_of(self, position: FuturesPosition) -> Decimal:
        """Its initial margin."""
        return abs(position.amount) * self.markets[position.symbol].last / self.leverages[position.symbol]

    def margin(self, orders: Iterable[FuturesOrder]) -> Decimal:
        """The initial margin of all positions, and of orders that would open some."""
        held = sum((self.margin_of(each) for each in self.positions.values()), NOUGHT)
        waits = sum((each.left * each.price / self.leverages[each.symbol] for each in orders), NOUGHT)
        return held + waits

    def available(self, orders: Iterable[FuturesOrder]) -> Decimal:
        """What may be put into new positions."""
        profit = sum((self.unrealized(each) for each in self.positions.values()), NOUGHT)
        return self.wallets.get(QUOTE, NOUGHT) + profit - self.margin(orders)

    def event(self, now: int, reason: str, positions: Iterable[FuturesPosition]) -> Payload:
        """ACCOUNT_UPDATE with the positions that have changed."""
        wallet = plain(self.wallets.get(QUOTE, NOUGHT))
        balances = [{"a": QUOTE, "wb": wallet, "cw": wallet, "bc": "0"}]
        changed = [
            {
                "s": each.symbol,
                "pa": plain(each.amount),
                "ep": plain(each.entry),
                "bep": plain(each.entry),
                "cr": "0",
                "up": plain(self.unrealized(each)),
                "mt": "cross",
                "iw": "0",
                "ps": each.side,
            }
            for each in positions
        ]
        return {"e": "ACCOUNT_UPDATE", "E": now, "T": now, "a": {"m": reason, "B": balances, "P": changed}}
