"""An order goes from state to state as the table has it, and nowhere else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quantmind.domain.order_life import (
    NEXT,
    ImpossibleTransition,
    OrderState,
    advance,
    found_state,
    may_follow_record,
    state_of,
)
from quantmind.domain.orders import Cancel, Close, Ending, Modify, Open, Origin, Placed, Refused, Side, Unknown

ORIGIN = Origin("alpha", 7, "r1")
OPEN = Open(ORIGIN, "demo", "EURUSD", Decimal("0.10"), Side.BUY)
CLOSE = Close(ORIGIN, "demo", "EURUSD", 5)
S = OrderState


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_the_table_decides(before: OrderState, after: OrderState) -> None:
    """What the table has is possible; everything else raises and names both states."""
    if after in NEXT[before]:
        assert advance("o1", before, after) is after
    else:
        with pytest.raises(ImpossibleTransition, match=f"o1 is {before.value} and can't become {after.value}"):
            advance("o1", before, after)


def test_every_state_is_reached_and_ends() -> None:
    """From proposed each state can be reached, and from each a final one."""
    reached, todo = {S.PROPOSED}, [S.PROPOSED]
    while todo:
        new = NEXT[todo.pop()] - reached
        reached |= new
        todo += new
    assert reached == set(S)
    for state in S:
        assert state.final or any(after.final for after in NEXT[state]) or state in (S.PROPOSED, S.APPROVED)


def test_an_unknown_order_is_never_sent_again() -> None:
    """No way leads from an unknown, or from any outcome, back to an order that could be sent."""
    before_sending = {S.PROPOSED, S.APPROVED, S.INTENT, S.SENT}
    for state in set(S) - before_sending:
        assert not NEXT[state] & before_sending


def test_a_recorded_intent_may_have_been_sent() -> None:
    """After a crash an intent stands for an order that was sent, or was not."""
    for after in (S.FILLED, S.UNKNOWN, S.NOT_SENT, S.REFUSED, S.CANCELLED):
        assert may_follow_record(S.INTENT, after)
    assert not may_follow_record(S.INTENT, S.APPROVED)
    assert not may_follow_record(S.NOT_SENT, S.FILLED)
    assert not may_follow_record(S.FILLED, S.NOT_SENT)


@pytest.mark.parametrize(
    ("proposal", "outcome", "state"),
    [
        (OPEN, Placed(10009, volume=Decimal("0.10")), S.FILLED),
        (OPEN, Placed(10010, volume=Decimal("0.04")), S.PARTLY_FILLED),
        (OPEN, Placed(10009, volume=None), S.FILLED),
        (OPEN, Placed(10008, volume=Decimal("0.10"), pending=True), S.PLACED),
        (OPEN, Placed(10009, volume=Decimal(0), ended=Ending.EXPIRED), S.EXPIRED),
        (OPEN, Placed(10009, volume=Decimal(0), ended=Ending.CANCELLED), S.CANCELLED),
        (OPEN, Placed(10009, volume=Decimal(0), ended=Ending.REJECTED), S.REFUSED),
        (CLOSE, Placed(10009, volume=Decimal("0.04")), S.FILLED),
        (Close(ORIGIN, "demo", "EURUSD", 5, Decimal("0.10")), Placed(10010, volume=Decimal("0.04")), S.PARTLY_FILLED),
        (Modify(ORIGIN, "demo", 5, Decimal(1)), Placed(10009), S.DONE),
        (Cancel(ORIGIN, "demo", 5), Placed(10009), S.DONE),
        (OPEN, Refused(10019, "No money"), S.REFUSED),
        (OPEN, Unknown("no answer"), S.UNKNOWN),
    ],
)
def test_the_state_of_an_outcome(proposal: object, outcome: object, state: OrderState) -> None:
    """A broker's answer leaves an order in a state that may follow `sent`, or `placed` where it waited."""
    assert state_of(proposal, outcome) is state  # type: ignore[arg-type]
    assert may_follow_record(S.INTENT, state)
    if isinstance(outcome, Placed):
        assert found_state(proposal, outcome) is state  # type: ignore[arg-type]


def test_an_order_that_ends_at_once_is_no_contradiction() -> None:
    """A broker may answer an order by its end: it was sent, and is cancelled or expired without having waited."""
    for ending in Ending:
        state = state_of(OPEN, Placed(10009, volume=Decimal(0), ended=ending))
        assert advance("o1", S.SENT, state) is state
