"""A person's word on an order, held against the record and the broker: what may be said, and what then is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from actors.by_hand import contradiction, possible_states, refusal, settlement
from actors.messages import SettleOrder
from actors.reconcile import proposal_of
from quantmind.domain.order_life import NEXT, KnownBy, OrderState
from quantmind.domain.orders import Absent, Ending, Placed
from quantmind.records import OrderRecord

S = OrderState
COMMON = {"price": None, "sl": None, "tp": None, "ticket": 0, "volume": "0.30", "symbol": "EURUSD"}
MARKET = {
    **COMMON,
    "type": "trade_open",
    "side": "buy",
    "order_type": "market",
    "sl": "1.08",
    "approved_volume": "0.20",
}
LIMIT = {**MARKET, "order_type": "limit", "price": "1.08"}
CLOSE = {**COMMON, "type": "trade_close", "ticket": 5}
CLOSE_ALL = {**CLOSE, "volume": None}
MODIFY = {**COMMON, "type": "trade_modify", "ticket": 5, "sl": "1.07"}
CANCEL = {**COMMON, "type": "trade_cancel", "ticket": 6}
FILLED = Placed(10009, 1, 2, 7, Decimal("1.0851"), Decimal("0.20"))


def order(body: dict[str, Any] = MARKET, state: OrderState = S.UNKNOWN, known_by: KnownBy | None = None) -> OrderRecord:
    return OrderRecord("o1", "demo", "alpha", 7, "EURUSD", "r1", "f", body, 1.0, state, None, known_by, None)


def word(state: OrderState = S.FILLED, **more: Any) -> SettleOrder:
    numbers = {name: Decimal(value) for name, value in more.items() if name in ("price", "volume", "profit")}
    return SettleOrder("o1", state, "seen there", "owner", **{**more, **numbers})


@pytest.mark.parametrize("state", OrderState)
def test_only_what_nobody_knows_can_be_settled(state: OrderState) -> None:
    """An order that is unknown, or whose intent has no outcome; any other says what it is and how that is known."""
    refused = refusal(order(state=state, known_by=KnownBy.RECONCILIATION), word(ticket=7))
    if state in (S.UNKNOWN, S.INTENT):
        assert refused is None
    else:
        assert refused is not None
        assert (refused["code"], refused["state"]) == ("settled", state.value)
        assert f"is {state.value} (known by reconciliation) already" in refused["message"]


FILLS = {"filled", "partly_filled"}
NOTHING = {"refused", "not_sent"}


@pytest.mark.parametrize(
    ("body", "possible"),
    [
        (MARKET, FILLS | NOTHING),
        (LIMIT, FILLS | NOTHING | {"placed", "cancelled", "expired"}),
        (CLOSE, FILLS | NOTHING),
        (MODIFY, NOTHING | {"done"}),
        (CANCEL, NOTHING | {"done"}),
    ],
)
def test_what_each_kind_may_have_become(body: dict[str, Any], possible: set[str]) -> None:
    """A cancellation was never filled; whatever may be said is in the table of states, and nothing else is taken."""
    states = possible_states(proposal_of(order(body).intent))
    assert {state.value for state in states} == possible
    assert states <= NEXT[S.UNKNOWN]
    for state in OrderState:
        refused = refusal(order(body), word(state, ticket=7, volume="0.1" if state is S.PARTLY_FILLED else "0.2"))
        if state not in states:
            assert refused is not None
            assert (refused["code"], refused["field"]) == ("invalid_message", "outcome")


@pytest.mark.parametrize(
    ("body", "said", "field"),
    [
        (MARKET, word(), "ticket"),
        (LIMIT, word(S.PLACED), "ticket"),
        (MARKET, word(ticket=7), None),
        (MARKET, word(ticket=7, volume="0.20"), None),
        (MARKET, word(ticket=7, volume="0.21"), "volume"),
        (MARKET, word(ticket=7, volume="0.19"), "volume"),
        (MARKET, word(S.PARTLY_FILLED, ticket=7), "volume"),
        (MARKET, word(S.PARTLY_FILLED, ticket=7, volume="0.20"), "volume"),
        (MARKET, word(S.PARTLY_FILLED, ticket=7, volume="0.19"), None),
        (CLOSE, word(), None),
        (CLOSE, word(volume="0.4"), "volume"),
        (CLOSE_ALL, word(volume="9"), None),
        (CLOSE_ALL, word(S.PARTLY_FILLED), "volume"),
        (CLOSE_ALL, word(S.PARTLY_FILLED, volume="9"), None),
        (MARKET, word(S.NOT_SENT), None),
        (CANCEL, word(S.DONE), None),
    ],
)
def test_numbers_that_make_sense(body: dict[str, Any], said: SettleOrder, field: str | None) -> None:
    """An open has a ticket, no more is filled than was approved, and a part is no whole."""
    refused = refusal(order(body), said)
    assert (None if refused is None else refused["field"]) == field


@pytest.mark.parametrize(
    ("body", "found", "said", "agrees"),
    [
        (MARKET, None, word(ticket=1), True),
        (MARKET, Absent(), word(S.NOT_SENT), True),
        (MARKET, Absent(), word(S.REFUSED), True),
        (MARKET, Absent(), word(ticket=7), False),
        (LIMIT, Absent(), word(S.CANCELLED), False),
        (MARKET, FILLED, word(ticket=7, price="1.0851", volume="0.20"), True),
        (MARKET, FILLED, word(ticket=7), True),
        (MARKET, FILLED, word(ticket=8), False),
        (MARKET, FILLED, word(ticket=7, price="1.0852"), False),
        (MARKET, FILLED, word(S.PARTLY_FILLED, ticket=7, volume="0.1"), False),
        (MARKET, FILLED, word(S.NOT_SENT), False),
        (LIMIT, Placed(10008, 1, 0, 7, pending=True), word(S.PLACED, ticket=7), True),
        (LIMIT, Placed(10008, 1, 0, 7, pending=True), word(ticket=7), False),
        (LIMIT, Placed(10009, 1, 0, 7, volume=Decimal(0), ended=Ending.EXPIRED), word(S.EXPIRED), True),
        (LIMIT, Placed(10009, 1, 0, 7, volume=Decimal(0), ended=Ending.EXPIRED), word(S.CANCELLED), False),
        (CLOSE, Placed(10009, 1, 2, 0, Decimal(1), Decimal("0.30")), word(ticket=5), True),
        (CANCEL, Placed(10009), word(S.DONE), True),
        (CANCEL, Placed(10009), word(S.NOT_SENT), False),
    ],
)
def test_the_brokers_word(body: dict[str, Any], found: Any, said: SettleOrder, agrees: bool) -> None:
    """A broker that can tell is heard first: what it says otherwise is said, with the way out."""
    contradicted = contradiction(order(body), said, found)
    assert (contradicted is None) == agrees
    if contradicted is not None:
        assert contradicted["code"] == "broker_contradicts"
        assert contradicted["broker_says"]["state"] in {state.value for state in OrderState}
        assert "force: true" in contradicted["message"]


def test_what_a_repeat_hears() -> None:
    """A person's fill reads as one, without a code that no broker gave; what was not done names who said so."""
    filled = settlement(order(), word(ticket=7, price="1.0851"), None)
    assert filled.placed == Placed(10009, 0, 0, 7, Decimal("1.0851"), Decimal("0.20"), sl=Decimal("1.08"))
    reply = filled.reply
    assert (reply["status"], reply["approved"], reply["known_by"]) == ("success", True, "person")
    assert (reply["ticket"], reply["price"], str(reply["volume"])) == (7, Decimal("1.0851"), "0.20")
    assert (reply["retcode"], reply["retcode_text"]) == (None, "settled by owner: seen there")
    for state, code in ((S.NOT_SENT, "broker_unavailable"), (S.REFUSED, "broker_refused")):
        nothing = settlement(order(), word(state), None)
        assert nothing.placed is None
        assert (nothing.reply["status"], nothing.reply["code"], nothing.reply["approved"]) == ("error", code, False)
        assert nothing.reply["order_id"] == "o1"
        assert "owner" in nothing.reply["message"]
        assert "seen there" in nothing.reply["message"]
    waits = settlement(order(LIMIT), word(S.PLACED, ticket=7), None)
    assert (waits.reply["pending"], waits.reply["ticket"], str(waits.reply["volume"])) == (True, 7, "0.20")
    over = settlement(order(LIMIT), word(S.EXPIRED), None)
    assert (over.reply["ended"], over.reply["volume"], over.reply.get("pending")) == ("expired", 0, None)
    changed = settlement(order(MODIFY), word(S.DONE), None)
    assert (changed.reply["ticket"], changed.reply["sl"], changed.reply["volume"]) == (5, Decimal("1.07"), None)
    closed = settlement(order(CLOSE), word(profit="-3.20"), None)
    assert (closed.reply["ticket"], str(closed.reply["profit"])) == (5, "-3.20")


def test_what_the_broker_says_fills_in_what_was_left_out() -> None:
    """Where both agree the broker's price and code stand; where they don't, and it was forced, the person's word."""
    agreed = settlement(order(), word(ticket=7), FILLED)
    assert (agreed.placed, agreed.reply["price"], agreed.reply["retcode"]) == (FILLED, Decimal("1.0851"), 10009)
    forced = settlement(order(), word(ticket=8, force=True), FILLED)
    assert forced.placed is not None
    assert (forced.placed.ticket, forced.reply["price"], forced.reply["retcode"]) == (8, None, None)
