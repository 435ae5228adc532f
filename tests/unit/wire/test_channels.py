"""Lines of the log as messages of channels, and what holds after them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from channel_records import (
    AT,
    RECORDS,
    Folded,
    day,
    deal,
    event,
    flattening,
    held,
    hold,
    intent,
    mandate,
    multiplier,
    position,
    regime,
    settled,
    state,
    waiting,
)
from command_path import InlineJournal
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_log import write

from quantmind.adapters.journal import reading
from quantmind.records import Command, Event, Record, Released, Setting, Standing
from quantmind.wire.channels import Key, Notice, account_message, fold, notice_of, standing_notices


def said(record: Record, *before: Record) -> Any:
    """The message of a record's line, numbers exact."""
    journal = InlineJournal()
    write(journal.connection, *before)
    (entry,) = write(journal.connection, record)
    journal.connection.close()
    notice = notice_of(entry)
    return None if notice is None else json.loads(notice.message(entry.seq), parse_float=Decimal)


def test_an_order_about_to_be_sent() -> None:
    """What was asked, by whom; nothing of a broker yet. Volumes are numbers."""
    assert said(intent()) == {
        "type": "order",
        "journal_seq": 2,
        "broker": "demo",
        "time": "2026-11-23T09:00:00.500Z",
        "data": {
            "source": "gateway",
            "order_id": "a1",
            "state": "intent",
            "known_by": None,
            "broker": "demo",
            "ea_name": "alpha",
            "magic": 7,
            "request_id": "r-a1",
            "symbol": "EURUSD",
            "command": "trade_open",
            "side": "buy",
            "order_type": "market",
            "volume_asked": Decimal("0.30"),
            "ticket": None,
            "price": None,
            "volume": None,
            "sl": None,
            "tp": None,
            "profit": None,
            "retcode": None,
            "message": None,
            "time": "2026-11-23T09:00:00.500Z",
        },
    }


def test_the_outcome_of_an_order() -> None:
    """Its state, how it is known, and what the broker said, to the last digit."""
    data = said(settled(), intent())["data"]
    assert (data["state"], data["known_by"], data["ticket"], data["retcode"]) == ("filled", "answer", 17, 10009)
    assert str(data["price"]) == "1.08510"
    assert str(data["volume"]) == "0.30"
    assert data["time"] == "2026-11-23T09:00:01.500Z"


def test_a_close_names_its_ticket_from_the_start() -> None:
    """The position that is to be closed, before the broker has said anything."""
    asked = intent(type="trade_close", ticket=17, side=None, volume=None, approved_volume=None)
    data = said(asked)["data"]
    assert (data["command"], data["ticket"], data["volume_asked"]) == ("trade_close", 17, None)


def test_positions_and_waiting_orders() -> None:
    """What REST shows of them, with what they are and whose they are."""
    message = said(held("position", 17, position(), order_id="a1"))
    assert message["type"] == "position"
    assert message["data"] == {
        **json.loads(json.dumps(position(), default=str)),
        **{name: position()[name] for name in ("volume", "price_open", "price_current", "profit", "swap")},
        "state": "open",
        "order_id": "a1",
        "why": "order",
    }
    data = said(held("order", 18, waiting()))["data"]
    assert (data["state"], data["source"], data["order_id"]) == ("placed", "broker", None)
    assert str(data["price"]) == "1.0700"


@pytest.mark.parametrize(
    ("kind", "before", "more"),
    [("position", position(), {"state": "closed"}), ("order", waiting(), {"state": "gone", "source": "broker"})],
)
def test_what_is_gone(kind: str, before: dict[str, Any], more: dict[str, Any]) -> None:
    """Its ticket, and that it is over."""
    ticket = before["ticket"]
    message = said(held(kind, ticket, None, AT + 2, "a9"), held(kind, ticket, before))
    assert message["data"] == {"ticket": ticket, "broker": "demo", **more, "order_id": "a9", "why": "order"}
    assert message["time"] == "2026-11-23T09:00:02.500Z"


def test_a_deal_keeps_its_own_cause() -> None:
    """`why` is how the gateway explains it."""
    message = said(held("deal", 3, deal(), order_id="a1"))
    assert message["type"] == "deal"
    assert message["data"] == {**deal(), "order_id": "a1", "why": "order"}


