"""Accounts and positions as a broker reports them. Money in the account currency, volumes in lots."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from quantmind.domain.orders import Side


@attrs.frozen
class Position:
    """One open position. `profit` is floating; `swap` is what has been charged so far."""

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    price_open: Decimal
    price_current: Decimal
    profit: Decimal
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None
    swap: Decimal = Decimal(0)
    magic: int = 0
    comment: str = ""


@attrs.frozen
class Account:
    """The state of an account at one moment."""

    login: int
    server: str
    currency: str
    leverage: int
    margin_mode: str
    balance: Decimal
    equity: Decimal
    margin: Decimal
    margin_free: Decimal
    profit: Decimal
    trade_allowed: bool = True

    @property
    def margin_level(self) -> Decimal | None:
        """Equity over margin in percent; None without positions."""
        return None if self.margin == 0 else self.equity / self.margin * 100


@attrs.frozen
class Sample:
    """Account and positions, true together at `taken_at` (monotonic seconds of the gateway)."""

    broker: str
    account: Account
    positions: Sequence[Position]
    pending_orders: int
    taken_at: float


def net_lots(positions: Sequence[Position], symbol: str) -> Decimal:
    """Long minus short lots of a symbol."""
    return sum((p.volume * p.side.sign for p in positions if p.symbol == symbol), Decimal(0))
