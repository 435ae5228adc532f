"""Replies: fields of the protocol, exact numbers, and no `approved` where anything went wrong."""

from __future__ import annotations

import json
from decimal import Decimal

from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Refused, Side, Unknown
from quantmind.domain.risk import Denied, Reason, Terms
from quantmind.domain.risk.approval import approve
from quantmind.wire import replies

ORIGIN = Origin("alpha", 7, "r")
OPEN = Open(ORIGIN, "demo", "EURUSD", Decimal("0.30"), Side.BUY)
CLOSE = Close(ORIGIN, "demo", "EURUSD", 5)
MODIFY = Modify(ORIGIN, "demo", 5, Decimal(1))
TERMS = Terms(Decimal("0.5"), Decimal("0.40"))
PLACED = Placed(10009, 3, 4, 5, Decimal("1.08510"), Decimal("0.30"), Decimal("-1.20"), Decimal(1), None)


def approved(proposal: Open | Close | Modify) -> object:
    return approve(proposal, TERMS, approval_id="a", incarnation=1, deadline=1.0, reduces=False)


def test_verdicts() -> None:
    """An approval has its volume, end and id; a refusal has its reasons and none of those."""
    yes = replies.verdict(approved(OPEN), valid_until=5.5, valid_for_ms=5000)  # type: ignore[arg-type]
    assert yes == {
        "status": "success",
        "approved": True,
        "reasons": [],
        "risk_multiplier": Decimal("0.5"),
        "approved_volume": Decimal("0.30"),
        "max_volume": Decimal("0.40"),
        "approval_id": "a",
        "valid_until": 5.5,
        "valid_for_ms": 5000,
    }
    no = replies.verdict(Denied(OPEN, Terms(Decimal(1), Decimal(0), (Reason("r", "m", 1, 2),))))
    assert (no["status"], no["approved"], no["approved_volume"]) == ("rejected", False, 0)
    assert no["reasons"] == [{"rule": "r", "message": "m", "limit": 1, "value": 2}]
    assert "approval_id" not in no
    assert replies.verdict(approved(CLOSE))["ticket"] == 5  # type: ignore[arg-type]


def test_executed() -> None:
    """An executed order tells ticket, price, volume; a close its profit; stops as they are."""
    reply = replies.executed(approved(OPEN), PLACED, "o")  # type: ignore[arg-type]
    assert (reply["ticket"], reply["price"], reply["volume"], reply["sl"]) == (
        5,
        Decimal("1.08510"),
        Decimal("0.30"),
        1,
    )
    assert "profit" not in reply
    assert replies.executed(approved(CLOSE), PLACED, "o")["profit"] == Decimal("-1.20")  # type: ignore[arg-type]
    assert replies.executed(approved(MODIFY), PLACED, "o")["sl"] == 1  # type: ignore[arg-type]


def test_nothing_wrong_is_approved() -> None:
    """A refused order is an error and no approval; an unknown one is unknown and says never to resend."""
    refused = replies.executed(approved(OPEN), Refused(10006, "no"), "o")  # type: ignore[arg-type]
    assert (refused["status"], refused["approved"], refused["approved_volume"]) == ("error", False, 0)
    assert (refused["code"], refused["retcode"], refused["message"]) == ("broker_refused", 10006, "no")
    unknown = replies.executed(approved(OPEN), Unknown("lost"), "o")  # type: ignore[arg-type]
    assert (unknown["status"], unknown["order_id"]) == ("unknown", "o")
    assert replies.error("busy", "m")["approved"] is False
    assert replies.denied("r", "m", OPEN)["approved"] is False


def test_encoding_is_exact() -> None:
    """Decimals are JSON numbers with their digits; what comes back from a store is the same."""
    reply = replies.executed(approved(OPEN), PLACED, "o")  # type: ignore[arg-type]
    text = replies.encode(reply)
    assert b'"price":1.08510' in text
    assert replies.encode(replies.stored(reply)) == text
    assert json.loads(text)["volume"] == 0.3
    huge = {"volume": Decimal("12345678901234567.890")}
    assert replies.stored(huge) == huge
