"""A bookkeeper: compares what is recorded of one account with what its broker says, and writes down what is new.

At the start, after each reconnection and with each sample: deals, positions and pending orders, each with where it
comes from. What the deals do not explain is drift, which is told with what and since when, and taken over or flagged as
the configuration says. A sample that could not be taken is no sample: nothing is compared with it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from actors import durable
from actors.boards import Boards, Flagged
from actors.messages import AccountSampled, AdoptDrift, DealsRead, Reply
from actors.runtime import Call, Inbox, MailboxPolicy, Overflow
from quantmind.domain.accounts import Cause, Deal, PendingOrder, Position, Sample
from quantmind.domain.books import Books, Change, Comparison, Drift, Explained, Shape, adopt_flagged, compare
from quantmind.domain.clock import Clock
from quantmind.errors import JournalDown
from quantmind.ports import Journal
from quantmind.records import Event, Holding, Record, Setting, Standing
from quantmind.wire import holdings, replies

logger: Final = logging.getLogger("quantmind.bookkeeper")

CHUNK: Final = 256
"""Of an account that is taken over, records in one append: its long history holds up no order."""
BLIND_AFTER_S: Final = 10.0
"""Without a sample for so long nothing can be said of the account."""
LOAD_AGAIN_S: Final = 1.0
APPROVED_WITHIN_S: Final = 120.0
"""A deal that is seen so long after an approval of its symbol and magic may be that EA's own trade."""

_CAUSES: Final = {Cause.SL: "sl", Cause.TP: "tp", Cause.STOP_OUT: "stop_out", Cause.FEE: "fee"}


def mailbox_key(message: object) -> type | None:
    """Samples and readings conflate, each with its like; what is asked never."""
    return None if isinstance(message, Call) else type(message)


MAILBOX: Final = MailboxPolicy(
    Overflow.CONFLATE, 64, key=mailbox_key, reason="the newest sample says all that earlier ones did; people ask rarely"
)


@attrs.frozen
class _DealsTold:
    """The deals that the broker has told by a moment. `read_at` None: it was not asked yet."""

    deals: Sequence[Deal]
    version: int
    read_at: float | None


