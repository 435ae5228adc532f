"""What a bridge hears so that it can guard its account by itself: the truth, each second, while somebody watches."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, cast

import attrs
import pytest
import trio
from command_path import CommandPath, InlineJournal, make_broker, open_command_path
from prop_account import FTMO, at
from trio.testing import MockClock

from actors.runtime import Inbox, Mailbox, MailboxPolicy, NotDelivered, ReplyLost
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Policy, TradingState
from quantmind.domain.risk.policy import Rules
from quantmind.edges.floor_guard import ALIVE_WITHIN_S, CHANGES_EVERY_S, EVERY_S, LATE_AFTER_S, FloorGuard
from quantmind.edges.pushes import Pushes
from quantmind.net.errors import NetError
from quantmind.records import Event, Record
from quantmind.wire import bridge

LOGIN = 1
"""Of the paper account."""


@attrs.define(eq=False)
class Ea:
    """A bridge with a guard, and when it heard what."""

    account: int = LOGIN
    proof: str = "p" * 22
    gone: str | None = None
    heard: list[tuple[float, bridge.Guard]] = attrs.field(factory=list)
    deaf: bool = False
    breaks: Exception | None = None

    def send(self, payload: bytes) -> bool:
        if self.breaks is not None:
            raise self.breaks
        if self.deaf:
            self.gone = "it has gone"
            return False
        self.heard.append((trio.current_time(), bridge.decode_guard(payload)))
        return True

    @property
    def last(self) -> bridge.Guard:
        return self.heard[-1][1]

    def said(self, state: str, seq: int | None = None, session: str | None = None) -> bytes:
        fields: Any = {"state": state, "session": self.proof if session is None else session}
        return bridge.encode(bridge.Guarded(seq=self.last.seq if seq is None else seq, **fields))


class Silent:
    """A publisher that nobody hears."""

    def publish(self, topic: bytes, payload: bytes) -> None:
        del topic, payload


@attrs.define(eq=False)
class World:
    """A guard on a whole command path."""

    path: CommandPath
    guard: FloorGuard
    noted: list[Record]

    def come(self, ea: Ea | None = None, *, wanted: bool = True) -> Ea:
        ea = Ea() if ea is None else ea
        self.guard.arrived("demo", ea, wanted=wanted)
        return ea

    @property
    def status(self) -> dict[str, Any]:
        found = self.guard.status("demo")
        assert found is not None
        return found

    def events(self) -> list[tuple[Any, Any]]:
        return [(each.data["before"], each.data["state"]) for each in self.noted if isinstance(each, Event)]


@asynccontextmanager
async def open_world(policy: Policy = FTMO, *, balance: int = 10_000, **more: Any) -> AsyncIterator[World]:
    async with open_command_path(policy=policy, broker=make_broker(balance=balance), clock=at(-3600), **more) as path:
        noted: list[Record] = []

        def note(records: Sequence[Record]) -> None:
            noted.extend(records)

        guard = FloorGuard(path.boards, {"demo": policy}, path.governor, path.clock, note)
        Pushes(Silent(), path.boards, guard.changed).connect()
        async with trio.open_nursery() as nursery:
            inbox: Inbox[Any] = Inbox(Mailbox(MailboxPolicy()))
            nursery.start_soon(guard, inbox)
            await trio.sleep(0.01)
            yield World(path, guard, noted)
            inbox.request_stop()


async def test_it_hears_all_at_once_and_then_each_second(autojump_clock: MockClock) -> None:
    """With the account's floors and numbers without a gap."""
    async with open_world() as world:
        began, ea = trio.current_time(), world.come()
        await trio.sleep(5.5)
        assert ea.heard[0][0] - began < 0.01
        seconds = [when for when, _ in ea.heard[1:]]
        assert [round(b - a, 3) for a, b in pairwise(seconds)] == [EVERY_S] * (len(seconds) - 1)
        assert [each.seq for _, each in ea.heard] == list(range(1, len(ea.heard) + 1))
        assert len(ea.heard) >= 6
        first = ea.heard[0][1]
        assert (first.known, first.floor, first.next_floor) == (True, Decimal(9_500), Decimal(9_500))
        assert (first.broker, first.trading_state, first.cause) == ("demo", "active", None)
        assert first.every_s == EVERY_S
        assert first.next_reset is not None
        assert first.next_reset - first.time == pytest.approx(3600, abs=2)
        assert {name: getattr(first, name) for name in ("floor", "next_floor", "next_reset")} == (
            world.path.boards.risk.told("demo")
        )


