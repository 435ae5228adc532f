"""Keeps the stops of positions: makes the orders at the exchange what is wanted, now, after a fill, after a restart.

On futures they are conditional orders that close whatever is open; on spot orders that sell what is held, each taking
the other back (OCO). Between two of them a position is without one for a moment: the exchange takes no second one
beside the first. What can't be placed is placed as it was before, and what is wanted is tried again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.book import Book, Exits
from quantmind.adapters.binance.carried import Carried
from quantmind.adapters.binance.errors import BinanceError, NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.filters import at_market
from quantmind.adapters.binance.names import Role, client_id, name_of
from quantmind.adapters.binance.records import NOUGHT, Life, Order
from quantmind.adapters.binance.refusals import refused
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.venue import Kind, New, Stops, Venue, in_time
from quantmind.adapters.binance.wishes import Slot
from quantmind.domain.accounts import Position
from quantmind.domain.orders import Refused, Side
from quantmind.domain.retcodes import Retcode

logger: Final = logging.getLogger("quantmind.binance")

RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Between two tries to place stops that could not be placed, unless what is wanted, or what there is, has changed."""
LOOK_S: Final = 30.0
"""Between two looks when nothing is told."""
SET_OFF_S: Final = 3.0
"""So long the trade of a stop that was set off is waited for."""
MOST_SET_OFF: Final = 1000
STEP_S: Final = 6.0
"""One request about stops; what takes longer is looked up."""


@attrs.frozen
class Doubt:
    """It is not known whether the stops are as they are wanted; it is looked up and tried again."""

    reason: str


Kept = Refused | Doubt | None
"""None: they are as they are wanted."""

Case = tuple[Decimal, ...]
"""The stops that are wanted, what of the position can be traded, the stops that there are, and their quantities."""


@attrs.frozen
class Failed:
    """Stops that could not be placed: how often, in which case, and when (`trio.current_time`) they are tried again."""

    times: int
    case: Case
    again_at: float


_GIVEN_UP: Final = Doubt("it was given up")


