"""What decisions are made from: promises, other accounts of a group, rates, deals, the calendar, over restarts too."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import (
    InlineJournal,
    closing,
    make_broker,
    open_command_path,
    opening,
    order,
)
from prop_account import FTMO, at
from trio.testing import MockClock

from actors.messages import AccountSampled
from quantmind.domain.accounts import Position
from quantmind.domain.orders import Side
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import Policy
from quantmind.domain.risk.news import Calendar, Impact, NewsEvent
from quantmind.domain.risk.policy import Exposure, Margin, News, Rules
from quantmind.domain.symbols import usual_spec

POSITION = Position(
    ticket=5,
    symbol="EURUSD",
    side=Side.BUY,
    volume=Decimal(1),
    price_open=Decimal("1.08"),
    price_current=Decimal("1.08"),
    profit=Decimal(0),
    time_msc=0,
)


def rules(reply: dict[str, Any]) -> list[str]:
    return [item["rule"] for item in reply["reasons"]]


async def test_promises_hold_what_they_may_lose(autojump_clock: MockClock) -> None:
    """Approvals that nobody has used yet leave less room, and give it back when they end."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        assert (await path.ask(opening("a", volume=2, sl=1.0831)))["approved"] is True
        reply = await path.ask(opening("b", volume=1, sl=1.0831))
        assert (reply["approved"], reply["max_volume"]) == (False, 0.5)
        await trio.sleep(8)
        assert (await path.ask(opening("c", volume=1, sl=1.0831)))["approved"] is True


async def test_promises_hold_over_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A promise and an order whose outcome is unknown leave as much room after a restart as before it."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.ask(opening("a", volume=1, sl=1.0831, magic=1))
        broker.inner.faults.place_unknown, broker.inner.faults.find_blind = "lost", True
        unknown = {**order(path.clock, "b", volume=1, sl=1.0831, magic=2), "ea_name": "beta"}
        assert (await path.ask(unknown))["status"] == "unknown"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
        reply = await path.ask(opening("c", volume=1, sl=1.0831, magic=3))
        (reason,) = [item for item in reply["reasons"] if item["rule"] == "daily_loss"]
        assert (reason["value"], reason["limit"]) == (9_400, 9_500)


