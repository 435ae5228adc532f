"""The vocabulary of the actors. Frozen; nobody changes a message."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import attrs

from actors.runtime import Request
from quantmind.domain.accounts import Sample
from quantmind.domain.order_life import OrderState
from quantmind.domain.orders import Outcome, Proposal
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Approved, Mandate, TradingState
from quantmind.domain.risk.risked import NOTHING, Risked
from quantmind.domain.router_state import Regime
from quantmind.domain.stopwatch import Stopwatch
from quantmind.domain.symbols import SymbolSpec
from quantmind.records import Decision
from quantmind.wire.ws_messages import Resume

Reply = dict[str, Any]
"""A command's answer, ready for the codec: the fields of docs/protocol.md section 2."""


# --- ticks ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class TickBatch:
    """Changed ticks of one broker, in order. `polled_at` is monotonic seconds."""

    broker: str
    quotes: Sequence[Quote]
    polled_at: float


@attrs.frozen
class FeedState:
    """A broker's feed went silent, came back, or ended; for clients' `status` messages."""

    broker: str
    symbol: str | None
    state: str
    age_ms: int


@attrs.frozen
class SymbolsKnown:
    """What a broker trades, told when its feed connects."""

    broker: str
    specs: Sequence[SymbolSpec]


Key = tuple[str, str]
"""(broker, symbol)."""


@attrs.frozen
class Welcome:
    """What a sink owes its client after a subscription: the answer, then each symbol's last known tick."""

    request_id: str | None
    accepted: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    total: int
    epoch: str
    snapshots: tuple[bytes, ...]
    """Encoded `tick` messages marked as snapshots."""
    keys: tuple[Key, ...] = ()
    """What `snapshots` are of, in the same order: a tick of these that still waits is older, and need not go out."""
    recovered: bool | None = None
    """Whether `missed` is all that the client missed; None: it did not ask."""
    missed: tuple[bytes, ...] = ()
    """Frames of ticks, in the order they were published; then there are no snapshots."""


class TickSink(Protocol):
    """Where the hub pushes ticks for one client. Plain calls that never wait; owned by the client's session."""

    def push_ticks(self, items: Sequence[tuple[Hashable, bytes]], joined: bytes) -> None:
        """Frames by key in order, and the same frames joined."""
        ...

    def push_welcome(self, welcome: Welcome) -> None:
        """Answer a subscription; called by the hub so that no tick comes between answer and snapshot."""
        ...

    def push_goodbye(
        self, request_id: str | None, names: tuple[str, ...], total: int, keys: tuple[Key, ...] = ()
    ) -> None:
        """Answer an unsubscription; no tick of `keys` follows the answer."""
        ...

    def push_frames(self, frames: bytes) -> None:
        """Messages for this client, framed and joined."""
        ...

    def give_up(self) -> None:
        """The hub serves this sink no more, because pushing to it failed: its client must not wait in silence."""
        ...


@attrs.frozen
class Subscribe:
    """A client wants symbols, by the names it uses. `limit` is how many it may have in all."""

    sink: TickSink
    names: tuple[str, ...]
    limit: int
    request_id: str | None = None
    resume: Resume | None = None
    """What the client has seen; it is given all that it missed, or snapshots."""


@attrs.frozen
class Unsubscribe:
    """A client no longer wants symbols; None: all of them."""

    sink: TickSink
    names: tuple[str, ...] | None
    request_id: str | None = None


@attrs.frozen
class Detach:
    """A client is gone."""

    sink: TickSink


HubMessage = TickBatch | FeedState | SymbolsKnown | Subscribe | Unsubscribe | Detach


@attrs.frozen
class HubStarted:
    """A new hub with a new epoch: sessions register their sinks again."""

    epoch: str


# --- commands ------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Trail:
    """What the record has of one command by now: it travels along, and whoever has the command in hand writes to it.

    At the end the command's door sees by it whether a line is still owed.
    """

    written: bool = False
    """A decision on it is on its way to disk, or there."""
    decision: Decision | None = None
    """The decision on it, where nobody waits for its record: the door has it written beside the answer."""
    repeat: bool = False
    """It was answered with what its first was answered."""
    broker: str | None = None
    """The account that it was for."""


