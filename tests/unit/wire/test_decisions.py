"""Recorded decisions and the proposals in them: what is read back is what was asked, and faults are named."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.domain.test_judge import decide, opening, position, situation

from quantmind.adapters.journal.chain import text
from quantmind.domain.accounts import PendingOrder
from quantmind.domain.orders import Filling, Open, OrderType, Origin, Side
from quantmind.domain.risk import Denied, Mandate, MandateMode, Policy, Reason, Situation, Terms, TradingState
from quantmind.domain.risk.replay import again
from quantmind.records import Entry
from quantmind.wire import replies
from quantmind.wire.commands import Envelope, Trade
from quantmind.wire.decisions import Recorded, differences, inputs_of, recorded
from quantmind.wire.proposals import proposal_of

amounts = st.integers(1, 10**9).map(lambda number: Decimal(number) / 100_000)
prices = st.none() | amounts
times = st.none() | st.floats(0, 4e9)
opens = st.fixed_dictionaries(
    {
        "kind": st.just("trade_open"),
        "symbol": st.sampled_from(["EURUSD", "XAUUSD.r"]),
        "volume": amounts,
        "side": st.sampled_from([*Side, None]),
        "order_type": st.sampled_from(OrderType),
        "price": prices,
        "sl": prices,
        "tp": prices,
        "score": st.none() | st.floats(-1, 1),
        "reduce": st.booleans(),
        "comment": st.text(max_size=5),
        "expiration": times,
        "deviation": st.none() | st.integers(0, 100),
        "filling": st.sampled_from([*Filling, None]),
    }
)
closes = st.fixed_dictionaries(
    {
        "kind": st.just("trade_close"),
        "symbol": st.just("EURUSD"),
        "ticket": st.integers(1, 2**64 - 1),
        "volume": prices,
        "close_by": st.none() | st.integers(1, 9),
    }
)
modifies = st.fixed_dictionaries(
    {
        "kind": st.just("trade_modify"),
        "ticket": st.integers(1, 2**64 - 1),
        "sl": prices,
        "tp": prices,
        "price": prices,
        "expiration": times,
    }
)
cancels = st.fixed_dictionaries({"kind": st.just("trade_cancel"), "ticket": st.integers(1, 2**64 - 1)})


@given(opens | closes | modifies | cancels, st.integers(-(2**63), 2**64 - 1))
def test_a_command_comes_back_from_its_body(fields: dict[str, Any], magic: int) -> None:
    """Of every kind, with all that may be said, by way of the record's JSON."""
    trade = Trade(envelope=Envelope(ea_name="alpha", request_id="r"), magic=magic, execute=True, **fields)
    body = json.loads(text(trade.body()))
    assert proposal_of(body, "demo", Origin("alpha", magic, "r")) == trade.proposal("demo")


