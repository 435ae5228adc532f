"""Reductions while the journal can't write: kept aside before they go out, held up for a moment, known after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from command_path import InlineJournal, WallClock, closing, make_broker, open_command_path, opening, order
from trio.testing import MockClock

from actors import durable
from actors.executor import RECONCILE_EVERY_S
from quantmind.domain.order_life import OrderState
from quantmind.records import Decision, Intent, Record, Settled

EXECUTOR = "execution/brokers/executor:demo"


def kinds(records: list[Record]) -> list[str]:
    return [type(record).__name__ for record in records]


async def test_the_intent_is_kept_before_the_broker_is_called(autojump_clock: MockClock) -> None:
    """A close without a journal has its intent aside when it goes out, and its outcome when it is answered."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        seen: list[list[str]] = []

        async def look() -> None:
            seen.append(kinds(path.journal.aside))

        path.broker.before = look
        path.journal.fails = "disk full"
        reply = await path.ask(closing(path.clock, ticket, "c"))
        assert reply["status"] == "success"
        assert seen == [["Decision", "Intent"]]
        assert kinds(path.journal.aside) == ["Decision", "Intent", "Settled"]
        # the open beside it is refused, and nothing of it is kept
        refused = await path.ask(order(path.clock, "o"))
        assert [item["rule"] for item in refused["reasons"]] == ["journal"]
        assert len(path.journal.aside) == 3
        path.journal.fails = None
        await trio.sleep(2 * RECONCILE_EVERY_S)
        assert path.journal.aside == []
        known = await path.journal.lookup("alpha", "c")
        assert known is not None
        assert known.reply["status"] == "success"
        lines = path.journal.connection.execute("SELECT kind FROM log WHERE order_id = ?", (reply["order_id"],))
        assert [kind for (kind,) in lines] == ["decision", "intent", "outcome"], "though it came from memory, too"


@pytest.mark.parametrize("still_down", [True, False])
async def test_a_close_is_known_after_a_kill(still_down: bool, tmp_path: Path, autojump_clock: MockClock) -> None:
    """A close that was answered without a journal, then a kill: a repeat gets the same answer and sends nothing."""
    clock, file, broker = WallClock(), tmp_path / "journal.sqlite3", make_broker()
    async with open_command_path(journal=InlineJournal(file), clock=clock, broker=broker) as path:
        ticket = (await path.ask(order(path.clock, "p", volume=0.3)))["ticket"]
        path.journal.fails = "disk full"
        part = closing(path.clock, ticket, "c", volume=0.1)
        first = await path.ask(part)
        assert first["status"] == "success"
        aside = list(path.journal.aside)
    journal = InlineJournal(file, aside=aside, write_fails="disk full" if still_down else None)
    async with open_command_path(journal=journal, clock=clock, broker=broker) as path:
        sent = len(broker.sent)
        again = await path.ask(part)
        assert {**again, "timestamp": 0} == {**first, "timestamp": 0}
        assert len(broker.sent) == sent
        assert str(broker.inner.account.positions()[0].volume) == "0.2"
        path.journal.write_fails = None
        await trio.sleep(2 * RECONCILE_EVERY_S)
        assert {**(await path.ask(part)), "timestamp": 0} == {**first, "timestamp": 0}
        assert (await path.ask(opening("v")))["approved"] is True


@pytest.mark.parametrize("sent", [True, False])
async def test_a_kill_between_intent_and_outcome(sent: bool, tmp_path: Path, autojump_clock: MockClock) -> None:
    """An intent that was kept aside, and no outcome: it is looked up by its tag, and never sent again."""
    clock, file, broker = WallClock(), tmp_path / "journal.sqlite3", make_broker()
    async with open_command_path(journal=InlineJournal(file), clock=clock, broker=broker) as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = "disk full"
        if sent:
            broker.after = trio.sleep_forever
        else:
            broker.before = trio.sleep_forever
        close = closing(path.clock, ticket, "c")
        path.later(close)
        await trio.sleep(1)
        aside = list(path.journal.aside)
        assert kinds(aside) == ["Decision", "Intent"]
        path.nursery.cancel_scope.cancel()
    broker.before = broker.after = None
    async with open_command_path(journal=InlineJournal(file, aside=aside), clock=clock, broker=broker) as path:
        await trio.sleep(2 * RECONCILE_EVERY_S)
        reply = await path.ask(close)
        assert (reply["status"], reply.get("ticket")) == (("success", ticket) if sent else ("error", None))
        assert len(broker.sent) == (2 if sent else 1)
        intent = aside[1]
        assert isinstance(intent, Intent)
        order_record = await path.journal.order(intent.order_id)
        assert order_record is not None
        assert order_record.state is (OrderState.FILLED if sent else OrderState.NOT_SENT)


