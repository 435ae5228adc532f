"""What is refused before anything is sent: a request that the exchange would refuse, or that means nothing there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import ParamSpec, TypeVar

import attrs

from quantmind.adapters.binance import filters
from quantmind.adapters.binance.book import Book, level_of
from quantmind.adapters.binance.carried import Carried
from quantmind.adapters.binance.names import Role, client_id
from quantmind.adapters.binance.records import NOUGHT, Order
from quantmind.adapters.binance.rules import EXACT, Rules
from quantmind.adapters.binance.venue import Kind, New, as_changed
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.orders import Close, Filling, Modify, Open, OrderType, Proposal, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec, TradeMode

LEAST_GTD_S = 600
"""An order's end is at least so far away (futures: goodTillDate, New Order)."""
MOVES_S = 10
"""To take an order back and place it anew takes no longer."""
_KINDS = {OrderType.MARKET: Kind.MARKET, OrderType.LIMIT: Kind.LIMIT, OrderType.STOP: Kind.STOP}

_P = ParamSpec("_P")
_T = TypeVar("_T")


# What somebody asks for may have more digits than usual reckoning holds, which would raise.
def _exactly(check: Callable[_P, _T]) -> Callable[_P, _T]:
    @functools.wraps(check)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with localcontext(EXACT):
            return check(*args, **kwargs)

    return checked


