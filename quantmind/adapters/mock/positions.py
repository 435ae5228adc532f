"""Open positions of a paper account, their profit and the margin that they hold."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from quantmind.adapters.mock.market import Market, Price
from quantmind.adapters.mock.money import WIDE, ZERO, cents, share
from quantmind.domain.accounts import Position
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec

_FINEST = Decimal("1E-30")
"""Finer than any price times any volume: a cost is kept to here when a mean has no end."""
_SHOWN_BEYOND = 5
"""Digits after the symbol's own that a mean opening price is shown with."""


@attrs.frozen
class OpenPosition:
    """A position as the account keeps it.

    `cost` is the sum of price x lots of what opened it. It is kept in place of the price, because a mean price often
    has no end (0.01 at 1.08501 and 0.02 at 1.08502) and the cost always has: what its parts make adds up.
    `margin_per_lot` is in the account currency and fixed at the rate of the opening, as on a trade server. `swap` is
    what has been charged and not been realised by a deal yet, in cents.
    """

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    cost: Decimal
    margin_per_lot: Decimal
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None
    magic: int = 0
    comment: str = ""
    swap: Decimal = ZERO
    tag: str = ""

    @property
    def price_open(self) -> Decimal:
        """The volume-weighted mean of what opened it, to 80 digits."""
        return WIDE.divide(self.cost, self.volume)


def cost_of(price: Decimal, volume: Decimal) -> Decimal:
    """Price x lots, exact."""
    return WIDE.multiply(price, volume)


def split(position: OpenPosition, volume: Decimal) -> tuple[OpenPosition, OpenPosition | None]:
    """`volume` lots of the position and what stays of it, None when nothing does.

    Cost and swap are shared out by volume, and the parts add up to the whole.
    """
    if volume == position.volume:
        return position, None
    cost = WIDE.divide(WIDE.multiply(position.cost, volume), position.volume)
    finest = cost.quantize(_FINEST, context=WIDE)
    if finest != cost:
        cost = finest
    swap = share(position.swap, volume, position.volume)
    return (
        attrs.evolve(position, volume=volume, cost=cost, swap=swap),
        attrs.evolve(
            position,
            volume=position.volume - volume,
            cost=WIDE.subtract(position.cost, cost),
            swap=position.swap - swap,
        ),
    )


def profit_at(position: OpenPosition, price: Decimal, spec: SymbolSpec, market: Market, currency: str) -> Decimal:
    """What closing the position at `price` makes, in whole cents of the account currency; swap not counted.

    (close - open) / tick_size x tick_value x lots, the tick value at the dear side of the rate for a loss and at
    the cheap side for a gain.

    Raises:
        LookupError: the rate to the account currency is gone, though it was there when the position opened.
    """
    gained = WIDE.subtract(WIDE.multiply(price, position.volume), position.cost)
    made = WIDE.multiply(gained * position.side.sign, spec.contract_size)
    converted = market.convert(made, spec.currency_profit, currency, paying=made < 0)
    if converted is None:
        raise LookupError(f"there is no rate from {spec.currency_profit} to {currency} any more")
    return cents(converted)


def margin_per_lot(
    spec: SymbolSpec, side: Side, price: Decimal, leverage: int, market: Market, currency: str
) -> Decimal | None:
    """The margin of one lot opened at `price` now; None when there is no rate to the account currency.

    contract / leverage x rate(margin currency -> account currency), a buy at the ask and a sell at the bid. A
    symbol with one currency on both sides (an index, a share) is worth its price: x price.
    """
    amount = spec.contract_size / leverage
    if spec.currency_base == spec.currency_profit:
        amount *= price
    return market.convert(amount, spec.currency_margin, currency, paying=side is Side.BUY)


def margin_of(positions: Iterable[OpenPosition]) -> Decimal:
    """The margin of an account's positions, in whole cents for each symbol.

    For each symbol the lots of the larger side pay, at their average margin; what the other side covers pays once
    for the pair, at the average of all. This is a trade server's default, where the hedged margin of a lot is
    the contract size. On a netting account there is one position a symbol, and it pays for itself.
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


def shown_price(position: OpenPosition, spec: SymbolSpec) -> Decimal:
    """The opening price as samples and messages show it: the symbol's digits, and some more for a mean."""
    price = position.price_open
    on_grid = price.quantize(spec.point, context=WIDE)
    return on_grid if on_grid == price else price.quantize(spec.point.scaleb(-_SHOWN_BEYOND), context=WIDE)


def shown(position: OpenPosition, spec: SymbolSpec, price: Price, profit: Decimal) -> Position:
    """The position as samples show it."""
    return Position(
        ticket=position.ticket,
        symbol=position.symbol,
        side=position.side,
        volume=position.volume,
        price_open=shown_price(position, spec),
        price_current=price.exit(position.side),
        profit=profit,
        time_msc=position.time_msc,
        sl=position.sl,
        tp=position.tp,
        swap=position.swap,
        magic=position.magic,
        comment=position.comment,
        tag=position.tag,
    )