@attrs.define
class Bookkeeper:
    """Keeps the books of one broker's account. Crashed or restarted it goes on from the record.

    Args:
        adopt: drift is taken over; False: it is flagged until a person adopts it or it goes away.
    """

    broker: str
    boards: Boards
    journal: Journal
    clock: Clock
    adopt: bool = True
    _books: Books = attrs.field(factory=Books, init=False)
    _known: set[int] = attrs.field(factory=set, init=False)
    """Tickets of deals that are recorded."""
    _version: int = attrs.field(default=-1, init=False)
    """Of the deals that were looked at last."""
    _loaded: bool = attrs.field(default=False, init=False)
    _compared: float = attrs.field(default=0.0, init=False)

    async def __call__(self, inbox: Inbox[Call[Reply] | AccountSampled | DealsRead]) -> None:
        self._compared = trio.current_time()
        inbox.ready()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            async for message in inbox:
                if isinstance(message, Call):
                    await self._adopt(message)
                else:
                    await self._look()
            nursery.cancel_scope.cancel()

    # --- comparing -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Compare with the newest sample and deals; write down what is new, and only then take it as ours."""
        sample: Sample | None = self.boards.links.of(self.broker).sample
        if sample is None or trio.current_time() - sample.taken_at > BLIND_AFTER_S:
            return
        try:
            if not self._loaded:
                await self._load()
            told = self._deals_told()
            new = self._new_of(told)
            explained = await self._explain(new) if self._books.begun else {}
            found = compare(
                self._books,
                sample,
                new,
                explained,
                now=sample.taken_at,
                deals_read_at=told.read_at,
                adopt=self.adopt,
            )
            await self._write(found, new, explained, told)
        except JournalDown as exc:
            self._show("unwritten", f"the journal: {exc}")
            return
        self._compared = sample.taken_at
        self._show_books()

    async def _load(self) -> None:
        standing = await durable.within(self.journal.standing())
        self._known = set(await durable.within(self.journal.known_deals(self.broker)))
        self._books = recorded_books(standing, self.broker)
        self._version, self._loaded = -1, True

    # At one moment, before anything is waited for: what the poller reads meanwhile is for the next look.
    def _deals_told(self) -> _DealsTold:
        book = self.boards.deals.of(self.broker)
        return _DealsTold(book.all(), book.version, book.read_at)

    def _new_of(self, told: _DealsTold) -> list[Deal]:
        if told.version == self._version:
            return []
        return [deal for deal in told.deals if deal.ticket not in self._known]

    async def _explain(self, deals: Sequence[Deal]) -> Mapping[int, Explained]:
        return {deal.ticket: await self._explain_one(deal) for deal in deals}

    async def _explain_one(self, deal: Deal) -> Explained:
        if deal.cause in _CAUSES:
            return Explained(_CAUSES[deal.cause])
        if deal.tag and await durable.within(self.journal.order(deal.tag)) is not None:
            return Explained("order", deal.tag)
        since = self.clock.now() - APPROVED_WITHIN_S
        approval = await durable.within(self.journal.approval_for(self.broker, deal.symbol, deal.magic, since))
        return Explained("outside") if approval is None else Explained("approval", approval)

    # --- writing -------------------------------------------------------------------------------------------------

    async def _write(
        self, found: Comparison, new: Sequence[Deal], explained: Mapping[int, Explained], told: _DealsTold
    ) -> None:
        now = self.clock.now()
        began = found.books.begun and not self._books.begun
        records: list[Record] = [self._holding(change, now) for change in found.changes]
        records += [self._event("drift", self._told(drift), now) for drift in found.drifted]
        records += [self._event("drift_over", self._told(drift), now) for drift in found.settled]
        outside = [deal for deal in new if explained.get(deal.ticket) == Explained("outside")]
        records += [self._event("outside", holdings.deal(deal, self.broker), now) for deal in outside]
        if began:
            counts = {"positions": len(found.books.positions), "orders": len(found.books.orders), "deals": len(new)}
            records.append(self._event("adopted", counts, now))
        lasting = _lasting(found.books)
        if records or lasting != _lasting(self._books):
            records.append(Setting(_key(self.broker), lasting, now, logged=False))
        # All at once, since deals count only with what they make of the positions. What is taken over counts with its
        # last record: after a crash in between it is taken over again, and what was written is found by its tickets.
        step = CHUNK if began else len(records) or 1
        for start in range(0, len(records), step):
            await durable.append(self.journal, records[start : start + step])
        self._note(found, outside, written=len(records))
        if found.books.begun:
            self._known.update(deal.ticket for deal in new)
            if told.read_at is not None:  # else the broker has told none yet, and will tell all that are recorded
                self._known.intersection_update(deal.ticket for deal in told.deals)
            self._version = told.version
        self._books = found.books

    def _note(self, found: Comparison, outside: Sequence[Deal], *, written: int) -> None:
        board = self.boards.books.of(self.broker)
        board.recorded += len(found.changes)
        board.outside += len(outside)
        board.drifts += len(found.drifted)
        for drift in found.drifted:
            logger.error(
                "find.drift broker=%s ticket=%d symbol=%s ours=%s theirs=%s policy=%s",
                self.broker,
                drift.ticket,
                drift.symbol,
                drift.ours,
                drift.theirs,
                "adopt" if self.adopt else "flag",
            )
        for deal in outside:
            logger.warning(
                "find.outside broker=%s deal=%d symbol=%s magic=%d", self.broker, deal.ticket, deal.symbol, deal.magic
            )
        if written:
            logger.debug("write.books broker=%s records=%d", self.broker, written)

    def _holding(self, change: Change, now: float) -> Holding:
        return Holding(
            self.broker,
            change.kind,
            change.ticket,
            None if change.item is None else _view(change.item, self.broker),
            now,
            change.order_id,
            change.cause,
        )

    def _event(self, name: str, data: Mapping[str, Any], now: float) -> Event:
        return Event(name, self.broker, data, now)

    def _told(self, drift: Drift) -> dict[str, Any]:
        return {
            "what": "position",
            "ticket": drift.ticket,
            "symbol": drift.symbol,
            "ours": drift.ours,
            "theirs": drift.theirs,
            "since": round(self.clock.now() - (trio.current_time() - drift.since), 3),
            "policy": "adopt" if self.adopt else "flag",
        }

    # --- what a person decides -----------------------------------------------------------------------------------

    async def _adopt(self, call: Call[Reply]) -> None:
        request = call.request
        assert isinstance(request, AdoptDrift)
        flagged = list(self._books.flagged.values())
        if not flagged:
            call.answer(replies.error("invalid_message", f"nothing of {self.broker} is flagged; see /status"))
            return
        told = [{**self._told(drift), "by": request.by, "reason": request.reason} for drift in flagged]
        books = adopt_flagged(self._books)
        records: list[Record] = [self._event("drift_adopted", item, self.clock.now()) for item in told]
        records.append(Setting(_key(self.broker), _lasting(books), self.clock.now(), logged=False))
        try:
            await durable.append(self.journal, records)
        except JournalDown as exc:
            call.answer(replies.error("internal", f"the journal can't write ({exc}); nothing was adopted"))
            return
        self._books = books
        logger.warning("adopt.drift broker=%s count=%d by=%s", self.broker, len(flagged), request.by)
        await self._look()
        call.answer({"status": "success", "adopted": told})

    # --- how it is -----------------------------------------------------------------------------------------------

    # In a task of its own: without samples nothing else would say that there are none.
    async def _watch(self) -> None:
        while True:
            await trio.sleep(LOAD_AGAIN_S)
            blind_s = trio.current_time() - self._compared
            if blind_s > BLIND_AFTER_S and self.boards.books.of(self.broker).state != "unwritten":
                link = self.boards.links.of(self.broker)
                why = f": its feed is {link.feed}" + (f" ({link.feed_error})" if link.feed_error else "")
                self._show("blind", f"the account was last compared {blind_s:.0f} s ago{why}")

    def _show_books(self) -> None:
        books, board = self._books, self.boards.books.of(self.broker)
        wall, now = self.clock.now(), trio.current_time()
        board.compared_at = wall
        board.flagged = tuple(
            Flagged(drift.ticket, drift.symbol, drift.ours, drift.theirs, wall - (now - drift.since))
            for drift in books.flagged.values()
        )
        if not books.begun:
            self._show("beginning", None)
        elif books.flagged:
            self._show("drift", f"{len(books.flagged)} positions are not explained by deals")
        elif books.doubts:
            self._show("in_doubt", None)
        else:
            self._show("agreed", None)

    def _show(self, state: str, error: str | None) -> None:
        board = self.boards.books.of(self.broker)
        board.error = error
        if board.state == state and board.since:
            return
        before, board.state, board.since = board.state, state, self.clock.now()
        if state == "agreed" and before in ("beginning", "blind", "unwritten"):
            positions, orders = len(self._books.positions), len(self._books.orders)
            self.journal.note([self._event("reconciled", {"positions": positions, "orders": orders}, board.since)])
        if "in_doubt" not in (state, before):
            logger.info("change.books broker=%s state=%s reason=%s", self.broker, state, error or "-")


