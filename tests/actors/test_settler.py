"""Settling by hand through executor, journal and governor: written once, told, and never sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import trio
from command_path import CommandPath, InlineJournal, WallClock, closing, make_broker, open_command_path, opening, order
from rest_path import executor_of
from trio.testing import MockClock

from actors.messages import SettleOrder
from quantmind.adapters.journal.pages import read_page
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Policy
from quantmind.ports import LogQuery
from quantmind.records import OrderRecord, Settled

S = OrderState
EXECUTOR = "execution/brokers/executor:demo"


@contextlib.asynccontextmanager
async def unknown_order(fault: str = "lost", **how: Any) -> AsyncIterator[tuple[CommandPath, str]]:
    """A path with an order whose fate the broker can't tell."""
    async with open_command_path(**how) as path:
        faults = path.broker.inner.faults
        faults.place_unknown, faults.find_blind = fault, True  # type: ignore[assignment]
        reply = await path.ask(order(path.clock))
        assert reply["status"] == "unknown"
        faults.place_unknown = None
        yield path, reply["order_id"]


async def settle(path: CommandPath, order_id: str, state: OrderState = S.NOT_SENT, **more: Any) -> Any:
    with trio.fail_after(40):
        return await executor_of(path).ask(SettleOrder(order_id, state, "seen in the terminal", "owner", **more))


async def hang(_: str) -> None:
    await trio.sleep_forever()


def lines(path: CommandPath, order_id: str) -> list[tuple[str, dict[str, Any]]]:
    found = read_page(path.journal.connection, LogQuery(order_id=order_id)).entries
    return [(line.kind, json.loads(line.body)) for line in found]


async def refused_by(path: CommandPath) -> list[str]:
    return [reason["rule"] for reason in (await path.ask(opening()))["reasons"]]


async def test_what_was_not_sent_ends_the_unknown(autojump_clock: MockClock) -> None:
    """The rule `no_unknown` lets go, a repeat hears that nothing was done, the log has who and why."""
    async with unknown_order() as (path, order_id):
        await trio.sleep(35)
        assert path.boards.halts.shown("demo").state.value == "reduce_only"
        assert await refused_by(path) == ["no_unknown"]
        answer = await settle(path, order_id)
        assert answer["status"] == "success"
        record: OrderRecord = answer["record"]
        assert (record.state, record.known_by, record.settled_at) == (S.NOT_SENT, KnownBy.PERSON, path.clock.now())
        assert await refused_by(path) == []
        assert path.boards.halts.shown("demo").state.value == "active"
        again = await path.ask(order(path.clock))
        assert (again["status"], again["code"], again["order_id"]) == ("error", "broker_unavailable", order_id)
        assert "settled by owner as not_sent: nothing was done (seen in the terminal)" in again["message"]
        kind, body = lines(path, order_id)[-1]
        assert (kind, body["state"], body["known_by"]) == ("outcome", "not_sent", "person")
        assert (body["by"], body["reason"]) == ("owner", "seen in the terminal")
        assert len(path.broker.sent) == 1


@pytest.mark.parametrize("trouble", ["find_blind", "find_error", "hangs"])
async def test_it_works_while_the_broker_can_not_tell(trouble: str, autojump_clock: MockClock) -> None:
    """Unreachable, silent or blind: that is when a person is asked."""
    async with unknown_order("executed") as (path, order_id):
        (deal,) = path.broker.inner.account.deals
        if trouble == "find_error":
            path.broker.inner.faults.find_error = "no line"
        elif trouble == "hangs":
            path.broker.inner.find = hang  # type: ignore[method-assign]
        answer = await settle(path, order_id, S.FILLED, ticket=deal.position, price=Decimal("1.0851"))
        assert answer["status"] == "success", answer
        again = await path.ask(order(path.clock))
        assert (again["status"], again["ticket"], again["price"], again["volume"]) == (
            "success",
            deal.position,
            1.0851,
            0.1,
        )
        assert again["known_by"] == "person"
        await trio.sleep(1)
        assert (await path.ask(closing(path.clock, deal.position, "c")))["status"] == "success"


async def test_exposure_is_held_until_a_sample_shows_it(autojump_clock: MockClock) -> None:
    """A fill that a person vouches for counts once: as a promise until the account is read, then as the position."""
    async with unknown_order("executed", sampling=False, policy=Policy(max_open_positions=2)) as (path, order_id):
        (deal,) = path.broker.inner.account.deals
        assert (await settle(path, order_id, S.FILLED, ticket=deal.position))["status"] == "success"
        assert (await path.ask(order(path.clock, "second")))["status"] == "success"
        assert await refused_by(path) == ["max_open_positions"]
        await path.sample()
        assert await refused_by(path) == ["max_open_positions"]
        (ticket,) = {item.ticket for item in path.broker.inner.account.positions()} - {deal.position}
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        await path.sample()
        assert await refused_by(path) == []


