"""Remembered commands: what is kept, what frees its id, who hears the first's answer."""

from __future__ import annotations

from typing import Any

import pytest

from actors.halts import Halt
from actors.known import KnownCommands, as_before, as_it_stands
from actors.runtime import Call, NotDelivered, ReplyLost, Request
from quantmind.domain.risk import TradingState
from quantmind.records import Known
from quantmind.wire import replies

KEY = ("alpha", "r1")
ACTIVE = Halt(TradingState.ACTIVE, "", 0.0)
HALTED = Halt(TradingState.HALTED, "why", 0.0)
APPROVAL = {
    "status": "success",
    "approved": True,
    "max_volume": 1,
    "risk_multiplier": 1,
    "approval_id": "a",
    "valid_until": 100.5,
    "valid_for_ms": 5000,
}


def known(reply: Any, fingerprint: str = "f") -> Known:
    return Known("alpha", "r1", fingerprint, "order-1", "intent", reply, 0.0)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ({"status": "success"}, True),
        ({"status": "rejected"}, True),
        ({"status": "unknown"}, True),
        (replies.error("broker_refused", "no", order_id="o"), True),
        (replies.error("broker_unavailable", "no", order_id="o"), True),
        (replies.error("broker_unavailable", "no"), False),
        (replies.error("busy", "no"), False),
        (replies.error("unauthorized", "no"), False),
        (replies.error("unknown_ticket", "no"), False),
        (replies.error("internal", "no"), False),
    ],
)
async def test_what_is_kept(reply: Any, kept: bool) -> None:
    """Decisions, and outcomes after an intent, are kept; everything else frees the id. Who joined hears it."""
    table = KnownCommands()
    entry = table.begin(KEY, "f")
    heard: list[Any] = []
    entry.joined = [Call.open(Request(), on_reply=heard.append) for _ in range(3)]
    assert entry.in_flight
    table.finish(KEY, entry, reply)
    assert heard == [reply] * 3
    assert (table.get(KEY) is not None) == kept


@pytest.mark.parametrize(("error", "kept"), [(NotDelivered("x"), False), (ReplyLost("x"), True)])
async def test_what_nobody_had_is_free(error: Any, kept: bool) -> None:
    """A command that nobody had frees its id; one whose answer was lost must be looked up."""
    table = KnownCommands()
    entry = table.begin(KEY, "f")
    heard: list[Any] = []
    entry.joined = [Call.open(Request(), on_reply=heard.append)]
    table.finish(KEY, entry, error)
    assert heard == [error]
    assert (table.get(KEY) is not None) == kept
    assert entry.lost
    assert not entry.in_flight


def test_load_keeps_what_is_here_and_its_bound() -> None:
    """What is here is newer than the journal's; the oldest go first."""
    table = KnownCommands(capacity=2)
    entry = table.begin(KEY, "here")
    table.load([known(None, "stored"), *[Known("e", str(n), "f", "o", "intent", None, 0.0) for n in range(1)]])
    assert table.get(KEY) is entry
    assert table.get(("e", "0")).lost  # type: ignore[union-attr]
    table.load([Known("e", "9", "f", "o", "intent", {"status": "success"}, 0.0)])
    assert len(table) == 2
    assert table.get(KEY) is None


def test_as_before() -> None:
    """The first's answer, a conflict for another body, and unknown while there is no outcome."""
    assert as_before(known({"status": "success"}), "f") == {"status": "success"}
    assert as_before(known({"status": "success"}), "g")["code"] == "request_id_conflict"
    waiting = as_before(known(None), "f")
    assert (waiting["status"], waiting["order_id"]) == ("unknown", "order-1")


def test_an_approval_as_it_stands() -> None:
    """Until its end an approval says how long is left; after it, or under a halt, it is none."""
    now = as_it_stands(APPROVAL, ACTIVE, 100.0)
    assert (now["approved"], now["valid_for_ms"]) == (True, 500)
    for halt, at in ((ACTIVE, 100.5), (ACTIVE, 200.0), (HALTED, 100.0), (ACTIVE, 95.0), (ACTIVE, -3600.0)):
        over = as_it_stands(APPROVAL, halt, at)
        assert (over["status"], over["approved"]) == ("rejected", False)
        assert over["reasons"][0]["rule"] == "approval_expired"
        assert "valid_until" not in over
    close = {key: value for key, value in APPROVAL.items() if key != "max_volume"}
    assert as_it_stands(close, HALTED, 100.0)["approved"] is True  # a reduction passes under a halt
    stored = replies.stored(APPROVAL)
    assert as_it_stands(stored, ACTIVE, 100.0)["valid_for_ms"] == 500
    executed = {"status": "success", "approved": True, "ticket": 5}
    assert as_it_stands(executed, HALTED, 1e12) is executed
