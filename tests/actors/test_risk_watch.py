"""Accounts are watched: warned of, halted, made flat, let go when it is over, and held while the cause stands."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import (
    CommandPath,
    InlineJournal,
    closing,
    make_broker,
    open_command_path,
    opening,
    order,
)
from prop_account import FTMO, at, floor
from trio.testing import MockClock

from quantmind.domain.orders import Modify, Open, Origin, Placed, Side
from quantmind.domain.risk import EaLimits, TradingState
from quantmind.domain.risk.policy import DeadMan, OnBreach
from quantmind.records import Event

FLATTEN = attrs.evolve(FTMO, on_breach=OnBreach.FLATTEN)


def events(path: CommandPath, *names: str) -> list[Event]:
    found = [record for record in path.journal.appended if isinstance(record, Event)]
    return [event for event in found if not names or event.name in names]


def state(path: CommandPath) -> str:
    return path.boards.halts.read("demo").state.value


def without_stop(path: CommandPath, ticket: int) -> None:
    """Somebody takes a stop away in the terminal: from now on it can get worse."""
    done = path.broker.inner.account.modify(Modify(Origin("hand", 0), "demo", ticket, new_sl=Decimal(0)), "")
    assert isinstance(done, Placed), done


async def with_loss(path: CommandPath, bid: float, **fields: Any) -> int:
    """A buy of 2 lots at 1.0851, and the price at `bid`: each 0.0010 below it are 200."""
    reply = await path.ask(order(path.clock, fields.pop("request_id", "p"), volume=2, sl=1.0830, **fields))
    ticket: int = reply["ticket"]
    without_stop(path, ticket)
    await path.tick("EURUSD", bid, bid + 0.0001)
    return ticket


async def test_warnings_come_once_a_day(autojump_clock: MockClock) -> None:
    """At 50, 80 and 95 % of a limit, once each, and not again when the price comes back and goes."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        await with_loss(path, 1.0838)  # 260 of 500
        for bid in (1.0850, 1.0838, 1.0830, 1.0838, 1.0827, 1.0830):
            await path.tick("EURUSD", bid, bid + 0.0001)
        told = [(event.data["rule"], event.data["level"]) for event in events(path, "limit.warning")]
        assert told == [("daily_loss", 50), ("daily_loss", 80), ("daily_loss", 95)]
        assert state(path) == "active"


async def test_a_broken_limit_halts(autojump_clock: MockClock) -> None:
    """Closes pass, opens don't; a release is refused as long as the cause stands, a day's loss until the reset."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-20)) as path:
        ticket = await with_loss(path, 1.0825)  # 520
        assert state(path) == "halted"
        assert [event.name for event in events(path, "limit.broken", "flatten.begin")] == ["limit.broken"]
        reply = await path.ask(opening(sl=1.0820))
        assert "trading_state" in [item["rule"] for item in reply["reasons"]]
        assert "daily_loss: equity 9480.00 is below the floor 9500.00" in reply["reasons"][0]["message"]
        refused = await path.set_state("active")
        assert (refused["code"], state(path)) == ("cause_stands", "halted")
        assert "ends at the next reset (00:00 Europe/Prague)" in refused["message"]
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        await trio.sleep(25)
        assert state(path) == "active", "a new day, whose floor holds"
        assert [event.name for event in events(path, "hold.over")] == ["hold.over"]
        assert floor(path) == Decimal(8_980)


async def test_a_halt_outlives_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Nobody gets out of a halt by starting the gateway again, on the day or, for the overall loss, ever."""
    broker, clock, file = make_broker(balance=10_000), at(-40), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        ticket = await with_loss(path, 1.0800)  # 1,020: both
        assert set(path.boards.halts.holds("demo")) == {"daily_loss", "max_loss"}
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        assert state(path) == "halted"
        path.prices["EURUSD"] = (1.0860, 1.0861)
        await path.tick("EURUSD", 1.0860, 1.0861)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert state(path) == "halted", "though it has come back"
        await trio.sleep(45)
        assert set(path.boards.halts.holds("demo")) == {"max_loss"}
        assert (await path.set_state("active"))["status"] == "success"
        assert state(path) == "active"


