"""Commands without a socket: their bytes, their replies, and when an answer is an outcome."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.client.backoff import Backoff
from quantmind.client.outcomes import (
    Approved,
    Beat,
    Done,
    Ended,
    Failed,
    Filled,
    MultiplierSet,
    Placed,
    Reason,
    Rejected,
    Reported,
    Unknown,
)
from quantmind.client.replies import UnreadableReply, outcome_of, read_reply
from quantmind.client.requests import (
    CancelRequest,
    CloseRequest,
    Command,
    ModifyRequest,
    OpenRequest,
    Request,
    check_id,
    message,
    new_id,
    trade,
)
from quantmind.client.waiting import Question, Waiting
from quantmind.wire.commands import Trade, decode

EXAMPLES = examples(2_000, 500)


def order(request: Request | None = None, *, execute: bool = True, expires_at: float = 100.0) -> Command:
    return trade(
        request or OpenRequest("EURUSD", "0.10", "buy"),
        ea_name="alpha",
        magic=7,
        broker=None,
        request_id="r1",
        execute=execute,
        expires_at=expires_at,
    )


def reply(status: str, **fields: Any) -> Any:
    return read_reply(json.dumps({"status": status, "request_id": "r1", "timestamp": 50.0, **fields}).encode())


FILL = {"approved": True, "ticket": 5, "order": 6, "price": 1.0851, "volume": 0.1, "retcode": 10009, "order_id": "o"}


# --- requests --------------------------------------------------------------------------------------------------------


def test_numbers_are_exact() -> None:
    """A text, a Decimal and a float say the same number to the gateway, to the last digit."""
    for volume in ("0.10", Decimal("0.10"), 0.1):
        command = decode(order(OpenRequest("EURUSD", volume, "buy", sl="1.08501", price=1.1)).encode("t"))
        assert isinstance(command, Trade)
        assert (command.volume, command.sl, command.price) == (Decimal("0.1"), Decimal("1.08501"), Decimal("1.1"))
        assert (command.envelope.token, command.envelope.request_id, command.execute) == ("t", "r1", True)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (OpenRequest("EURUSD", 1, "sell", "limit", 2, tp=1, expiration=5.0, deviation=3, filling="ioc"), "trade_open"),
        (CloseRequest("EURUSD", 5, volume="0.1"), "trade_close"),
        (CloseRequest("EURUSD", 5, close_by=6), "trade_close"),
        (ModifyRequest(5, sl=0, tp="1.2", price="1.1", expiration=0), "trade_modify"),
        (CancelRequest(5, magic=9, broker="demo"), "trade_cancel"),
    ],
)
def test_every_request_is_understood(request_: Request, kind: str) -> None:
    """The gateway's own decoder takes it, and a kept command is the same order after a restart."""
    command = order(request_)
    assert command.kind == kind
    understood = decode(command.encode(None))
    again = decode(Command.from_json(command.to_json()).encode(None))
    assert isinstance(understood, Trade)
    assert isinstance(again, Trade)
    assert understood.fingerprint() == again.fingerprint()
    question = decode(command.encode(None, only_ask=True))
    assert isinstance(question, Trade)
    assert question.fingerprint() == understood.fingerprint()
    assert question.envelope.expires_at == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (OpenRequest("EURUSD", -1, "buy"), "volume"),
        (OpenRequest("EURUSD", float("nan"), "buy"), "volume is nan"),
        (OpenRequest("EURUSD", "much", "buy"), "volume is 'much'"),
        (OpenRequest("EURUSD", True, "buy"), "volume"),
        (OpenRequest("EURUSD", "1E+999999999", "buy"), "volume"),
        (OpenRequest("EUR USD", 1, "buy"), "symbol"),
        (OpenRequest("EURUSD", 1, "long"), "side is 'long'"),
        (OpenRequest("EURUSD", 1, "buy", comment="x" * 32), "31"),
        (ModifyRequest(5), "nothing would change"),
        (CloseRequest("EURUSD", 0), "ticket"),
        (CancelRequest(-1), "ticket"),
    ],
)
def test_wrong_requests_are_told_before_anything_is_sent(wrong: Request, words: str) -> None:
    """The text names field, value and way out."""
    with pytest.raises(ValueError, match=words):
        order(wrong)


def test_ids() -> None:
    """Made ids differ, those of the caller are looked at."""
    assert len({new_id() for _ in range(100)}) == 100
    assert check_id("mine") == "mine"
    for wrong in ("", "x" * 65, 5):
        with pytest.raises(ValueError, match="request_id"):
            check_id(wrong)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.builds(json.dumps, st.dictionaries(st.sampled_from(
    ["kind", "request_id", "body", "execute", "expires_at"]), st.none() | st.booleans() | st.integers() | st.text() |
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)))))  # fmt: skip
def test_kept_texts(text: str | bytes) -> None:
    """Whatever is read back is a command or a ValueError."""
    try:
        command = Command.from_json(text)
    except ValueError:
        return
    decode(command.encode(None))


