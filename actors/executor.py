"""An executor: carries out approved orders at one broker, each at most once.

The intent is durable before the broker is called. An intent without an outcome is unknown until `find` tells
what became of it; it is never sent again.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import attrs
import trio

from actors import durable
from actors.boards import Boards
from actors.known import as_before
from actors.messages import Execute, Executed, Reply
from actors.reconcile import proposal_of, reconciled_reply
from actors.runtime import Call, Inbox, MailboxPolicy, NotDelivered, Overflow, Ref
from quantmind.domain.clock import Clock
from quantmind.domain.orders import Absent, Outcome, Placed, Proposal, Unknown
from quantmind.domain.risk import Approved, TradingState
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.ports import Broker, Duplicate, Intent, Journal, Record, Settled
from quantmind.wire import replies

logger = logging.getLogger("quantmind.executor")

MAILBOX = MailboxPolicy(
    Overflow.REJECT, 1024, reason="one command each; a full one is `busy`, before anything was sent"
)
BATCH = 64
RECONCILE_EVERY_S = 2.0
PLACE_WITHIN_S = 20.0
"""A broker that takes longer has left the order unknown, and the next one gets its turn."""
FIND_WITHIN_S = 10.0
ANSWER_EVERY_S = 0.02
"""At a slow broker those in front don't wait for the whole batch."""


@attrs.define
class _Order:
    """One approved order in hand."""

    call: Call[Reply]
    request: Execute
    durable: bool = False

    @property
    def approved(self) -> Approved:
        return self.request.approved

    @property
    def order_id(self) -> str:
        return self.request.approved.approval_id


@attrs.frozen
class _Done:
    """One order that the broker was called for, or that must not be sent any more."""

    order: _Order
    reply: Reply
    record: Settled
    fact: Executed


