"""The bookkeeper: what the broker holds is in the journal, drift is told, no data is no news, nothing is doubled."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
import trio
from command_path import EPOCH, InlineJournal, make_broker
from trio.testing import MockClock

from actors import bookkeeper
from actors.boards import Boards, Catalog
from actors.bookkeeper import Bookkeeper
from actors.messages import AccountSampled, AdoptDrift, DealsRead
from actors.runtime import ActorSpec, Backoff, Ref, RestartWindow, Strategy, Supervisor
from quantmind.domain.accounts import Sample
from quantmind.domain.orders import Close, Open, Origin, Side
from quantmind.records import Decision, Event, Holding, Intent, Record

OFTEN = RestartWindow(1000, 1.0)


@attrs.define(eq=False)
class Clock:
    def now(self) -> float:
        return EPOCH + trio.current_time()


@attrs.define(eq=False)
class World:
    """A paper account, its poller's part played by the test, and a bookkeeper."""

    broker: Any
    boards: Boards
    journal: InlineJournal
    ref: Ref[Any]
    root: Supervisor
    reads_deals: bool = True
    number: int = 0

    def open(self, volume: str = "0.10", tag: str = "", **more: Any) -> int:
        self.number += 1
        order = Open(Origin("alpha", 7), "demo", "EURUSD", Decimal(volume), Side.BUY, **more)
        placed = self.broker.inner.account.open(order, tag or f"hand{self.number}")
        return int(placed.ticket)

    def close(self, ticket: int, volume: str | None = None) -> None:
        self.number += 1
        order = Close(Origin("alpha", 7), "demo", "EURUSD", ticket, None if volume is None else Decimal(volume))
        self.broker.inner.account.close(order, f"hand{self.number}")

    async def look(self, *, times: int = 1, change: Any = None) -> None:
        """As a poller: a sample, then the deals; each half a second."""
        for _ in range(times):
            sample: Sample = await self.broker.inner.sample()
            if change is not None:
                sample = change(sample)
            self.boards.links.of("demo").sample = sample
            self.ref.tell_nowait(AccountSampled(sample))
            await trio.sleep(0.1)
            if self.reads_deals:
                book = self.boards.deals.of("demo")
                book.add(await self.broker.inner.deals(0))
                book.read_at = trio.current_time()
                self.ref.tell_nowait(DealsRead("demo"))
            await trio.sleep(0.4)

    def written(self, kind: type[Record]) -> list[Any]:
        return [record for record in self.journal.appended if isinstance(record, kind)]

    def holdings(self) -> list[tuple[str, int, str]]:
        return [(item.kind, item.ticket, item.cause) for item in self.written(Holding)]

    def events(self) -> list[str]:
        return [item.name for item in self.written(Event)]

    @property
    def state(self) -> str:
        return self.boards.books.of("demo").state


