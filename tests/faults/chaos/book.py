"""The ledger broker's account: hedging, with the tag of each order. Plain state without I/O."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import attrs

CONTRACT: Final = Decimal(100_000)
BALANCE: Final = Decimal(1_000_000)
POINT: Final = Decimal("0.00001")
BASES: Final = {"EURUSD": Decimal("1.08500"), "GBPUSD": Decimal("1.26500"), "AUDUSD": Decimal("0.65500")}
"""What it trades, and where the prices begin. Each fill moves its symbol's price by a point, so that one fill can't be
taken for another."""
RANGE: Final = 4_000
"""Points, until the price begins anew."""

REQUOTE: Final = 10004
DONE: Final = 10009
INVALID: Final = 10013
INVALID_VOLUME: Final = 10014
POSITION_CLOSED: Final = 10036
INVALID_CLOSE_VOLUME: Final = 10038


@attrs.define
class Held:
    """An open position."""

    ticket: int
    symbol: str
    side: str
    volume: Decimal
    price: Decimal
    tag: str
    magic: int
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1


@attrs.frozen
class Fill:
    """An order that was carried out. `entry` is in, out, or change (of stops), which has no price and no deal."""

    tag: str
    entry: str
    ticket: int
    symbol: str
    side: str
    """The deal's own: a long position closes by a sell."""
    volume: Decimal
    price: Decimal | None
    order: int
    deal: int
    profit: Decimal
    balance: Decimal
    magic: int
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None


@attrs.frozen
class Refusal:
    """An order that was not. `duplicate`: since its tag is that of an order that is open."""

    tag: str
    retcode: int
    comment: str
    duplicate: bool = False


@attrs.define
class Book:
    """Positions, fills and what each tag became.

    A tag is refused only while the position that it opened is open, as Binance does it: one that is sent again later
    is carried out again, and stands in the ledger twice.
    """

    balance: Decimal = BALANCE
    positions: dict[int, Held] = attrs.field(factory=dict)
    fills: list[Fill] = attrs.field(factory=list)
    by_tag: dict[str, list[Fill]] = attrs.field(factory=dict)
    _moves: dict[str, int] = attrs.field(factory=dict)
    _numbers: int = 1000

    def price(self, symbol: str) -> Decimal:
        return BASES[symbol] + self._moves.get(symbol, 0) % RANGE * POINT

    def carry_out(self, order: dict[str, Any], time_msc: int) -> Fill | Refusal:
        """Carry out an order as it came over the wire."""
        tag = order["tag"]
        if any(held.tag == tag for held in self.positions.values()):
            return Refusal(tag, INVALID, f"an order with the tag {tag} is open", duplicate=True)
        outcome = self._open(order, time_msc) if order["action"] == "open" else self._change(order, time_msc)
        if isinstance(outcome, Fill):
            self.fills.append(outcome)
            self.by_tag.setdefault(tag, []).append(outcome)
        return outcome

    def _open(self, order: dict[str, Any], time_msc: int) -> Fill | Refusal:
        tag, symbol, volume = order["tag"], order["symbol"], Decimal(order["volume"])
        if symbol not in BASES:
            return Refusal(tag, INVALID, f"there is no symbol {symbol}")
        if volume <= 0 or volume % Decimal("0.01") != 0:
            return Refusal(tag, INVALID_VOLUME, f"{volume} lots can't be traded")
        self._moves[symbol] = self._moves.get(symbol, 0) + 1
        number = self._number()
        held = Held(
            ticket=number,
            symbol=symbol,
            side=order["side"],
            volume=volume,
            price=self.price(symbol),
            tag=tag,
            magic=order["magic"],
            time_msc=time_msc,
            sl=_price(order["sl"]),
            tp=_price(order["tp"]),
        )
        self.positions[number] = held
        return self._fill(order, held, "in", held.side, volume, held.price, Decimal(0), time_msc)

    def _change(self, order: dict[str, Any], time_msc: int) -> Fill | Refusal:
        held = self.positions.get(order["ticket"])
        if held is None:
            return Refusal(order["tag"], POSITION_CLOSED, f"position {order['ticket']} is not open")
        if order["action"] == "modify":
            held.sl, held.tp = _changed(held.sl, order["sl"]), _changed(held.tp, order["tp"])
            return self._fill(order, held, "change", held.side, held.volume, None, Decimal(0), time_msc)
        volume = held.volume if order["volume"] is None else Decimal(order["volume"])
        if volume > held.volume:
            return Refusal(order["tag"], INVALID_CLOSE_VOLUME, f"{held.volume} lots are open, {volume} can't be closed")
        self._moves[held.symbol] = self._moves.get(held.symbol, 0) + 1
        price = self.price(held.symbol)
        profit = ((price - held.price) * held.sign * volume * CONTRACT).quantize(Decimal("0.01"))
        self.balance += profit
        held.volume -= volume
        if held.volume == 0:
            del self.positions[held.ticket]
        side = "sell" if held.side == "buy" else "buy"
        return self._fill(order, held, "out", side, volume, price, profit, time_msc)

    def _fill(
        self,
        order: dict[str, Any],
        held: Held,
        entry: str,
        side: str,
        volume: Decimal,
        price: Decimal | None,
        profit: Decimal,
        time_msc: int,
    ) -> Fill:
        number = held.ticket if entry == "in" else self._number()
        return Fill(
            tag=order["tag"],
            entry=entry,
            ticket=held.ticket,
            symbol=held.symbol,
            side=side,
            volume=volume,
            price=price,
            order=number,
            deal=0 if entry == "change" else self._number(),
            profit=profit,
            balance=self.balance,
            magic=order["magic"],
            time_msc=time_msc,
            sl=held.sl,
            tp=held.tp,
        )

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


def plain(item: Any) -> dict[str, Any]:
    """A value of this module as JSON can hold it; numbers exact, as text."""
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in attrs.asdict(item, recurse=False).items()
    }


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _changed(before: Decimal | None, text: str | None) -> Decimal | None:
    """None keeps, 0 removes."""
    if text is None:
        return before
    return Decimal(text) or None
