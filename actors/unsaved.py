"""What an executor knows of its orders and the journal does not, or has not said that it does.

It is kept from outside, so that it outlives the executor's crashes; the emergency file is for those of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import attrs

from actors import durable
from actors.by_hand import OPEN_STATES
from actors.messages import Executed, Reply
from quantmind.ports import Journal
from quantmind.records import Duplicate, Record, Settled

logger = logging.getLogger("quantmind.executor")

REFUSED_AT_MOST = 10_000
"""Beyond them the oldest are left to `find`, as after a restart."""


@attrs.define(eq=False)
class Unsaved:
    """Of one broker's executor. What could not be told to the governor for sure is told again when it is written."""

    records: list[tuple[Record, Executed | None]] = attrs.field(factory=list, init=False)
    """What the journal could not take yet, and what the governor must then be told."""
    _doubtful: dict[str, Executed] = attrs.field(factory=dict, init=False)
    """What the governor must be told of orders if they turn out settled."""
    _refused: dict[str, Reply] = attrs.field(factory=dict, init=False)

    def has_outcome_of(self, order_id: str) -> bool:
        """An outcome of this order waits to be written."""
        return any(isinstance(record, Settled) and record.order_id == order_id for record, _ in self.records)

    async def save(self, journal: Journal) -> Sequence[Executed]:
        """Write all of it; what the governor must be told now. Raises JournalDown: it is as before."""
        if not self.records:
            return []
        unsaved = list(self.records)
        results = await durable.append(journal, [record for record, _ in unsaved])
        del self.records[: len(unsaved)]
        for result in results:
            if isinstance(result, Duplicate):
                # Sent while the journal was down, by a process that could not know that its id was used before.
                logger.error("repeat.order ea=%s request_id=%s", result.known.ea_name, result.known.request_id)
        return [fact for _, fact in unsaved if fact is not None]

    # --- outcomes of which the journal did not say whether it has them -------------------------------------------

    def doubt(self, order_id: str, fact: Executed) -> None:
        """The journal may have this order's outcome by now, or not."""
        self._doubtful[order_id] = fact

    # Whoever waits for what is written waits behind it: what is read now is after what may have been written late.
    async def settled_meanwhile(self, journal: Journal) -> Sequence[Executed]:
        """What the governor must be told of doubtful orders: those that are settled. Raises JournalDown."""
        facts = []
        for order_id, fact in list(self._doubtful.items()):
            record = await durable.within(journal.order(order_id))
            if record is not None and record.state not in OPEN_STATES:
                facts.append(fact)
            del self._doubtful[order_id]
        return facts

    # --- orders that were refused since their intent was not written in time -------------------------------------

    def refuse(self, order_id: str, reply: Reply) -> None:
        """This order was not sent and never will be; its intent may turn up in the journal all the same."""
        self._refused[order_id] = reply
        if len(self._refused) > REFUSED_AT_MOST:
            del self._refused[next(iter(self._refused))]

    @property
    def refused(self) -> dict[str, Reply]:
        """What each of them was answered, by its id; a copy."""
        return dict(self._refused)

    def forget_refused(self, order_id: str) -> None:
        """The journal does not have its intent, and will not; or has it as not sent."""
        self._refused.pop(order_id, None)
