"""An account's day: its baseline is taken once, outlives restarts, and where it is not known nothing is opened."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import CommandPath, InlineJournal, make_broker, open_command_path, opening, order
from prop_account import FTMO, PRAGUE, at, floor
from trio.testing import MockClock

from actors.messages import SupplyBaseline
from quantmind.domain.orders import Close, Origin, Placed
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.policy import Base, DailyLoss, MaxLoss, Rules, Trailing


def close(broker: Any, ticket: int) -> None:
    """By hand, at the broker."""
    done = broker.inner.account.close(Close(Origin("hand", 0), "demo", "EURUSD", ticket), "")
    assert isinstance(done, Placed), done


async def supply(path: CommandPath, **fields: Any) -> dict[str, Any]:
    given = {"equity": None, "highest_balance": None, "highest_equity": None, **fields}
    return await path.governor.ask(SupplyBaseline("demo", **given, reason="from the firm's page", by="owner"))


def why(reply: dict[str, Any]) -> list[str]:
    return [item["rule"] for item in reply["reasons"]]


async def test_a_new_account_begins_with_its_capital(autojump_clock: MockClock) -> None:
    """One that has its initial capital and nothing open stands at its beginning; the answer names all that counts."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-3600)) as path:
        assert floor(path) == Decimal(9_500)
        reply = await path.ask(opening(volume=5, sl=1.0831))
        (reason,) = [item for item in reply["reasons"] if item["rule"] == "daily_loss"]
        assert (reply["approved"], reason["value"], reason["limit"], reply["max_volume"]) == (False, 9_000, 9_500, 2.5)
        assert (await path.ask(opening("a", volume=2.5, sl=1.0831)))["approved"] is True
        assert (await path.ask(opening("b", volume=0.01, sl=1.0831)))["approved"] is False, "it is promised"


async def test_an_account_with_a_past_needs_its_baseline(autojump_clock: MockClock) -> None:
    """What the day began with is supplied once, by somebody who knows; until then nothing is opened."""
    broker = make_broker(balance=10_300)
    async with open_command_path(policy=FTMO, broker=broker, clock=at(-3600)) as path:
        reply = await path.ask(opening(sl=1.0831))
        assert (reply["approved"], why(reply)) == (False, ["baseline_known", "daily_loss"])
        assert "quantmind risk baseline" in reply["reasons"][0]["message"]
        assert (await supply(path, balance=Decimal(10_400)))["missing"] is None
        assert floor(path) == Decimal(9_900)
        await path.sample()
        assert (await path.ask(opening(sl=1.0831)))["approved"] is True
        again = await supply(path, balance=Decimal(1))
        assert again["code"] == "baseline_known"
        assert floor(path) == Decimal(9_900)


async def test_an_account_without_rules_that_look_back_misses_nothing(autojump_clock: MockClock) -> None:
    """Whoever supplies a baseline is not told to wait for one that is never begun."""
    async with open_command_path() as path:
        said = await supply(path, balance=Decimal(10_400))
        assert said["code"] == "baseline_known"
        assert "no rule of demo counts from what a day began with" in said["message"]


async def test_a_reset_takes_the_balance_once(autojump_clock: MockClock) -> None:
    """At midnight in Prague, not of the server; a clock that is set back over it takes it no second time."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FTMO, broker=broker, clock=at(-20)) as path:
        ticket = (await path.ask(order(path.clock, volume=1, sl=1.0810)))["ticket"]
        await path.tick("EURUSD", 1.0871, 1.0872)
        assert floor(path) == Decimal(9_500)
        close(broker, ticket)
        await trio.sleep(25)
        assert floor(path) == Decimal(9_700), "5 % of initial below 10,200, which 200 were made of"
        await path.ask(order(path.clock, "r2", volume=1, sl=1.0820))
        await path.tick("EURUSD", 1.0860, 1.0861)
        path.clock.shift -= 60
        await trio.sleep(90)
        assert floor(path) == Decimal(9_700)


async def test_what_is_legal_before_midnight_and_not_after(autojump_clock: MockClock) -> None:
    """A profit of the day lifts the next floor: risk that today allows is refused as long as it would outlive today."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FTMO, broker=broker, clock=at(-60)) as path:
        ticket = (await path.ask(order(path.clock, volume=4, sl=1.0840)))["ticket"]
        await path.tick("EURUSD", 1.0951, 1.0952)
        close(broker, ticket)
        await path.sample()
        # 14,000 by now: today's floor is 9,500, tomorrow's 13,500.
        reply = await path.ask(opening(volume=1, sl=1.0852))
        (reason,) = [item for item in reply["reasons"] if item["rule"] == "daily_loss"]
        assert (reply["approved"], reason["limit"], reply["max_volume"]) == (False, 13_500, 0.5)
        assert "next reset (00:00 Europe/Prague)" in reason["message"]


