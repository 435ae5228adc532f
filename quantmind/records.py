"""What the durable record holds: the records that actors write, and what they read back. Values only.

Times are Unix seconds, UTC. Bodies are plain JSON values; an attrs value or a Decimal in one is written as JSON has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from quantmind.domain.order_life import KnownBy, OrderState

# --- what is written -----------------------------------------------------------------------------------------------


@attrs.frozen
class Command:
    """A command that ended before anything was decided (a wrong request, a repeat, a report), for the log alone.

    `by` is the token's name, empty without one; `via` the door it came by. `repeat`: it was answered as its first was.
    """

    kind: str
    ea_name: str
    request_id: str | None
    broker: str | None
    via: str
    by: str
    body: Any
    reply: dict[str, Any]
    at: float
    repeat: bool = False


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
    """What is known of an intent by now. `reply` is the answer that a repeat gets.

    One whose state can't follow the one that is recorded is not taken, see `Impossible`; one that says the same again
    changes nothing.
    """

    order_id: str
    state: OrderState
    reply: dict[str, Any]
    at: float
    known_by: KnownBy = KnownBy.ANSWER
    note: Mapping[str, Any] = attrs.field(factory=dict)
    """Beside it in the log: who settled it and why, when it was sent."""


@attrs.frozen
class Decision:
    """A verdict with all that it was made from. One with `remembered` takes the key (`ea_name`, `request_id`).

    `inputs` is the `Situation`; None in what is read back. `reservation` is held until it is released.
    """

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
    inputs: Any = attrs.field(default=None, eq=False, repr=False)
    remembered: bool = True
    needs_key: bool = False
    """Not written where another record has its key: its order is a repeat, and is not sent."""
    via: str = ""
    by: str = ""


@attrs.frozen
class Released:
    """A reservation that is over, and why."""

    decision_id: str
    reason: str
    at: float


@attrs.frozen
class Setting:
    """A durable value: a trading state, an EA's multiplier, the router's state. `value` None forgets it.

    `logged` False keeps it out of the log: it changes all the time and tells nothing (last tick times).
    """

    key: str
    value: dict[str, Any] | None
    at: float
    logged: bool = True


@attrs.frozen
class Holding:
    """What a broker was seen to hold, or to have done: `kind` is position, order or deal. `data` None: it is gone.

    A deal is taken once; a position or an order that is as it was before changes nothing. `order_id` is the order of
    ours that did it, None where that is not known. `cause` says in a word where it comes from.
    """

    broker: str
    kind: str
    ticket: int
    data: dict[str, Any] | None
    at: float
    order_id: str | None = None
    cause: str = ""


@attrs.frozen
class Event:
    """Something that an operator may have to know: drift, a link that came or went, an impossible transition."""

    name: str
    broker: str | None
    data: Mapping[str, Any]
    at: float
    order_id: str | None = None
    ea_name: str | None = None


Record = Intent | Settled | Decision | Released | Setting | Command | Holding | Event


# --- what a write gives --------------------------------------------------------------------------------------------


@attrs.frozen
class Known:
    """A remembered command: `reply` is None while an intent has no outcome.

    `released`: what it promised is over, so that nobody may trade on it any more.
    """

    ea_name: str
    request_id: str
    fingerprint: str
    record_id: str
    kind: str
    reply: dict[str, Any] | None
    at: float
    symbol: str = ""
    released: bool = False


@attrs.frozen
class Duplicate:
    """The key (`ea_name`, `request_id`) of an intent or a decision is taken, by this record."""

    known: Known


@attrs.frozen
class Impossible:
    """A `Settled` that can't follow what is recorded; it was not taken, and the log has an event `impossible`."""

    order_id: str
    recorded: OrderState
    refused: OrderState
    reply: dict[str, Any] | None
    """The recorded answer."""


Result = Duplicate | Impossible | None


# --- what is read --------------------------------------------------------------------------------------------------


@attrs.frozen
class OrderRecord:
    """One order of ours as the record has it. `settled_at` None: what becomes of it is not known yet.

    A verdict without an order reads as one, too: it is `approved` or `denied`, and `order_id` is the decision's.
    """

    order_id: str
    broker: str
    ea_name: str
    magic: int
    symbol: str
    request_id: str | None
    fingerprint: str
    body: dict[str, Any]
    at: float
    state: OrderState
    reply: dict[str, Any] | None
    known_by: KnownBy | None
    settled_at: float | None

    @property
    def kind(self) -> str:
        """`decision` for a verdict, `intent` for an order."""
        return "decision" if self.state in (OrderState.APPROVED, OrderState.DENIED) else "intent"

    @property
    def intent(self) -> Intent:
        """What was to be sent."""
        return Intent(
            self.order_id,
            self.broker,
            self.ea_name,
            self.magic,
            self.symbol,
            self.request_id,
            self.fingerprint,
            self.body,
            self.at,
        )


KINDS: Final = (
    "journal",
    "command",
    "decision",
    "intent",
    "outcome",
    "released",
    "setting",
    "order",
    "position",
    "deal",
    "event",
    "pruned",
)
"""Kinds of lines of the log."""


@attrs.frozen
class Entry:
    """One line of the log. `seq` grows by one; `at_us` is Unix microseconds; `body` is a JSON object's text.

    `kind` is one of `KINDS`; a later version may write others.
    `hash` is of the line and of the hash before it, see `quantmind.adapters.journal.chain`.
    """

    seq: int
    at_us: int
    kind: str
    broker: str | None
    ea_name: str | None
    request_id: str | None
    order_id: str | None
    body: str
    hash: bytes = b""


@attrs.frozen
class Standing:
    """What holds after the log's line `seq`: the bodies of the newest lines that still count.

    `deals` are the newest, oldest first; `open` are the orders whose outcome is not known, and those that wait at the
    broker.
    """

    seq: int
    positions: Sequence[Holding] = ()
    orders: Sequence[Holding] = ()
    deals: Sequence[Holding] = ()
    open: Sequence[OrderRecord] = ()
    settings: Sequence[Setting] = ()


@attrs.frozen
class Extent:
    """What the log holds: the first and last `seq` that are kept (0 and 0: nothing), and the last line's hash."""

    first: int
    last: int
    hash: bytes


@attrs.frozen
class LogPage:
    """Lines of the log, and where to go on: a search that finds little ends before it has seen everything.

    `through` is the last line that was looked at, asking onwards; asking for the newest, the first one. `more`: there
    are lines beyond it. `extent` is of the same moment.
    """

    entries: Sequence[Entry]
    through: int
    more: bool
    extent: Extent
