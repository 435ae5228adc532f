"""What the centre needs from outside, as Protocols. Adapters implement them; actors hold nothing else.

Every method here either finishes, raises the errors named, or is cancelled by its caller: a port has no
time-outs of its own. Those of a broker's calls are set in one place, `quantmind.adapters.guarded`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Protocol

import attrs

from quantmind.domain.accounts import Deal, Sample
from quantmind.domain.orders import Absent, Outcome, Placed
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved
from quantmind.domain.risk.news import Calendar
from quantmind.domain.sessions import Sessions
from quantmind.domain.symbols import SymbolSpec
from quantmind.records import (
    Decision,
    Entry,
    Extent,
    Intent,
    Known,
    LogPage,
    OrderRecord,
    Record,
    Result,
    Setting,
    Standing,
)


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
    confirmed: Sequence[str] = ()
    """Symbols of which nothing new was said, and whose last price still holds: the broker has said so."""


class Recovery(enum.Enum):
    """What is tried with a feed that is silent while its market is open, from mild to harsh."""

    RESUBSCRIBE = "resubscribe"
    """Ask for the prices of the silent symbols again, on the connection that there is."""
    RECONNECT = "reconnect"
    """Let the connection go, and make another."""
    RESTART = "restart"
    """Begin anew with everything that can hang: connections, sessions, a process of its own."""


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

    def sessions(self, symbol: str) -> Sessions:
        """When a symbol's market is open: outside of it no price is to be expected. Always open where nobody knows."""
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

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """Get a silent feed going again; nothing where a step has no meaning. `symbols` are those that are silent.

        After RECONNECT and RESTART `connect` is called. An order that is on its way meanwhile is carried out or
        Unknown, and what was carried out is found by `find` as ever. Safe to repeat, and to cancel.

        Raises:
            BrokerUnavailable: it can't be reached now.
        """
        ...

    async def aclose(self) -> None:
        """Let the connection go. Safe to repeat."""
        ...


class Journal(Protocol):
    """The durable record. What `append` returned for is on disk."""

    async def append(self, records: Sequence[Record]) -> Sequence[Result]:
        """Make the records durable together; one answer for each, None for one that was taken.

        A cancelled caller leaves them queued: they may still become durable.

        Raises:
            JournalDown: none of them was kept.
        """
        ...

    async def keep_aside(self, records: Sequence[Record]) -> None:
        """Keep what `append` could not take, for a process that dies before it can; it is appended when that works.

        Orders, their outcomes and settings count as recorded for whoever reads meanwhile. They may be appended, too:
        a record that is written again changes nothing.

        Raises:
            JournalDown: it could not be kept either.
        """
        ...

    def note(self, records: Sequence[Record]) -> None:
        """Have records for the log written soon; never waits.

        What finds no room, or a journal that is down, is counted and not written.
        """
        ...

    async def known(self, limit: int) -> Sequence[Known]:
        """The newest remembered commands, oldest first. Raises JournalDown."""
        ...

    async def lookup(self, ea_name: str, request_id: str) -> Known | None:
        """One remembered command. Raises JournalDown."""
        ...

    async def order(self, order_id: str) -> OrderRecord | None:
        """One order. Raises JournalDown."""
        ...

    async def remembered(self, request_id: str, ea_name: str | None, limit: int) -> Sequence[OrderRecord]:
        """Orders and verdicts with this request id, of one EA or (None) of any, oldest first. Raises JournalDown."""
        ...

    async def open_orders(self, ask: OpenOrders) -> Sequence[OrderRecord]:
        """Orders of which more is to come, by the time of their intent and their id. Raises JournalDown."""
        ...

    async def open_intents(self, broker: str) -> Sequence[Intent]:
        """Intents without a final outcome, oldest first. Raises JournalDown."""
        ...

    async def waiting_orders(self, broker: str) -> Sequence[OrderRecord]:
        """Orders that wait in the broker's book (`placed`), oldest first. Raises JournalDown."""
        ...

    async def known_deals(self, broker: str) -> frozenset[int]:
        """The tickets of a broker's deals that are recorded, the newest 20,000. Raises JournalDown."""
        ...

    async def approval_for(self, broker: str, symbol: str, magic: int, since: float) -> str | None:
        """The newest approval since then (Unix seconds) that an EA may have traded itself. Raises JournalDown."""
        ...

    async def approved_since(self, broker: str, since: float) -> Sequence[float]:
        """When orders of an account were approved since a time (both Unix seconds). Raises JournalDown."""
        ...

    async def open_reservations(self) -> Sequence[Decision]:
        """Approvals whose reservation was not released. Raises JournalDown."""
        ...

    async def settings(self) -> Sequence[Setting]:
        """Every durable value. Raises JournalDown."""
        ...

    async def standing(self) -> Standing:
        """What holds after everything that is written by now. Raises JournalDown."""
        ...

    @property
    def down(self) -> str | None:
        """Why it can't write now, or None."""
        ...