@attrs.define(eq=False)
class Checks:
    """Of one account.

    Args:
        ends_orders: whether the exchange ends an order at a time.
        hedges: whether the account is in hedge mode.
        shorts: whether more can be sold than is held.
        market: prices of a symbol, for filters.
        clock: Unix seconds.
    """

    book: Book
    rules: Mapping[str, Rules]
    ends_orders: bool
    shorts: bool
    market: Callable[[str], filters.Prices]
    clock: Callable[[], float]
    type_of: Callable[[Kind], str]
    hedges: Callable[[], bool] = lambda: False

    @_exactly
    def open(self, asked: Open, tag: str, *, reduces: bool) -> New | Refused:
        """The order that is to be placed.

        `reduces`: it was proved to make a position smaller, and passes whatever the rules say. So it is sent as one
        that can do nothing else, where there is such a thing: a stop may have closed the position meanwhile.
        """
        spec = self.book.specs.get(asked.symbol)
        if spec is None:
            return Refused(int(Retcode.INVALID), f"the symbol {asked.symbol} is not followed: name it under symbols")
        if asked.side is None:
            return Refused(int(Retcode.INVALID), "an order that is sent needs a side")
        if spec.trade_mode in (TradeMode.DISABLED, TradeMode.CLOSE_ONLY) and not reduces:
            return Refused(int(Retcode.TRADE_DISABLED), f"{spec.name} can't be opened now ({spec.trade_mode.value})")
        kind = _KINDS[asked.order_type]
        if asked.filling is Filling.FOK or (kind is not Kind.MARKET and asked.filling is Filling.IOC):
            return Refused(
                int(Retcode.INVALID_FILL), f"filling {asked.filling.value} is not offered: leave it out, or use ioc"
            )
        volume = spec.floor_volume(asked.volume) if asked.reduce and asked.volume.is_finite() else asked.volume
        wrong = _wrong_volume(spec, volume, Retcode.INVALID_VOLUME)
        if wrong is not None:
            return wrong
        if kind is not Kind.MARKET and not _is_price(asked.price):
            return Refused(int(Retcode.INVALID_PRICE), f"a {asked.order_type.value} order needs a price above 0")
        new = New(
            symbol=spec.name,
            side=asked.side,
            kind=kind,
            quantity=volume,
            client_id=client_id(Role.ORDER, tag),
            price=asked.price if kind is Kind.LIMIT else None,
            trigger=asked.price if kind is Kind.STOP else None,
            reduces=reduces and not self.hedges(),
            position_side=self.key_of(asked.side),
        )
        new = self._within_deviation(new, asked, spec)
        ends = self._wrong_end(asked.expiration) if kind is not Kind.MARKET else None
        if ends is not None:
            return ends
        if asked.expiration is not None and kind is not Kind.MARKET:
            new = attrs.evolve(new, expires_msc=int(asked.expiration) * 1000)
        if not self.shorts and new.side is Side.SELL and new.kind is Kind.MARKET:
            held = self.book.volume_of((spec.name, new.position_side))
            if new.quantity > held:
                return Refused(
                    int(Retcode.NO_MONEY), f"{new.quantity} {spec.currency_base} can't be sold: {held} is held"
                )
        filtered = self._filtered(new)
        if filtered is not None:
            return filtered
        at = asked.price if kind is not Kind.MARKET else None
        sl, tp = asked.sl or NOUGHT, asked.tp or NOUGHT
        return self._not_offered(spec.name, sl, tp) or self._wrong_stops(spec, new.side, sl, tp, at) or new

    @_exactly
    def close(self, asked: Close, slot: Slot | None) -> Decimal | Refused:
        """The volume that is to be closed: of a whole position as much as one market order may be of."""
        if slot is None:
            return Refused(int(Retcode.POSITION_CLOSED), f"the position {asked.ticket} is not open")
        if slot[0] != asked.symbol:
            return Refused(int(Retcode.INVALID), f"the position {asked.ticket} is of {slot[0]}, not of {asked.symbol}")
        if asked.by is not None:
            return Refused(int(Retcode.INVALID), "positions can't be closed by each other here: close each by itself")
        held = self.book.volume_of(slot)
        most = filters.at_market(self.rules[slot[0]], held)
        if asked.volume is None:
            return most
        wrong = _wrong_volume(self.book.specs[slot[0]], asked.volume, Retcode.INVALID_VOLUME, capped=False)
        if wrong is not None:
            return wrong
        if asked.volume > held:
            return Refused(
                int(Retcode.INVALID_CLOSE_VOLUME), f"{asked.volume} is more than the position has, which is {held}"
            )
        if asked.volume > most:
            return Refused(
                int(Retcode.INVALID_CLOSE_VOLUME), f"{asked.volume} is more than one market order may be of, {most}"
            )
        return asked.volume

    @_exactly
    def stops(self, asked: Modify, slot: Slot, before: Carried, sl: Decimal, tp: Decimal) -> Refused | None:
        """Why the stops of a position can't be these."""
        if asked.new_price is not None or asked.new_expiration is not None:
            return Refused(int(Retcode.INVALID), "a position has no price and no end that could be changed")
        exits = self.book.exits(slot)
        if (sl, tp) == (before.sl, before.tp) == (exits.sl, exits.tp):
            return Refused(int(Retcode.NO_CHANGES), "its stops are so already")
        position = self.book.position(slot)
        assert position is not None
        wrong = self._not_offered(slot[0], sl, tp)
        return wrong or self._wrong_stops(self.book.specs[slot[0]], position.side, sl, tp, None)

    @_exactly
    def change(self, asked: Modify, order: Order, wish: Carried) -> tuple[Decimal, int, Decimal, Decimal] | Refused:
        """Price, end (Unix milliseconds), stop loss and take profit that a waiting order is to have."""
        strange = self._not_ours(order)
        if strange is not None:
            return strange
        spec = self.book.specs[order.symbol]
        price = level_of(order) if asked.new_price is None else asked.new_price
        if not _is_price(price):
            return Refused(int(Retcode.INVALID_PRICE), f"a waiting order needs a price above 0, not {price}")
        expires_msc = order.expires_msc
        if asked.new_expiration is not None:
            wrong = self._wrong_end(asked.new_expiration) if asked.new_expiration else None
            if wrong is not None:
                return wrong
            expires_msc = int(asked.new_expiration) * 1000
        elif order.conditional and order.expires_msc and price != level_of(order):
            wrong = self._ends_too_soon(order)
            if wrong is not None:
                return wrong
        sl = wish.sl if asked.new_sl is None else asked.new_sl
        tp = wish.tp if asked.new_tp is None else asked.new_tp
        if (price, expires_msc, sl, tp) == (level_of(order), order.expires_msc, wish.sl, wish.tp):
            return Refused(int(Retcode.NO_CHANGES), "the order is so already")
        new = as_changed(order, order.client_id, price, expires_msc)
        if not self.ends_orders or expires_msc != order.expires_msc:  # what is left of it is placed anew
            new = attrs.evolve(new, quantity=order.quantity - order.filled)
        filtered = self._filtered(new)
        if filtered is not None:
            return filtered
        return self._wrong_stops(spec, order.side, sl, tp, price) or (price, expires_msc, sl, tp)

    def with_way_out(self, refused: Refused, asked: Proposal) -> Refused:
        """A refusal by the exchange; one of a market order that is worth too little says how much would be enough."""
        if not isinstance(asked, Open) or asked.side is None or "notional" not in refused.comment.lower():
            return refused
        price = self.book.price_out(asked.symbol, asked.side.opposite)
        least = None if price is None else filters.least_at(self.rules[asked.symbol], price)
        if least is None or asked.volume >= least:
            return refused
        return attrs.evolve(refused, comment=f"{refused.comment}; at {price:f} use {least.normalize():f} or more"[:400])

    def key_of(self, side: Side) -> str:
        """The position side of an order that opens."""
        if not self.hedges():
            return "BOTH"
        return "LONG" if side is Side.BUY else "SHORT"

    # --- inside ------------------------------------------------------------------------------------------------------

    def _filtered(self, new: New) -> Refused | None:
        wanted = filters.Wanted(
            side=new.side,
            kind=self.type_of(new.kind),
            quantity=new.quantity,
            price=new.price,
            trigger=new.trigger,
            reduces=new.reduces,
        )
        return filters.refusal(self.rules[new.symbol], wanted, self.market(new.symbol), self._standing(new.symbol))

    def _standing(self, symbol: str) -> filters.Standing:
        orders = [order for order in self.book.orders if order.symbol == symbol]
        buys = sum((order.quantity - order.filled for order in orders if order.side is Side.BUY), NOUGHT)
        held = sum((abs(walk.lot.amount) for slot, walk in self.book.walks.items() if slot[0] == symbol), NOUGHT)
        stops = sum(1 for order in orders if order.conditional or order.trigger)
        return filters.Standing(sum(1 for order in orders if not order.conditional), stops, held + buys)

    # It would be placed anew as an order of another kind, or without the others of its list.
    def _not_ours(self, order: Order) -> Refused | None:
        ours = order.kind in (self.type_of(Kind.LIMIT), self.type_of(Kind.STOP)) and not order.closes_position
        if ours and order.list_id == -1:
            return None
        what = f"of type {order.kind}" if order.list_id == -1 else "in a list"
        return Refused(int(Retcode.INVALID_ORDER), f"an order {what} is not changed here: cancel it, and place another")

    # Not each symbol of spot takes each kind of order.
    def _not_offered(self, symbol: str, sl: Decimal, tp: Decimal) -> Refused | None:
        rules = self.rules[symbol]
        if rules.is_futures:
            return None
        needed = [kind for level, kind in ((sl, "STOP_LOSS"), (tp, "TAKE_PROFIT")) if level]
        missing = [kind for kind in needed if kind not in rules.order_types]
        if not missing and not (sl and tp and not rules.oco_allowed):
            return None
        what = ", ".join(missing) or "a stop loss and a take profit together (OCO)"
        return Refused(int(Retcode.INVALID_STOPS), f"{symbol} does not take {what}: leave it out")

    # A market order that may miss its price by so much and no more is a limit order that does not wait.
    def _within_deviation(self, new: New, asked: Open, spec: SymbolSpec) -> New:
        if new.kind is not Kind.MARKET or asked.deviation is None or not _is_price(asked.price):
            return new
        assert asked.price is not None
        worst = asked.price + asked.deviation * spec.point * new.side.sign
        # The last tick that is not beyond it: a tick may be several points.
        ticks = (worst / spec.tick_size).to_integral_value(ROUND_FLOOR if new.side is Side.BUY else ROUND_CEILING)
        worst = (ticks * spec.tick_size).quantize(spec.point)
        return attrs.evolve(new, kind=Kind.LIMIT, price=worst, at_once=True)

    def _wrong_end(self, expiration: float | None) -> Refused | None:
        if expiration is None:
            return None
        if not self.ends_orders:
            return Refused(
                int(Retcode.INVALID_EXPIRATION), "orders have no end on spot: leave expiration out, and cancel it"
            )
        left = expiration - self.clock()
        if left < LEAST_GTD_S:
            return Refused(
                int(Retcode.INVALID_EXPIRATION),
                f"an order ends {LEAST_GTD_S} s from now at the earliest, not in {left:.0f} s",
            )
        return None

    # One that is moved by taking it back must be taken anew, as it is to be or as it was.
    def _ends_too_soon(self, order: Order) -> Refused | None:
        left = order.expires_msc / 1000 - self.clock()
        if left >= LEAST_GTD_S + MOVES_S:
            return None
        why = f"an order that ends in {left:.0f} s would not be taken anew: give it a later end, too, or cancel it"
        return Refused(int(Retcode.INVALID_EXPIRATION), why)

    # `at`: the price at which a waiting order will be filled; None: the position is, or will be, there at once.
    def _wrong_stops(
        self, spec: SymbolSpec, side: Side, sl: Decimal, tp: Decimal, at: Decimal | None
    ) -> Refused | None:
        out = self.book.price_out(spec.name, side) if at is None else at
        for what, level, sign in (("stop loss", sl, side.sign), ("take profit", tp, -side.sign)):
            if not level:
                continue
            if not level.is_finite() or level < 0 or not spec.on_price_grid(level):
                return Refused(
                    int(Retcode.INVALID_STOPS), f"the {what} {level} is not a multiple of {spec.tick_size} above 0"
                )
            rules = self.rules[spec.name]
            if level < rules.min_price or 0 < rules.max_price < level:
                bounds = f"{rules.min_price} to {rules.max_price or 'any'}"
                return Refused(
                    int(Retcode.INVALID_STOPS), f"the {what} {level} is beyond what {spec.name} takes: {bounds}"
                )
            if out is not None and (out - level) * sign <= 0:
                word = "below" if sign > 0 else "above"
                return Refused(
                    int(Retcode.INVALID_STOPS), f"the {what} of a {side.value} must be {word} {out}, and is {level}"
                )
        return None


def _wrong_volume(spec: SymbolSpec, volume: Decimal, code: Retcode, *, capped: bool = True) -> Refused | None:
    if not volume.is_finite() or volume <= 0 or volume % spec.volume_step:
        return Refused(int(code), f"the volume {volume} is not a multiple of {spec.volume_step} above 0")
    if volume < spec.volume_min:
        return Refused(int(code), f"the volume {volume} is below the smallest, {spec.volume_min}")
    if capped and volume > spec.volume_max:
        return Refused(int(code), f"the volume {volume} is above the largest, {spec.volume_max}")
    return None


def _is_price(price: Decimal | None) -> bool:
    return price is not None and price.is_finite() and price > 0