# --- replies ---------------------------------------------------------------------------------------------------------


def test_outcomes_of_orders() -> None:
    """A success is what was asked for: filled, placed or done."""
    filled = outcome_of(order(), reply("success", **FILL))
    assert filled == Filled("r1", 5, 6, Decimal("1.0851"), Decimal("0.1"), retcode=10009, order_id="o")
    assert isinstance(outcome_of(order(), reply("success", **FILL, pending=True)), Placed)
    ended = outcome_of(order(), reply("success", **{**FILL, "volume": 0, "price": None}, ended="expired"))
    assert isinstance(ended, Ended), "it is no fill, of whatever volume"
    assert ended.ended == "expired"
    assert isinstance(outcome_of(order(), reply("success", **{**FILL, "retcode": 10008})), Placed)
    assert isinstance(outcome_of(order(CloseRequest("EURUSD", 5)), reply("success", **FILL)), Filled)
    assert isinstance(outcome_of(order(CancelRequest(5)), reply("success", approved=True)), Done)
    refused = outcome_of(order(), reply("error", code="broker_refused", message="no", retcode=10019, order_id="o"))
    assert refused == Failed("r1", "broker_refused", "no", 10019, order_id="o")
    unknown = outcome_of(order(), reply("unknown", message="wait", order_id="o"))
    assert isinstance(unknown, Unknown)
    assert not unknown.approved


def test_outcomes_of_verdicts() -> None:
    """An approval is one only when it is complete; anything else is none."""
    ask = order(execute=False)
    whole = {"approved": True, "approval_id": "a", "approved_volume": 0.1, "valid_until": 60.0, "valid_for_ms": 5000}
    assert outcome_of(ask, reply("success", **whole)) == Approved(
        "r1", "a", Decimal("0.1"), valid_until=60.0, valid_for_ms=5000
    )
    for missing in ("approved", "approval_id", "approved_volume", "valid_until"):
        broken = {name: value for name, value in whole.items() if name != missing}
        assert not outcome_of(ask, reply("success", **broken)).approved  # type: ignore[union-attr]
    assert isinstance(outcome_of(ask, reply("unknown")), Failed)
    rejected = outcome_of(ask, reply("rejected", reasons=[{"rule": "x", "message": "y", "limit": 1.5, "value": None}]))
    assert rejected == Rejected("r1", (Reason("x", "y", Decimal("1.5")),))
    assert str(rejected) == "x: y"
    assert str(Rejected("r1", (Reason("x", "y"),), Decimal("0.05"))) == "x: y; 0.05 lots would pass"
    assert str(Rejected("r1", (Reason("volume_step", "y, as 0.01"),), Decimal(1000))) == "volume_step: y, as 0.01"


def test_outcomes_of_the_others() -> None:
    """Heartbeat, result and multiplier have theirs; one that lacks what it must have is unreadable."""
    beat, result, update = (
        message("heartbeat", "alpha", None),
        message("trade_result", "alpha", None, approval_id="a", volume=Decimal(0)),
        message("risk_update", "alpha", "demo", risk_multiplier=Decimal("0.5")),
    )
    assert isinstance(outcome_of(beat, reply("success", risk_multiplier=1, trading_state="active")), Beat)
    assert outcome_of(result, reply("success", approval_id="a", reserved=0)) == Reported(
        result.request_id, "a", Decimal(0)
    )
    assert outcome_of(update, reply("success", risk_multiplier=0.5)) == MultiplierSet(update.request_id, Decimal("0.5"))
    for command in (beat, result, update):
        found = outcome_of(command, reply("success"))
        assert isinstance(found, Failed)
        assert found.code == "unreadable"


replies_ = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda fields: json.dumps(fields).encode(),
        st.dictionaries(
            st.sampled_from(
                ["status", "request_id", "approved", "price", "volume", "reasons", "ticket", "order_id", "code"]
            ),
            st.sampled_from(["success", "rejected", "error", "unknown"])
            | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
            | st.lists(st.dictionaries(st.sampled_from(["rule", "limit"]), st.text(max_size=3)), max_size=2),
        ),
    ),
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(replies_, st.booleans())
def test_arbitrary_replies(raw: bytes, execute: bool) -> None:
    """Whatever is answered is an outcome or no reply, and an order is approved only by a success that says so."""
    try:
        heard = read_reply(raw)
    except UnreadableReply:
        return
    found = outcome_of(order(execute=execute), heard)
    if getattr(found, "approved", False):
        assert heard.status == "success"
        assert heard.approved


def test_huge_numbers_are_no_prices() -> None:
    """Arithmetic on 1E+999999999 does not end, so it gets no further."""
    with pytest.raises(UnreadableReply, match="price"):
        read_reply(b'{"status":"success","request_id":"r1","price":1E+999999999}')


# --- copies ----------------------------------------------------------------------------------------------------------