def test_an_order_has_the_volume_that_was_approved() -> None:
    """An intent says both what was asked and what may be traded of it."""
    trade = Trade(envelope=Envelope(ea_name="a"), kind="trade_open", magic=1, execute=True, volume=Decimal(2))
    found = proposal_of({**trade.body(), "approved_volume": "0.37"}, "demo", Origin("a", 1))
    assert isinstance(found, Open)
    assert found.volume == Decimal("0.37")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "no type"),
        ({"type": "trade_open"}, "no side"),
        ({"type": "trade_close", "symbol": "E", "ticket": 1, "volume": "much"}, "can't be read"),
        ({"type": "heartbeat"}, "'heartbeat' is no order"),
        ({"type": "trade_open", "symbol": "E", "volume": "1", "side": "up"}, "'up' is not a valid Side"),
    ],
)
def test_what_is_no_command_is_refused(body: dict[str, Any], says: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(ValueError, match=says):
        proposal_of(body, "demo", Origin("alpha", 1))


# --- decisions -----------------------------------------------------------------------------------------------------


def line(at: Situation, proposal: Open, **more: Any) -> Entry:
    """The line of a decision as a journal writes it."""
    verdict = decide(proposal, at)
    trade = Trade(
        envelope=Envelope(ea_name="alpha"),
        kind="trade_open",
        magic=7,
        execute=False,
        symbol=proposal.symbol,
        volume=proposal.volume,
        side=proposal.side,
        sl=proposal.sl,
        reduce=proposal.reduce,
    )
    body = {
        "approved": not isinstance(verdict, Denied),
        "magic": 7,
        "command": trade.body(),
        "reply": replies.verdict(verdict),
        "inputs": inputs_of(at),
        "via": "zmq",
        **more,
    }
    return Entry(5, 1_795_424_400_000_000, "decision", "demo", "alpha", None, "d1", text(body), b"")


def found_in(entry: Entry) -> Recorded:
    found = recorded(entry)
    assert found.situation is not None
    return found


def test_of_positions_only_what_counts_is_kept() -> None:
    """Comments, tags, times and targets are not; a verdict does not look at them, and is the same without them."""
    order = PendingOrder(8, "EURUSD", Side.BUY, OrderType.LIMIT, Decimal(1), Decimal("1.05"), 5, tag="t", comment="c")
    held = position(3, sl=Decimal("0.9"), tp=Decimal(2), swap=Decimal(-1), magic=7, comment="a", tag="b")
    at = situation(held, position(4), orders={8: order})
    entry = line(at, opening("0.10"))
    kept = msgspec.json.decode(entry.body)["inputs"]
    assert set(kept["positions"]["4"]) == {"symbol", "side", "volume", "price_open", "price_current", "profit"}
    assert set(kept["orders"]["8"]) == {"symbol", "side", "order_type", "volume", "price"}
    found = found_in(entry)
    assert found.situation is not None
    assert found.situation.positions[3] == attrs.evolve(held, tp=None, comment="", tag="")
    assert found.situation.orders[8] == attrs.evolve(order, time_msc=0, comment="", tag="")
    assert differences(found, again(found.proposal, found.situation)) == []


def test_a_record_with_whole_positions_reads_as_it_is() -> None:
    """Earlier versions wrote all of them."""
    held = position(3, tp=Decimal(2), comment="a", tag="b")
    at = attrs.evolve(situation(held), sample=None)
    entry = line(at, opening(), inputs=at)
    assert '"comment":"a"' in entry.body
    found = found_in(entry)
    assert found.situation is not None
    assert found.situation.positions == {3: held}


def test_every_difference_is_named() -> None:
    """What was approved and how much, by which rules, and their numbers and words."""
    at = situation(policy=Policy(max_volume=Decimal("0.5")))
    found = found_in(line(at, opening("0.6")))
    wider = attrs.evolve(at, policy=Policy(max_volume=Decimal(1)))
    said = {each.field: (each.was, each.now) for each in differences(found, again(found.proposal, wider))}
    assert said == {
        "approved": (False, True),
        "approved_volume": (0, Decimal("0.6")),
        "max_volume": (Decimal("0.50"), Decimal("1.00")),
        "reasons": (["max_volume"], []),
    }
    tighter = attrs.evolve(at, policy=Policy(max_volume=Decimal("0.25")))
    said = {each.field: (each.was, each.now) for each in differences(found, again(found.proposal, tighter))}
    assert set(said) == {"max_volume", "max_volume.limit", "max_volume.message"}


def test_digits_without_meaning_are_no_difference() -> None:
    """0.10 lots were asked for, and the record of the command says 0.1."""
    at = situation(policy=Policy(max_volume=Decimal("0.05")))
    entry = line(at, opening("0.10"))
    assert "0.10 were asked for" in entry.body
    found = found_in(entry)
    assert found.proposal.volume == Decimal("0.1")  # type: ignore[union-attr]
    assert differences(found, again(found.proposal, at)) == []


@pytest.mark.parametrize(
    ("rule", "more", "overtaken"),
    [
        ("trading_state", {}, True),
        ("governor_restarted", {}, True),
        ("mandate", {}, True),
        ("max_volume", {}, False),
        ("trading_state", {"state": TradingState.HALTED}, False),
        ("mandate", {"mandate": Mandate(MandateMode.NONE, Decimal(0))}, False),
    ],
)
def test_what_was_refused_on_its_way_is_told_apart(rule: str, more: dict[str, Any], overtaken: bool) -> None:
    """By a rule that what it was made from does not show: a halt came in between."""
    denied = Denied(opening(), Terms(Decimal(1), Decimal(0), (Reason(rule, "since then"),)))
    at = situation(**more)
    entry = line(at, opening(), approved=False, reply=replies.verdict(denied))
    assert recorded(entry).overtaken is overtaken


def test_a_reason_says_that_it_only_observes() -> None:
    """And of one that refuses nothing is said of it."""
    assert replies.reason(Reason("news", "m", observed=True))["observed"] is True
    assert "observed" not in replies.reason(Reason("news", "m"))
    at = situation(policy=Policy(max_volume=Decimal("0.05"), observe_only=True))
    found = found_in(line(at, opening("0.1")))
    assert found.approved
    assert [reason["observed"] for reason in found.reply["reasons"]] == [True]
    assert differences(found, again(found.proposal, at)) == []


def test_a_decision_without_inputs_is_read() -> None:
    """Those that came through the emergency file have none."""
    assert recorded(line(situation(), opening(), inputs=None)).situation is None


@pytest.mark.parametrize("change", [{"inputs": {"now": 1}}, {"command": {}}, {"approved": "yes"}, {"inputs": []}])
def test_a_line_that_is_no_decision_is_refused(change: dict[str, Any]) -> None:
    """And says what is wrong."""
    with pytest.raises(ValueError, match=r".+"):
        recorded(line(situation(), opening(), **change))