async def test_a_stop_that_is_moved_away_is_a_promise(autojump_clock: MockClock) -> None:
    """Two changes at the same time share the room; one that nobody can weigh is refused."""
    async with open_command_path(policy=FTMO, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        tickets = [(await path.ask(order(path.clock, f"p{n}", volume=1, sl=1.0841)))["ticket"] for n in range(2)]
        await path.sample()
        change = {"type": "trade_modify", "ea_name": "alpha", "magic": 7, "new_sl": 1.0821}
        first = await path.ask({**change, "ticket": tickets[0], "request_id": "m0"})
        second = await path.ask({**change, "ticket": tickets[1], "request_id": "m1"})
        assert (first["approved"], second["approved"]) == (True, False)
        assert rules(second) == ["daily_loss"]
        assert (await path.ask({**change, "ticket": tickets[1], "new_sl": 1.0845}))["approved"] is True, "nearer"
        assert (await path.ask({**change, "ticket": 99}))["code"] == "unknown_ticket"
        close = {k: v for k, v in closing(path.clock, 99, "c").items() if k not in ("execute", "token")}
        assert (await path.ask(close))["approved"] is True, "it can only take away"


async def test_a_stop_that_may_be_moved_away_is_one_over_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The EA may still move the stop that it was allowed to: until its approval is over, nobody else has the room."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    change = {"type": "trade_modify", "ea_name": "alpha", "magic": 7, "new_sl": 1.0821}
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        tickets = [(await path.ask(order(path.clock, f"p{n}", volume=1, sl=1.0841)))["ticket"] for n in range(2)]
        await path.sample()
        assert (await path.ask({**change, "ticket": tickets[0], "request_id": "m0"}))["approved"] is True
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
        second = await path.ask({**change, "ticket": tickets[1], "request_id": "m1"})
        assert (second["approved"], rules(second)) == (False, ["daily_loss"])


async def test_other_accounts_of_the_group_count(autojump_clock: MockClock) -> None:
    """Net exposure of a currency is that of all accounts of a group, each in this account's currency."""
    limit = Exposure(currency_percent=Decimal(100))
    policy = Policy(max_volume=Decimal(100), max_open_positions=100, group="all", rules=Rules(exposure=limit))
    async with open_command_path(policy=policy, broker=make_broker(balance=100_000), brokers=("demo", "other")) as path:
        path.boards.catalog.set("other", [usual_spec("GBPUSD"), usual_spec("EURUSD")])
        reply = await path.ask(opening("a", volume=3, broker="demo"))
        assert rules(reply) == ["exposure"], "the other account has not been read"
        sample = attrs.evolve(await path.broker.inner.sample(), broker="other")
        held = attrs.evolve(
            sample,
            account=attrs.evolve(sample.account, equity=Decimal(100_000)),
            positions=[attrs.evolve(POSITION, volume=Decimal("0.5"))],
        )
        path.governor.tell_nowait(AccountSampled(held))
        await trio.sleep(0.01)
        reply = await path.ask(opening("b", volume=3, broker="demo"))
        assert "other: EURUSD has no rate" in reply["reasons"][0]["message"]
        path.boards.prices.confirm("other", [Quote("EURUSD", 1.0850, 1.0851, 1)], trio.current_time())
        path.governor.tell_nowait(AccountSampled(attrs.evolve(held, taken_at=trio.current_time())))
        await trio.sleep(0.01)
        # 200,000 together, of which half a lot of EURUSD at 1.08505 uses 54,252.50: 145,747.50 is 1.34 lots.
        reply = await path.ask(opening("c", volume=3, broker="demo"))
        assert (rules(reply), reply["max_volume"]) == (["exposure"], 1.34)


async def test_margin_of_promises_counts(autojump_clock: MockClock) -> None:
    """What is promised takes its margin, too."""
    policy = Policy(
        max_volume=Decimal(100), max_open_positions=100, rules=Rules(margin=Margin(free_percent=Decimal(50)))
    )
    async with open_command_path(policy=policy, broker=make_broker(balance=10_000)) as path:
        # A lot of EURUSD takes about 1,085 at 1:100; 5,000 may be used.
        assert (await path.ask(opening("a", volume=4)))["approved"] is True
        reply = await path.ask(opening("b", volume=4))
        assert (reply["approved"], rules(reply), reply["max_volume"]) == (False, ["margin"], 0.6)


async def test_orders_of_a_minute_are_counted_over_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A restart does not let more orders pass than the minute may have."""
    policy = Policy(max_volume=Decimal(100), max_open_positions=100, rules=Rules(max_orders_per_minute=3))
    broker, file = make_broker(), tmp_path / "j.sqlite3"
    clock = at(-7200)
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        assert (await path.ask(opening("a")))["approved"] is True
        assert (await path.ask(order(path.clock, "b")))["status"] == "success"
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        assert (await path.ask(opening("c")))["approved"] is True
        assert rules(await path.ask(opening("d"))) == ["max_orders_per_minute"]
        await trio.sleep(61)
        assert (await path.ask(opening("e")))["approved"] is True


async def test_trades_of_a_day_are_the_brokers_deals(autojump_clock: MockClock) -> None:
    """What was opened since midnight counts, by whomever, and midnight ends the count."""
    policy = attrs.evolve(FTMO, rules=Rules(max_trades_per_day=2))
    async with open_command_path(policy=policy, broker=make_broker(), clock=at(-20)) as path:
        for number in range(2):
            await path.tick("EURUSD", 1.0850, 1.0851)
            assert (await path.ask(order(path.clock, f"p{number}")))["status"] == "success"
        await path.sample()
        assert rules(await path.ask(opening())) == ["max_trades_per_day"]
        await trio.sleep(25)
        assert (await path.ask(opening()))["approved"] is True


@pytest.mark.parametrize("known", [True, False])
async def test_news(known: bool, autojump_clock: MockClock) -> None:
    """An event of one of the symbol's currencies refuses, one of others does not; without a calendar nothing passes."""
    clock = at(-7200)
    policy = Policy(rules=Rules(news=News()))
    async with open_command_path(policy=policy, clock=clock) as path:
        path.boards.news.file = "calendar.csv"
        if known:
            event = NewsEvent(clock.now() + 60, "GBP", Impact.HIGH, "Bank Rate")
            path.boards.news.set(Calendar((event,), refreshed_at=clock.now()))
        assert (await path.ask(opening()))["approved"] is known
        assert rules(await path.ask(opening(symbol="GBPUSD"))) == ["news"]