def _view(item: Position | PendingOrder | Deal, broker: str) -> dict[str, Any]:
    if isinstance(item, Position):
        return holdings.position(item, broker)
    if isinstance(item, PendingOrder):
        return holdings.order(item, broker)
    return holdings.deal(item, broker)


# --- what is kept over restarts ------------------------------------------------------------------------------------


def _key(broker: str) -> str:
    return f"books:{broker}"


def _lasting(books: Books) -> dict[str, Any] | None:
    """What the holdings do not say by themselves: None before anything was taken over."""
    if not books.begun:
        return None
    return {"volumes": {str(ticket): str(volume) for ticket, volume in books.volumes.items()}}


def recorded_books(standing: Standing, broker: str) -> Books:
    """The books as the record has them."""
    kept = next((item.value for item in standing.settings if item.key == _key(broker)), None)
    if kept is None:
        return Books()
    positions = {item.ticket: _position_shape(item) for item in standing.positions if item.broker == broker}
    orders = {item.ticket: _order_shape(item) for item in standing.orders if item.broker == broker}
    volumes = {int(ticket): Decimal(volume) for ticket, volume in kept["volumes"].items()}
    return Books(True, None, positions, orders, volumes)


def _position_shape(item: Holding) -> Shape:
    data = item.data or {}
    sign = 1 if data["side"] == "buy" else -1
    return Shape(data["symbol"], _number(data["volume"]) * sign, _maybe(data["sl"]), _maybe(data["tp"]))


def _order_shape(item: Holding) -> Shape:
    data = item.data or {}
    return Shape(
        data["symbol"],
        _number(data["volume"]),
        _maybe(data["sl"]),
        _maybe(data["tp"]),
        _maybe(data["price"]),
        data["expiration_msc"],
    )


def _maybe(value: Any) -> Decimal | None:
    return None if value is None else _number(value)


def _number(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
