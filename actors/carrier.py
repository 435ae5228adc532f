"""What carries out approved orders at one broker, each at most once: intent, call, outcome. Of an executor or a closer.

The intent is durable before the broker is called. An intent without an outcome is unknown until `find` tells
what became of it; it is never sent again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import attrs
import trio

from actors import durable
from actors.boards import Boards, Link
from actors.known import as_before
from actors.messages import Execute, Executed, Reply
from actors.runtime import Call, MailboxPolicy, NotDelivered, Overflow, Ref
from actors.unsaved import Unsaved
from quantmind.domain.clock import Clock
from quantmind.domain.order_life import OrderState, advance, state_of
from quantmind.domain.orders import Outcome, Placed, Proposal, Unknown
from quantmind.domain.risk import Approved, MandateMode, TradingState
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.ports import Broker, Journal
from quantmind.records import Decision, Duplicate, Intent, Record, Settled
from quantmind.wire import replies

logger = logging.getLogger("quantmind.executor")

MAILBOX = MailboxPolicy(
    Overflow.REJECT, 1024, reason="one command each; a full one is `busy`, before anything was sent"
)
BATCH = 64
ANSWER_EVERY_S = 0.02
"""At a slow broker those in front don't wait for the whole batch."""


@attrs.define(eq=False)
class Hands:
    """Which orders of one broker are in hand, and what is not saved of them. Outlives those who work with it."""

    unsaved: Unsaved = attrs.field(factory=Unsaved)
    reconciled: bool = False
    """Whether the executor has looked up every order of the record since it began."""
    in_hand: set[str] = attrs.field(factory=set)
    touched: set[str] = attrs.field(factory=set)
    """Orders that were in hand at any time since reconciling began: what it read of them may be old."""


