"""The life of an order as a table of states. Pure; what is not in the table is a bug and is seen.

    proposed → approved → intent → sent → done | filled | partly_filled | placed | refused | unknown
                                        → cancelled | expired (a limit or stop order that waits for nothing)
             → denied    → not_sent (halted, out of time, unreachable: surely nothing went out)
    unknown  → any outcome, by reconciliation or by a person; never back to sent
    placed   → filled | partly_filled | cancelled | expired | refused

`intent` is on disk before the broker is called. `sent` is known in memory alone, so what a record calls `intent` may
have been sent: after a crash it counts as `unknown`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from quantmind.domain.orders import Close, Ending, Open, Outcome, Placed, Proposal, Unknown


class OrderState(enum.Enum):
    """Where an order is in its life."""

    PROPOSED = "proposed"
    DENIED = "denied"
    APPROVED = "approved"
    INTENT = "intent"
    SENT = "sent"
    NOT_SENT = "not_sent"
    """Surely nothing was done, now or later."""
    PLACED = "placed"
    """It waits in the broker's book."""
    FILLED = "filled"
    PARTLY_FILLED = "partly_filled"
    DONE = "done"
    """A change of stops or a cancellation, carried out."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Nothing follows it."""
        return not NEXT[self]

    @property
    def open(self) -> bool:
        """It went out, or may have, and what becomes of it is still to be told."""
        return self in (OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN, OrderState.PLACED)


class KnownBy(enum.Enum):
    """How a state came to be known."""

    ANSWER = "answer"
    """The broker said so when it was asked."""
    RECONCILIATION = "reconciliation"
    """It was found again at the broker, by its tag."""
    PERSON = "person"
    """Somebody with the scope admin decided."""


_S = OrderState
_OUTCOMES: Final = frozenset({_S.PLACED, _S.FILLED, _S.PARTLY_FILLED, _S.DONE, _S.REFUSED, _S.NOT_SENT})
_ENDS_OF_PLACED: Final = frozenset({_S.FILLED, _S.PARTLY_FILLED, _S.CANCELLED, _S.EXPIRED, _S.REFUSED})
_NOTHING: Final[frozenset[OrderState]] = frozenset()

_ENDINGS: Final = {
    Ending.CANCELLED: _S.CANCELLED,
    Ending.EXPIRED: _S.EXPIRED,
    Ending.REJECTED: _S.REFUSED,
}

NEXT: Final[Mapping[OrderState, frozenset[OrderState]]] = MappingProxyType(
    {
        _S.PROPOSED: frozenset({_S.APPROVED, _S.DENIED}),
        _S.DENIED: _NOTHING,
        _S.APPROVED: frozenset({_S.INTENT, _S.NOT_SENT}),
        _S.INTENT: frozenset({_S.SENT, _S.NOT_SENT}),
        _S.SENT: _OUTCOMES | _ENDS_OF_PLACED | {_S.UNKNOWN},
        _S.UNKNOWN: _OUTCOMES | _ENDS_OF_PLACED,
        _S.PLACED: _ENDS_OF_PLACED,
        _S.PARTLY_FILLED: _NOTHING,
        _S.FILLED: _NOTHING,
        _S.DONE: _NOTHING,
        _S.REFUSED: _NOTHING,
        _S.NOT_SENT: _NOTHING,
        _S.CANCELLED: _NOTHING,
        _S.EXPIRED: _NOTHING,
    }
)
"""What may follow each state."""


class ImpossibleTransition(Exception):
    """An order can't go from one state to the other: a bug here, or a broker that contradicts itself."""

    def __init__(self, order_id: str, before: OrderState, after: OrderState) -> None:
        super().__init__(f"order {order_id} is {before.value} and can't become {after.value}")
        self.order_id, self.before, self.after = order_id, before, after


def advance(order_id: str, before: OrderState, after: OrderState) -> OrderState:
    """The new state.

    Raises:
        ImpossibleTransition: the table does not have it.
    """
    if after not in NEXT[before]:
        raise ImpossibleTransition(order_id, before, after)
    return after


def may_follow_record(recorded: OrderState, after: OrderState) -> bool:
    """Whether a record in one state may be followed by another; `intent` stands for `sent`, too."""
    if recorded is OrderState.INTENT:
        return after in NEXT[OrderState.INTENT] | NEXT[OrderState.SENT] | _ENDS_OF_PLACED
    return after in NEXT[recorded]


def state_of(proposal: Proposal, outcome: Outcome) -> OrderState:
    """The state that a broker's answer leaves an order in."""
    if isinstance(outcome, Unknown):
        return OrderState.UNKNOWN
    if not isinstance(outcome, Placed):
        return OrderState.REFUSED
    return found_state(proposal, outcome)


def found_state(proposal: Proposal, placed: Placed) -> OrderState:
    """The state of an order that the broker carried out, by what has become of it since."""
    if not isinstance(proposal, Open | Close):
        return OrderState.DONE
    if placed.pending:
        return OrderState.PLACED
    if placed.ended is not None:
        return _ENDINGS[placed.ended]
    asked, filled = proposal.volume, placed.volume
    in_part = asked is not None and filled is not None and filled < asked
    return OrderState.PARTLY_FILLED if in_part else OrderState.FILLED