async def test_a_restart_restores_the_day(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The floor after a restart is the one before it, whatever the account has lost meanwhile."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.ask(order(path.clock, volume=1, sl=1.0820))
        await path.tick("EURUSD", 1.0815, 1.0816)
        assert broker.inner.account.balance < 9_800
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        assert floor(path) == Decimal(9_500)


@pytest.mark.parametrize("days", [1, 3])
@pytest.mark.parametrize("explained", [True, False])
async def test_down_over_resets(days: int, explained: bool, tmp_path: Path, autojump_clock: MockClock) -> None:
    """Deals that lead to the balance tell what it was at the reset; where they don't, somebody has to say it."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        ticket = (await path.ask(order(path.clock, volume=1, sl=1.0810)))["ticket"]
        await path.sample()
    broker.inner.account.tick(Quote("EURUSD", 1.0870, 1.0871, round(clock.now() * 1000) + 60_000))
    close(broker, ticket)
    if not explained:
        broker.inner.account._books.balance += Decimal("0.01")
    clock.shift += 7200 + (days - 1) * 86_400 + 3600
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await trio.sleep(1)
        status = path.boards.risk.read("demo")
        assert status is not None
        if explained:
            assert floor(path) == Decimal(9_690), "10,190 at the reset"
            assert status.book is not None
            assert status.book.baseline is not None
            assert status.book.baseline.source == "reckoned from the broker's deals"
        else:
            assert status.lacks == "what the account had when the day began"
            assert why(await path.ask(opening(sl=1.0831)))[0] == "baseline_known"


async def test_a_clock_that_jumps_takes_no_baseline(autojump_clock: MockClock) -> None:
    """A clock set forward over a reset can't tell what there was at it: nothing is opened until somebody says so."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        path.clock.shift += 10_000
        await path.sample()
        assert why(await path.ask(opening(sl=1.0831)))[0] == "baseline_known"
        assert (await supply(path, balance=Decimal(10_000)))["missing"] is None
        await path.sample()
        assert (await path.ask(opening(sl=1.0831)))["approved"] is True


async def test_trailing_floors_outlive_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The highest equity is on disk before it is too late, and a restart lowers no floor."""
    policy = attrs.evolve(
        FTMO, rules=Rules(max_loss=MaxLoss(amount=Decimal(500), trailing=Trailing.INTRADAY)), reset=PRAGUE
    )
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.ask(order(path.clock, volume=1, sl=1.0820))
        await path.tick("EURUSD", 1.0876, 1.0877)
        await path.tick("EURUSD", 1.0860, 1.0861)
        assert floor(path, "max_loss") == Decimal(9_750)
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        assert floor(path, "max_loss") == Decimal(9_750)


async def test_a_base_that_is_not_known_is_missing(autojump_clock: MockClock) -> None:
    """A firm that counts from equity needs the equity of the reset, too."""
    policy = attrs.evolve(FTMO, rules=Rules(daily_loss=DailyLoss(percent=Decimal(5), base=Base.MAX)))
    async with open_command_path(policy=policy, broker=make_broker(balance=10_300), clock=at(-3600)) as path:
        half = await supply(path, balance=Decimal(10_400))
        assert half["missing"] == "what equity the account had when the day began"
        assert (await supply(path, balance=Decimal(10_400), equity=Decimal(10_500)))["missing"] is None
        await path.sample()
        assert floor(path) == Decimal(10_000)


async def test_without_a_journal_a_new_day_is_not_believed(autojump_clock: MockClock) -> None:
    """A baseline counts when it is on disk; until then the account opens nothing."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-5)) as path:
        path.journal.write_fails = "disk full"
        await trio.sleep(10)
        reply = await path.ask(opening(sl=1.0831))
        assert reply["approved"] is False
        assert {"journal", "baseline_known"} <= set(why(reply))
        path.journal.write_fails = None
        await trio.sleep(2)
        assert (await path.ask(opening(sl=1.0831)))["approved"] is True
        assert floor(path) == Decimal(9_500)
