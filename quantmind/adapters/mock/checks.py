"""Why a trade server would refuse: pure checks, each None or a `Refused` with the code and the numbers."""

from __future__ import annotations

from decimal import Decimal

from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.money import HIGHEST_PRICE
from quantmind.domain.orders import Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec


def refuse(retcode: Retcode, comment: str) -> Refused:
    """A refusal with its code as a plain number."""
    return Refused(int(retcode), comment)


def refuse_rate(symbol: str, source: str, target: str) -> Refused:
    """Money in one currency can't be counted in the other."""
    return refuse(
        Retcode.PRICE_OFF,
        f"there is no rate from {source} to {target}, so {symbol} can't be counted: "
        f"the account needs a price of {source}{target} or {target}{source}",
    )


def check_volume(spec: SymbolSpec, volume: Decimal) -> Refused | None:
    """Whether an order may have this volume."""
    allowed = f"{spec.name} takes {spec.volume_min} to {spec.volume_max} lots in steps of {spec.volume_step}"
    if not volume.is_finite() or volume <= 0:
        return refuse(Retcode.INVALID_VOLUME, f"{volume} lots is not a volume: {allowed}")
    if volume < spec.volume_min:
        return refuse(Retcode.INVALID_VOLUME, f"{volume} lots is below the minimum: {allowed}")
    if volume > spec.volume_max:
        return refuse(Retcode.INVALID_VOLUME, f"{volume} lots is above the maximum: {allowed}")
    if not spec.on_volume_grid(volume):
        return refuse(Retcode.INVALID_VOLUME, f"{volume} lots is between two steps: {allowed}")
    return None


def check_price(spec: SymbolSpec, what: str, price: Decimal | None) -> Refused | None:
    """Whether a level is a price of the symbol at all; None is no level."""
    if price is None:
        return None
    if not price.is_finite() or not 0 <= price <= HIGHEST_PRICE:
        return refuse(Retcode.INVALID_PRICE, f"{what} {price} is not a price")
    if not spec.on_price_grid(price):
        return refuse(
            Retcode.INVALID_PRICE,
            f"{what} {price} is between two prices of {spec.name}, which moves in steps of {spec.tick_size}: "
            f"use {spec.round_price(price)}",
        )
    return None


def stop_level(spec: SymbolSpec, price: Decimal | None) -> Decimal | None:
    """A checked level with the symbol's digits; 0 is none, as in a terminal."""
    return None if price is None or price == 0 else price.quantize(spec.point)


def check_stops(spec: SymbolSpec, side: Side, price: Price, sl: Decimal | None, tp: Decimal | None) -> Refused | None:
    """Whether a position's stops stand on their sides of the price that would trigger them, and far enough from it."""
    whose = "the bid" if side is Side.BUY else "the ask"
    return check_stops_at(spec, side, price.exit(side), whose, sl, tp)


def check_stops_at(
    spec: SymbolSpec, side: Side, level: Decimal, whose: str, sl: Decimal | None, tp: Decimal | None
) -> Refused | None:
    """Whether stops stand on their sides of a level, and the stops level away from it: 10016."""
    nearest = max(spec.stops_level * spec.point, Decimal(0))
    for what, stop, sign in (("stop loss", sl, -side.sign), ("take profit", tp, side.sign)):
        if stop is None:
            continue
        distance = (stop - level) * sign
        if distance <= 0:
            where = "above" if sign > 0 else "below"
            return refuse(
                Retcode.INVALID_STOPS,
                f"{what} {stop} of a {side.value} must be {where} {whose}, which is {level}",
            )
        if distance < nearest:
            return refuse(
                Retcode.INVALID_STOPS,
                f"{what} {stop} is {distance / spec.point:.0f} points from {whose} {level}, "
                f"{spec.name} wants at least {spec.stops_level}",
            )
    return None
