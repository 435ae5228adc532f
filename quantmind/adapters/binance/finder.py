"""What became of a request that nobody heard of: looked up at the exchange by its client order id, never sent again.

A request carries its time, and the exchange refuses it once `recvWindow` is over. So one that the exchange does not
know is surely absent only after that.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.binance.book import Book, level_of
from quantmind.adapters.binance.desk import Desk
from quantmind.adapters.binance.errors import BinanceError
from quantmind.adapters.binance.names import Role, client_id, name_of, number_of, tag_number
from quantmind.adapters.binance.outcomes import (
    NEVER,
    cancelled,
    changed_nothing,
    changed_of,
    kept,
    of_history,
    placed_of,
    read,
    stops_changed,
)
from quantmind.adapters.binance.records import Life, Order
from quantmind.adapters.binance.venue import Venue
from quantmind.adapters.binance.walk import side_of
from quantmind.adapters.binance.wishes import Slot
from quantmind.adapters.sent_file import Sent, SentFile
from quantmind.domain.orders import Absent, Placed, Refused
from quantmind.errors import BrokerUnavailable

SPARE_S: Final = 1.0
"""Beyond recvWindow, for a clock that is a little off and a request that is in the exchange's hands already."""
HISTORY_S: Final = 3600.0
"""An order that was over for so long, and whose trades the account does not tell, had them before what it tells."""

Found = Placed | Absent | None


class _Yet(enum.Enum):
    UNDECIDED = "undecided"
    """A request that may still arrive decides it."""