def test_an_error_to_one_of_two_copies_is_no_outcome() -> None:
    """The other copy may be carried out: only when every copy was answered is `not done` the outcome."""
    waiting = Waiting(order())
    waiting.was_sent()
    waiting.was_sent()
    waiting.hear(reply("error", code="unauthorized", message="no"))
    assert waiting.outcome is None
    assert isinstance(waiting.give_up(1.0), Unknown)
    waiting.hear(reply("success", **FILL))
    assert isinstance(waiting.outcome, Filled)
    waiting.hear(reply("error", code="busy", message="no"))
    assert isinstance(waiting.outcome, Filled)


def test_an_error_to_all_copies_is_the_outcome() -> None:
    """`busy` is worth another try while there is time; other errors come at once."""
    waiting = Waiting(order())
    waiting.was_sent()
    waiting.hear(reply("error", code="busy", message="later"))
    assert waiting.outcome is None
    waiting.was_sent()
    waiting.hear(reply("error", code="busy", message="later"))
    assert waiting.give_up(1.0) == Failed("r1", "busy", "later")
    waiting = Waiting(order())
    waiting.was_sent()
    waiting.hear(reply("error", code="unauthorized", message="no"))
    assert waiting.outcome == Failed("r1", "unauthorized", "no")


def test_an_id_that_was_used_before_is_never_surely_undone() -> None:
    """Late answers to copies of an earlier call count for none of this one."""
    waiting = Waiting(order(), fresh=False)
    waiting.was_sent()
    waiting.hear(reply("error", code="unauthorized", message="no"))
    assert waiting.outcome is None
    assert isinstance(waiting.give_up(1.0), Unknown)


@pytest.mark.parametrize("code", ["expired", "request_id_conflict"])
def test_errors_that_hold_for_all_copies(code: str) -> None:
    """What came too late, or under another's id, is carried out by no copy."""
    waiting = Waiting(order())
    waiting.was_sent()
    waiting.was_sent()
    waiting.hear(reply("error", code=code, message="no"))
    assert waiting.outcome == Failed("r1", code, "no")


def test_silence() -> None:
    """An order without an answer is unknown, a question is not approved, and what never left did not happen."""
    waiting = Waiting(order())
    assert waiting.give_up(2.0) == Failed(
        "r1", "not_sent", "it did not leave this machine in time: too much was in flight"
    )
    waiting.was_sent()
    found = waiting.give_up(2.0)
    assert isinstance(found, Unknown)
    assert "2.0 s" in found.reason
    ask = Waiting(order(execute=False))
    ask.was_sent()
    assert isinstance(ask.give_up(2.0), Failed)
    waiting.hear_noise(UnreadableReply("noise"))
    assert isinstance(waiting.outcome, Unknown)


# --- questions -------------------------------------------------------------------------------------------------------


def question() -> Question:
    return Question(Unknown("r1", "silence", order(expires_at=100.0)))


def test_a_question_finds_the_outcome() -> None:
    """What the gateway knows of the order is its outcome."""
    asked = question()
    asked.hear(reply("success", **FILL))
    assert isinstance(asked.outcome, Filled)
    asked = question()
    asked.hear(reply("unknown", message="reconciling", order_id="o"))
    assert isinstance(asked.outcome, Unknown)


def test_absent_is_final_only_when_its_time_is_over() -> None:
    """A copy may still come until then, by the gateway's clock; and once more for what came just in time."""
    asked = question()
    asked.hear(reply("error", code="expired", message="", timestamp=99.0))
    assert isinstance(asked.outcome, Unknown)
    asked = question()
    asked.hear(reply("error", code="expired", message="", timestamp=100.5))
    assert asked.outcome is None, "a copy that came in time may be behind this question"
    asked.hear(reply("error", code="expired", message="", timestamp=100.6))
    assert isinstance(asked.outcome, Failed)
    assert asked.outcome.code == "expired"


@pytest.mark.parametrize("code", ["unauthorized", "internal", "broker_required"])
def test_a_refused_question_settles_nothing(code: str) -> None:
    """It stays unknown, with the reason; `busy` is asked again."""
    asked = question()
    asked.hear(reply("error", code="busy", message="later"))
    assert asked.outcome is None
    asked.hear(reply("error", code=code, message="no"))
    assert isinstance(asked.outcome, Unknown)
    assert code in asked.outcome.reason
    silent = question()
    assert isinstance(silent.give_up(1.0), Unknown)


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_pauses_double_are_drawn_and_begin_anew() -> None:
    """Full jitter below a doubling limit; only a connection that held lets it begin anew."""
    pauses = Backoff(0.5, 8.0, good_after_s=10.0, rng=random.Random(1))
    limits = []
    for _ in range(7):
        limits.append(pauses.limit_s())
        assert 0 <= pauses.next_s() <= limits[-1]
    assert limits == [0.5, 1, 2, 4, 8, 8, 8]
    pauses.noted(9.9)
    assert pauses.limit_s() == 8
    pauses.noted(10.0)
    assert pauses.limit_s() == 0.5
    for _ in range(2000):
        pauses.next_s()
    assert pauses.limit_s() == 8