class State(Protocol):
    """Where the router's state is kept: plain JSON values by key. One gateway writes it.

    Keys are up to 200 characters, of any that can be printed. A value is as it was put, or what was there before is
    still there: never a part of either.
    """

    @property
    def durable(self) -> bool:
        """Whether what `put` returned for is there after the process was killed."""
        ...

    async def load(self) -> Sequence[Setting]:
        """Everything that is kept, each key once, in any order. Raises StateDown."""
        ...

    async def put(self, changes: Sequence[Setting]) -> None:
        """Keep all of the values, or none; one that is None is forgotten. The later of two with the same key counts.

        A cancelled caller leaves it open whether they are kept. Puts take effect in the order they were called.

        Raises:
            StateDown: they are not known to be kept. They may be all the same, so put what holds again.
        """
        ...


@attrs.frozen
class OpenOrders:
    """Which open orders: those after `after` (time of the intent, order id), at most `limit`.

    `unknown`: those of which nobody knows what became of them; `placed`: those that wait in the broker's book.
    """

    broker: str | None = None
    unknown: bool = True
    placed: bool = True
    after: tuple[float, str] | None = None
    limit: int = 200


class Log(Protocol):
    """Reading of the log, on the side: however much is read, no record waits for it."""

    async def entries(self, ask: LogQuery) -> Sequence[Entry]:
        """The lines that are asked for, in order; fewer than `limit` only if there are no more. Raises JournalDown."""
        ...

    async def extent(self) -> Extent:
        """What there is to read. Raises JournalDown."""
        ...


class PagedLog(Log, Protocol):
    """A log that can also be read in steps of bounded work, for those who ask from outside."""

    async def page(self, ask: LogQuery) -> LogPage:
        """What was found within a bounded time, and where to go on. Raises JournalDown."""
        ...


@attrs.frozen
class LogQuery:
    """Which lines of the log: those after `after` (or, with `newest`, the last ones), at most `limit`.

    `before` leaves out that line and those after it, `since_us` (Unix microseconds) those of an earlier time. None
    leaves a filter out.
    """

    after: int = 0
    limit: int = 200
    newest: bool = False
    before: int | None = None
    since_us: int | None = None
    kinds: frozenset[str] | None = None
    broker: str | None = None
    ea_name: str | None = None
    request_id: str | None = None
    order_id: str | None = None


class Publisher(Protocol):
    """Where ticks and pushes go besides WebSocket clients. Never waits."""

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send to whoever subscribes to the topic; a slow subscriber loses it, and that is counted."""
        ...


@attrs.frozen
class CalendarReading:
    """What is known of the operator's calendar of events now."""

    calendar: Calendar | None = None
    """The newest that could be read; it stays when a newer file can't be. None: none could be yet."""
    error: str | None = None
    """What is wrong with the file as it is now, or None."""


class CalendarSource(Protocol):
    """Where the calendar of events comes from."""

    @property
    def name(self) -> str:
        """What to call it in front of people: the file's path."""
        ...

    async def look(self) -> CalendarReading:
        """What there is now. Says what is wrong instead of raising."""
        ...


@attrs.frozen
class TokenReading:
    """The tokens of the file as they were last right, and what is wrong with it now."""

    identities: tuple[Any, ...] = ()
    """Of `quantmind.wire.auth.Identity`."""
    error: str | None = None


class TokenSource(Protocol):
    """Where tokens come from that are added and revoked while the gateway runs."""

    @property
    def name(self) -> str:
        """What to call it in front of people: the file's path."""
        ...

    async def look(self) -> TokenReading:
        """What there is now. Says what is wrong instead of raising."""
        ...


class StopSign(Protocol):
    """Where somebody may have put a sign that trading must stop."""

    @property
    def name(self) -> str:
        """What to call it in front of people: the file's path."""
        ...

    async def look(self) -> str | None:
        """What is written on it (the first line, perhaps nothing), or None: it is not there.

        One that can't be read is there.
        """
        ...