@attrs.define(eq=False)
class Finder:
    """Of one account.

    Args:
        symbols: those that are followed.
        window_s: after so long a request that has not arrived is refused by the exchange.
    """

    name: str
    book: Book
    venue: Venue
    desk: Desk
    sent: SentFile
    symbols: Callable[[], Sequence[str]]
    window_s: float

    async def find(self, tag: str) -> Found:
        """What the exchange knows of a request; None: it can't be told yet. Raises BrokerUnavailable."""
        sent = self.sent.get(tag)
        try:
            if sent is None:
                return await self._find_unwritten(tag)
            if sent.done is not None:
                if NEVER & sent.answer.keys():
                    return Absent()
                outcome = read(sent.answer)
                if isinstance(outcome, Refused):
                    return Absent()
                if isinstance(outcome, Placed) and not outcome.pending:
                    return outcome
            return await self._find(tag, sent)
        except BinanceError as error:
            raise BrokerUnavailable(f"broker {self.name}: {error}") from None

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _find(self, tag: str, sent: Sent) -> Found:
        what = sent.what
        match what.get("kind"):
            case "order":
                found = await self._find_order(what)
            case "move":
                found = await self._find_moved(what, sent)
            case "stops":
                found = self._find_stops(what)
                if found is None and self._is_in_doubt(tag, what):
                    return None
                found = found or await self._look_for_stops(tag, what)
            case "cancel":
                said = await self._find_cancelled(what)
                if said is _Yet.UNDECIDED:
                    return None
                found = said
            case _:
                raise BrokerUnavailable(f"broker {self.name}: what was written down of {tag} can't be read: {what}")
        if found is None:
            if self.sent.age_of(sent) <= self.window_s:
                return None
            # Whatever changes the same order later is not this request.
            self.sent.answered(tag, {"absent": True})
            if what.get("kind") == "order":
                self.book.wishes.forget(tag_number(tag))
            elif what.get("kind") == "move":
                self._keeps_its_name(what)
            return Absent()
        if sent.done is None and not found.pending:
            self.sent.answered(tag, kept(found))
        return found

    # By another process that kept no file, or one whose file is lost: its symbol is not known.
    async def _find_unwritten(self, tag: str) -> Found:
        for symbol in self.symbols():
            waits = self._waits_as(symbol, client_id(Role.ORDER, tag))
            if waits is not None:
                return await self._placed(waits, (symbol, waits.position_side))
            for role in (Role.ORDER, Role.CLOSE):
                said = client_id(role, tag)
                for conditional in (False, True):
                    order = self.book.orders.named(symbol, said)
                    if order is None and (not conditional or self.venue.has_conditional):
                        order = await self.venue.look(symbol, said, conditional=conditional)
                    if order is not None:
                        return await self._placed(order, (symbol, order.position_side))
        return Absent() if self.sent.whole_for() > self.window_s else None

    async def _find_order(self, what: Mapping[str, Any]) -> Placed | None:
        order = await self.venue.look(what["symbol"], what["id"], conditional=bool(what["conditional"]))
        if order is None or (order.life is Life.ENDED and not order.filled):
            order = self._waits_as(what["symbol"], what["id"]) or await self._look_moved(what) or order
        return None if order is None else await self._placed(order, (what["symbol"], what["key"]))

    async def _look_moved(self, what: Mapping[str, Any]) -> Order | None:
        name = name_of(what["id"])
        wish = None if name is None else self.book.wishes.of_order(tag_number(name.tag))
        if wish is None or not wish.moved:
            return None
        return await self.venue.look(what["symbol"], wish.order_id, conditional=bool(what["conditional"]))

    # An order that was moved has another name since, which begins as its first one.
    def _waits_as(self, symbol: str, said: str) -> Order | None:
        of_symbol = (order for order in self.book.orders if order.symbol == symbol)
        return next((order for order in of_symbol if order.client_id.startswith(said)), None)

    async def _find_moved(self, what: Mapping[str, Any], sent: Sent) -> Placed | None:
        symbol, slot = what["symbol"], (what["symbol"], what["key"])
        wish = self.book.wishes.of_order(int(what["ticket"]))
        if not what["moves"]:
            if wish is None or (wish.sl, wish.tp) != (Decimal(what["sl"]), Decimal(what["tp"])):
                return None
            order = await self.venue.look(symbol, what["old"], conditional=bool(what["conditional"]))
            return None if order is None else await self._changed(order, slot, what)
        order = await self.venue.look(symbol, what["new"], conditional=bool(what["conditional"]))
        if order is None:
            order = await self.venue.look(symbol, what["old"], conditional=bool(what["conditional"]))
            if order is not None and order.status == "CANCELED" and self.sent.age_of(sent) > self.window_s:
                # It was taken back and not placed anew, unless another request of ours has done that.
                if self._may_be_of_another(sent):
                    return None
                self._keeps_its_name(what)
                return await self._changed(order, slot, what)
            if order is None or level_of(order) != Decimal(what["price"]) or order.expires_msc != what["expires_msc"]:
                return None
            self._keeps_its_name(what)
        wish = self.book.wishes.of_order(int(what["ticket"]))
        if wish is not None:
            self.book.wishes.order(self.book.from_now(wish, Decimal(what["sl"]), Decimal(what["tp"])), whatever=True)
        return await self._changed(order, slot, what)

    # What is wanted of the order was written down under the name that it was about to have.
    def _keeps_its_name(self, what: Mapping[str, Any]) -> None:
        wish, old = self.book.wishes.of_order(int(what["ticket"])), name_of(what["old"])
        if wish is not None and wish.tag and old is not None and wish.order_id == what["new"]:
            self.book.wishes.order(attrs.evolve(wish, moved=old.by), whatever=True)

    def _may_be_of_another(self, move: Sent) -> bool:
        return any(each.tag != move.tag for each in self._of_same_order(move.what, "move", "cancel"))

    # Those that may have given the order of this request another name.
    def _moves_of(self, what: Mapping[str, Any]) -> list[Sent]:
        return [each for each in self._of_same_order(what, "move") if each.what["moves"]]

    # Requests of these kinds about the order of this one that may have changed it.
    def _of_same_order(self, what: Mapping[str, Any], *kinds: str) -> list[Sent]:
        return [
            each
            for each in self.sent.requests
            if each.what.get("kind") in kinds
            and all(each.what.get(name) == what[name] for name in ("symbol", "order_id", "conditional"))
            and not changed_nothing(each.answer)
        ]

    def _may_arrive(self, sent: Sent) -> bool:
        return sent.done is None and self.sent.age_of(sent) <= self.window_s

    # The stops are as they were wanted, or whoever keeps them is still at it.
    def _find_stops(self, what: Mapping[str, Any]) -> Placed | None:
        ticket, sl, tp = int(what["ticket"]), Decimal(what["sl"]), Decimal(what["tp"])
        slot = self.book.slot_of(ticket)
        if slot is None:
            return None
        exits = self.book.exits(slot)
        return stops_changed(ticket, sl, tp) if (exits.sl, exits.tp) == (sl, tp) else None

    # Its position is closed since, or has other stops: that they were placed stands in the orders that closed it.
    async def _look_for_stops(self, tag: str, what: Mapping[str, Any]) -> Placed | None:
        sl, tp = Decimal(what["sl"]), Decimal(what["tp"])
        for role, level in ((Role.STOP_LOSS, sl), (Role.TAKE_PROFIT, tp)):
            if not level:
                continue
            said = client_id(role, tag)
            order = self.book.orders.named(what["symbol"], said)
            if order is None:
                order = await self.venue.look(what["symbol"], said, conditional=self.venue.has_conditional)
            if order is not None and level_of(order) == level:
                return stops_changed(int(what["ticket"]), sl, tp)
        return None

    # Whoever keeps the stops finds out.
    def _is_in_doubt(self, tag: str, what: Mapping[str, Any]) -> bool:
        wish = self.book.wishes.of_order(int(what["ticket"]))
        if wish is None or wish.doubt is None or wish.by != tag:
            return False
        self.book.poke()
        return True

    async def _find_cancelled(self, what: Mapping[str, Any]) -> Placed | _Yet | None:
        conditional = bool(what["conditional"])
        order = await self.venue.look(what["symbol"], what["id"], conditional=conditional)
        if order is None or order.status != "CANCELED":
            return None
        # One that was moved is over under the name that it had, and waits under another one.
        for move in self._moves_of(what):
            known = await self.venue.look(what["symbol"], move.what["new"], conditional=conditional)
            if known is not None:
                return None
            if self._may_arrive(move):
                return _Yet.UNDECIDED
        self.book.answered(order)
        return cancelled(int(what["ticket"]), order.quantity - order.filled)

    async def _placed(self, order: Order, slot: Slot) -> Placed:
        now = await self._now(order)
        return self._of_history(now, slot) if self._is_history(now) else placed_of(self.book, now, slot)

    async def _changed(self, order: Order, slot: Slot, what: Mapping[str, Any]) -> Placed:
        now = await self._now(order)
        if self._is_history(now):
            return self._of_history(now, slot)
        return changed_of(self.book, now, slot, int(what.get("deals", 0)))

    # An order as it is now, with its trades in the book.
    async def _now(self, order: Order) -> Order:
        if self._is_history(order):
            return order
        self.book.answered(order)
        current: Order | None = order
        if order.conditional and order.life is Life.TRIGGERED:
            current = await self.venue.look_again(order)
        current = current or order
        if current.filled and not self._is_history(current):
            self.book.answered(current)
            await self.desk.learn_fills(current)
        return current

    # No trade has handed on the stops that were wanted of it.
    def _of_history(self, order: Order, slot: Slot) -> Placed:
        wish, position = self.book.wishes.of_order(number_of(order)), self.book.wish(slot)
        if wish is None or not wish.waits or position is None or position.sl or position.tp:
            return of_history(self.book, order)
        if side_of(self.book.walks[slot].lot.amount) is order.side:
            self.book.wishes.inherit(position.ticket, wish)
            self.book.poke()
        return of_history(self.book, order)

    # Its trades are in what was held when the account was read; taken in once more they would change the position.
    def _is_history(self, order: Order) -> bool:
        is_over = order.life in (Life.FILLED, Life.ENDED) and order.filled > 0
        age_s = self.desk.clock() - order.updated_msc / 1000
        return is_over and age_s > HISTORY_S and self.book.told_of(order) < order.filled