@attrs.define
class Executor:
    """Takes `Execute` calls for one broker and answers them with their outcome.

    Cancelled between intent and outcome it leaves an unknown order, which the next incarnation reconciles.
    """

    broker: Broker
    journal: Journal
    boards: Boards
    governor: Ref[Any]
    clock: Clock
    _in_hand: set[str] = attrs.field(factory=set, init=False)
    _touched: set[str] = attrs.field(factory=set, init=False)
    """Orders that were in hand at any time since reconciling began: what it read of them may be old."""
    _unsaved: list[tuple[Record, Executed | None]] = attrs.field(factory=list, init=False)
    """What the journal could not take yet, and what the governor must then be told again."""
    _reconciled: bool = attrs.field(default=False, init=False)

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        self._link("reconciling", None)
        inbox.ready()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._reconcile_for_ever)
                async for batch in inbox.batches(BATCH):
                    orders = [order for call in batch if (order := self._admit(call)) is not None]
                    if orders:
                        await self._carry_out(orders)
                nursery.cancel_scope.cancel()
        except BaseException:  # parked or on its way back, it must not look ready
            self._link("failed", "its executor ended by an error; see /actors")
            raise

    # --- before the intent ---------------------------------------------------------------------------------------

    def _admit(self, call: Call[Reply]) -> _Order | None:
        request = call.request
        assert isinstance(request, Execute)
        approved = request.approved
        refusal = self._refusal(approved)
        if refusal is None and not call.commit():
            refusal = replies.error("expired", "nobody waits for it any more; nothing was sent")
        if refusal is not None:
            self._tell(approved, None)
            call.answer(refusal)
            return None
        self._in_hand.add(approved.approval_id)
        self._touched.add(approved.approval_id)
        return _Order(call.move(), request)

    def _refusal(self, approved: Approved) -> Reply | None:
        """Why it may not go out now, whatever was true when it was approved; None if it may."""
        proposal = approved.proposal
        if approved.incarnation != self.boards.term.incarnation:
            message = "the governor was restarted since it approved this; send it again with a new request_id"
            return replies.denied("governor_restarted", message, proposal)
        if trio.current_time() >= approved.deadline:
            return replies.error("expired", "its time was over before it could be sent; nothing was done")
        if approved.reduces:
            return None
        halt = self.boards.halts.read(proposal.broker)
        if halt.state is not TradingState.ACTIVE:
            return replies.denied("trading_state", f"trading is {halt.state.value} since then ({halt.cause})", proposal)
        if not self._reconciled:
            link = self.boards.links.of(self.broker.name)
            why = link.orders_error or "its orders are being reconciled"
            return replies.error("broker_unavailable", f"{self.broker.name} takes nothing new now: {why}")
        return None

    # --- intent, broker, outcome ---------------------------------------------------------------------------------

    async def _carry_out(self, orders: list[_Order]) -> None:
        try:
            done: list[_Done] = []
            since = trio.current_time()
            for order in await self._write_intents(orders):
                done.append(await self._send(order))
                if trio.current_time() - since >= ANSWER_EVERY_S:
                    await self._answer(done)
                    done, since = [], trio.current_time()
            await self._answer(done)
        finally:
            for order in orders:
                self._in_hand.discard(order.order_id)

    async def _write_intents(self, orders: list[_Order]) -> list[_Order]:
        """Those that may be sent: their intent is durable, or they reduce risk and the journal is down."""
        try:
            results = await durable.append(self.journal, [self._intent(order) for order in orders])
        except JournalDown as exc:
            logger.error("fail.intent broker=%s orders=%d reason=%s", self.broker.name, len(orders), exc)
            return [order for order in orders if self._goes_undurable(order, str(exc))]
        now = time.perf_counter()
        ready = []
        for order, result in zip(orders, results, strict=True):
            order.request.watch.mark("intent", now)
            if isinstance(result, Duplicate):
                self._tell(order.approved, None)
                order.call.answer(as_before(result.known, order.request.fingerprint))
            else:
                order.durable = True
                ready.append(order)
        return ready

    def _goes_undurable(self, order: _Order, reason: str) -> bool:
        if order.approved.reduces:
            logger.error("send.without_journal broker=%s order=%s", self.broker.name, order.order_id)
            self._unsaved.append((self._intent(order), None))
            return True
        self._tell(order.approved, None)
        message = f"the journal can't write ({reason}); nothing new is opened until it works again"
        order.call.answer(replies.denied("journal", message, order.approved.proposal))
        return False

    def _intent(self, order: _Order) -> Intent:
        proposal = order.approved.proposal
        return Intent(
            order_id=order.order_id,
            broker=self.broker.name,
            ea_name=proposal.origin.ea_name,
            magic=proposal.origin.magic,
            symbol=getattr(proposal, "symbol", ""),
            request_id=proposal.origin.request_id,
            fingerprint=order.request.fingerprint,
            body={**order.request.body, "approved_volume": _volume(proposal)},
            at=self.clock.now(),
        )

    async def _send(self, order: _Order) -> _Done:
        """Call the broker once; the reply and the state that the order is in now."""
        approved = order.approved
        refusal = self._refusal(approved)
        if refusal is not None:  # a halt or the deadline came while the intent was written
            return self._done(order, {**refusal, "order_id": order.order_id}, "not_sent", None)
        outcome: Outcome = Unknown(f"the broker has not answered for {PLACE_WITHIN_S:g} s")
        try:
            with trio.move_on_after(PLACE_WITHIN_S):
                outcome = await self.broker.place(approved, order.order_id)
        except BrokerUnavailable as exc:
            message = f"{self.broker.name} can't be reached ({exc}); nothing was sent"
            reply = replies.error("broker_unavailable", message, order_id=order.order_id)
            return self._done(order, reply, "not_sent", None)
        order.request.watch.mark("broker", time.perf_counter())
        return self._done(order, replies.executed(approved, outcome, order.order_id), _state(outcome), outcome)

    def _done(self, order: _Order, reply: Reply, state: str, outcome: Outcome | None) -> _Done:
        fact = self._tell(order.approved, outcome)
        return _Done(order, reply, self._settled(order.order_id, state, reply), fact)

    async def _answer(self, done: list[_Done]) -> None:
        """Write outcomes, then say them."""
        final = [item for item in done if item.record.state != "unknown"]
        unsaved: list[tuple[Record, Executed | None]] = [
            (item.record, item.fact) for item in final if not item.order.durable
        ]
        recorded = [item for item in final if item.order.durable]
        if recorded:
            try:
                await durable.append(self.journal, [item.record for item in recorded])
            except JournalDown as exc:
                # The outcome is known and said; the record follows when the journal works again, or from `find`.
                logger.error("fail.outcome broker=%s orders=%d reason=%s", self.broker.name, len(recorded), exc)
                unsaved += [(item.record, item.fact) for item in recorded]
        self._unsaved += unsaved
        now = time.perf_counter()
        for item in done:
            if item.order.approved.incarnation != self.boards.term.incarnation:
                self._report(item.fact)  # a new governor may have read the intent without its outcome
            item.order.request.watch.mark("outcome", now)
            item.order.call.answer(item.reply)
        if any(isinstance(item.fact.outcome, Placed | Unknown) for item in done):  # a refusal has changed nothing
            self.boards.links.of(self.broker.name).changed.set()

    def _settled(self, order_id: str, state: str, reply: Reply) -> Settled:
        return Settled(order_id, state, replies.stored(reply), self.clock.now())

    # --- reconciling ---------------------------------------------------------------------------------------------

    async def _reconcile_for_ever(self) -> None:
        while True:
            try:
                await self._reconcile()
            except (BrokerUnavailable, JournalDown) as exc:
                self._reconciled = False
                self._link("degraded", str(exc))
            await trio.sleep(RECONCILE_EVERY_S)

    async def _reconcile(self) -> None:
        """Settle every intent that has no outcome by looking up its tag; never by sending it again."""
        self._touched = set(self._in_hand)
        await self._save_unsaved()
        for intent in await durable.within(self.journal.open_intents(self.broker.name)):
            if intent.order_id in self._touched:
                continue
            # The governor may not know that it is unknown: its executor may have crashed before it could tell.
            proposal = proposal_of(intent)
            unknown = Unknown("it is being reconciled")
            self._report(Executed(intent.order_id, proposal, unknown, trio.current_time()))
            found = await self._find(intent.order_id)
            if found is None:
                continue
            reply, state = reconciled_reply(intent, found)
            await durable.append(self.journal, [self._settled(intent.order_id, state, reply)])
            outcome = found if isinstance(found, Placed) else None
            self._report(Executed(intent.order_id, proposal, outcome, trio.current_time(), reconciled=True))
            logger.warning("reconcile.order broker=%s order=%s state=%s", self.broker.name, intent.order_id, state)
        self._reconciled = True
        self._link("ready", None)

    async def _save_unsaved(self) -> None:
        if not self._unsaved:
            return
        unsaved = list(self._unsaved)
        results = await durable.append(self.journal, [record for record, _ in unsaved])
        del self._unsaved[: len(unsaved)]
        for result in results:
            if result is not None:
                # Sent while the journal was down, by a process that could not know that its id was used before.
                logger.error("repeat.order ea=%s request_id=%s", result.known.ea_name, result.known.request_id)
        for _, fact in unsaved:
            if fact is not None:
                self._report(fact)

    async def _find(self, tag: str) -> Placed | Absent | None:
        with trio.move_on_after(FIND_WITHIN_S):
            return await self.broker.find(tag)
        raise BrokerUnavailable(f"it has not answered for {FIND_WITHIN_S:g} s")

    # --- telling -------------------------------------------------------------------------------------------------

    def _link(self, state: str, error: str | None) -> None:
        link = self.boards.links.of(self.broker.name)
        link.orders, link.orders_error = state, error

    def _tell(self, approved: Approved, outcome: Outcome | None) -> Executed:
        fact = Executed(approved.approval_id, approved.proposal, outcome, trio.current_time())
        self._report(fact)
        return fact

    def _report(self, fact: Executed) -> None:
        try:
            self.governor.tell_nowait(fact)
        except NotDelivered as exc:
            # Its reservation then ends by itself, and an unknown order is found again in the record.
            logger.error("lose.report broker=%s order=%s reason=%s", self.broker.name, fact.order_id, exc)


def _state(outcome: Outcome) -> str:
    if isinstance(outcome, Placed):
        return "placed" if outcome.pending else "filled"
    return "unknown" if isinstance(outcome, Unknown) else "refused"


def _volume(proposal: Proposal) -> str | None:
    volume = getattr(proposal, "volume", None)
    return None if volume is None else str(volume)