@attrs.define
class _Order:
    """One approved order in hand."""

    call: Call[Reply]
    request: Execute
    durable: bool = False
    aside: bool = False
    """Its intent is in the emergency file."""
    intent: Intent | None = None
    decision: Decision | None = None
    """Instead of the request's."""
    state: OrderState = OrderState.APPROVED
    sent_at: float | None = None
    """Unix seconds."""

    def enter(self, state: OrderState) -> None:
        """Go on to a state. Raises ImpossibleTransition."""
        self.state = advance(self.order_id, self.state, state)

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
class Carrier:
    """Carries out `Execute` calls for one broker and answers them with their outcome.

    Cancelled between intent and outcome it leaves an unknown order, which is reconciled.
    """

    broker: Broker
    journal: Journal
    boards: Boards
    governor: Ref[Any]
    clock: Clock
    hands: Hands
    _scribe: durable.Scribe = attrs.field(init=False)

    @_scribe.default
    def _make_scribe(self) -> durable.Scribe:
        return durable.Scribe(self.journal, self.boards.patience)

    @property
    def link(self) -> Link:
        """How the connection to its broker is."""
        return self.boards.links.of(self.broker.name)

    async def carry_out(self, calls: Iterable[Call[Reply]], nursery: trio.Nursery) -> None:
        """Carry these out, in order. `nursery` is where refusals are written down meanwhile."""
        orders = [order for call in calls if (order := self._admit(call, nursery)) is not None]
        if orders:
            await self._carry_out(orders)

    # --- before the intent ---------------------------------------------------------------------------------------

    def _admit(self, call: Call[Reply], nursery: trio.Nursery) -> _Order | None:
        request = call.request
        assert isinstance(request, Execute)
        approved = request.approved
        refusal = self._refusal(approved)
        if refusal is None and not call.commit():
            refusal = replies.error("expired", "nobody waits for it any more; nothing was sent")
        if refusal is not None:
            self._tell(approved, None)
            nursery.start_soon(self._refuse, call.move(), request, refusal)
            return None
        self.hands.in_hand.add(approved.approval_id)
        self.hands.touched.add(approved.approval_id)
        return _Order(call.move(), request)

    async def _refuse(self, call: Call[Reply], request: Execute, refusal: Reply) -> None:
        """Answer an order that is not sent; a decision against it is durable, and a repeat hears its first."""
        decision, trail, first = request.decision, request.trail, None
        try:
            if refusal["status"] == "rejected":
                reply = replies.stored(refusal)
                record = attrs.evolve(decision, approved=False, reply=reply, at=self.clock.now(), remembered=True)
                trail.written = True
                (result,) = await durable.append(self.journal, [record])
                first = result.known if isinstance(result, Duplicate) else None
                trail.written = first is None
            elif decision.request_id is not None:
                first = await durable.within(self.journal.lookup(decision.ea_name, decision.request_id))
        except JournalDown as exc:
            trail.written = False
            logger.error("fail.refusal broker=%s order=%s reason=%s", self.broker.name, decision.decision_id, exc)
        trail.repeat = first is not None and first.fingerprint == request.fingerprint
        call.answer(refusal if first is None else as_before(first, request.fingerprint))

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
        mandate = self.boards.router.mandate
        if mandate.mode is MandateMode.NONE:
            return replies.denied("mandate", f"the risk mandate is {mandate} since then", proposal)
        link = self.link
        why = link.breaker.refusal(trio.current_time())
        if not self.hands.reconciled:
            why = link.orders_error or "its orders are being reconciled"
        elif link.closes_error is not None:
            why = f"what is opened could not be closed, {link.closes_error}"
        if why is not None:
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
        except BaseException:
            for order in orders:  # whoever decides must hear so before the next command, and not from the next look-up
                if order.state in (OrderState.INTENT, OrderState.SENT):
                    self._tell(order.approved, Unknown("whoever had it in hand has ended; it is looked up"))
            raise
        finally:
            for order in orders:
                self.hands.in_hand.discard(order.order_id)

    async def _write_intents(self, orders: list[_Order]) -> list[_Order]:
        """Those that may be sent: their intent is durable, or they reduce risk and the journal is down."""
        for order in orders:
            order.request.trail.written = True
        try:
            records = [record for order in orders for record in self._beginning(order)]
            results = (await self._scribe.append(records))[1::2]
        except JournalDown as exc:
            logger.error("fail.intent broker=%s orders=%d reason=%s", self.broker.name, len(orders), exc)
            going = [order for order in orders if self._goes_undurable(order, str(exc))]
            await self._keep_aside(going, [record for order in going for record in self._beginning(order)])
            return going
        now = time.perf_counter()
        ready = []
        for order, result in zip(orders, results, strict=True):
            order.request.watch.mark("intent", now)
            if isinstance(result, Duplicate):
                trail = order.request.trail
                trail.written, trail.repeat = False, result.known.fingerprint == order.request.fingerprint
                self._tell(order.approved, None)
                order.call.answer(as_before(result.known, order.request.fingerprint))
            else:
                order.durable = True
                order.enter(OrderState.INTENT)
                ready.append(order)
        return ready

    def _goes_undurable(self, order: _Order, reason: str) -> bool:
        if order.approved.reduces:
            logger.error("send.without_journal broker=%s order=%s", self.broker.name, order.order_id)
            # It goes out whoever has its key, so its decision must be there to be read in any case.
            order.decision = attrs.evolve(order.request.decision, needs_key=False)
            self.hands.unsaved.records += [(record, None) for record in self._beginning(order)]
            order.enter(OrderState.INTENT)
            return True
        order.request.trail.written = False
        self._tell(order.approved, None)
        message = f"the journal can't write ({reason}); nothing new is opened until it works again"
        refusal = replies.denied("journal", message, order.approved.proposal)
        self.hands.unsaved.refuse(order.order_id, refusal)
        order.call.answer(refusal)
        return False

    async def _keep_aside(self, orders: list[_Order], records: list[Record]) -> None:
        """For a process that dies before the journal works again; whether or not it can be kept, the orders go on."""
        if records and await self._scribe.keep_aside(records):
            for order in orders:
                order.aside = True

    def _beginning(self, order: _Order) -> tuple[Record, Record]:
        """What is on disk before an order is sent."""
        if order.intent is None:
            order.intent = self._intent(order)
        return order.decision or order.request.decision, order.intent

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
            body={
                **order.request.body,
                "approved_volume": _volume(proposal),
                "risked": order.request.risked.stored(),
                **_verdict(order.request.decision),
            },
            at=self.clock.now(),
        )

    async def _send(self, order: _Order) -> _Done:
        """Call the broker once; the reply and the state that the order is in now."""
        approved = order.approved
        refusal = self._refusal(approved)
        if refusal is not None:  # a halt or the deadline came while the intent was written
            return self._done(order, {**refusal, "order_id": order.order_id}, OrderState.NOT_SENT, None)
        order.enter(OrderState.SENT)
        order.sent_at = self.clock.now()
        try:
            outcome = await self.broker.place(approved, order.order_id)
        except BrokerUnavailable as exc:
            message = f"{self.broker.name} can't be reached ({exc}); nothing was sent"
            reply = replies.error("broker_unavailable", message, order_id=order.order_id)
            return self._done(order, reply, OrderState.NOT_SENT, None)
        order.request.watch.mark("broker", time.perf_counter())
        reply = replies.executed(approved, outcome, order.order_id)
        return self._done(order, reply, state_of(approved.proposal, outcome), outcome)

    def _done(self, order: _Order, reply: Reply, state: OrderState, outcome: Outcome | None) -> _Done:
        order.enter(state)
        fact = self._tell(order.approved, outcome)
        note = {} if order.sent_at is None else {"sent_at": order.sent_at}
        record = Settled(order.order_id, state, replies.stored(reply), self.clock.now(), note=note)
        return _Done(order, reply, record, fact)

    async def _answer(self, done: list[_Done]) -> None:
        """Write outcomes, then say them."""
        unsaved: list[tuple[Record, Executed | None]] = [
            (item.record, item.fact) for item in done if not item.order.durable
        ]
        recorded = [item for item in done if item.order.durable]
        if recorded:
            try:
                await self._scribe.append([item.record for item in recorded])
            except JournalDown as exc:
                # The outcome is known and said; the record follows when the journal works again, or from `find`.
                logger.error("fail.outcome broker=%s orders=%d reason=%s", self.broker.name, len(recorded), exc)
                unsaved += [(item.record, item.fact) for item in recorded]
        self.hands.unsaved.records += unsaved
        if unsaved:
            # An outcome is nothing without its intent, which may not have been kept.
            late = [item.order for item in done if not item.order.durable and not item.order.aside]
            records = [record for order in late for record in self._beginning(order)]
            await self._keep_aside(late, [*records, *(record for record, _ in unsaved)])
        now = time.perf_counter()
        for item in done:
            if item.order.approved.incarnation != self.boards.term.incarnation:
                self.report(item.fact)  # a new governor may have read the intent without its outcome
            item.order.request.watch.mark("outcome", now)
            item.order.call.answer(item.reply)
        if any(isinstance(item.fact.outcome, Placed | Unknown) for item in done):  # a refusal has changed nothing
            self.link.changed.set()

    # --- telling -------------------------------------------------------------------------------------------------

    def _tell(self, approved: Approved, outcome: Outcome | None) -> Executed:
        fact = Executed(approved.approval_id, approved.proposal, outcome, trio.current_time())
        self.report(fact)
        return fact

    def report(self, fact: Executed) -> None:
        try:
            self.governor.tell_nowait(fact)
        except NotDelivered as exc:
            # Its reservation then ends by itself, and an unknown order is found again in the record.
            logger.error("lose.report broker=%s order=%s reason=%s", self.broker.name, fact.order_id, exc)


def _volume(proposal: Proposal) -> str | None:
    volume = getattr(proposal, "volume", None)
    return None if volume is None else str(volume)


def _verdict(decision: Decision) -> dict[str, Any]:
    """What the answer says of the verdict, kept with the intent: an outcome that is found later says it, too."""
    told = {name: decision.reply.get(name) for name in ("risk_multiplier", "max_volume")}
    reasons = decision.reply.get("reasons")
    return {name: str(value) for name, value in told.items() if value is not None} | (
        {"reasons": reasons} if reasons else {}
    )
