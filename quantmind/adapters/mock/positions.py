"""Open positions of a paper account, their profit and the margin that they hold."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from quantmind.adapters.mock.market import Market, Price
from quantmind.adapters.mock.money import ZERO, cents
from quantmind.domain.accounts import Position
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec


@attrs.frozen
class OpenPosition:
    """A position as the account keeps it.

    `margin_per_lot` is in the account currency and fixed at the rate of the opening, as on a trade server.
    """

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    price_open: Decimal
    margin_per_lot: Decimal
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None
    magic: int = 0
    comment: str = ""


def profit_at(
    position: OpenPosition, price: Decimal, volume: Decimal, spec: SymbolSpec, market: Market, currency: str
) -> Decimal:
    """What closing `volume` at `price` makes, in whole cents of the account currency.

    (close - open) / tick_size x tick_value x lots, the tick value at the dear side of the rate for a loss and at
    the cheap side for a gain.

    Raises:
        LookupError: the rate to the account currency is gone, though it was there when the position opened.
    """
    made = (price - position.price_open) * position.side.sign * spec.contract_size * volume
    converted = market.convert(made, spec.currency_profit, currency, paying=made < 0)
    if converted is None:
        raise LookupError(f"there is no rate from {spec.currency_profit} to {currency} any more")
    return cents(converted)


def margin_per_lot(
    spec: SymbolSpec, side: Side, price: Price, leverage: int, market: Market, currency: str
) -> Decimal | None:
    """The margin of one lot opened now; None when there is no rate to the account currency.

    contract / leverage x rate(margin currency -> account currency), a buy at the ask and a sell at the bid. A
    symbol with one currency on both sides (an index, a share) is worth its price: x price.
    """
    amount = spec.contract_size / leverage
    if spec.currency_base == spec.currency_profit:
        amount *= price.fill(side)
    return market.convert(amount, spec.currency_margin, currency, paying=side is Side.BUY)


def margin_of(positions: Iterable[OpenPosition]) -> Decimal:
    """The margin of a hedging account's positions, in whole cents for each symbol.

    For each symbol the lots of the larger side pay, at their average margin; what the other side covers pays once
    for the pair, at the average of all. This is a trade server's default, where the hedged margin of a lot is
    the contract size.
    """
    by_symbol: dict[str, list[OpenPosition]] = {}
    for position in positions:
        by_symbol.setdefault(position.symbol, []).append(position)
    return sum((_symbol_margin(same) for same in by_symbol.values()), ZERO)


def _symbol_margin(positions: list[OpenPosition]) -> Decimal:
    lots = dict.fromkeys(Side, Decimal(0))
    paid = dict.fromkeys(Side, Decimal(0))
    for position in positions:
        lots[position.side] += position.volume
        paid[position.side] += position.volume * position.margin_per_lot
    larger, smaller = (Side.BUY, Side.SELL) if lots[Side.BUY] >= lots[Side.SELL] else (Side.SELL, Side.BUY)
    covered = lots[smaller]
    uncovered = lots[larger] - covered
    margin = uncovered * paid[larger] / lots[larger]
    if covered:
        margin += covered * (paid[larger] + paid[smaller]) / (lots[larger] + lots[smaller])
    return cents(margin)


def shown(position: OpenPosition, price: Price, profit: Decimal) -> Position:
    """The position as samples show it."""
    return Position(
        ticket=position.ticket,
        symbol=position.symbol,
        side=position.side,
        volume=position.volume,
        price_open=position.price_open,
        price_current=price.exit(position.side),
        profit=profit,
        time_msc=position.time_msc,
        sl=position.sl,
        tp=position.tp,
        magic=position.magic,
        comment=position.comment,
    )
