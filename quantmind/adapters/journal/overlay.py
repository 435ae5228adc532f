"""What the tables say when what is kept aside is counted in, as if it had been appended.

The same reads as in `reading`; a file that can't be written now may still be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from quantmind.adapters.journal import reading
from quantmind.domain.order_life import OrderState, may_follow_record
from quantmind.ports import OpenOrders
from quantmind.records import Decision, Intent, Known, OrderRecord, Record, Released, Setting, Settled, Standing


@attrs.define(eq=False)
class Overlay:
    """A connection and the records beside it."""

    connection: sqlite3.Connection
    aside: Sequence[Record]
    _orders: dict[str, OrderRecord] = attrs.field(factory=dict, init=False)
    """Those that the records are about, as they are by now."""

    def __attrs_post_init__(self) -> None:
        for record in self.aside:
            if isinstance(record, Intent):
                self._begin(record)
            elif isinstance(record, Settled):
                self._settle(record)

    def _begin(self, intent: Intent) -> None:
        if self.order(intent.order_id) is not None:
            return
        key = intent.request_id
        if key is not None and reading.lookup(self.connection, intent.ea_name, key) is not None:
            return  # a duplicate: the record goes on to say what it said
        self._orders[intent.order_id] = _begun(intent)

    def _settle(self, record: Settled) -> None:
        found = self.order(record.order_id)
        if found is not None:
            self._orders[record.order_id] = _settled(found, record)

    # --- the reads -----------------------------------------------------------------------------------------------

    def order(self, order_id: str) -> OrderRecord | None:
        """See `reading.order`."""
        return self._orders.get(order_id) or reading.order(self.connection, order_id)

    def newest(self, limit: int) -> list[Known]:
        """See `reading.newest`."""
        found = {(item.ea_name, item.request_id): item for item in reading.newest(self.connection, limit)}
        for item in self._known():
            found.pop((item.ea_name, item.request_id), None)
            found[item.ea_name, item.request_id] = item
        return list(found.values())[-limit:]

    def lookup(self, ea_name: str, request_id: str) -> Known | None:
        """See `reading.lookup`."""
        for item in self._known():
            if (item.ea_name, item.request_id) == (ea_name, request_id):
                return item
        return reading.lookup(self.connection, ea_name, request_id)

    def _known(self) -> list[Known]:
        known = (_known_of(order) for order in self._orders.values())
        return sorted((item for item in known if item is not None), key=lambda item: item.at)

    def remembered(self, request_id: str, ea_name: str | None, limit: int) -> list[OrderRecord]:
        """See `reading.remembered`."""
        stored = reading.remembered(self.connection, request_id, ea_name, limit)
        added = [
            item for item in self._orders.values() if item.request_id == request_id and ea_name in (None, item.ea_name)
        ]
        return self._instead(stored, added, key=lambda item: (item.at, item.ea_name))[:limit]

    def open_orders(self, ask: OpenOrders) -> list[OrderRecord]:
        """See `reading.open_orders`."""
        enough = attrs.evolve(ask, limit=ask.limit + len(self._orders))
        added = [
            item
            for item in self._orders.values()
            if ask.broker in (None, item.broker)
            and (ask.after is None or (item.at, item.order_id) > ask.after)
            and ((ask.unknown and item.settled_at is None) or (ask.placed and item.state is OrderState.PLACED))
        ]
        stored = reading.open_orders(self.connection, enough)
        return self._instead(stored, added, key=lambda item: (item.at, item.order_id))[: ask.limit]

    def _instead(
        self, stored: Sequence[OrderRecord], added: Sequence[OrderRecord], key: Callable[[OrderRecord], Any]
    ) -> list[OrderRecord]:
        """What is stored, but for orders of which more is known here."""
        return sorted([*(item for item in stored if item.order_id not in self._orders), *added], key=key)

    def open_intents(self, broker: str) -> list[Intent]:
        """See `reading.open_intents`."""
        stored = [item for item in reading.open_intents(self.connection, broker) if item.order_id not in self._orders]
        added = [item.intent for item in self._orders.values() if item.broker == broker and item.settled_at is None]
        return sorted([*stored, *added], key=lambda item: item.at)

    def waiting_orders(self, broker: str) -> list[OrderRecord]:
        """See `reading.waiting_orders`."""
        added = [item for item in self._orders.values() if item.broker == broker and item.state is OrderState.PLACED]
        return self._instead(reading.waiting_orders(self.connection, broker), added, key=lambda item: item.at)

    def open_reservations(self) -> list[Decision]:
        """See `reading.open_reservations`."""
        released = {item.decision_id for item in self.aside if isinstance(item, Released)}
        return [item for item in reading.open_reservations(self.connection) if item.decision_id not in released]

    def settings(self) -> list[Setting]:
        """See `reading.settings`."""
        found = {item.key: item for item in reading.settings(self.connection)}
        found.update((item.key, item) for item in self.aside if isinstance(item, Setting))
        return [item for item in found.values() if item.value is not None]

    def standing(self) -> Standing:
        """See `reading.standing`."""
        found = reading.standing(self.connection)
        added = [item for item in self._orders.values() if item.settled_at is None or item.state is OrderState.PLACED]
        still_open = self._instead(found.open, added, key=lambda item: item.at)
        return attrs.evolve(found, open=still_open, settings=self.settings())


def lookup_aside(aside: Sequence[Record], ea_name: str, request_id: str) -> Known | None:
    """What is known of a command without the tables, whose intent was kept aside."""
    for intent in aside:
        if isinstance(intent, Intent) and (intent.ea_name, intent.request_id) == (ea_name, request_id):
            order = _begun(intent)
            for record in aside:
                if isinstance(record, Settled) and record.order_id == order.order_id:
                    order = _settled(order, record)
            return _known_of(order)
    return None


def _begun(intent: Intent) -> OrderRecord:
    return OrderRecord(
        **attrs.asdict(intent, recurse=False), state=OrderState.INTENT, reply=None, known_by=None, settled_at=None
    )


def _settled(order: OrderRecord, record: Settled) -> OrderRecord:
    if not may_follow_record(order.state, record.state):
        return order
    unknown = record.state is OrderState.UNKNOWN
    return attrs.evolve(
        order,
        state=record.state,
        known_by=record.known_by,
        reply=None if unknown else record.reply,
        settled_at=None if unknown else record.at,
    )


def _known_of(order: OrderRecord) -> Known | None:
    if order.request_id is None:
        return None
    return Known(
        ea_name=order.ea_name,
        request_id=order.request_id,
        fingerprint=order.fingerprint,
        record_id=order.order_id,
        kind="intent",
        reply=order.reply,
        at=order.at,
        symbol=order.symbol,
    )