def test_states_and_multipliers() -> None:
    """As /status and /eas show them."""
    message = said(state())
    assert (message["type"], message["broker"]) == ("risk", "demo")
    assert message["data"] == {
        "about": "state",
        "broker": "demo",
        "state": "reduce_only",
        "cause": "a test (by me)",
        "since": "2026-11-23T09:00:00.500Z",
    }
    message = said(multiplier("0.50"))
    assert message["broker"] is None
    assert message["data"] == {
        "about": "multiplier",
        "ea_name": "alpha",
        "risk_multiplier": Decimal("0.50"),
        "by": "owner",
    }
    assert said(Setting("state:demo", None, AT), state())["data"]["state"] is None
    assert said(Setting("multiplier:alpha", None, AT), multiplier())["data"]["risk_multiplier"] is None


def test_a_hold_of_a_rule() -> None:
    """Which rule holds which account at what, and why; over when its state is null."""
    message = said(hold())
    assert (message["type"], message["broker"]) == ("risk", "demo")
    assert message["data"] == {
        "about": "hold",
        "broker": "demo",
        "rule": "daily_loss",
        "state": "halted",
        "cause": "daily_loss: below the floor",
        "since": "2026-11-23T09:00:00.500Z",
    }
    over = said(hold(value=None), hold())["data"]
    assert (over["rule"], over["state"], over["since"]) == ("daily_loss", None, None)


def test_a_flattening() -> None:
    """Of an account or of one magic, until `since` is null."""
    message = said(flattening(magic=7))
    assert message["data"] == {
        "about": "flattening",
        "broker": "demo",
        "magic": 7,
        "cause": "a test",
        "positions": True,
        "orders": True,
        "since": "2026-11-23T09:00:00.500Z",
    }
    over = said(flattening(over=True), flattening())["data"]
    assert (over["broker"], over["magic"], over["since"]) == ("demo", None, None)


def test_a_day_and_its_baseline() -> None:
    """What the day began with and how that is known; nulls where it is not, or is of another day."""
    data = said(day())["data"]
    assert data == {
        "about": "day",
        "broker": "demo",
        "began": "2026-11-23T09:00:00.500Z",
        "balance": Decimal("10000.00"),
        "equity": None,
        "known_by": "seen",
        "highest_balance": Decimal("10000.00"),
        "trading_days": 2,
    }
    unknown = said(day(balance=None))["data"]
    assert (unknown["balance"], unknown["known_by"], unknown["highest_balance"]) == (None, None, None)
    old = day()
    assert old.value is not None
    later = Setting(old.key, {**old.value, "day": AT + 86_400}, AT)
    assert (said(later)["data"]["balance"], said(later)["data"]["known_by"]) == (None, None)


def test_what_was_seen_last_changes_no_snapshot() -> None:
    """An account's book is written all the time; only what has a line of its own is told."""
    journal = InlineJournal()
    folded: dict[Key, Notice] = {}
    loaded: dict[Key, Notice] = {}
    for entry in write(journal.connection, day(), day(at=AT + 400, logged=False)):
        notice = notice_of(entry)
        assert notice is not None
        fold(folded, notice)
    for notice in standing_notices(reading.standing(journal.connection)):
        fold(loaded, notice)
    journal.connection.close()
    assert {key: each.message(1) for key, each in folded.items()} == {
        key: each.message(1) for key, each in loaded.items()
    }
    assert len(folded) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("risk:demo", {"day": "soon"}),
        ("risk:demo", {"day": 1e300, "baseline": None}),
        ("risk:demo", {"day": AT, "baseline": 7}),
        ("hold:demo:daily_loss", {"cause": "no state"}),
        ("flatten:demo:seven", {"cause": "x", "since": AT, "positions": True, "orders": True}),
        ("router:mandate", ["reduced"]),
        ("router:mandate", {"mode": "reduced", "max_multiplier": "a half"}),
        ("state:demo", "halted"),
    ],
)
def test_what_can_not_be_understood_holds_nothing(key: str, value: Any) -> None:
    """It is left out of a snapshot, and does not keep the rest from being told."""
    standing = Standing(7, settings=[Setting(key, value, AT), state()])
    assert [notice.facts["about"] for notice in standing_notices(standing)] == ["state"]