async def test_what_changes_is_heard_at_once(autojump_clock: MockClock) -> None:
    """A halt with its cause, a cloud, a floor that moved; and what changes together is told together."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.3)
        before = len(ea.heard)
        await world.path.set_state("halted")
        await trio.sleep(0.01)
        assert len(ea.heard) == before + 1
        assert (ea.last.trading_state, ea.last.cause) == ("halted", "a test (by tester)")
        await world.path.set_state("active")
        await trio.sleep(0.01)
        assert (ea.last.trading_state, ea.last.cause) == ("active", None)
        opened = world.path.broker.inner.account
        before = len(ea.heard)
        opened.tick(Quote("EURUSD", 1.08, 1.0801, 3))
        for _ in range(3):
            world.guard.changed("demo")
        await trio.sleep(0.01)
        assert len(ea.heard) == before + 1


@pytest.mark.parametrize("how", ["hangs", "is down"])
async def test_without_a_governor_it_hears_nothing(
    how: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs, or has ended, is not vouched for: the bridge sees to its account. Back again, the beats go on."""
    async with open_world(sampling=False) as world:
        ea = world.come()
        await trio.sleep(20)
        assert trio.current_time() - ea.heard[-1][0] <= EVERY_S + 0.01, "a broker that is not read is no reason"
        began, alive = trio.current_time(), world.guard.governor
        if how == "hangs":
            monkeypatch.setattr("actors.governor.Governor._settle", _hang)
            world.path.nursery.start_soon(_halt, world.path)
        else:
            world.guard.governor = cast("Any", _Down())
        await trio.sleep(ALIVE_WITHIN_S + 5)
        assert ea.heard[-1][0] <= began + ALIVE_WITHIN_S + EVERY_S
        assert "the governor has not turned" in world.status["held"]
        if how == "hangs":
            return
        before, world.guard.governor = ea.last.seq, alive
        await trio.sleep(2.5 * EVERY_S)
        assert ea.heard[before][1].seq == before + 1
        assert world.status["held"] is None


async def _halt(path: CommandPath) -> None:
    with contextlib.suppress(ReplyLost):
        await path.set_state("halted")


async def _hang(*_: Any) -> None:
    await trio.sleep_forever()


class _Down:
    """A governor that does not run."""

    def tell_nowait(self, _message: object) -> None:
        raise NotDelivered("it does not run")


async def test_one_that_crashes_is_back_before_anybody_misses_it(autojump_clock: MockClock) -> None:
    """And floors are those of before."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(2.5)
        await world.path.crash("execution/governor")
        await trio.sleep(3)
        assert all(b - a <= EVERY_S + 0.01 for (a, _), (b, _) in pairwise(ea.heard))
        assert {(each.known, each.floor) for _, each in ea.heard} == {(True, Decimal(9_500))}


async def test_a_watch_that_fails_is_not_vouched_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The governor turns, and does not get round to looking at the account."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(2)
        monkeypatch.setattr("actors.watcher.Watcher.look", _fail)
        await trio.sleep(10)
        assert trio.current_time() - ea.heard[-1][0] > 10 - ALIVE_WITHIN_S - 2 * EVERY_S
        assert world.status["held"] == "the governor does not look at the account, though it is read"
        assert trio.current_time() - world.path.boards.term.turned_at < 2


def _fail(*_: Any, **__: Any) -> Any:
    raise ValueError("a bug")


async def test_what_is_not_known_is_never_none(autojump_clock: MockClock) -> None:
    """An account with a past and no baseline has a floor that nobody knows; the day's alone would not be all of it."""
    async with open_world(balance=10_300) as world:
        ea = world.come()
        await trio.sleep(1.5)
        assert {(each.known, each.floor, each.next_floor, each.next_reset) for _, each in ea.heard} == {
            (False, None, None, None)
        }
        assert world.path.boards.risk.told("demo")["floor"] == 9_000, "that of the whole loss is known"


async def test_before_the_governor_has_seen_the_account(autojump_clock: MockClock) -> None:
    """A new process: halted, and no floor is told as if there were none."""
    journal = InlineJournal()
    async with open_world(journal=journal, sampling=False) as world:
        world.path.boards.risk._by_broker.clear()
        world.path.boards.links.of("demo").sample = None
        ea = world.come()
        await trio.sleep(0.01)
        assert (ea.last.known, ea.last.floor) == (False, None)
        await world.path.sample()
        await trio.sleep(EVERY_S + 0.01)
        assert (ea.last.known, ea.last.floor) == (True, Decimal(9_500))


