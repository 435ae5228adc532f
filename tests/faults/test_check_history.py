"""The checker of the chaos test finds each kind of fault, planted in a small history, and nothing in a clean one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from faults.chaos import check_history, records
from faults.chaos.evidence import gather
from faults.chaos.kill_switch import ROOT
from faults.chaos.processes import environment

Record = dict[str, Any]

FILES = ("history", "ledger", "record")


@attrs.define
class Story:
    """A history and a ledger, written line by line. Times are seconds that go up by one with each line."""

    history: list[Record] = attrs.field(factory=list)
    ledger: list[Record] = attrs.field(factory=list)
    record: list[Record] = attrs.field(factory=list)
    now: float = 1000.0

    def tell(self, kind: str, **fields: Any) -> None:
        self.now += 1
        self.history.append({"kind": kind, "t": self.now, **fields})

    def ask(self, request_id: str, **body: Any) -> None:
        order = {"type": "trade_open", "symbol": "EURUSD", "magic": 1, "side": "buy", "volume": 0.1}
        self.tell("ask", request_id=request_id, ea="ea", body={**order, **body})

    def answer(self, request_id: str, *, final: bool = False, **reply: Any) -> None:
        told = {"request_id": request_id, "timestamp": self.now + 1, **reply}
        self.tell("final" if final else "answer", request_id=request_id, reply=told)

    def arrive(self, tag: str) -> None:
        self.now += 1
        self.ledger.append({"kind": "arrival", "t": self.now, "tag": tag, "action": "open"})

    def absent(self, tag: str) -> None:
        self.now += 1
        self.ledger.append({"kind": "absent", "t": self.now, "tag": tag})

    def fill(self, tag: str, ticket: int, **fields: Any) -> None:
        self.now += 1
        fill = {"entry": "in", "symbol": "EURUSD", "side": "buy", "volume": "0.10", "price": "1.08501"}
        money = {"order": ticket, "deal": ticket + 1, "profit": "0", "balance": "1000000"}
        self.ledger.append({"kind": "fill", "t": self.now, "tag": tag, "ticket": ticket, **fill, **money, **fields})

    def view(self, **changes: Any) -> None:
        shown = {
            "positions": [
                {"ticket": 10, "symbol": "EURUSD", "side": "buy", "volume": 0.1},
                {"ticket": 20, "symbol": "EURUSD", "side": "buy", "volume": 0.06},
            ],
            "deals": [{"ticket": 11}, {"ticket": 21}, {"ticket": 31}],
            "account": {"balance": 1000000.4},
            "status": {"orders": "ready", "trading": {"state": "active"}, "books": {"state": "agreed"}},
        }
        self.tell("view", **{**shown, **changes})

    def line(self, kind: str, order_id: str, **body: Any) -> None:
        seq = len(self.record) + 1
        before = self.record[-1]["hash"] if self.record else "start"
        line = {"kind": kind, "seq": seq, "prev": before, "hash": f"hash-{seq}", "order_id": order_id, "body": body}
        self.record.append(line)

    def status(self, request_id: str, http: int = 200, **fields: Any) -> None:
        told = {"code": None, "state": None, "order_id": None, "in_flight": False, **fields}
        self.tell("status", request_id=request_id, http=http, **told)

    def check_journal(self, **changes: Any) -> None:
        self.tell("verdict", **{"ok": True, "lines": len(self.record), "faults": [], **changes})

    def violations(self) -> list[str]:
        return [found.rule for found in check_history.check(gather(self.history, self.ledger, self.record))]


DONE = {"status": "success", "approved": True, "price": 1.08501, "volume": 0.1}
A = {**DONE, "order_id": "tag-a", "ticket": 10}
B = {**DONE, "order_id": "tag-b", "ticket": 20}
C = {**DONE, "order_id": "tag-c", "ticket": 20, "price": 1.08511, "volume": 0.04}
UNKNOWN = {"status": "unknown", "message": "not known yet"}
REJECTED = {"status": "rejected", "approved": False, "reasons": [{"rule": "no_unknown", "message": "wait"}]}
ABSENT = {"status": "error", "code": "broker_unavailable", "message": "never had it", "order_id": "tag-d"}
EXPIRED = {"status": "error", "code": "expired", "message": "too late"}


def clean() -> Story:
    """An order that was answered at once, one that was unknown over a kill, a part closed, and five without a fill."""
    story = Story()
    story.ask("a")
    story.arrive("tag-a")
    story.fill("tag-a", 10)
    story.answer("a", **A)
    story.ask("b", magic=2)
    story.arrive("tag-b")
    story.answer("b", **UNKNOWN, order_id="tag-b")
    story.tell("kill", killed_at="actors/executor.py:208 _send", moment="wait", visit=3)
    story.fill("tag-b", 20)
    story.answer("b", **UNKNOWN, order_id="tag-b")
    story.answer("b", **B)
    story.ask("c", type="trade_close", ticket=20, volume=0.04)
    story.arrive("tag-c")
    story.fill(
        "tag-c", 20, entry="out", side="sell", volume="0.04", price="1.08511", deal=31, balance="1000000.40", order=30
    )
    story.answer("c", **C)
    story.ask("d", magic=3)
    story.arrive("tag-d")
    story.absent("tag-d")
    story.answer("d", **ABSENT)
    story.ask("e")
    story.answer("e", **REJECTED)
    story.ask("f")
    story.ask("g", type="trade_close", ticket=10)
    story.answer("g", status="error", code="unknown_ticket", message="not there")
    for request_id, reply in (("a", A), ("b", B), ("c", C), ("d", ABSENT), ("e", REJECTED), ("f", EXPIRED)):
        story.answer(request_id, final=True, **reply)
    story.tell("final", request_id="g", reply=None)
    story.view()
    for tag, *states in (
        ("tag-a", "filled"),
        ("tag-b", "unknown", "filled"),
        ("tag-c", "filled"),
        ("tag-d", "not_sent"),
    ):
        story.line("intent", tag, state="intent")
        for state in states:
            story.line("outcome", tag, state=state)
    for deal, tag in ((11, "tag-a"), (21, "tag-b"), (31, "tag-c")):
        story.line("deal", tag, ticket=deal)
    story.line("event", "", name="reconciled")
    story.check_journal()
    for request_id in ("a", "b", "c"):
        story.status(request_id, state="filled", order_id=f"tag-{request_id}")
    story.status("d", state="not_sent", order_id="tag-d")
    story.status("e", state="denied")
    for request_id in ("f", "g"):
        story.status(request_id, 404, code="unknown_command")
    return story


# --- what is planted, and which rule must find it ------------------------------------------------------------------


def acknowledged_and_not_filled(story: Story) -> None:
    story.ledger = [record for record in story.ledger if record.get("tag") != "tag-c"]
    story.arrive("tag-c")


def told_another_price(story: Story) -> None:
    change(story, "a", price=1.08502)


def told_another_volume(story: Story) -> None:
    change(story, "a", volume=0.2)


def told_another_ticket(story: Story) -> None:
    change(story, "a", ticket=11)


def rejected_and_then_done(story: Story) -> None:
    story.answer("a", **REJECTED)


def done_as_two_things(story: Story) -> None:
    story.answer("a", **{**A, "order_id": "tag-b", "ticket": 20})


def refused_in_two_ways(story: Story) -> None:
    story.answer("d", **{**ABSENT, "code": "broker_refused"})


def done_and_at_the_end_never_started(story: Story) -> None:
    story.answer("a", final=True, **EXPIRED)


def answered_out_of_nowhere(story: Story) -> None:
    story.answer("z", **REJECTED)


def filled_twice_by_its_tag(story: Story) -> None:
    story.fill("tag-a", 40)


def filled_twice_under_two_tags(story: Story) -> None:
    story.answer("b", **UNKNOWN, order_id="tag-b2")
    story.arrive("tag-b2")
    story.fill("tag-b2", 40)


def sent_again(story: Story) -> None:
    story.arrive("tag-b")


def sent_after_it_was_absent(story: Story) -> None:
    story.arrive("tag-d")


def sent_under_two_tags(story: Story) -> None:
    story.answer("d", **{**UNKNOWN, "order_id": "tag-d2"})
    story.arrive("tag-d2")


def absent_and_filled(story: Story) -> None:
    story.fill("tag-d", 40)


def rejected_and_filled(story: Story) -> None:
    story.answer("e", **UNKNOWN, order_id="tag-e")
    story.fill("tag-e", 40)


def expired_and_filled(story: Story) -> None:
    story.answer("f", **UNKNOWN, order_id="tag-f")
    story.fill("tag-f", 40)


def filled_and_forgotten(story: Story) -> None:
    story.fill("tag-x", 40)


def sent_and_forgotten(story: Story) -> None:
    story.arrive("tag-x")


def unknown_at_the_end(story: Story) -> None:
    story.answer("b", final=True, **UNKNOWN, order_id="tag-b")


def without_an_answer(story: Story) -> None:
    story.ask("h")


def with_no_definite_answer(story: Story) -> None:
    story.answer("f", final=True, status="error", code="busy", message="later")


def opened_beside_an_unknown(story: Story) -> None:
    story.ask("u", magic=9)
    story.arrive("tag-u")
    story.answer("u", **UNKNOWN, order_id="tag-u")
    story.ask("v", magic=9)
    story.arrive("tag-v")
    story.answer("u", **UNKNOWN, order_id="tag-u")
    for request_id, tag in (("u", "tag-u"), ("v", "tag-v")):
        story.answer(request_id, final=True, **{**ABSENT, "order_id": tag})


def position_missing(story: Story) -> None:
    story.view(positions=[{"ticket": 10, "symbol": "EURUSD", "side": "buy", "volume": 0.1}])


def position_of_another_volume(story: Story) -> None:
    shown = {"symbol": "EURUSD", "side": "buy", "volume": 0.1}
    story.view(positions=[{"ticket": 10, **shown}, {"ticket": 20, **shown}])


def balance_of_its_own(story: Story) -> None:
    story.view(account={"balance": 1000000.8})


def deal_missing(story: Story) -> None:
    story.view(deals=[{"ticket": 11}, {"ticket": 21}])


def still_reduce_only(story: Story) -> None:
    story.view(status={"orders": "ready", "trading": {"state": "reduce_only"}, "books": {"state": "agreed"}})


def books_in_drift(story: Story) -> None:
    story.view(status={"orders": "ready", "trading": {"state": "active"}, "books": {"state": "drift"}})


def nothing_shown(story: Story) -> None:
    story.history = [record for record in story.history if record["kind"] != "view"]


def line_missing(story: Story) -> None:
    del story.record[3]
    story.check_journal()


def line_replaced(story: Story) -> None:
    story.record[3]["hash"] = "another"


def journal_at_fault(story: Story) -> None:
    story.check_journal(ok=False, faults=["line 4 is not as it was written"])


def journal_unchecked(story: Story) -> None:
    story.history = [record for record in story.history if record["kind"] != "verdict"]


def log_empty(story: Story) -> None:
    story.record = []
    story.check_journal()


def intent_not_recorded(story: Story) -> None:
    story.record = [line for line in story.record if (line["kind"], line["order_id"]) != ("intent", "tag-d")]


def fill_recorded_as_not_sent(story: Story) -> None:
    story.line("outcome", "tag-a", state="not_sent")


def deal_not_recorded(story: Story) -> None:
    story.record = [line for line in story.record if line["body"].get("ticket") != 31]


def deal_recorded_as_anothers(story: Story) -> None:
    story.line("deal", "tag-b", ticket=31)


def order_left_open(story: Story) -> None:
    story.line("outcome", "tag-d", state="unknown")


def recorded_as_filled_and_not_in_the_ledger(story: Story) -> None:
    story.line("outcome", "tag-d", state="filled")


def impossible_transition(story: Story) -> None:
    story.line("event", "tag-a", name="impossible")


def deal_from_outside(story: Story) -> None:
    story.line("event", "", name="outside", ticket=99)


def filled_and_unknown_to_the_record(story: Story) -> None:
    story.status("a", 404, code="unknown_command")


def filled_and_another_order_in_the_record(story: Story) -> None:
    story.status("a", state="filled", order_id="tag-b")


def refused_and_filled_in_the_record(story: Story) -> None:
    story.status("d", state="filled", order_id="tag-d")


def never_started_and_in_the_record(story: Story) -> None:
    story.status("f", state="filled", order_id="tag-f")


def in_flight_for_ever(story: Story) -> None:
    story.status("a", state="filled", order_id="tag-a", in_flight=True)


def change(story: Story, request_id: str, **changes: Any) -> None:
    """Everything that was said of a request says something else."""
    for record in story.history:
        if record.get("request_id") == request_id and record.get("reply"):
            record["reply"].update(changes)


PLANTED: list[tuple[Callable[[Story], None], str]] = [
    (acknowledged_and_not_filled, "acknowledged_is_in_the_ledger"),
    (told_another_price, "acknowledged_is_in_the_ledger"),
    (told_another_volume, "acknowledged_is_in_the_ledger"),
    (told_another_ticket, "acknowledged_is_in_the_ledger"),
    (rejected_and_then_done, "answers_do_not_change"),
    (done_as_two_things, "answers_do_not_change"),
    (refused_in_two_ways, "answers_do_not_change"),
    (done_and_at_the_end_never_started, "answers_do_not_change"),
    (answered_out_of_nowhere, "answers_belong_to_questions"),
    (filled_twice_by_its_tag, "no_request_is_filled_twice"),
    (filled_twice_under_two_tags, "no_request_is_filled_twice"),
    (sent_again, "nothing_is_sent_again"),
    (sent_after_it_was_absent, "nothing_is_sent_again"),
    (sent_under_two_tags, "nothing_is_sent_again"),
    (absent_and_filled, "what_came_to_nothing_has_no_fill"),
    (rejected_and_filled, "what_came_to_nothing_has_no_fill"),
    (expired_and_filled, "what_came_to_nothing_has_no_fill"),
    (filled_and_forgotten, "every_fill_is_known"),
    (sent_and_forgotten, "every_order_sent_is_known"),
    (unknown_at_the_end, "nothing_stays_unknown"),
    (without_an_answer, "nothing_stays_unknown"),
    (with_no_definite_answer, "nothing_stays_unknown"),
    (opened_beside_an_unknown, "nothing_is_opened_beside_an_unknown"),
    (position_missing, "the_account_agrees"),
    (position_of_another_volume, "the_account_agrees"),
    (balance_of_its_own, "the_account_agrees"),
    (deal_missing, "the_account_agrees"),
    (still_reduce_only, "the_account_agrees"),
    (books_in_drift, "the_account_agrees"),
    (nothing_shown, "the_account_agrees"),
    (line_missing, "the_record_is_whole"),
    (line_replaced, "the_record_is_whole"),
    (journal_at_fault, "the_record_is_whole"),
    (journal_unchecked, "the_record_is_whole"),
    (log_empty, "the_record_is_whole"),
    (intent_not_recorded, "every_fill_is_recorded"),
    (fill_recorded_as_not_sent, "every_fill_is_recorded"),
    (deal_not_recorded, "every_fill_is_recorded"),
    (deal_recorded_as_anothers, "every_fill_is_recorded"),
    (order_left_open, "every_order_ends_in_the_record"),
    (recorded_as_filled_and_not_in_the_ledger, "every_order_ends_in_the_record"),
    (impossible_transition, "nothing_strange_is_recorded"),
    (deal_from_outside, "nothing_strange_is_recorded"),
    (filled_and_unknown_to_the_record, "the_record_says_what_is_answered"),
    (filled_and_another_order_in_the_record, "the_record_says_what_is_answered"),
    (refused_and_filled_in_the_record, "the_record_says_what_is_answered"),
    (never_started_and_in_the_record, "the_record_says_what_is_answered"),
    (in_flight_for_ever, "the_record_says_what_is_answered"),
]


def test_a_clean_history_passes() -> None:
    """Nothing is found where nothing is wrong, though orders were unknown, refused, absent and given up."""
    assert clean().violations() == []


@pytest.mark.parametrize(("plant", "rule"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_what_is_planted_is_found(plant: Callable[[Story], None], rule: str) -> None:
    """Each fault is found by the rule that it breaks."""
    story = clean()
    plant(story)
    assert rule in story.violations()


def test_every_rule_is_shown_to_find_something() -> None:
    """No rule stands there for nothing."""
    assert {rule for _, rule in PLANTED} == {rule.__name__ for rule in check_history.RULES}


def test_an_order_beside_an_unknown_counts_only_while_it_is_unknown() -> None:
    """One of another magic, one that was asked for before, and one that was sent after it was known are all right."""
    story = clean()
    story.ask("before", magic=9)
    story.ask("u", magic=9)
    story.arrive("tag-u")
    story.answer("u", **UNKNOWN, order_id="tag-u")
    story.arrive("tag-before")
    story.ask("other", magic=8)
    story.arrive("tag-other")
    story.ask("after", magic=9)
    story.answer("u", **UNKNOWN, order_id="tag-u")
    story.arrive("tag-after")
    for name in ("before", "u", "other", "after"):
        story.answer(name, final=True, **{**ABSENT, "order_id": f"tag-{name}"})
        story.line("intent", f"tag-{name}", state="intent")
        story.line("outcome", f"tag-{name}", state="not_sent")
        story.status(name, state="not_sent", order_id=f"tag-{name}")
    story.check_journal()
    assert story.violations() == []


# --- the program ---------------------------------------------------------------------------------------------------


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faults.chaos.check_history", *(str(folder / name) for name in FILES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(),
    )


def write(folder: Path, story: Story) -> None:
    for name, lines in zip(FILES, (story.history, story.ledger, story.record), strict=True):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_the_program_says_yes_or_no(tmp_path: Path) -> None:
    """Exit code 0 for a clean history, 1 with the rule's name for one that is not, 2 for a file with a torn line."""
    story = clean()
    write(tmp_path, story)
    good = run(tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "requests=7" in good.stdout
    sent_again(story)
    write(tmp_path, story)
    bad = run(tmp_path)
    assert bad.returncode == 1
    assert "nothing_is_sent_again: order tag-b was sent 2 times" in bad.stdout
    with (tmp_path / "ledger").open("a", encoding="utf-8") as file:
        file.write('{"kind": "fill", "tag": ')
    torn = run(tmp_path)
    assert torn.returncode == 2
    assert "can't be read" in torn.stdout


def test_records_survive_as_they_were_written(tmp_path: Path) -> None:
    """What an appender wrote is read back with its kind and a time; of a file that is not there nothing."""
    assert list(records.read(tmp_path / "none")) == []
    appender = records.Appender(tmp_path / "file", durable=True)
    appender.write({"kind": "fill", "tag": "é\n"}, {"kind": "arrival", "tag": "b"})
    appender.close()
    first, second = records.read(tmp_path / "file")
    assert (first["kind"], first["tag"], second["tag"]) == ("fill", "é\n", "b")
    assert first["t"] > 1e9
