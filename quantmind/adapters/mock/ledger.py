"""What an account has done: orders with their tags, deals, and the numbers they go by."""

from __future__ import annotations

from collections.abc import Sequence

from quantmind.domain.accounts import Deal
from quantmind.domain.orders import Placed


class Ledger:
    """Append-only. Grows with trades and never with ticks, so it has no limit of its own."""

    def __init__(self, *, first_order: int = 1_000_001, first_deal: int = 5_000_001) -> None:
        self._next_order = first_order
        self._next_deal = first_deal
        self._deals: list[Deal] = []
        self._placed: dict[str, Placed] = {}

    @property
    def deals(self) -> Sequence[Deal]:
        """Every deal, oldest first."""
        return tuple(self._deals)

    @property
    def deal_count(self) -> int:
        """How many deals there are."""
        return len(self._deals)

    def take_order(self) -> int:
        """The next order's number; a position is known by the number of the order that opened it."""
        number = self._next_order
        self._next_order += 1
        return number

    def take_deal(self) -> int:
        """The next deal's number."""
        number = self._next_deal
        self._next_deal += 1
        return number

    def book(self, deal: Deal) -> None:
        """Keep a deal for good."""
        self._deals.append(deal)

    def remember(self, tag: str, placed: Placed) -> None:
        """Keep what became of the order with this tag; the first one stands when a tag is used twice."""
        self._placed.setdefault(tag, placed)

    def find(self, tag: str) -> Placed | None:
        """What became of the order with this tag, or None when it never was carried out."""
        return self._placed.get(tag)