async def test_a_reset_that_was_not_seen(autojump_clock: MockClock) -> None:
    """Yesterday's floor is not told as today's; it is known again with the first look of the new day."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(1)
        world.path.sampling = False
        await trio.sleep(3600)
        assert ea.last.known is False
        assert ea.last.time > ea.heard[0][1].next_reset
        world.path.sampling = True
        await trio.sleep(3)
        assert (ea.last.known, ea.last.floor) == (True, Decimal(9_500))
        assert ea.last.next_reset > ea.last.time


async def test_floors_of_another_account_are_not_its_own(autojump_clock: MockClock) -> None:
    """A terminal that logs in elsewhere hears none until that account was looked at."""
    async with open_world() as world:
        ea = world.come(Ea(account=2))
        await trio.sleep(1.5)
        assert not any(each.known for _, each in ea.heard)


@pytest.mark.parametrize("policy", [Policy(max_open_positions=10), attrs.evolve(FTMO, observe_only=True)])
async def test_none_is_none_where_nothing_is_done_for_one(policy: Policy, autojump_clock: MockClock) -> None:
    """No rule sets one, or limits only observe; halts are told all the same."""
    assert policy.rules == Rules() or policy.observe_only
    async with open_world(policy) as world:
        ea = world.come()
        await world.path.set_state("halted")
        await trio.sleep(1.5)
        assert {(each.known, each.floor, each.next_reset) for _, each in ea.heard} == {(True, None, None)}
        assert ea.last.trading_state == "halted"


async def test_what_it_says_is_seen(autojump_clock: MockClock) -> None:
    """How far it has come, and what it does; what it did by itself is told to people, once."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        for state, seq in (("flat", 0), ("flat", 0), ("watching", 1), ("watching", 1)):
            world.guard.said("demo", ea, ea.said(state, seq))
        assert world.status == {
            "seq": 1,
            "sent": 1,
            "acknowledged": 1,
            "state": "watching",
            "age_s": 0.0,
            "faults": 0,
            "held": None,
        }
        assert world.events() == [(None, "flat"), ("flat", "watching")]
        await trio.sleep(3)
        assert world.status["age_s"] == 3.0
        again = world.come(Ea(proof="q" * 22))
        await trio.sleep(0.1)
        assert (again.last.seq, world.status["seq"], world.status["acknowledged"]) == (1, 1, 0)
        assert world.status["sent"] > 1
        world.guard.said("demo", again, again.said("watching"))
        assert len(world.events()) == 2


async def test_a_state_that_flaps_does_not_fill_the_journal(autojump_clock: MockClock) -> None:
    """Each is written down once in ten seconds."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        for _ in range(100):
            for state in ("cut_off", "flattening", "flat", "watching"):
                world.guard.said("demo", ea, ea.said(state))
        assert len(world.events()) == 4
        await trio.sleep(CHANGES_EVERY_S)
        world.guard.said("demo", ea, ea.said("cut_off"))
        assert len(world.events()) == 5


async def test_what_is_no_word_of_its_own_counts_for_nothing(autojump_clock: MockClock) -> None:
    """A number that was never sent, another session, another bridge, no message at all."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        for body in (ea.said("flat", 99), ea.said("flat", session="x" + ea.proof), b'{"type":"guarded"}', b"\xff"):
            world.guard.said("demo", ea, body)
        world.guard.said("demo", Ea(), ea.said("flat"))
        world.guard.said("other", ea, ea.said("flat"))
        assert (world.status["faults"], world.status["state"], world.status["acknowledged"]) == (4, None, 0)
        assert world.events() == []


async def test_who_does_not_answer_is_told_of(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """After ten seconds, and once a minute; one that answers is not."""
    async with open_world() as world:
        ea = world.come()
        for _ in range(20):
            await trio.sleep(1)
            world.guard.said("demo", ea, ea.said("watching", ea.last.seq - 1))
        assert _late(caplog) == 0
        await trio.sleep(LATE_AFTER_S - 1.5)
        assert _late(caplog) == 0
        await trio.sleep(30)
        assert _late(caplog) == 1
        assert world.status["seq"] - world.status["acknowledged"] > LATE_AFTER_S


def _late(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.msg.startswith("late.guard") for record in caplog.records)


async def test_who_has_gone_or_wants_none_is_told_nothing(autojump_clock: MockClock) -> None:
    """And a bridge without a guard that takes the place ends it."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        ea.deaf = True
        await trio.sleep(3)
        assert (len(ea.heard), world.status["seq"]) == (1, 1)
        other = world.come(wanted=False)
        await trio.sleep(3)
        assert other.heard == []
        assert world.guard.status("demo") is None


@pytest.mark.parametrize("error", [NetError("no memory"), TypeError("a bug")])
async def test_what_can_t_be_sent_leaves_no_gap(error: Exception, autojump_clock: MockClock) -> None:
    """And ends nobody else's beats."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        ea.breaks = error
        await trio.sleep(3)
        assert world.status["held"] is not None
        ea.breaks = None
        await trio.sleep(2)
        assert [each.seq for _, each in ea.heard] == list(range(1, len(ea.heard) + 1))
        assert world.status["held"] is None


async def test_hello_again_goes_on_in_the_session(autojump_clock: MockClock) -> None:
    """It is told at once, with the next number."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.3)
        world.come(ea)
        await trio.sleep(0.01)
        assert [each.seq for _, each in ea.heard] == [1, 2]


async def test_a_degraded_account_is_told_as_everywhere(autojump_clock: MockClock) -> None:
    """By the clouds of `halts`, with the cause."""
    async with open_world() as world:
        ea = world.come()
        await trio.sleep(0.1)
        boards = world.path.boards
        cloud = partial(boards.halts.cloud, "demo", "degraded")
        shown = attrs.evolve(boards.halts.read("demo"), state=TradingState.REDUCE_ONLY, cause="x" * 1000)
        cloud(shown)
        await trio.sleep(0.01)
        assert (ea.last.trading_state, ea.last.cause) == ("reduce_only", "x" * 400)
        cloud(None)
        await trio.sleep(0.01)
        assert (ea.last.trading_state, ea.last.cause) == ("active", None)