async def test_the_overall_loss_is_not_released_while_it_stands(autojump_clock: MockClock) -> None:
    """An operator can't release what is still broken."""
    policy = attrs.evolve(FTMO, rules=attrs.evolve(FTMO.rules, daily_loss=None))
    async with open_command_path(policy=policy, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        ticket = await with_loss(path, 1.0800)
        assert (await path.set_state("active"))["code"] == "cause_stands"
        await path.ask(closing(path.clock, ticket, "c"))
        await path.sample()
        assert (await path.set_state("active"))["code"] == "cause_stands"
        assert state(path) == "halted"


async def test_a_breach_makes_flat(autojump_clock: MockClock) -> None:
    """Hedged positions and waiting orders go, until nothing is left."""
    async with open_command_path(policy=FLATTEN, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        waiting = order(path.clock, "w", volume=0.1, order_type="limit", price=1.0700, sl=1.0690)
        assert (await path.ask(waiting))["status"] == "success"
        assert (await path.ask(order(path.clock, "h", volume=0.5, side="sell", sl=1.0860)))["status"] == "success"
        await with_loss(path, 1.0815)
        assert state(path) == "halted"
        await trio.sleep(5)
        account = path.broker.inner.account
        assert (list(account.positions()), list(account.orders())) == ([], [])
        assert not path.boards.risk.flattenings("demo")
        assert [event.name for event in events(path, "flatten.begin", "flatten.done")] == [
            "flatten.begin",
            "flatten.done",
        ]
        assert state(path) == "halted"
        assert not path.broker.tags_sent_twice


async def test_flattening_goes_on_over_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A kill in the middle: the next gateway closes what is left."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        for number in range(3):
            await path.ask(order(path.clock, f"p{number}", volume=0.1, sl=1.0830))
        await path.sample()
        broker.inner.faults.place_error = "no line"
        assert (await path.set_state("halted", flatten=True))["flatten"] is True
        await trio.sleep(3)
        assert len(broker.inner.account.positions()) == 3
    broker.inner.faults.place_error = None
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await trio.sleep(5)
        assert not broker.inner.account.positions()
        assert not path.boards.risk.flattenings("demo")


async def test_without_a_journal_a_breach_still_makes_flat(autojump_clock: MockClock) -> None:
    """A full disk holds up no halt and no close; both are kept aside."""
    async with open_command_path(policy=FLATTEN, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        await path.ask(order(path.clock, "p", volume=2, sl=1.0830))
        without_stop(path, path.broker.inner.account.positions()[0].ticket)
        path.journal.fails = "disk full"
        await path.tick("EURUSD", 1.0820, 1.0821)
        await trio.sleep(5)
        assert state(path) == "halted"
        assert not path.broker.inner.account.positions()
        keys = {record.key for record in path.journal.aside if hasattr(record, "key")}
        assert {"hold:demo:daily_loss", "flatten:demo"} <= keys
        path.journal.fails = None
        await trio.sleep(3)
        kept = {item.key: item.value for item in await path.journal.settings()}
        assert kept["hold:demo:daily_loss"]["state"] == "halted"
        assert "flatten:demo" not in kept


async def test_a_policy_that_is_observed_halts_nothing(autojump_clock: MockClock) -> None:
    """The event is recorded once, and orders pass with the reasons that would have refused them."""
    policy = attrs.evolve(FLATTEN, observe_only=True)
    async with open_command_path(policy=policy, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        await with_loss(path, 1.0820)
        await path.tick("EURUSD", 1.0819, 1.0820)
        assert state(path) == "active"
        assert [event.data["observed"] for event in events(path, "limit.broken")] == [True]
        reply = await path.ask(opening(volume=1, sl=1.0700))
        assert reply["approved"] is True
        assert "daily_loss" in [item["rule"] for item in reply["reasons"]]


@pytest.mark.parametrize("action", list(DeadMan))
async def test_an_ea_that_falls_silent(action: DeadMan, autojump_clock: MockClock) -> None:
    """Nothing, blocked, its orders taken back, or all of its magic closed; others are left alone; a beat frees it."""

    def limits(ea_name: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=action) if ea_name == "alpha" else EaLimits()

    beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
    async with open_command_path(ea_limits=limits) as path:
        await path.ask(beat)
        await path.ask(order(path.clock, "p", volume=0.1))
        waiting = order(path.clock, "w", volume=0.1, order_type="limit", price=1.0700)
        await path.ask(waiting)
        await path.ask({**order(path.clock, "o", volume=0.1), "ea_name": "beta", "magic": 8})
        await trio.sleep(29)
        assert (await path.ask(opening()))["approved"] is True
        await trio.sleep(4)
        account = path.broker.inner.account
        magics = sorted(position.magic for position in account.positions())
        assert magics == ([8] if action is DeadMan.FLATTEN else [7, 8])
        assert len(account.orders()) == (0 if action in (DeadMan.CANCEL, DeadMan.FLATTEN) else 1)
        assert len(events(path, "ea.silent")) == (action is not DeadMan.NONE)
        assert (await path.ask(opening()))["approved"] is (action is DeadMan.NONE)
        assert (await path.ask({**opening(magic=8), "ea_name": "beta"}))["approved"] is True
        await trio.sleep(5)  # what was promised of its magic is over, and nothing of it is left
        await path.ask(beat)
        assert (await path.ask(opening()))["approved"] is True


async def test_a_watch_that_breaks_lets_nothing_be_added(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in watching ends neither the governor nor closes, and refuses opens until it works."""
    from actors.watcher import Watcher

    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        ticket = (await path.ask(order(path.clock, "p", volume=0.1, sl=1.0830)))["ticket"]
        with monkeypatch.context() as patch:
            patch.setattr(Watcher, "look", lambda *_: 1 / 0)
            await path.sample()
            assert [item["rule"] for item in (await path.ask(opening(sl=1.0830)))["reasons"]] == ["watch"]
            assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        await path.sample()
        assert (await path.ask(opening(sl=1.0830)))["approved"] is True
        assert path.boards.halts.read("demo").state is TradingState.ACTIVE


async def test_what_is_opened_by_hand_after_a_breach_goes_too(autojump_clock: MockClock) -> None:
    """The account is held at flat as long as the limit holds it, not once."""
    async with open_command_path(policy=FLATTEN, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        await with_loss(path, 1.0820)
        await trio.sleep(5)
        account = path.broker.inner.account
        assert not account.positions()
        by_hand = Open(Origin("hand", 0), "demo", "EURUSD", Decimal("0.1"), Side.BUY)
        assert isinstance(account.open(by_hand, ""), Placed)
        assert len(account.positions()) == 1
        await trio.sleep(5)
        assert not account.positions()


async def test_a_change_of_a_stop_that_is_unknown_holds_room_over_a_restart(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A stop that may have been moved away counts as moved, until somebody knows."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        ticket = (await path.ask(order(path.clock, "p", volume=1, sl=1.0841)))["ticket"]
        await path.sample()
        broker.inner.faults.place_unknown, broker.inner.faults.find_blind = "lost", True
        change = {"type": "trade_modify", "ea_name": "alpha", "magic": 7, "ticket": ticket, "new_sl": 1.0811}
        asked = {**order(path.clock, "m"), **change}
        for name in ("symbol", "volume", "side"):
            asked.pop(name)
        assert (await path.ask(asked))["status"] == "unknown"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
        reply = await path.ask({**opening("o", volume=1, sl=1.0831), "ea_name": "beta", "magic": 8})
        assert (reply["approved"], reply["max_volume"]) == (False, 0.5)
