"""What a market order gets: its price after slippage or a requote, and how much of its volume."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import refuse
from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.symbol_terms import Slip, SymbolTerms, check_filling, usual_filling
from quantmind.domain.orders import Filling, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import Execution, SymbolSpec

_NO_PRICE = Decimal(0)


@attrs.frozen
class Fill:
    """What an order gets: `volume` in lots, below what was asked for when it is `partial` (10010)."""

    price: Decimal
    volume: Decimal
    partial: bool = False


@attrs.define
class Executor:
    """Fills the market orders of one account; the same `seed` and the same calls give the same fills.

    Attributes:
        drawn: how many random numbers were used, which is all of its state: one with the same `seed` and `drawn`
            goes on as this one would.
    """

    seed: int = 1
    drawn: int = 0

    def fill(
        self,
        spec: SymbolSpec,
        terms: SymbolTerms,
        side: Side,
        price: Price,
        volume: Decimal,
        *,
        asked: Decimal | None = None,
        deviation: int | None = None,
        filling: Filling | None = None,
    ) -> Fill | Refused:
        """What a market order of this side and volume gets now. Session, trade mode and money are not its question.

        Market execution fills at the last price and its slippage, whatever `asked` says. Instant execution fills at
        the price that was asked for, the last one when none was; a price that has moved fills within `deviation`
        points of it (None: 0) and is a requote (10004) beyond.

        Volume: with a limit on what one fill may have `IOC` gets a part; `FOK`, and each other mode of instant
        execution, all or nothing (10006). A mode that the symbol lacks is 10030.
        """
        wrong = check_filling(spec, filling, pending=False)
        if wrong is not None:
            return wrong
        filled = _volume_of(spec, terms, volume, filling or usual_filling(spec, pending=False))
        if isinstance(filled, Refused):
            return filled
        level = price.fill(side)
        if spec.execution is Execution.INSTANT:
            level = self._requoted(spec, terms, side, level)
            wanted = price.fill(side) if asked is None or asked == _NO_PRICE else asked
            if abs(level - wanted) > (deviation or 0) * spec.point:
                return refuse(
                    Retcode.REQUOTE,
                    f"requote: {spec.name} is {level} now, {abs(level - wanted) / spec.point:.0f} points from "
                    f"{wanted}; ask again at {level}, or allow a deviation (it was {deviation or 0})",
                )
        else:
            level = self.slipped(spec, terms, side, level)
        return Fill(level, filled, partial=filled != volume)

    def slipped(self, spec: SymbolSpec, terms: SymbolTerms, side: Side, level: Decimal) -> Decimal:
        """The price of a market execution at `level`: that of stops and activated stop orders, too."""
        if terms.slippage_points == 0:
            return level
        lowest = -terms.slippage_points if terms.slippage_side is Slip.BOTH else 0
        points = lowest + int(self._draw() * (terms.slippage_points - lowest + 1))
        ticks = int(points * spec.point / spec.tick_size)
        return _moved(spec, side, level, ticks)

    def _requoted(self, spec: SymbolSpec, terms: SymbolTerms, side: Side, level: Decimal) -> Decimal:
        if terms.requote_probability == 0.0 or self._draw() >= terms.requote_probability:
            return level
        points = 1 + int(self._draw() * terms.requote_points)
        ticks = max(1, int(points * spec.point / spec.tick_size))
        return _moved(spec, side, level, ticks)

    # The n-th number is a hash of the seed and n: the state is one integer, and every platform has the same numbers.
    def _draw(self) -> float:
        digest = hashlib.blake2b(f"{self.seed}:{self.drawn}".encode(), digest_size=8).digest()
        self.drawn += 1
        return (int.from_bytes(digest, "big") >> 11) / 2**53


def _moved(spec: SymbolSpec, side: Side, level: Decimal, ticks: int) -> Decimal:
    moved = level + side.sign * ticks * spec.tick_size
    return moved if moved > 0 else level


def _volume_of(spec: SymbolSpec, terms: SymbolTerms, volume: Decimal, filling: Filling) -> Decimal | Refused:
    most = terms.fill_volume_max
    if most is None or volume <= most:
        return volume
    filled = spec.floor_volume(most)
    if filling is not Filling.IOC or filled == 0:
        return refuse(
            Retcode.REJECT,
            f"{volume} lots of {spec.name} can't be filled at once, {most} are there: "
            f"ask for no more, or let ioc fill a part",
        )
    return filled
