"""The part of an executor that settles orders by hand: a person says what became of one, and it is written down."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from actors import by_hand, durable
from actors.messages import Executed, Reply, SettleOrder
from actors.runtime import Call
from quantmind.domain.clock import Clock
from quantmind.domain.order_life import KnownBy
from quantmind.domain.orders import Absent, Placed
from quantmind.errors import BrokerUnavailable, JournalDown
from quantmind.ports import Journal
from quantmind.records import Impossible, Result, Settled
from quantmind.wire import replies

logger: Final = logging.getLogger("quantmind.executor")

FIND_WITHIN_S: Final = 5.0
"""A person waits; a broker that takes longer to look an order up can't tell."""
AT_A_TIME: Final = 16


@attrs.define
class Settler:
    """Settles orders of one broker; never sends anything. Its executor lends it what it does itself.

    Args:
        in_hand: whether the executor has an order, or an outcome of it that is still to be written.
        touch: reconciling, if it is under way, leaves the order alone.
        find: what the broker knows of an order. Raises BrokerUnavailable.
        save: write an outcome; where the journal does not say whether it has it, the fact is told once it does.
        report: tell the governor.
    """

    broker: str
    journal: Journal
    clock: Clock
    in_hand: Callable[[str], bool]
    touch: Callable[[str], object]
    find: Callable[[str], Awaitable[Placed | Absent | None]]
    save: Callable[[Settled, Executed], Awaitable[Result]]
    report: Callable[[Executed], None]
    _settling: set[str] = attrs.field(factory=set, init=False)

    async def settle(self, call: Call[Reply], word: SettleOrder) -> None:
        """Answer the call once it is on disk. Cancelled, it leaves the order as it was, or settled."""
        if word.order_id in self._settling or len(self._settling) >= AT_A_TIME:
            call.answer(replies.error("busy", "it is being settled already, or too many others are; nothing was done"))
            return
        self._settling.add(word.order_id)
        try:
            call.answer(await self._settle(call, word))
        finally:
            self._settling.discard(word.order_id)

    async def _settle(self, call: Call[Reply], word: SettleOrder) -> Reply:
        order_id = word.order_id
        try:
            record = await durable.within(self.journal.order(order_id))
        except JournalDown as exc:
            return replies.error("no_journal", f"the record can't be read now ({exc}); nothing was settled")
        if record is None:
            return replies.error("unknown_order", f"there is no order {order_id[:40]!r} on record")
        if self.in_hand(order_id):
            return replies.error("in_hand", f"order {order_id} is on its way to {self.broker}; wait for its outcome")
        refused = by_hand.refusal(record, word)
        if refused is not None:
            return refused
        self.touch(order_id)
        found: Placed | Absent | None = None
        with contextlib.suppress(BrokerUnavailable), trio.move_on_after(FIND_WITHIN_S):
            found = await self.find(order_id)
        contradicted = by_hand.contradiction(record, word, found)
        if contradicted is not None and not word.force:
            return contradicted
        if not call.commit():
            return replies.error("expired", "nobody waits for it any more; nothing was settled")
        settlement, now = by_hand.settlement(record, word, found), self.clock.now()
        note: dict[str, Any] = {"by": word.by, "reason": word.reason}
        if contradicted is not None:
            note["broker_says"] = contradicted["broker_says"]
        reply = replies.stored(settlement.reply)
        fact = Executed(order_id, settlement.proposal, settlement.placed, trio.current_time(), reconciled=True)
        try:
            result = await self.save(Settled(order_id, word.state, reply, now, KnownBy.PERSON, note), fact)
        except JournalDown as exc:
            return replies.unknown(f"the journal does not answer ({exc}); whether it was settled is not known")
        if isinstance(result, Impossible):
            message = f"order {order_id} has become {result.recorded.value} meanwhile"
            return replies.error("settled", message, state=result.recorded.value)
        self.report(fact)
        text = "settle.order broker=%s order=%s state=%s by=%s reason=%r"
        logger.warning(text, self.broker, order_id, word.state.value, word.by, word.reason)
        try:
            record = await durable.within(self.journal.order(order_id)) or record
        except JournalDown:  # it is on disk all the same
            record = attrs.evolve(record, state=word.state, reply=reply, known_by=KnownBy.PERSON, settled_at=now)
        return {"status": "success", "record": record}
