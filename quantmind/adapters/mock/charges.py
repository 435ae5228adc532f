"""What a broker charges besides the spread: commission and swap, in cents of the account currency."""

from __future__ import annotations

from decimal import Decimal

from quantmind.adapters.mock.market import Market
from quantmind.adapters.mock.money import WIDE, ZERO, cents
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec


def commission_of(terms: Terms, volume: Decimal) -> Decimal:
    """What a deal of `volume` lots is charged, never above 0."""
    if not terms.commission_per_lot:
        return ZERO
    return -cents(WIDE.multiply(terms.commission_per_lot, volume)) + ZERO


def swap_of(position: OpenPosition, spec: SymbolSpec, nights: int, market: Market, currency: str) -> Decimal:
    """What holding the position over so many nights costs (below 0) or earns.

    points x point x contract x lots x nights, from the profit currency to the account's (MetaTrader 5:
    SYMBOL_SWAP_MODE_POINTS).

    Raises:
        LookupError: the rate to the account currency is gone, though it was there when the position opened.
    """
    points = spec.swap_long if position.side is Side.BUY else spec.swap_short
    if not points:
        return ZERO
    amount = WIDE.multiply(WIDE.multiply(points * spec.point, spec.contract_size), position.volume * nights)
    converted = market.convert(amount, spec.currency_profit, currency, paying=amount < 0)
    if converted is None:
        raise LookupError(f"there is no rate from {spec.currency_profit} to {currency} any more")
    return cents(converted)