@attrs.frozen
class HandleCommand(Request[Reply]):
    """A decoded command with who sent it and when it came (Unix and monotonic seconds)."""

    command: Any
    """One of `quantmind.wire.commands`."""
    identity: Any
    """`quantmind.wire.auth.Identity`."""
    via: str
    received_at: float
    watch: Stopwatch
    trail: Trail = attrs.field(factory=Trail)


@attrs.frozen
class Judge(Request[Reply]):
    """Decide on a proposal, and with `execute` have it carried out. `fingerprint` names the body of the request.

    `start_by` is Unix seconds after which the order may not be sent any more.
    """

    proposal: Proposal
    execute: bool
    fingerprint: str
    body: dict[str, Any]
    watch: Stopwatch
    start_by: float = math.inf
    via: str = ""
    """The door that it came by."""
    by: str = ""
    """The token's name; empty without one."""
    trail: Trail = attrs.field(factory=Trail)
    flattens: bool = False
    """The gateway itself closes an account: each step is let through, whatever it does to the net."""


@attrs.frozen
class ReportResult(Request[Reply]):
    """How an approved trade that the EA placed itself came out. `volume` 0: it was not placed."""

    approval_id: str
    ea_name: str
    ticket: int | None
    volume: Decimal | None
    retcode: int | None


@attrs.frozen
class SetMultiplier(Request[Reply]):
    """An EA's own multiplier. `may_raise`: the sender has the scope admin."""

    ea_name: str
    value: Decimal
    may_raise: bool
    by: str


@attrs.frozen
class SetTradingState(Request[Reply]):
    """Set what an account (None: every account) may do."""

    broker: str | None
    state: TradingState
    reason: str
    by: str
    flatten: bool = False
    """Also close all positions and take back all pending orders, until there are none."""


@attrs.frozen
class SupplyBaseline(Request[Reply]):
    """What an account had when its day began, from somebody who knows; only what is missing is taken.

    Money of the account. None: it is not known, or not needed.
    """

    broker: str
    balance: Decimal
    equity: Decimal | None
    highest_balance: Decimal | None
    highest_equity: Decimal | None
    reason: str
    by: str


@attrs.frozen
class SetRouterState(Request[Reply]):
    """Set regime, mandate or both; what is None stays. `revision`: only where that is the one that holds.

    By whom and why stand in them.
    """

    regime: Regime | None
    mandate: Mandate | None
    revision: int | None = None


@attrs.frozen
class AccountSampled:
    """A broker's account and positions; the newest counts."""

    sample: Sample


@attrs.frozen
class Beat:
    """The governor is to turn once, so that it is seen that it can."""


@attrs.frozen
class Execute(Request[Reply]):
    """Carry out what was approved, once. `decision` is written down with the intent."""

    approved: Approved
    fingerprint: str
    body: dict[str, Any]
    watch: Stopwatch
    decision: Decision
    trail: Trail = attrs.field(factory=Trail)
    risked: Risked = NOTHING
    """What it puts at risk; kept with the intent."""


@attrs.frozen
class DealsRead:
    """A broker's deals were read with success; the newest reading counts."""

    broker: str


@attrs.frozen
class AdoptDrift(Request[Reply]):
    """Take over what is flagged: from now on ours is what the broker says."""

    broker: str
    reason: str
    by: str


@attrs.frozen
class SettleOrder(Request[Reply]):
    """A person's word on what became of an order; nothing is sent. Prices in the quote currency, volumes in lots.

    The answer has `status`, and with `success` the order as `record`; else `code`, `message` and what helps.
    """

    order_id: str
    state: OrderState
    reason: str
    by: str
    force: bool = False
    """Also where the broker says otherwise."""
    ticket: int | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    profit: Decimal | None = None


@attrs.frozen
class Executed:
    """What became of an approved order; told upwards to the governor. `order_id` is the approval's id."""

    order_id: str
    proposal: Proposal
    outcome: Outcome | None
    """None: it was never sent."""
    at: float
    """Monotonic seconds."""
    reconciled: bool = False
    """It was found again by its tag: it happened some time before `at`."""


@attrs.frozen
class Undelivered:
    """An order that never reached its executor: its reservation is free."""

    order_id: str


GovernorFact = AccountSampled | Beat | Executed | Undelivered