async def test_an_outcome_that_cannot_be_written_is_kept(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A fill whose outcome the journal did not take is known after a kill, without asking the broker."""
    clock, file, broker = WallClock(), tmp_path / "journal.sqlite3", make_broker()
    async with open_command_path(journal=InlineJournal(file), clock=clock, broker=broker) as path:

        async def fail() -> None:
            path.journal.fails = "disk full"

        broker.after = fail
        first = await path.ask(order(path.clock))
        assert first["status"] == "success"
        aside = list(path.journal.aside)
        assert kinds(aside) == ["Settled"]
    broker.after, broker.inner.faults.find_error = None, "no line"
    async with open_command_path(journal=InlineJournal(file, aside=aside), clock=clock, broker=broker) as path:
        again = await path.ask(order(path.clock))
        assert {**again, "timestamp": 0} == {**first, "timestamp": 0}
        assert broker.opened == 1


async def test_an_outcome_takes_its_intent_with_it(autojump_clock: MockClock) -> None:
    """When the intent could not be kept aside and the outcome can, both are: an outcome alone says nothing."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = path.journal.aside_fails = "disk full"

        async def mend() -> None:
            path.journal.aside_fails = None

        path.broker.after = mend
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert kinds(path.journal.aside) == ["Decision", "Intent", "Settled"]


async def test_without_an_emergency_file_closes_go_out(autojump_clock: MockClock) -> None:
    """A close whose intent can be kept nowhere goes out, is answered, and is recorded from memory later."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = path.journal.aside_fails = "disk full"
        reply = await path.ask(closing(path.clock, ticket, "c"))
        assert reply["status"] == "success"
        assert {**(await path.ask(closing(path.clock, ticket, "c"))), "timestamp": 0} == {**reply, "timestamp": 0}
        path.journal.fails = None
        await trio.sleep(2 * RECONCILE_EVERY_S)
        known = await path.journal.lookup("alpha", "c")
        assert known is not None
        assert known.reply["status"] == "success"
        assert len(path.broker.sent) == 2


async def test_an_orderly_stop_records_what_is_left(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What only the memory had is written when all is stopped in order, if the journal works again by then."""
    file = tmp_path / "journal.sqlite3"
    async with open_command_path(journal=InlineJournal(file)) as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = path.journal.aside_fails = "disk full"
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        path.journal.fails = None
    known = await InlineJournal(file).lookup("alpha", "c")
    assert known is not None
    assert known.reply is not None
    assert known.reply["status"] == "success"


async def test_a_crash_of_the_executor_loses_no_intent(autojump_clock: MockClock) -> None:
    """What an executor had in memory alone is aside as well, so that its crash while the journal is down loses none."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = "disk full"
        path.broker.inner.faults.place_unknown = "executed"
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "unknown"
        path.broker.inner.faults.place_unknown = None
        await path.crash(EXECUTOR)
        path.journal.fails = None
        await trio.sleep(3 * RECONCILE_EVERY_S)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert len(path.broker.sent) == 2


async def test_a_crash_of_the_executor_loses_nothing_that_only_memory_has(autojump_clock: MockClock) -> None:
    """Where nothing can be written at all a close that went out is recorded later, whoever crashed meanwhile."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = path.journal.aside_fails = "disk full"
        first = await path.ask(closing(path.clock, ticket, "c"))
        assert first["status"] == "success"
        await path.crash(EXECUTOR)
        path.journal.fails = path.journal.aside_fails = None
        await trio.sleep(3 * RECONCILE_EVERY_S)
        known = await path.journal.lookup("alpha", "c")
        assert known is not None
        assert known.reply is not None
        assert known.reply["status"] == "success"
        record = await path.journal.order(first["order_id"])
        assert record is not None
        assert record.state is OrderState.FILLED


@pytest.mark.parametrize("crashes", [True, False])
async def test_an_open_that_was_refused_was_never_sent(crashes: bool, autojump_clock: MockClock) -> None:
    """Its intent came to the journal too late: it is settled as not sent, without asking, and nothing is in doubt."""
    async with open_command_path() as path:
        assert (await path.ask(order(path.clock, "p")))["status"] == "success"
        path.journal.late = True
        refused = await path.ask(order(path.clock, "o"))
        assert [item["rule"] for item in refused["reasons"]] == ["journal"]
        path.broker.inner.faults.find_error = "no line"
        if crashes:
            await path.crash(EXECUTOR)
        path.journal.late = False
        await trio.sleep(3 * RECONCILE_EVERY_S)
        (record,) = await path.journal.remembered("o", "alpha", 10)
        assert record.state is OrderState.NOT_SENT
        assert path.broker.opened == 1
        again = await path.ask(order(path.clock, "o"))
        assert {**again, "timestamp": 0} == {**refused, "timestamp": 0}
        assert (await path.ask(opening("v")))["approved"] is True, "nothing is in doubt"


@pytest.mark.parametrize("aside_hangs", [True, False])
async def test_a_disk_that_hangs_holds_up_a_close_once(aside_hangs: bool, autojump_clock: MockClock) -> None:
    """The first close waits for the disk within its limit, the next ones hardly; each is answered soon after."""
    async with open_command_path(sampling=False) as path:
        tickets = [(await path.ask(order(path.clock, f"p{n}")))["ticket"] for n in range(4)]
        path.broker.sent_at.clear()
        path.journal.hangs, path.journal.aside_hangs = True, aside_hangs
        for number, ticket in enumerate(tickets):
            began = trio.current_time()
            reply = await path.ask(closing(path.clock, ticket, f"c{ticket}"))
            assert reply["status"] == "success"
            sent, answered = path.broker.sent_at[-1] - began, trio.current_time() - began
            kept = durable.KEEP_WITHIN_S if aside_hangs else 0
            held_up = durable.WITHIN_S - durable.KEEP_WITHIN_S if number == 0 else durable.AGAIN_S
            assert sent == pytest.approx(held_up + kept, abs=0.01)
            assert sent <= durable.WITHIN_S + 0.01
            assert answered == pytest.approx(sent + kept, abs=0.01), "the outcome is not waited for the journal again"
        path.journal.hangs = path.journal.aside_hangs = False
        await trio.sleep(2 * RECONCILE_EVERY_S)
        for ticket in tickets:
            known = await path.journal.lookup("alpha", f"c{ticket}")
            assert known is not None
            assert known.reply["status"] == "success"
        await path.sample()
        assert (await path.ask(order(path.clock, "after")))["status"] == "success"


async def test_what_the_governor_waited_for_the_executor_does_not(autojump_clock: MockClock) -> None:
    """A close behind a verdict that waits for a hanging disk: together they are held up within one limit."""
    async with open_command_path(sampling=False) as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        await path.sample()
        path.journal.hangs = path.journal.aside_hangs = True
        path.broker.sent_at.clear()
        began = trio.current_time()
        verdict = path.later(opening("v"))
        await trio.sleep(0.01)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        allowed = durable.WITHIN_S + durable.AGAIN_S
        assert path.broker.sent_at[0] - began == pytest.approx(allowed, abs=0.01)
        assert (await verdict.wait())["approved"] is False


async def test_a_disk_that_hangs_before_the_outcome(autojump_clock: MockClock) -> None:
    """Outcomes of one batch wait for the disk once and not each."""
    async with open_command_path(sampling=False) as path:
        path.broker.inner.faults.place_delay_s = 0.05  # so that each is answered by itself
        tickets = [(await path.ask(order(path.clock, f"p{n}")))["ticket"] for n in range(6)]

        async def hang() -> None:
            path.journal.hangs = path.journal.aside_hangs = True

        path.broker.after = hang
        began = trio.current_time()
        asked = [path.later(closing(path.clock, ticket, f"c{ticket}")) for ticket in tickets]
        for one in asked:
            assert (await one.wait())["status"] == "success"
        once, again = durable.WITHIN_S, durable.AGAIN_S + durable.KEEP_WITHIN_S
        assert trio.current_time() - began <= 6 * 0.05 + once + 5 * again + 0.1


async def test_opens_in_a_batch_with_closes(autojump_clock: MockClock) -> None:
    """A batch of both while the disk hangs: the opens are refused with the rule, the closes go out."""
    async with open_command_path(sampling=False) as path:
        tickets = [(await path.ask(order(path.clock, f"p{n}")))["ticket"] for n in range(3)]
        await path.sample()
        path.journal.hangs = True
        closes = [path.later(closing(path.clock, ticket, f"c{ticket}")) for ticket in tickets]
        opens = [path.later(order(path.clock, f"o{n}")) for n in range(3)]
        for one in closes:
            assert (await one.wait())["status"] == "success"
        for one in opens:
            reply: Any = await one.wait()
            assert (reply["approved"], [item["rule"] for item in reply["reasons"]]) == (False, ["journal"])
            assert "nothing new is opened until it works again" in reply["reasons"][0]["message"]
        assert path.broker.opened == 3
        assert kinds(path.journal.aside).count("Intent") == 3
        assert {type(record) for record in path.journal.aside} == {Decision, Intent, Settled}
