"""How what holds an account ends, and what must not keep it from becoming flat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from command_path import CommandPath, InlineJournal, make_broker, open_command_path, order
from prop_account import FTMO, PRAGUE, at
from trio.testing import MockClock

from quantmind.domain.orders import Cancel, Refused
from quantmind.domain.risk import Approved, EaLimits, Policy, TradingState
from quantmind.domain.risk.policy import DeadMan, Rules, Weekend
from quantmind.domain.router_state import KnownEa
from quantmind.records import Event, Setting


def events(path: CommandPath, *names: str) -> list[Event]:
    return [record for record in path.journal.appended if isinstance(record, Event) and record.name in names]


async def with_positions(path: CommandPath, *, waiting: bool = False) -> None:
    """A buy, and where it is wanted an order that waits."""
    assert (await path.ask(order(path.clock, "p", volume=0.1, sl=1.0830)))["status"] == "success"
    if waiting:
        placed = order(path.clock, "w", volume=0.1, order_type="limit", price=1.0700, sl=1.0690)
        assert (await path.ask(placed))["status"] == "success"
    await path.sample()


async def test_an_order_that_can_not_be_taken_back_holds_up_no_close(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker may refuse to cancel near to the price; the positions go all the same, and the order when it can."""
    async with open_command_path() as path:
        await with_positions(path, waiting=True)
        place, frozen = path.broker.inner.place, [True]

        async def refusing(approved: Approved, tag: str) -> Any:
            if isinstance(approved.proposal, Cancel) and frozen[0]:
                return Refused(10029, "order is frozen")
            return await place(approved, tag)

        monkeypatch.setattr(path.broker.inner, "place", refusing)
        await path.set_state("halted", flatten=True)
        await trio.sleep(5)
        account = path.broker.inner.account
        assert (len(account.positions()), len(account.orders())) == (0, 1)
        assert path.boards.risk.flattenings("demo")
        frozen[0] = False
        await trio.sleep(5)
        assert not account.orders()
        assert not path.boards.risk.flattenings("demo")


async def test_a_flattening_by_hand_is_told_from_its_beginning_to_its_end(autojump_clock: MockClock) -> None:
    """As one that a rule began."""
    async with open_command_path() as path:
        await with_positions(path)
        await path.set_state("halted", flatten=True)
        await trio.sleep(3)
        told = events(path, "flatten.begin", "flatten.done")
        assert [(event.name, event.broker, event.data["cause"]) for event in told] == [
            ("flatten.begin", "demo", "a test (by tester)"),
            ("flatten.done", "demo", "a test (by tester)"),
        ]


@pytest.mark.parametrize("rule", ["daily_loss", "max_loss"])
@pytest.mark.parametrize("seen", [True, False])
async def test_a_halt_by_a_rule_that_is_set_no_more_can_be_released(
    rule: str, seen: bool, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whoever took the rule out of the configuration is not held by it for ever, and not let go by that alone."""
    journal, clock = InlineJournal(), at(-20)
    if seen:  # the account's day is on record from when the rule was set
        earlier = InlineJournal(tmp_path / "j.sqlite3")
        broker = make_broker(balance=10_000)
        async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=earlier) as path:
            await path.sample()
        journal = InlineJournal(tmp_path / "j.sqlite3")
    held = {"state": "halted", "cause": f"{rule}: below the floor", "since": clock.now()}
    await journal.append([Setting(f"hold:demo:{rule}", held, clock.now())])
    async with open_command_path(policy=Policy(), clock=clock, journal=journal) as path:
        await trio.sleep(60)
        assert path.boards.halts.read("demo").state is TradingState.HALTED
        assert (await path.set_state("active"))["status"] == "success"
        assert path.boards.halts.read("demo").state is TradingState.ACTIVE


async def test_a_days_halt_of_a_rule_that_is_set_no_more_ends_at_the_reset(autojump_clock: MockClock) -> None:
    """There is no floor of it that could be broken then."""
    journal, clock = InlineJournal(), at(-20)
    held = {"state": "halted", "cause": "daily_loss: below the floor", "since": clock.now()}
    await journal.append([Setting("hold:demo:daily_loss", held, clock.now())])
    async with open_command_path(policy=Policy(reset=PRAGUE), clock=clock, journal=journal) as path:
        await trio.sleep(15)
        assert path.boards.halts.read("demo").state is TradingState.HALTED
        await trio.sleep(10)
        assert path.boards.halts.read("demo").state is TradingState.ACTIVE


async def test_an_ea_that_is_not_heard_again_after_a_restart_is_silent(autojump_clock: MockClock) -> None:
    """It died with the gateway or before: what it left open is closed, once its time is over."""
    clock = at(0)

    def limits(ea_name: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=DeadMan.FLATTEN) if ea_name == "alpha" else EaLimits()

    broker = make_broker()
    async with open_command_path(broker=broker, clock=clock) as path:
        await with_positions(path)
    async with open_command_path(broker=broker, clock=clock, ea_limits=limits) as path:
        now = clock.now()
        for name, magic in (("alpha", 7), ("alpha", 9), ("beta", 8)):
            path.boards.router.eas[name, magic] = KnownEa(name, magic, now - 900, now - 60, "EURUSD", "demo")
        await trio.sleep(25)
        assert len(broker.inner.account.positions()) == 1
        await trio.sleep(10)
        assert not broker.inner.account.positions()
        (silent,) = events(path, "ea.silent")  # of magic 9 nothing is open
        assert (silent.ea_name, silent.data["action"]) == ("alpha", "flatten")


async def test_a_release_takes_no_silent_eas_flattening_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cause stands: the EA is as silent as before. What was wanted of the whole account is taken back."""

    def limits(ea_name: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=DeadMan.FLATTEN)

    async with open_command_path(ea_limits=limits) as path:
        await path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7})
        await with_positions(path)
        path.broker.inner.faults.place_error = "no line"
        await trio.sleep(35)
        await path.set_state("halted", flatten=True)
        assert set(path.boards.risk.flattenings("demo")) == {"demo", "demo:7"}
        assert (await path.set_state("active"))["status"] == "success"
        assert set(path.boards.risk.flattenings("demo")) == {"demo:7"}
        path.broker.inner.faults.place_error = None
        await trio.sleep(10)
        assert not path.broker.inner.account.positions()


@pytest.mark.parametrize("observe_only", [False, True])
async def test_a_weekend_that_is_only_observed_closes_nothing(observe_only: bool, autojump_clock: MockClock) -> None:
    """Where limits refuse nothing, they close nothing either."""
    policy = Policy(
        max_open_positions=100, observe_only=observe_only, rules=Rules(weekend=Weekend(before_min=60, flatten=True))
    )
    friday = at(-2 * 3600 - 30)  # an hour and half a minute before 22:00 UTC
    async with open_command_path(policy=policy, clock=friday) as path:
        await with_positions(path)
        await trio.sleep(60)
        assert len(path.broker.inner.account.positions()) == int(observe_only)