async def test_the_broker_is_heard_first(autojump_clock: MockClock) -> None:
    """What it says otherwise is refused with its words and nothing is written; `force` writes both down."""
    async with unknown_order("executed") as (path, order_id):
        (deal,) = path.broker.inner.account.deals
        path.broker.inner.faults.find_blind = False
        before = len(path.journal.appended)
        refused = await settle(path, order_id)
        assert (refused["status"], refused["code"]) == ("error", "broker_contradicts")
        assert (refused["broker_says"]["state"], refused["broker_says"]["ticket"]) == ("filled", deal.position)
        assert len(path.journal.appended) == before
        assert (await settle(path, order_id, force=True))["status"] == "success"
        _, body = lines(path, order_id)[-1]
        assert (body["state"], body["broker_says"]["state"]) == ("not_sent", "filled")
        await trio.sleep(5)
        record = await path.journal.order(order_id)
        assert (record.state, record.known_by) == (S.NOT_SENT, KnownBy.PERSON)


async def test_where_both_agree_the_brokers_numbers_stand(autojump_clock: MockClock) -> None:
    """A person who leaves the price out gets the broker's."""
    async with unknown_order("executed") as (path, order_id):
        (deal,) = path.broker.inner.account.deals
        path.broker.inner.faults.find_blind = False
        answer = await settle(path, order_id, S.FILLED, ticket=deal.position)
        reply = answer["record"].reply
        assert (reply["price"], reply["retcode"], reply["known_by"]) == (Decimal("1.0851"), 10009, "person")


async def test_what_is_known_stays(autojump_clock: MockClock) -> None:
    """A settled order says what it is; so does one that never was; the record is not touched."""
    async with unknown_order() as (path, order_id):
        assert (await settle(path, order_id))["status"] == "success"
        appended = len(path.journal.appended)
        for state in (S.NOT_SENT, S.FILLED):
            again = await settle(path, order_id, state, ticket=5)
            assert (again["code"], again["state"]) == ("settled", "not_sent")
        assert (await settle(path, "nope"))["code"] == "unknown_order"
        assert len(path.journal.appended) == appended


async def test_an_order_that_is_on_its_way_is_left_alone(autojump_clock: MockClock) -> None:
    """While the broker has not answered, its own answer is to come; once it has, that is what it is."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.broker.before = gate.wait
        asked = path.later(order(path.clock))
        await trio.sleep(0.1)
        (intent,) = await path.journal.open_intents("demo")
        heard: list[Any] = []

        async def ask() -> None:
            heard.append(await settle(path, intent.order_id))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.5)
            gate.set()
        assert (await asked.wait())["status"] == "success"
        assert heard[0]["code"] == "settled"


async def test_an_outcome_that_waits_to_be_written_is_no_unknown(autojump_clock: MockClock) -> None:
    """The journal failed after the fill: the record says intent, the executor knows better and says so."""
    async with open_command_path() as path:

        async def fail() -> None:
            path.journal.fails = "disk full"

        path.broker.after = fail
        first = await path.ask(order(path.clock))
        path.journal.fails = None
        answer = await settle(path, first["order_id"])
        assert answer["code"] == "in_hand"
        await trio.sleep(3)
        assert (await path.journal.order(first["order_id"])).state is S.FILLED


async def test_the_intent_of_a_crash_can_be_settled(autojump_clock: MockClock) -> None:
    """An executor crashed at the broker, which can't tell: the record says intent, and a person may settle it."""
    async with open_command_path() as path:
        path.broker.inner.faults.find_blind = True
        path.broker.before = trio.Event().wait
        asked = path.later(order(path.clock))
        await trio.sleep(0.1)
        await path.crash(EXECUTOR)
        path.broker.before = None
        reply = await asked.wait()
        assert reply["status"] == "unknown"
        (intent,) = await path.journal.open_intents("demo")
        assert await refused_by(path) == ["no_unknown"]
        assert (await settle(path, intent.order_id))["status"] == "success"
        assert await refused_by(path) == []
        assert (await path.ask(order(path.clock)))["code"] == "broker_unavailable"
        assert path.broker.sent == []


async def test_orders_do_not_wait_for_it(autojump_clock: MockClock) -> None:
    """While the broker looks an order up for a person, others go out; a second person is told to wait."""
    async with unknown_order() as (path, order_id):
        path.broker.inner.find = hang  # type: ignore[method-assign]
        heard: list[Any] = []

        async def ask() -> None:
            heard.append(await settle(path, order_id))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.1)
            began = trio.current_time()
            assert (await path.ask(order(path.clock, "other", magic=1)))["status"] == "success"
            assert (await settle(path, order_id))["code"] == "busy"
            assert trio.current_time() - began < 0.1
        assert heard[0]["status"] == "success"