@contextlib.asynccontextmanager
async def open_world(
    *, adopt: bool = True, journal: InlineJournal | None = None, broker: Any = None
) -> AsyncIterator[World]:
    broker = make_broker() if broker is None else broker
    await broker.inner.connect()
    boards = Boards(Catalog(("demo",)))
    journal = InlineJournal() if journal is None else journal
    root = Supervisor(
        "books",
        [
            ActorSpec(
                "bookkeeper:demo",
                lambda: Bookkeeper("demo", boards, journal, Clock(), adopt),
                mailbox=bookkeeper.MAILBOX,
            )
        ],
        Strategy.ONE_FOR_ONE,
        OFTEN,
        Backoff(first=0.01, cap=0.05),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield World(broker, boards, journal, root.ref("bookkeeper:demo"), root)
        await root.stop()
        nursery.cancel_scope.cancel()


def intent(order_id: str) -> Intent:
    body = {"type": "trade_open", "volume": "0.10"}
    return Intent(order_id, "demo", "alpha", 7, "EURUSD", order_id, "f", body, EPOCH)


async def test_it_takes_over_what_there_is(autojump_clock: MockClock) -> None:
    """An account with a past is adopted once: its deals and positions are recorded, and it agrees."""
    async with open_world() as world:
        ticket = world.open()
        await world.look(times=4)
        assert world.holdings() == [
            ("deal", world.boards.deals.of("demo").all()[0].ticket, "adopted"),
            ("position", ticket, "adopted"),
        ]
        assert world.events() == ["adopted"]
        assert world.state == "agreed"
        assert [record.name for record in world.journal.noted] == ["reconciled"]
        await world.look(times=5)
        assert len(world.written(Holding)) == 2


async def test_each_deal_says_where_it_comes_from(autojump_clock: MockClock) -> None:
    """An order of ours by its tag, an EA's own trade by its approval; anything else came from outside."""
    async with open_world() as world:
        await world.look(times=3)
        await world.journal.append([intent("abcd1234abcd1234")])
        ours = world.open(tag="abcd1234abcd1234")
        await world.look()
        stranger = world.open()
        await world.look()
        decision = Decision(
            "dec1", "demo", "beta", 7, "EURUSD", None, "f", True, {}, {}, EPOCH + trio.current_time(), {}
        )
        await world.journal.append([decision])
        theirs = world.open()
        await world.look()
        causes = {
            item.data["position"]: (item.cause, item.order_id) for item in world.written(Holding) if item.kind == "deal"
        }
        assert causes == {
            ours: ("order", "abcd1234abcd1234"),
            stranger: ("outside", None),
            theirs: ("approval", "dec1"),
        }
        (event,) = [item for item in world.written(Event) if item.name == "outside"]
        assert event.data["position"] == stranger
        assert event.data["symbol"] == "EURUSD"
        assert world.boards.books.of("demo").outside == 1
        positions = {item.ticket: item.cause for item in world.written(Holding) if item.kind == "position"}
        assert positions == {ours: "order", stranger: "outside", theirs: "approval"}
        assert world.state == "agreed"


async def test_a_restart_goes_on_from_the_record(autojump_clock: MockClock) -> None:
    """What was written is not written again; what happened meanwhile is; a crash in between loses nothing."""
    async with open_world() as world:
        await world.look(times=3)
        first = world.open()
        await world.look(times=2)
        before = len(world.written(Holding))
        world.root.fail("bookkeeper:demo", RuntimeError("crashed by a test"))
        second = world.open()
        world.close(first, "0.04")
        await world.look(times=3)
        new = [(item.kind, item.ticket) for item in world.written(Holding)[before:]]
        assert sorted(kind for kind, _ in new) == ["deal", "deal", "position", "position"]
        assert {ticket for kind, ticket in new if kind == "position"} == {first, second}
        assert world.events().count("adopted") == 1
        assert "drift" not in world.events()
        assert world.state == "agreed"


async def test_drift_is_told_and_adopted(autojump_clock: MockClock) -> None:
    """A position without a deal is drift: written with both sides and since when, and then the book agrees."""
    async with open_world() as world:
        await world.look(times=3)
        world.reads_deals = False
        ticket = world.open("0.30")
        began = trio.current_time()
        await world.look(times=6)
        assert world.events() == ["adopted"]
        # The deals are read, and the broker's history lacks that one.
        world.boards.deals.of("demo").read_at = trio.current_time()
        await world.look(times=3)
        (event,) = [item for item in world.written(Event) if item.name == "drift"]
        assert (event.data["ticket"], event.data["ours"], event.data["theirs"]) == (ticket, 0, Decimal("0.30"))
        assert event.data["since"] == pytest.approx(EPOCH + began, abs=0.2)
        assert ("position", ticket, "drift") in world.holdings()
        assert world.state == "agreed"
        assert world.boards.books.of("demo").drifts == 1


async def test_flagged_drift_waits_for_a_person(autojump_clock: MockClock) -> None:
    """With `flag` it stands in the books until an admin adopts it, and the record says who and why."""

    def without(sample: Sample) -> Sample:
        return attrs.evolve(sample, positions=())

    async with open_world(adopt=False) as world:
        ticket = world.open()
        await world.look(times=3)
        assert (await world.ref.ask(AdoptDrift("demo", "why not", "owner")))["code"] == "invalid_message"
        await world.look(times=10, change=without)
        assert world.state == "drift"
        (flagged,) = world.boards.books.of("demo").flagged
        assert (flagged.ticket, flagged.ours, flagged.theirs) == (ticket, Decimal("0.10"), Decimal(0))
        assert world.events().count("drift") == 1
        assert [item for item in world.holdings() if item[0] == "position"] == [("position", ticket, "adopted")]
        reply = await world.ref.ask(AdoptDrift("demo", "closed at the desk", "owner"))
        assert reply["status"] == "success"
        await world.look(times=1, change=without)
        assert world.state == "agreed"
        (event,) = [item for item in world.written(Event) if item.name == "drift_adopted"]
        assert (event.data["by"], event.data["reason"]) == ("owner", "closed at the desk")
        assert world.written(Holding)[-1].data is None


async def test_no_data_is_not_no_positions(autojump_clock: MockClock) -> None:
    """While the account can't be read nothing is compared and nothing is written; the books say that they are blind."""
    async with open_world() as world:
        world.open()
        await world.look(times=3)
        before = len(world.journal.appended)
        for _ in range(40):
            world.ref.tell_nowait(DealsRead("demo"))
            await trio.sleep(0.5)
        assert world.state == "blind"
        assert "compared" in str(world.boards.books.of("demo").error)
        assert len(world.journal.appended) == before
        await world.look(times=2)
        assert world.state == "agreed"
        assert [record.name for record in world.journal.noted] == ["reconciled", "reconciled"]


async def test_a_journal_that_is_down_loses_nothing(autojump_clock: MockClock) -> None:
    """What can't be written is not taken as known: it is written when it can be, once."""
    async with open_world() as world:
        await world.look(times=3)
        world.journal.fails = "disk full"
        ticket = world.open()
        await world.look(times=12)
        assert world.state == "unwritten"
        assert "disk full" in str(world.boards.books.of("demo").error)
        world.journal.fails = None
        await world.look(times=2)
        assert world.state == "agreed"
        assert [item[:2] for item in world.holdings()] == [
            ("deal", world.boards.deals.of("demo").all()[0].ticket),
            ("position", ticket),
        ]
        assert "drift" not in world.events()


async def test_a_new_process_may_see_the_account_before_its_deals(autojump_clock: MockClock) -> None:
    """Deals that are recorded are no news when the broker tells them again, however late: no position counts twice."""
    journal, broker = InlineJournal(), make_broker()
    async with open_world(journal=journal, broker=broker) as world:
        await world.look(times=3)
        world.open()
        await world.look(times=2)
        assert world.state == "agreed"
    async with open_world(journal=journal, broker=broker) as world:
        before = len(world.written(Holding))
        await world.look(times=10)
        assert "drift" not in world.events()
        assert len(world.written(Holding)) == before
        assert world.state == "agreed"


async def test_deals_that_come_while_it_writes_are_looked_at_next(autojump_clock: MockClock) -> None:
    """What is read while the record is being written is not taken as looked at."""
    async with open_world() as world:
        await world.look(times=3)
        world.open()
        second: list[int] = []

        async def trade_meanwhile(records: Any) -> None:
            if second or not any(isinstance(record, Holding) and record.kind == "deal" for record in records):
                return
            second.append(world.open())
            world.boards.deals.of("demo").add(await world.broker.inner.deals(0))

        world.journal.before = trade_meanwhile
        await world.look(times=10)
        assert len(second) == 1
        assert "drift" not in world.events()
        deals = [item for item in world.written(Holding) if item.kind == "deal"]
        assert second[0] in {item.data["position"] for item in deals}
        assert world.state == "agreed"
