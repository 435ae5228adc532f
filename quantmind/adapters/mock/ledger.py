"""What an account has done: orders with their tags, deals, and the numbers they go by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from quantmind.adapters.mock.history import OrderRecord, ended, waiting
from quantmind.domain.accounts import Deal, PendingOrder
from quantmind.domain.orders import Placed


class Ledger:
    """Append-only. Grows with trades and never with ticks, so it has no limit of its own.

    Attributes:
        next_order: the number of the next order.
        next_deal: the number of the next deal.
        tags: what became of each tag's request: a `Placed` for good, or the number of the order that it placed.
        records: the orders that wait no more, by number, in the order in which they ended.
    """

    def __init__(self, *, first_order: int = 1_000_001, first_deal: int = 5_000_001) -> None:
        self.next_order = first_order
        self.next_deal = first_deal
        self.tags: dict[str, Placed | int] = {}
        self.records: dict[int, OrderRecord] = {}
        self._deals: list[Deal] = []
        self._before: Ledger | None = None

    @property
    def deals(self) -> Sequence[Deal]:
        """Every deal, oldest first."""
        return tuple(self._deals)

    @property
    def deal_count(self) -> int:
        """How many deals there are."""
        return len(self._deals)

    def latest(self, most: int) -> Sequence[Deal]:
        """The newest deals, at most so many, oldest first."""
        return self._deals[-most:] if most > 0 else []

    def latest_records(self, most: int) -> Sequence[OrderRecord]:
        """The orders that ended last, at most so many, oldest first."""
        newest = list(islice(reversed(self.records.values()), most))
        newest.reverse()
        return newest

    def take_order(self) -> int:
        """The next order's number; a position is known by the number of the order that opened it."""
        number = self.next_order
        self.next_order += 1
        return number

    def take_deal(self) -> int:
        """The next deal's number."""
        number = self.next_deal
        self.next_deal += 1
        return number

    def book(self, deal: Deal) -> None:
        """Keep a deal for good."""
        self._deals.append(deal)

    def finish(self, record: OrderRecord) -> None:
        """Keep how an order ended, for good."""
        self.records[record.order.ticket] = record

    def record_of(self, ticket: int) -> OrderRecord | None:
        """How an order ended, or None when it waits or never was."""
        record = self.records.get(ticket)
        return self._before.record_of(ticket) if record is None and self._before is not None else record

    def remember(self, tag: str, outcome: Placed | int) -> None:
        """Keep what became of the request with this tag; the first one stands when a tag is used twice, empty is none.

        Of a request that placed a limit or stop order it is the order's number, whose fate is looked up.
        """
        if tag:
            self.tags.setdefault(tag, outcome)

    def find(self, tag: str, orders: Mapping[int, PendingOrder]) -> Placed | None:
        """What has become of the request with this tag by now, or None when it never was carried out.

        Args:
            orders: those that wait now.
        """
        outcome = self.tags.get(tag)
        if not isinstance(outcome, int):
            return outcome
        order = orders.get(outcome)
        return ended(self.records[outcome]) if order is None else waiting(order)

    def trial(self) -> Ledger:
        """A ledger to try a request on: it goes on with the same numbers and knows what ended before."""
        trial = Ledger(first_order=self.next_order, first_deal=self.next_deal)
        trial._before = self
        return trial