@attrs.define(eq=False)
class StopKeeper:
    """Of one account.

    Args:
        reread: reads the account anew, after a request whose outcome nobody heard.
        clock: Unix seconds.
        decide: told that a change of stops, by its tag, was refused; whether nobody had heard of its outcome before.
    """

    book: Book
    venue: Venue
    rules: Mapping[str, Rules]
    reread: Callable[[], Awaitable[None]]
    clock: Callable[[], float]
    decide: Callable[[str, Refused], bool]
    _locks: dict[str, trio.Lock] = attrs.field(factory=dict, init=False)
    _failed: dict[Slot, Failed] = attrs.field(factory=dict, init=False)
    _why: dict[Slot, str] = attrs.field(factory=dict, init=False)
    _set_off: dict[tuple[str, int], float] = attrs.field(factory=dict, init=False)
    placed: int = attrs.field(default=0, init=False)
    failed: int = attrs.field(default=0, init=False)

    def lock(self, symbol: str) -> trio.Lock:
        """Held by whoever changes the stops of a symbol, or closes what they lock."""
        return self._locks.setdefault(symbol, trio.Lock())

    async def keep(self, slot: Slot) -> Kept:
        """Make the stops of a position what is wanted. Cancelled it may have done a part of it."""
        async with self.lock(slot[0]):
            kept: Kept = _GIVEN_UP
            try:
                kept = await self.keep_locked(slot)
            finally:
                if kept is not None:
                    self.book.poke()  # whoever keeps them goes on with it
            return kept

    async def keep_locked(self, slot: Slot) -> Kept:
        """The same, for who holds the lock."""
        wish, exits = self.book.wish(slot), self.book.exits(slot)
        self._failed.pop(slot, None)
        kept = await self._keep(slot, wish, exits)
        if kept is None:
            self._why.pop(slot, None)
            if wish is not None:
                self.book.wishes.done(wish.ticket)
        else:
            self.failed += 1
            if isinstance(kept, Refused) and kept.retcode == Retcode.CLOSE_ORDER_EXIST:
                self.book.overrun = True  # there is one that nobody has told of
            self._why[slot] = kept.comment if isinstance(kept, Refused) else kept.reason
        return kept

    async def _keep(self, slot: Slot, wish: Carried | None, exits: Exits) -> Kept:
        wish = self._adopted(wish, exits)
        sl, tp = (NOUGHT, NOUGHT) if wish is None else (wish.sl, wish.tp)
        quantity = self.book.volume_of(slot)
        wrong = self._wrong(slot, exits, sl, tp, quantity)
        if wrong is None:
            return None
        dropping, stops = wrong
        return await self._change(dropping, attrs.evolve(stops, tag="" if wish is None else wish.stops_tag))

    async def free(self, slot: Slot) -> None:
        """Take back the stops of a position where they lock what it consists of; whoever asks holds the lock.

        Raises as `Venue.drop_stops` does.
        """
        if self.venue.locks_holdings:
            exits = self.book.exits(slot)
            if exits.orders:
                await self._drop(exits)

    async def run(self) -> None:
        """See to it whenever the account changes, until cancelled."""
        while True:
            told = self.book.told  # what is told while another position is seen to counts, too
            for slot in list(self.book.walks):
                if slot in self.book.walks:  # a symbol may go while another one is seen to
                    await self._see_to(slot)
            with trio.move_on_after(self._pause()):
                await self.book.news(told)

    def unprotected(self) -> dict[str, str]:
        """Positions of which a stop loss is wanted that could not be placed, and why: none is in force."""
        found = {}
        for slot, why in self._why.items():
            wish = self.book.wish(slot)
            if wish is not None and wish.sl and self.book.exits(slot).stop_loss is None:
                found[_shown(slot)] = why
        return found

    def snapshot(self) -> dict[str, Any]:
        """For /status: which positions do not have the stops that are wanted, and why."""
        return {
            "placed": self.placed,
            "failed": self.failed,
            "file": self.book.carried.fault,
            "missing": {_shown(slot): why for slot, why in self._why.items()},
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        doubts = [self.book.wish(slot) for slot in self.book.walks]
        if any(wish is not None and wish.doubt is not None for wish in doubts):
            return RETRY_S[0]
        if any(self._is_set_off(slot) for slot in self.book.walks):
            return RETRY_S[1]
        again_at = min((failed.again_at for failed in self._failed.values()), default=math.inf)
        return min(max(again_at - trio.current_time(), RETRY_S[0]), LOOK_S)

    def _case(self, slot: Slot) -> Case:
        wish, exits = self.book.wish(slot), self.book.exits(slot)
        wanted = (NOUGHT, NOUGHT) if wish is None else (wish.sl, wish.tp)
        return (*wanted, self.book.volume_of(slot), exits.sl, exits.tp, *(order.quantity for order in exits.orders))

    async def _see_to(self, slot: Slot) -> None:
        if self.book.unsettled() is not None or self.lock(slot[0]).locked():
            return
        if self._is_undecided(slot) or self._is_set_off(slot):
            return
        if self._is_dust(slot):
            self._why.pop(slot, None)
            return
        failed = self._failed.get(slot)
        times = 1
        if failed is not None and failed.case == self._case(slot):
            if trio.current_time() < failed.again_at:
                return
            times = failed.times + 1
        kept = await self.keep(slot)
        if kept is None:
            return
        logger.error("fail.stops symbol=%s side=%s reason=%s", *slot, ascii(self._why[slot]))
        if isinstance(kept, Doubt):
            await self.reread()
        elif kept.retcode == Retcode.INVALID_STOPS:
            await self._close_beyond(slot)
        elif kept.retcode != Retcode.CLOSE_ORDER_EXIST:
            self._undo(slot, kept)
        pause = RETRY_S[min(times, len(RETRY_S)) - 1]
        self._failed[slot] = Failed(times, self._case(slot), trio.current_time() + pause)

    # The rest of a position that no order may be of, since it is worth too little: the exchange takes no stop of it.
    def _is_dust(self, slot: Slot) -> bool:
        rules, position = self.rules.get(slot[0]), self.book.position(slot)
        if rules is None or position is None or not self.venue.locks_holdings or self.book.exits(slot).orders:
            return False
        least = max((each.least for each in rules.notionals), default=NOUGHT)
        return position.volume * position.price_current < least

    # A stop that its trader has set in the exchange's own application is his will, unless he asks for another one here.
    def _adopted(self, wish: Carried | None, exits: Exits) -> Carried | None:
        if wish is None or wish.doubt is not None:
            return wish
        sl = exits.sl if exits.stop_loss is not None and _is_foreign(exits.stop_loss) else wish.sl
        tp = exits.tp if exits.take_profit is not None and _is_foreign(exits.take_profit) else wish.tp
        if (sl, tp) == (wish.sl, wish.tp):
            return wish
        self.book.wishes.adopt(wish.ticket, sl, tp)
        return attrs.evolve(wish, sl=sl, tp=tp)

    # A change whose request nobody heard of, and that has changed nothing (yet): it may still arrive. When it can no
    # more, it never was. One that was carried out in part is carried on with, since the position has no stop.
    def _is_undecided(self, slot: Slot) -> bool:
        wish, exits = self.book.wish(slot), self.book.exits(slot)
        if wish is None or wish.doubt is None or (exits.sl, exits.tp) != (wish.doubt.sl, wish.doubt.tp):
            return False
        if self.clock() < wish.doubt.until:
            return True
        self.book.wishes.undone(wish.ticket)
        return False

    # One that was carried on with, and goes no further: what was wanted before is wanted again.
    def _undo(self, slot: Slot, said: Refused) -> None:
        wish = self.book.wish(slot)
        if wish is not None and wish.doubt is not None and self.decide(wish.by, said):
            self.book.wishes.undone(wish.ticket)
            self.book.poke()

    # Its price came, and the trade that closes the position is about to be told. One of which no trade comes protects
    # nothing.
    def _is_set_off(self, slot: Slot) -> bool:
        wish = self.book.wish(slot)
        if wish is None:
            return False
        for role in (Role.STOP_LOSS, Role.TAKE_PROFIT):
            order = self.book.orders.named(slot[0], client_id(role, wish.stops_tag))
            if order is not None and order.life is Life.TRIGGERED:
                began = self._set_off.setdefault((slot[0], order.order_id), trio.current_time())
                while len(self._set_off) > MOST_SET_OFF:
                    del self._set_off[next(iter(self._set_off))]
                if trio.current_time() - began < SET_OFF_S:
                    return True
        return False

    # What has to go, and what has to come; None: all is right.
    def _wrong(
        self, slot: Slot, exits: Exits, sl: Decimal, tp: Decimal, quantity: Decimal
    ) -> tuple[Exits, Stops] | None:
        side = Side.SELL if self.book.walks[slot].lot.amount > 0 else Side.BUY
        whole = self.venue.locks_holdings
        sized = not whole or all(order.quantity == quantity for order in exits.orders)
        right_sl, right_tp = exits.sl == sl and sized, exits.tp == tp and sized
        if right_sl and right_tp:
            return None
        if whole:  # one list for both
            return exits, Stops(slot, side, quantity, sl, tp, "")
        dropping = Exits(None if right_sl else exits.stop_loss, None if right_tp else exits.take_profit)
        return dropping, Stops(slot, side, quantity, NOUGHT if right_sl else sl, NOUGHT if right_tp else tp, "")

    async def _change(self, dropping: Exits, stops: Stops) -> Kept:
        try:
            if dropping.orders:
                await self._drop(dropping)
            if not (stops.sl or stops.tp):
                return None
            await self._set(stops)
        except Refusal as refusal:
            if dropping.orders and (dropping.sl or dropping.tp):
                await self._set_back(dropping, stops)
            return refused(refusal)
        except (NotSent, OutcomeUnknown) as error:
            return Doubt(str(error))
        return None

    async def _set_back(self, dropped: Exits, stops: Stops) -> None:
        before = attrs.evolve(stops, sl=dropped.sl, tp=dropped.tp)
        try:
            await self._set(before)
        except BinanceError as error:
            logger.error("fail.stops symbol=%s side=%s reason=%s", *stops.slot, ascii(str(error)))

    async def _drop(self, exits: Exits) -> None:
        for order in await in_time(self.venue.drop_stops(exits), STEP_S, " whether it took stops back"):
            self.book.answered(order)

    async def _set(self, stops: Stops) -> None:
        for order in await in_time(self.venue.set_stops(stops), STEP_S, " whether it placed stops"):
            self.book.answered(order)
        self.placed += 1

    # The market has gone through a stop that was not there: it would have closed the position, so it is closed.
    async def _close_beyond(self, slot: Slot) -> None:
        async with self.lock(slot[0]):
            wish, position = self.book.wish(slot), self.book.position(slot)
            role = None if wish is None or position is None else _gone_beyond(wish, position)
            if wish is None or position is None or role is None:
                return
            logger.warning(
                "close.beyond symbol=%s side=%s sl=%s tp=%s price=%s", *slot, wish.sl, wish.tp, position.price_current
            )
            new = New(
                position.symbol,
                position.side.opposite,
                Kind.MARKET,
                at_market(self.rules[slot[0]], position.volume),
                client_id(role, wish.stops_tag),
                reduces=True,
                position_side=slot[1],
            )
            try:
                with trio.move_on_after(STEP_S):
                    await self.free(slot)
                    self.book.answered(*await self.venue.place(new))
            except BinanceError as error:
                logger.error("fail.close symbol=%s side=%s reason=%s", *slot, ascii(str(error)))


def _shown(slot: Slot) -> str:
    symbol, key = slot
    return symbol if key == "BOTH" else f"{symbol} {key}"


def _is_foreign(order: Order) -> bool:
    return name_of(order.client_id) is None


# Which of its stops the market has gone through; None: neither.
def _gone_beyond(wish: Carried, position: Position) -> Role | None:
    sign = position.side.sign
    if wish.sl and (position.price_current - wish.sl) * sign <= 0:
        return Role.STOP_LOSS
    if wish.tp and (position.price_current - wish.tp) * sign >= 0:
        return Role.TAKE_PROFIT
    return None
