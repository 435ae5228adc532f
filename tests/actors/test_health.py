"""The actor that says how each broker is: each cause of the degraded mode, told once, seen where a state is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.boards import Boards, Catalog, Recovered
from actors.condition_board import MEANINGS
from actors.halts import DEGRADED, Halt
from actors.health import ACCOUNT_WITHIN_S, CALM_AFTER_S, LOOK_EVERY_S, TOLD_AGAIN_S, Health
from actors.runtime import Inbox, Mailbox, MailboxPolicy
from quantmind.domain.accounts import Account, Sample
from quantmind.domain.breaker import Path
from quantmind.domain.risk import TradingState
from quantmind.records import Event, Record

ACCOUNT = Account(1, "server", "USD", 100, "hedging", *[Decimal(0)] * 5)
SOON_S = LOOK_EVERY_S + 0.05
ACTIVE = Halt(TradingState.ACTIVE, "as configured", 0.0)


class FakeClock:
    def now(self) -> float:
        return 1_800_000_000.0 + trio.current_time()


@attrs.define(eq=False)
class World:
    """Two accounts that are well, and what was noted of them."""

    boards: Boards = attrs.field(factory=lambda: Boards(Catalog(("demo", "other"))))
    noted: list[Event] = attrs.field(factory=list)
    pushed: list[tuple[str, str]] = attrs.field(factory=list)
    down: str | None = None

    def be_well(self) -> None:
        self.boards.halts.on_change = lambda broker, halt: self.pushed.append((broker, halt.state.value))
        for broker in self.boards.catalog.brokers:
            self.boards.halts.set(broker, ACTIVE)
            link = self.boards.links.of(broker)
            link.feed, link.orders = "live", "ready"
            link.sample = Sample(broker, ACCOUNT, (), (), trio.current_time())
        self.pushed.clear()

    def note(self, records: Sequence[Record]) -> None:
        self.noted += [record for record in records if isinstance(record, Event)]

    def told(self, name: str) -> list[Any]:
        """The events of this name since the last look."""
        found = [event.data for event in self.noted if event.name == name]
        self.noted = [event for event in self.noted if event.name != name]
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        inbox: Inbox[Any] = Inbox(Mailbox(MailboxPolicy()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Health(self.boards, lambda: self.down, self.note, FakeClock()), inbox)
            await trio.sleep(0.01)
            yield
            inbox.request_stop()


@pytest.fixture
async def world() -> World:
    world = World()
    world.be_well()
    return world


def feed(state: str) -> Callable[[World], None]:
    return lambda world: setattr(world.boards.links.of("demo"), "feed", state)


def orders(state: str) -> Callable[[World], None]:
    return lambda world: setattr(world.boards.links.of("demo"), "orders", state)


def break_it(world: World) -> None:
    for _ in range(5):
        world.boards.links.of("demo").breaker.failed(Path.ORDERS, "no answer", trio.current_time())


def unread(world: World) -> None:
    link = world.boards.links.of("demo")
    link.sample = attrs.evolve(link.sample, taken_at=trio.current_time() - ACCOUNT_WITHIN_S - 1)


def unprotect(world: World) -> None:
    link = world.boards.links.of("demo")
    link.sample = attrs.evolve(link.sample, unprotected={"BTCUSDT": "price out of band"})


def never_read(world: World) -> None:
    world.boards.links.of("demo").sample = None


def fail_closes(world: World) -> None:
    world.boards.links.of("demo").closes_error = "a bug"


CAUSES: list[tuple[Callable[[World], None], str]] = [
    (feed("connecting"), "feed_connecting"),
    (feed("degraded"), "feed_unreachable"),
    (feed("stale"), "feed_stale"),
    (feed("failed"), "feed_failed"),
    (orders("connecting"), "orders_starting"),
    (orders("reconciling"), "orders_starting"),
    (orders("degraded"), "orders_unreachable"),
    (orders("failed"), "orders_failed"),
    (break_it, "breaker"),
    (unread, "account_unread"),
    (never_read, "account_unread"),
    (unprotect, "stops_missing"),
    (fail_closes, "closes_failed"),
]


def test_every_cause_has_a_case() -> None:
    """But the journal, which is of every account and has its own below."""
    assert {code for _, code in CAUSES} | {"journal"} == set(MEANINGS)


@pytest.mark.parametrize(("happen", "code"), CAUSES)
async def test_each_cause_degrades_its_account_and_no_other(
    world: World, happen: Callable[[World], None], code: str, autojump_clock: MockClock
) -> None:
    """Seen within a quarter of a second in the condition, the trading state and its push; noted once, and over once."""
    async with world.running():
        assert world.told("condition") == []
        happen(world)
        await trio.sleep(SOON_S)
        condition, other = world.boards.conditions.of("demo"), world.boards.conditions.of("other")
        assert condition is not None
        assert other is not None
        assert (condition.state, condition.codes, other.state) == ("degraded", (code,), "ok")
        shown = world.boards.halts.shown("demo")
        assert (shown.state, world.boards.halts.read("demo").state) == (TradingState.REDUCE_ONLY, TradingState.ACTIVE)
        assert MEANINGS[code] in shown.cause
        assert world.pushed == [("demo", "reduce_only")]
        (told,) = world.told("condition")
        assert (told["state"], told["refused"]) == ("degraded", "whatever adds exposure")
        assert [cause["code"] for cause in told["causes"]] == [code]
        world.boards.links._by_broker.pop("demo")
        world.be_well()
        await trio.sleep(SOON_S)
        assert DEGRADED not in world.boards.halts.clouds("demo")
        assert world.pushed == [("demo", "active")]
        assert [each["state"] for each in world.told("condition")] == ["ok"]


async def test_a_journal_that_is_down_degrades_every_account(world: World, autojump_clock: MockClock) -> None:
    """It is of all of them."""
    async with world.running():
        world.down = "the disk is full"
        await trio.sleep(SOON_S)
        for broker in ("demo", "other"):
            condition = world.boards.conditions.of(broker)
            assert condition is not None
            assert condition.codes == ("journal",)
            assert "the disk is full" in condition.causes[0].message


@pytest.mark.parametrize("state", ["live", "closed", "ended", "waiting"])
async def test_what_is_no_cause(world: World, state: str, autojump_clock: MockClock) -> None:
    """A closed market, a recording that is over or has not begun: the account is as it should be."""
    async with world.running():
        world.boards.links.of("demo").feed = state
        await trio.sleep(1)
        condition = world.boards.conditions.of("demo")
        assert condition is not None
        assert condition.state == "ok"


async def test_a_halt_of_an_operator_stands_before_it(world: World, autojump_clock: MockClock) -> None:
    """What is stricter is shown; both are among what holds the account."""
    async with world.running():
        world.boards.halts.set("demo", Halt(TradingState.HALTED, "by hand", 1.0))
        feed("stale")(world)
        await trio.sleep(SOON_S)
        assert world.boards.halts.shown("demo").cause == "by hand"
        assert DEGRADED in world.boards.halts.clouds("demo")


async def test_more_causes_are_told_and_the_beginning_stays(world: World, autojump_clock: MockClock) -> None:
    """Since when it is degraded does not change with what else happens."""
    async with world.running():
        feed("stale")(world)
        await trio.sleep(5)
        since = world.boards.conditions.of("demo")
        break_it(world)
        await trio.sleep(5)
        condition = world.boards.conditions.of("demo")
        assert since is not None
        assert condition is not None
        assert (condition.codes, condition.since) == (("feed_stale", "breaker"), since.since)
        assert [len(each["causes"]) for each in world.told("condition")] == [1, 2]
        assert world.pushed == [("demo", "reduce_only")]


async def test_a_restart_tells_nothing_twice(world: World, autojump_clock: MockClock) -> None:
    """What the boards say already is known to the next incarnation."""
    feed("stale")(world)
    async with world.running():
        assert len(world.told("condition")) == 1
    async with world.running():
        await trio.sleep(1)
        assert world.told("condition") == []


async def test_links_and_recoveries_are_noted(world: World, autojump_clock: MockClock) -> None:
    """Each change of a link, and each step that was tried, once."""
    async with world.running():
        assert [each["feed"] for each in world.told("link")] == ["live", "live"]
        link = world.boards.links.of("demo")
        link.feed, link.feed_error = "degraded", "no route"
        link.recovered = Recovered("reconnect", tuple(f"S{number}" for number in range(30)), 20.0, 1.0, "no route")
        await trio.sleep(1)
        assert world.told("link") == [{"feed": "degraded", "orders": "ready", "reason": "no route"}]
        (told,) = world.told("recover")
        assert (told["step"], told["silent_s"], told["error"], len(told["symbols"])) == (
            "reconnect", 20.0, "no route", 20,
        )  # fmt: skip
        await trio.sleep(1)
        assert world.told("recover") == []


async def test_what_comes_and_goes_is_told_ever_more_rarely(world: World, autojump_clock: MockClock) -> None:
    """A broker that flaps fills no journal; the boards follow at once, and what holds at last is always told."""
    async with world.running():
        for number in range(2401):
            world.be_well()
            feed("live" if number % 2 else "stale")(world)
            await trio.sleep(SOON_S)
            condition = world.boards.conditions.of("demo")
            assert condition is not None
            assert condition.state == ("ok" if number % 2 else "degraded")
        await trio.sleep(TOLD_AGAIN_S)
        for name in ("condition", "link"):
            told: list[Any] = [each.data for each in world.noted if (each.name, each.broker) == (name, "demo")]
            assert 5 <= len(told) <= 60, name
            assert all(one != other for one, other in pairwise(told))
            if name == "condition":
                assert told[-1]["state"] == "degraded"
            else:
                assert told[-1]["feed"] == "stale"
        await trio.sleep(2 * CALM_AFTER_S)
        world.noted.clear()
        world.be_well()
        await trio.sleep(SOON_S)
        assert {each.broker: each.data["state"] for each in world.noted if each.name == "condition"} == {
            "demo": "ok", "other": "ok",
        }  # fmt: skip