def test_regime_and_mandate() -> None:
    """As GET /state shows them, with the revision that set them."""
    message = said(regime())
    assert (message["type"], message["broker"]) == ("risk", None)
    assert message["data"] == {
        "about": "regime",
        "label": "trend",
        "symbols": {"EURUSD": "news"},
        "by": "owner",
        "reason": "NFP",
        "revision": 3,
        "since": "2026-11-23T09:00:00.500Z",
    }
    data = said(mandate())["data"]
    assert (data["about"], data["mode"], data["max_multiplier"]) == ("mandate", "reduced", Decimal("0.5"))


def test_events_of_limits_go_out_on_risk() -> None:
    """On one channel each: numbers as numbers, times as times; nothing holds after them."""
    warning = {"rule": "daily_loss", "level": 80, "floor": "9500.00", "value": "9600.10", "next_reset": AT}
    message = said(Event("reset.warning", "demo", warning, AT))
    assert (message["type"], message["broker"]) == ("risk", "demo")
    assert message["data"] == {
        "about": "event",
        "name": "reset.warning",
        "rule": "daily_loss",
        "level": 80,
        "floor": Decimal("9500.00"),
        "value": Decimal("9600.10"),
        "next_reset": "2026-11-23T09:00:00.500Z",
    }
    silent = said(Event("ea.silent", "demo", {"silent_s": 31.0}, AT, ea_name="alpha"))["data"]
    assert (silent["about"], silent["ea_name"]) == ("event", "alpha")
    assert said(event())["type"] == "event"


def test_events() -> None:
    """What happened, with whose order it was where that is known."""
    message = said(event())
    assert message["type"] == "event"
    assert message["data"] == {"name": "drift", "ticket": 17, "ours": Decimal("0.30"), "theirs": 0}
    impossible = said(settled("a1", "refused"), intent(), settled())
    assert impossible["data"]["name"] == "impossible"
    assert (impossible["data"]["order_id"], impossible["data"]["ea_name"]) == ("a1", "alpha")


@pytest.mark.parametrize(
    "record",
    [
        Command("heartbeat", "alpha", None, None, "zmq", "", {}, {}, AT),
        Setting("router:ticks:demo", {"EURUSD": [1, 2.0]}, AT),
        Released("nobody", "over", AT),
    ],
)
def test_lines_of_no_channel(record: Record) -> None:
    """Commands and the like are for the audit, and not for channels."""
    journal = InlineJournal()
    assert [notice_of(entry) for entry in write(journal.connection, record)] in ([], [None])
    journal.connection.close()


def test_an_account() -> None:
    """With its broker, and the line after which it was seen."""
    message = json.loads(account_message({"broker": "demo", "balance": Decimal("1.50")}, "t", 9, snapshot=True))
    assert message == {
        "type": "account",
        "snapshot": True,
        "journal_seq": 9,
        "broker": "demo",
        "time": "t",
        "data": {"broker": "demo", "balance": 1.5},
    }


# --- what holds ------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(1_000, 100))
@given(st.lists(RECORDS, max_size=30))
def test_lines_folded_are_what_the_record_says(records: list[Record]) -> None:
    """Whoever adds the lines up has exactly what is loaded from the tables."""
    journal = InlineJournal()
    folded: dict[Key, Notice] = {}
    client = Folded()
    for entry in write(journal.connection, *records):
        notice = notice_of(entry)
        if notice is not None:
            fold(folded, notice)
            client.take(json.loads(notice.message(entry.seq), parse_float=Decimal))
    loaded: dict[Key, Notice] = {}
    for notice in standing_notices(reading.standing(journal.connection)):
        fold(loaded, notice)
    journal.connection.close()
    assert {key: notice.message(1, snapshot=True) for key, notice in folded.items()} == {
        key: notice.message(1, snapshot=True) for key, notice in loaded.items()
    }
    snapshot = Folded()
    for notice in loaded.values():
        snapshot.take(json.loads(notice.message(1, snapshot=True), parse_float=Decimal))
    assert client.held == snapshot.held
