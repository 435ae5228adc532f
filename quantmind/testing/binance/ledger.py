"""What an engine has carried out, written down as it is done: the truth that a test compares with."""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs


class Done(enum.Enum):
    """What a request did."""

    PLACED = "placed"
    """An order or a conditional order was accepted; one that ended at once without a fill, too."""
    LISTED = "listed"
    """A list of orders: one entry, whose `order_id` is the list's."""
    CANCELED = "canceled"
    """An order, a conditional order or a list: one entry for each that was canceled."""
    MODIFIED = "modified"
    """An order kept its place or its id, with another price or quantity."""


@attrs.frozen
class Executed:
    """One thing that a request did.

    `client_id` is of the order it was done to; of a cancellation it is that of the order that was canceled.
    `quantity` is of an order what was filled at once, or its own where it `waits`; None for a cancellation, a
    modification, and for an order that has none of its own.
    """

    client_id: str
    order_id: int
    symbol: str
    quantity: Decimal | None
    waits: bool
    done: Done = Done.PLACED


@attrs.define(eq=False)
class Ledger:
    """In the order in which it was done. Grows with each request: a simulator lives no longer than its tests."""

    entries: list[Executed] = attrs.field(factory=list)

    def write(self, entry: Executed) -> None:
        """It is done now."""
        self.entries.append(entry)
