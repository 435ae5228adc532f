"""An executor: sends what may add exposure at one broker, and reconciles what the record holds of all its orders.

An intent without an outcome is unknown until `find` tells what became of it; it is never sent again. What reduces risk
is sent by the `Closer` beside it, so that a broker which takes its time over an open never holds up a close.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import attrs
import trio

from actors import durable
from actors.carrier import BATCH, Carrier
from actors.messages import Executed, Reply, SettleOrder
from actors.reconcile import found_reply, proposal_of
from actors.runtime import Backoff, Call, Inbox
from actors.settler import Settler
from quantmind.domain.breaker import Path
from quantmind.domain.order_life import KnownBy, OrderState, found_state
from quantmind.domain.orders import Placed, Unknown
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.records import Intent, OrderRecord, Result, Settled
from quantmind.wire import replies

logger = logging.getLogger("quantmind.executor")

RECONCILE_EVERY_S = 2.0
LOOK_UP_AGAIN = Backoff(first=2.0, cap=10.0)
"""After look-ups that failed: a repeat is harmless, and a broker in trouble is not asked more than it must be."""
PROBE_TAG = "probe"
"""No order has it: looking it up tells whether the broker answers on the way that orders go."""


@attrs.define
class Executor:
    """Takes `Execute` calls for one broker and answers them with their outcome, and `SettleOrder` calls.

    Cancelled between intent and outcome it leaves an unknown order, which the next incarnation reconciles.
    """

    carrier: Carrier

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        self.carrier.hands.reconciled = False
        self._link("reconciling", None)
        inbox.ready()
        settler = self._settler()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._reconcile_for_ever)
                async for batch in inbox.batches(BATCH):
                    await self.carrier.carry_out(self._without_settlings(batch, settler, nursery), nursery)
                nursery.cancel_scope.cancel()
            await self._save_last()
        except BaseException:  # parked or on its way back, it must not look ready
            self._link("failed", "its executor ended by an error; see /actors")
            raise

    def _without_settlings(
        self, batch: Iterable[Call[Reply]], settler: Settler, nursery: trio.Nursery
    ) -> Iterator[Call[Reply]]:
        for call in batch:
            if isinstance(call.request, SettleOrder):
                nursery.start_soon(settler.settle, call.move(), call.request)
            else:
                yield call

    # --- reconciling ---------------------------------------------------------------------------------------------

    async def _reconcile_for_ever(self) -> None:
        failed = 0
        while True:
            pause_s = RECONCILE_EVERY_S
            try:
                if self.carrier.link.breaker.wants_probe(Path.ORDERS, trio.current_time()):
                    await self.carrier.broker.find(PROBE_TAG)
                await self._reconcile()
                failed = 0
            except (BrokerUnavailable, JournalDown) as exc:
                self.carrier.hands.reconciled = False
                self._link("degraded", str(exc))
                if isinstance(exc, BrokerUnavailable):  # a journal comes back by itself, and waits for nobody
                    pause_s = LOOK_UP_AGAIN.delay(failed)
                    failed += 1
            await trio.sleep(pause_s)

    async def _reconcile(self) -> None:
        """Settle every intent that has no outcome by looking up its tag; never by sending it again."""
        self.carrier.hands.touched = set(self.carrier.hands.in_hand)
        self._report_all(await self.carrier.hands.unsaved.save(self.carrier.journal))
        self._report_all(await self.carrier.hands.unsaved.settled_meanwhile(self.carrier.journal))
        refused = self.carrier.hands.unsaved.refused
        for intent in await durable.within(self.carrier.journal.open_intents(self.carrier.broker.name)):
            if intent.order_id in self.carrier.hands.touched:
                refused.pop(intent.order_id, None)
                continue
            if intent.order_id in refused:
                await self._settle_refused(intent, refused[intent.order_id])
                continue
            # The governor may not know that it is unknown: its executor may have crashed before it could tell.
            proposal = proposal_of(intent)
            unknown = Unknown("it is being reconciled")
            self.carrier.report(Executed(intent.order_id, proposal, unknown, trio.current_time()))
            found = await self.carrier.broker.find(intent.order_id)
            if found is None:
                continue
            state = found_state(proposal, found) if isinstance(found, Placed) else OrderState.NOT_SENT
            outcome = found if isinstance(found, Placed) else None
            fact = Executed(intent.order_id, proposal, outcome, trio.current_time(), reconciled=True)
            await self._save_found(intent.order_id, state, found_reply(intent, found), fact)
            self.carrier.report(fact)
            logger.warning(
                "reconcile.order broker=%s order=%s state=%s", self.carrier.broker.name, intent.order_id, state.value
            )
        for order_id in refused:  # what was asked for before the look is on disk by now, or never will be
            self.carrier.hands.unsaved.forget_refused(order_id)
        for order in await durable.within(self.carrier.journal.waiting_orders(self.carrier.broker.name)):
            await self._follow_waiting(order)
        self.carrier.hands.reconciled = True
        self._link("ready", None)

    async def _settle_refused(self, intent: Intent, reply: Reply) -> None:
        fact = Executed(intent.order_id, proposal_of(intent), None, trio.current_time(), reconciled=True)
        record = Settled(intent.order_id, OrderState.NOT_SENT, replies.stored(reply), self.carrier.clock.now())
        await self._save(record, fact)
        self.carrier.report(fact)  # a governor that began meanwhile may have read the intent
        logger.warning("late.intent broker=%s order=%s; it was refused", self.carrier.broker.name, intent.order_id)

    async def _follow_waiting(self, order: OrderRecord) -> None:
        """Ask what has become of an order that waited at the broker, unless the account still shows it."""
        sample = self.carrier.link.sample
        ticket = None if order.reply is None else order.reply.get("ticket")
        if sample is None or any(waiting.ticket == ticket for waiting in sample.orders):
            return
        found = await self.carrier.broker.find(order.order_id)
        if not isinstance(found, Placed) or found.pending:
            return  # of an order that it has had, "absent" is no news to act on
        state = found_state(proposal_of(order.intent), found)
        await self._save_found(order.order_id, state, found_reply(order.intent, found), None)
        logger.info("follow.order broker=%s order=%s state=%s", self.carrier.broker.name, order.order_id, state.value)

    async def _save_found(self, order_id: str, state: OrderState, reply: Reply, fact: Executed | None) -> None:
        record = Settled(order_id, state, replies.stored(reply), self.carrier.clock.now(), KnownBy.RECONCILIATION)
        await self._save(record, fact)  # one that can't follow what is recorded is told by the journal

    async def _save(self, record: Settled, fact: Executed | None) -> Result:
        """Write an outcome; where the journal does not say whether it has it, `fact` is told when it does."""
        try:
            (result,) = await durable.append(self.carrier.journal, [record])
        except JournalDown:
            if fact is not None:
                self.carrier.hands.unsaved.doubt(record.order_id, fact)
            raise
        return result

    async def _save_last(self) -> None:
        """The journal may work again when all is stopped in order; else what is left here is lost with the process."""
        try:
            self._report_all(await self.carrier.hands.unsaved.save(self.carrier.journal))
        except JournalDown as exc:
            waiting = len(self.carrier.hands.unsaved.records)
            logger.error("lose.unsaved broker=%s records=%d reason=%s", self.carrier.broker.name, waiting, exc)

    # --- settling by hand ----------------------------------------------------------------------------------------

    def _settler(self) -> Settler:
        return Settler(
            broker=self.carrier.broker.name,
            journal=self.carrier.journal,
            clock=self.carrier.clock,
            in_hand=self._has_outcome_to_come,
            touch=self._touch,
            find=self.carrier.broker.find,
            save=self._save,
            report=self.carrier.report,
        )

    def _touch(self, order_id: str) -> None:
        self.carrier.hands.touched.add(order_id)  # not bound to one set: each round of reconciling begins another

    def _has_outcome_to_come(self, order_id: str) -> bool:
        return order_id in self.carrier.hands.in_hand or self.carrier.hands.unsaved.has_outcome_of(order_id)

    # --- telling -------------------------------------------------------------------------------------------------

    def _link(self, state: str, error: str | None) -> None:
        link = self.carrier.link
        link.orders, link.orders_error = state, error

    def _report_all(self, facts: Sequence[Executed]) -> None:
        for fact in facts:
            self.carrier.report(fact)