@pytest.mark.parametrize("when", ["read", "written"])
async def test_a_journal_that_is_down(when: str, autojump_clock: MockClock) -> None:
    """Unread, nothing was settled; unwritten, nobody knows: said as it is, and the order stays open to be settled."""
    async with unknown_order() as (path, order_id):
        if when == "read":
            path.journal.fails = "disk full"
        else:

            async def fail(_: Any) -> None:
                path.journal.before, path.journal.fails = None, "disk full"
                await path.journal._trouble()

            path.journal.before = fail
        answer = await settle(path, order_id)
        assert (answer["status"], answer.get("code")) == (
            ("error", "no_journal") if when == "read" else ("unknown", None)
        )
        path.journal.fails = None
        await trio.sleep(3)
        assert await refused_by(path) == ["no_unknown"]
        assert (await settle(path, order_id))["status"] == "success"
        assert await refused_by(path) == []


@pytest.mark.parametrize("by", ["person", "reconciliation"])
async def test_what_was_written_late_is_told_all_the_same(by: str, autojump_clock: MockClock) -> None:
    """The journal kept the outcome and did not answer in time: once it does, the governor hears of the order."""
    async with unknown_order() as (path, order_id):
        path.journal.late = True
        if by == "person":
            assert (await settle(path, order_id))["status"] == "unknown"
        else:
            path.broker.inner.faults.find_blind = False
            await trio.sleep(4)
        path.journal.late = False
        assert await path.journal.open_intents("demo") == []
        await trio.sleep(3)
        assert await refused_by(path) == []


async def test_what_reconciling_wrote_meanwhile_stands(autojump_clock: MockClock) -> None:
    """Both settle at once: the first is the record, the other is told so, and the log has the contradiction."""
    async with unknown_order("executed") as (path, order_id):
        record = await path.journal.order(order_id)

        async def first(_: Any) -> None:
            path.journal.before = None
            reply = {"status": "success", "ticket": 5}
            await path.journal.append([Settled(order_id, S.FILLED, reply, 1.0, KnownBy.RECONCILIATION)])

        assert record.state is S.UNKNOWN
        path.journal.before = first
        answer = await settle(path, order_id)
        assert (answer["code"], answer["state"]) == ("settled", "filled")
        kind, body = lines(path, order_id)[-1]
        assert (kind, body["name"], body["recorded"], body["refused"]) == ("event", "impossible", "filled", "not_sent")
        assert (await path.ask(order(path.clock)))["ticket"] == 5


async def test_nobody_waits_for_it_any_more(autojump_clock: MockClock) -> None:
    """Who has gone before it was written is not obeyed: the next one who looks decides."""
    async with unknown_order() as (path, order_id):
        path.broker.inner.find = hang  # type: ignore[method-assign]
        with trio.move_on_after(1):
            await executor_of(path).ask(SettleOrder(order_id, S.NOT_SENT, "r", "owner"))
        await trio.sleep(6)
        assert (await path.journal.order(order_id)).state is S.UNKNOWN


async def test_a_placed_order_is_followed_from_then_on(autojump_clock: MockClock) -> None:
    """A person says that it waits in the book: once the broker can tell, a repeat hears of its fill."""
    async with open_command_path() as path:
        faults = path.broker.inner.faults
        faults.place_unknown, faults.find_blind = "executed", True
        body = order(path.clock, order_type="limit", price=1.08)
        order_id = (await path.ask(body))["order_id"]
        faults.place_unknown = None
        (waiting,) = path.broker.inner.account.orders()
        assert (await settle(path, order_id, S.PLACED, ticket=waiting.ticket))["status"] == "success"
        assert (await path.ask(body))["pending"] is True
        path.broker.inner.account.tick(Quote("EURUSD", 1.0795, 1.0796, 2))
        faults.find_blind = False
        await trio.sleep(3)
        filled = await path.ask(body)
        assert (filled["status"], filled.get("pending"), filled["price"]) == ("success", None, 1.0796)


async def test_a_repeat_after_a_restart_hears_it(tmp_path: Any, autojump_clock: MockClock) -> None:
    """What a person said is the answer from then on, in another process's life too."""
    broker, clock, file = make_broker(), WallClock(), tmp_path / "journal.sqlite3"
    async with unknown_order(journal=InlineJournal(file), broker=broker, clock=clock) as (path, order_id):
        assert (await settle(path, order_id))["status"] == "success"
        first = await path.ask(order(clock))
    async with open_command_path(journal=InlineJournal(file), broker=broker, clock=clock) as path:
        again = await path.ask(order(clock))
        assert {**again, "timestamp": 0} == {**first, "timestamp": 0}
        assert await refused_by(path) == []
        assert len(broker.sent) == 1
