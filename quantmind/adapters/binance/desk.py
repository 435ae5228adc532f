"""Carries out approved requests, each once: checks, writes down, sends, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.book import Book, level_of
from quantmind.adapters.binance.carried import Carried, CarriedFileError
from quantmind.adapters.binance.checks import Checks
from quantmind.adapters.binance.errors import NotSent, OutcomeUnknown, Refusal
from quantmind.adapters.binance.keeper import Doubt, StopKeeper
from quantmind.adapters.binance.names import LONGEST_TAG, Role, client_id, name_of, tag_number
from quantmind.adapters.binance.outcomes import cancelled, changed_nothing, changed_of, kept, placed_of, stops_changed
from quantmind.adapters.binance.records import NOUGHT, Life, Order
from quantmind.adapters.binance.refusals import refused, says_absent
from quantmind.adapters.binance.venue import Kind, New, Venue, as_changed, in_time
from quantmind.adapters.binance.wishes import Slot
from quantmind.adapters.sent_file import SentFile, SentFileError
from quantmind.domain.accounts import Entry
from quantmind.domain.orders import Cancel, Close, Modify, Open, Outcome, Placed, Refused, Side, Unknown
from quantmind.domain.retcodes import Retcode
from quantmind.domain.risk.approval import Approved
from quantmind.errors import BrokerUnavailable

ORDER_S: Final = 8.0
"""One request to trade; what takes longer has an unknown outcome."""
FILLS_S: Final = 1.0
"""So long the trades of an order are waited for on the stream; then they are asked for."""

_MORE: Final = "Closed in part: no market order may be larger; close the rest, too"


@attrs.define(eq=False)
class Desk:
    """Of one account.

    Args:
        clock: Unix seconds.
        window_s: after so long a request that has not arrived is refused by the exchange.
    """

    name: str
    book: Book
    venue: Venue
    keeper: StopKeeper
    checks: Checks
    sent: SentFile
    clock: Callable[[], float]
    window_s: float

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved request once.

        Cancelled after it was sent it may have been carried out: look it up.

        Raises:
            BrokerUnavailable: nothing was sent.
            ValueError: the tag is none that the exchange keeps.
        """
        if not 0 < len(tag) <= LONGEST_TAG:
            raise ValueError(f"the tag {tag!r} has {len(tag)} characters, a broker keeps 1 to {LONGEST_TAG}")
        if self._was_used(tag):
            return Refused(int(Retcode.INVALID), f"the tag {tag} was used, and nothing is sent twice: look it up")
        try:
            outcome = await self._carry_out(order, tag)
        except NotSent as error:
            self.sent.answered(tag, {"not_sent": True})
            raise BrokerUnavailable(f"broker {self.name}: {error}; nothing was sent") from None
        except (SentFileError, CarriedFileError) as error:
            raise BrokerUnavailable(f"broker {self.name}: {error}; nothing was sent") from None
        except Refusal as refusal:
            outcome = self.checks.with_way_out(refused(refusal), order.proposal)
        except OutcomeUnknown as error:
            return Unknown(str(error))
        known = self.sent.get(tag)
        if not isinstance(outcome, Unknown) and known is not None and known.done is None:
            self.sent.answered(tag, kept(outcome))
        return outcome

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _carry_out(self, order: Approved, tag: str) -> Outcome:
        match order.proposal:
            case Open() as asked:
                return await self._open(asked, tag, reduces=order.reduces)
            case Close() as asked:
                return await self._close(asked, tag)
            case Modify() as asked:
                return await self._modify(asked, tag)
            case Cancel() as asked:
                return await self._cancel(asked, tag)

    # The exchange takes a client order id again once its order has filled.
    def _was_used(self, tag: str) -> bool:
        known = self.sent.get(tag)
        return known is not None and not changed_nothing(known.answer)

    def _going(self, tag: str, what: Mapping[str, Any], *, whatever: bool = False) -> None:
        try:
            self.sent.going(tag, what, whatever=whatever)
        except SentFileError:
            if not whatever:
                raise

    # --- orders ------------------------------------------------------------------------------------------------------

    async def _open(self, asked: Open, tag: str, *, reduces: bool) -> Outcome:
        wrong = self.checks.open(asked, tag, reduces=reduces)
        if isinstance(wrong, Refused):
            return wrong
        new, side = wrong, wrong.side
        slot = (new.symbol, new.position_side)
        conditional = self.venue.is_conditional(new.kind)
        waits = new.kind is not Kind.MARKET and not new.at_once
        if waits or asked.sl or asked.tp:
            self.book.wishes.order(
                Carried(
                    tag_number(tag),
                    *slot,
                    tag=tag,
                    by=tag,
                    time_msc=int(self.clock() * 1000),
                    sl=asked.sl or NOUGHT,
                    tp=asked.tp or NOUGHT,
                    waits=True,
                )
            )
        what = {
            "kind": "order",
            "symbol": new.symbol,
            "key": slot[1],
            "id": new.client_id,
            "conditional": conditional,
            "magic": asked.origin.magic,
            "comment": asked.comment,
        }
        try:
            if side is Side.SELL and self.venue.locks_holdings and not waits:
                outcome, doubt = await self._send_freed(new, slot, tag, what, whatever=reduces)
            else:
                self._going(tag, what, whatever=reduces)
                outcome, doubt = await self._send(new, slot), None
        except (NotSent, Refusal, SentFileError):
            self.book.wishes.forget(tag_number(tag))
            raise
        if isinstance(outcome, Placed) and not outcome.pending:
            if asked.sl or asked.tp:
                doubt = await self.keeper.keep(slot)
            outcome = self._with_stops(outcome, slot, doubt)
        return outcome

    async def _close(self, asked: Close, tag: str) -> Outcome:
        slot = self.book.slot_of(asked.ticket)
        checked = self.checks.close(asked, slot)
        if isinstance(checked, Refused):
            return checked
        assert slot is not None
        volume, position = checked, self.book.position(slot)
        assert position is not None
        new = New(
            slot[0],
            position.side.opposite,
            Kind.MARKET,
            volume,
            client_id(Role.CLOSE, tag),
            reduces=True,
            position_side=slot[1],
        )
        what = {"kind": "order", "symbol": slot[0], "key": slot[1], "id": new.client_id, "conditional": False}
        what |= {"magic": asked.origin.magic, "comment": position.comment}
        outcome, _ = await self._send_freed(new, slot, tag, what, whatever=True)
        if asked.volume is None and volume < position.volume and isinstance(outcome, Placed):
            outcome = attrs.evolve(outcome, retcode=int(Retcode.DONE_PARTIAL), comment=_MORE)
        return outcome

    # What a position consists of is sold: its stops are taken back before, and placed for the rest whatever came of it.
    # Where nothing has to be taken back, whoever changes its stops just now is not waited for.
    async def _send_freed(
        self, new: New, slot: Slot, tag: str, what: Mapping[str, Any], *, whatever: bool
    ) -> tuple[Placed | Refused, Refused | Doubt | None]:
        try:
            if not self.venue.locks_holdings and self.keeper.lock(slot[0]).locked():
                self._going(tag, what, whatever=whatever)
                return await self._send(new, slot), None
            async with self.keeper.lock(slot[0]):
                await self.keeper.free(slot)
                # Only now: how old a request is counts from when it goes out.
                self._going(tag, what, whatever=whatever)
                try:
                    outcome = await self._send(new, slot)
                except (NotSent, Refusal):
                    await self.keeper.keep_locked(slot)
                    raise
                return outcome, await self.keeper.keep_locked(slot)
        finally:
            self.book.poke()

    async def _send(self, new: New, slot: Slot) -> Placed | Refused:
        order, fills = await in_time(self.venue.place(new), ORDER_S)
        self.book.answered(order, fills)
        await self._surely_learn_fills(order)
        if order.life is Life.ENDED and not order.filled:
            return Refused(int(Retcode.PRICE_OFF), f"nothing was filled, and the order is over ({order.status})")
        return placed_of(self.book, order, slot)

    async def learn_fills(self, order: Order) -> None:
        """Wait until the trades of an order are in the book, and ask for them if the stream does not tell.

        Raises OutcomeUnknown: the exchange does not tell them yet either.
        """
        with trio.move_on_after(FILLS_S):
            while self.book.told_of(order) < order.filled:
                await self.book.news()
            return
        self.book.answered(order, await in_time(self.venue.fills_of(order), ORDER_S))
        if self.book.told_of(order) < order.filled:
            raise OutcomeUnknown(f"it has filled {order.filled}, and the exchange does not tell its trades yet")

    async def _surely_learn_fills(self, order: Order) -> None:
        try:
            await self.learn_fills(order)
        except (NotSent, Refusal) as error:
            raise OutcomeUnknown(f"it was filled, and its trades are not known yet: {error}") from None

    def _with_stops(self, outcome: Placed, slot: Slot, kept: Refused | Doubt | None) -> Placed:
        exits = self.book.exits(slot)
        outcome = attrs.evolve(outcome, sl=exits.sl or None, tp=exits.tp or None)
        if kept is None:
            return outcome
        why = kept.comment if isinstance(kept, Refused) else kept.reason
        return attrs.evolve(outcome, comment=f"filled; its stops are not in force yet: {why}"[:400])

    # --- changes -----------------------------------------------------------------------------------------------------

    async def _modify(self, asked: Modify, tag: str) -> Outcome:
        slot = self.book.slot_of(asked.ticket)
        if slot is not None:
            return await self._change_stops(asked, tag, slot)
        order = self.book.waiting(asked.ticket)
        if order is None:
            return Refused(int(Retcode.POSITION_CLOSED), f"there is no position or waiting order {asked.ticket}")
        return await self._change_order(asked, tag, order.symbol)

    # One change after the other: what is wanted while another one is under way would be taken for that one's.
    async def _change_stops(self, asked: Modify, tag: str, slot: Slot) -> Outcome:
        said: Placed | Refused | Doubt = Doubt("it was given up")
        try:
            async with self.keeper.lock(slot[0]):
                said = await self._change_stops_locked(asked, tag, slot)
        finally:
            if isinstance(said, Doubt):
                self.book.poke()  # whoever keeps them goes on with it
        return Unknown(said.reason) if isinstance(said, Doubt) else said

    async def _change_stops_locked(self, asked: Modify, tag: str, slot: Slot) -> Placed | Refused | Doubt:
        before = self.book.wish(slot)
        if before is None or before.ticket != asked.ticket:
            return Refused(int(Retcode.POSITION_CLOSED), f"the position {asked.ticket} is not open any more")
        sl = before.sl if asked.new_sl is None else asked.new_sl
        tp = before.tp if asked.new_tp is None else asked.new_tp
        wrong = self.checks.stops(asked, slot, before, sl, tp)
        if wrong is not None:
            return wrong
        # Only now: how old a request is counts from when it goes out.
        self._going(
            tag,
            {"kind": "stops", "symbol": slot[0], "key": slot[1], "ticket": asked.ticket, "sl": str(sl), "tp": str(tp)},
        )
        self.book.wishes.position(asked.ticket, sl, tp, tag, self.clock() + self.window_s)
        said = await self.keeper.keep_locked(slot)
        if isinstance(said, Refused):
            # Whoever asks may be gone before he is told, and one of two stops may have been there for a moment.
            self.sent.answered(tag, kept(said))
            self.book.wishes.undone(asked.ticket)
            await self.keeper.keep_locked(slot)
        if said is not None:
            return said
        if (sl or tp) and self.book.slot_of(asked.ticket) is None and not self._were_placed(slot, tag):
            return Refused(int(Retcode.POSITION_CLOSED), f"position {asked.ticket} was closed before its stops changed")
        return stops_changed(asked.ticket, sl, tp)

    def _were_placed(self, slot: Slot, tag: str) -> bool:
        roles = (Role.STOP_LOSS, Role.TAKE_PROFIT)
        return any(self.book.orders.named(slot[0], client_id(role, tag)) is not None for role in roles)

    async def _change_order(self, asked: Modify, tag: str, symbol: str) -> Outcome:
        async with self.keeper.lock(symbol):
            order = self.book.waiting(asked.ticket)  # it may have ended while somebody else held the lock
            if order is None:
                return Refused(int(Retcode.ORDER_CHANGED), f"no order {asked.ticket} waits")
            wish = self.book.wishes.of_order(asked.ticket) or Carried(
                asked.ticket, order.symbol, order.position_side, time_msc=order.time_msc, waits=True
            )
            checked = self.checks.change(asked, order, wish)
            if isinstance(checked, Refused):
                return checked
            price, expires_msc, sl, tp = checked
            if (sl or tp) and not wish.tag:
                return Refused(
                    int(Retcode.INVALID_STOPS), "the order was not placed by this gateway, which keeps no stops for it"
                )
            name = name_of(order.client_id)
            moves = (price, expires_msc) != (level_of(order), order.expires_msc)
            said = client_id(Role.ORDER, tag) if name is None else client_id(name.role, name.tag, tag)
            new = as_changed(order, said, price, expires_msc)
            known = len(self.book.deals_of(asked.ticket))
            # Only now: how old a request is counts from when it goes out.
            self._going(
                tag,
                {
                    "kind": "move",
                    "symbol": order.symbol,
                    "key": order.position_side,
                    "ticket": asked.ticket,
                    "order_id": order.order_id,
                    "conditional": order.conditional,
                    "old": order.client_id,
                    "new": new.client_id,
                    "moves": moves,
                    "price": str(price),
                    "expires_msc": expires_msc,
                    "sl": str(sl),
                    "tp": str(tp),
                    "deals": known,
                },
            )
            moved = await self._move(order, new, wish) if moves else order
            if wish.tag:
                wish = attrs.evolve(self.book.from_now(wish, sl, tp), by=tag, moved=_moved_by(moved.client_id))
                self.book.wishes.order(wish, whatever=moves)
            if moves:
                self.book.answered(moved)
        slot = (order.symbol, order.position_side)
        await self._surely_learn_fills(moved)
        outcome = changed_of(self.book, moved, slot, known)
        if outcome.pending or outcome.ended is not None or not (sl or tp):
            return outcome
        fresh = self.book.deals_of(asked.ticket)[known:]
        if all(deal.entry is Entry.OUT for deal in fresh):
            return outcome  # it has made a position smaller, whose stops are not its own
        # It has filled at its new price. The position that it made larger took over what was wanted of it until then.
        if outcome.ticket != asked.ticket and self.book.slot_of(outcome.ticket) is not None:
            self.book.wishes.position(outcome.ticket, sl, tp, tag, self.clock(), whatever=True)
        return self._with_stops(outcome, slot, await self.keeper.keep(slot))

    # What is wanted of it stays with it under the name that it is about to have. `book` is told afterwards.
    async def _move(self, order: Order, new: New, wish: Carried) -> Order:
        if wish.tag:
            self.book.wishes.order(attrs.evolve(wish, moved=_moved_by(new.client_id)))
        try:
            moved = await in_time(self.venue.move(order, new), ORDER_S)
        except (NotSent, Refusal) as error:
            if isinstance(error, Refusal) and error.restored is not None:
                self.book.answered(error.restored)
            if wish.tag:
                self.book.wishes.order(wish, whatever=True)
            raise
        if (moved.order_id, moved.conditional) != (order.order_id, order.conditional):
            self.book.orders.take(attrs.evolve(order, status="CANCELED", updated_msc=moved.updated_msc))
        return moved

    async def _cancel(self, asked: Cancel, tag: str) -> Outcome:
        order = self.book.waiting(asked.ticket)
        if order is None:
            return Refused(int(Retcode.ORDER_CHANGED), f"no order {asked.ticket} waits")
        self._going(
            tag,
            {
                "kind": "cancel",
                "symbol": order.symbol,
                "key": order.position_side,
                "ticket": asked.ticket,
                "order_id": order.order_id,
                "conditional": order.conditional,
                "id": order.client_id,
            },
            whatever=True,
        )
        try:
            ended = await in_time(self.venue.cancel(order), ORDER_S)
        except Refusal as refusal:
            if not says_absent(refusal):
                raise
            why = f"order {asked.ticket} waits no more, or a request before this one has moved it: {refusal.said}"
            return Refused(int(Retcode.ORDER_CHANGED), why[:400])
        last = ended or attrs.evolve(order, status="CANCELED")
        self.book.answered(last)
        return cancelled(asked.ticket, last.quantity - last.filled)


def _moved_by(said: str) -> str:
    name = name_of(said)
    return "" if name is None else name.by
