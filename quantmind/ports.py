"""What the centre needs from outside, as Protocols. Adapters implement them; actors hold nothing else.

Every method here either finishes, raises the errors named, or is cancelled by its caller: a port has no
time-outs of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import attrs

from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.orders import Absent, Outcome, Placed
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved
from quantmind.domain.symbols import SymbolSpec


@attrs.frozen
class Poll:
    """What one poll of a broker's feed gave.

    `quotes` in order of time, unchanged ones included: they confirm a price without being published.
    `crossed` counts quotes that were dropped since the last poll because nobody could trade on them.
    """

    quotes: Sequence[Quote]
    crossed: int = 0
    ended: bool = False
    """A replay that has reached its end; the last prices stay confirmed."""


class Broker(Protocol):
    """One account at one broker."""

    @property
    def name(self) -> str: ...

    @property
    def paced(self) -> bool:
        """False when the feed gives as much as is taken (a replay at speed 0): poll again at once."""
        ...

    def start_feed(self) -> None:
        """Let a feed begin that waits for its first subscriber; nothing for others. Safe to repeat."""
        ...

    async def connect(self) -> Sequence[SymbolSpec]:
        """Reach the broker and say what it trades. Safe to repeat.

        Raises:
            BrokerUnavailable: it can't be reached now.
        """
        ...

    async def poll(self) -> Poll:
        """The ticks since the last poll. Raises BrokerUnavailable."""
        ...

    async def sample(self) -> Sample:
        """Account, positions and pending orders, true together. Raises BrokerUnavailable."""
        ...

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """The deals made at or after a time (UTC milliseconds), oldest first, at most the newest 10,000.

        Raises:
            BrokerUnavailable: it can't be reached now.
        """
        ...

    async def place(self, order: Approved, tag: str) -> Outcome:
        """Carry out an approved order once. `tag` (at most 16 characters) is kept by the broker with it.

        Trouble after the order may have left is `Unknown`, never an exception. Cancellation after that point
        leaves the outcome unknown: look it up with `find`.

        Raises:
            BrokerUnavailable: nothing was sent.
        """
        ...

    async def find(self, tag: str) -> Placed | Absent | None:
        """What the broker knows of an order by its tag; None when it can't tell yet. Raises BrokerUnavailable."""
        ...

    async def aclose(self) -> None:
        """Let the connection go. Safe to repeat."""
        ...


@attrs.frozen
class Intent:
    """An order about to be sent: durable before the broker is called."""

    order_id: str
    broker: str
    ea_name: str
    magic: int
    symbol: str
    request_id: str | None
    fingerprint: str
    body: dict[str, Any]
    at: float


@attrs.frozen
class Settled:
    """What became of an intent. `reply` is the answer that a repeat gets."""

    order_id: str
    state: str
    reply: dict[str, Any]
    at: float


@attrs.frozen
class Decision:
    """A verdict that is remembered: an approval that the EA trades itself, or any decision with a request id."""

    decision_id: str
    broker: str
    ea_name: str
    magic: int
    symbol: str
    request_id: str | None
    fingerprint: str
    approved: bool
    body: dict[str, Any]
    reply: dict[str, Any]
    at: float
    reservation: dict[str, Any] | None = None


@attrs.frozen
class Released:
    """A reservation that is over, and why."""

    decision_id: str
    reason: str
    at: float


@attrs.frozen
class Setting:
    """A durable value of the governor: a trading state, an EA's multiplier. `value` None forgets it."""

    key: str
    value: dict[str, Any] | None
    at: float


Record = Intent | Settled | Decision | Released | Setting


@attrs.frozen
class Duplicate:
    """The key (`ea_name`, `request_id`) of an intent or a decision is taken, by this record."""

    known: Known


@attrs.frozen
class Known:
    """A remembered command: `reply` is None while an intent has no outcome."""

    ea_name: str
    request_id: str
    fingerprint: str
    record_id: str
    kind: str
    reply: dict[str, Any] | None
    at: float


class Journal(Protocol):
    """The durable record. What `append` returned for is on disk."""

    async def append(self, records: Sequence[Record]) -> Sequence[Duplicate | None]:
        """Make the records durable together; one answer for each, `Duplicate` for one that was not taken.

        A cancelled caller leaves them queued: they may still become durable.

        Raises:
            JournalDown: none of them was kept.
        """
        ...

    async def known(self, limit: int) -> Sequence[Known]:
        """The newest remembered commands, oldest first. Raises JournalDown."""
        ...

    async def lookup(self, ea_name: str, request_id: str) -> Known | None:
        """One remembered command. Raises JournalDown."""
        ...

    async def open_intents(self, broker: str) -> Sequence[Intent]:
        """Intents without a final outcome, oldest first. Raises JournalDown."""
        ...

    async def open_reservations(self) -> Sequence[Decision]:
        """Approvals whose reservation was not released. Raises JournalDown."""
        ...

    async def settings(self) -> Sequence[Setting]:
        """Every durable value. Raises JournalDown."""
        ...

    @property
    def down(self) -> str | None:
        """Why it can't write now, or None."""
        ...


class Publisher(Protocol):
    """Where ticks and pushes go besides WebSocket clients. Never waits."""

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send to whoever subscribes to the topic; a slow subscriber loses it, and that is counted."""
        ...
