"""What must hold whatever changes around an account: its configuration, its clock, its journal, its governor."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from command_path import CommandPath, InlineJournal, closing, make_broker, open_command_path, opening, order
from prop_account import FTMO, at, floor
from trio.testing import MockClock

from actors.messages import SupplyBaseline
from actors.risk_board import Flattening
from actors.runtime import Crashed
from quantmind.domain.orders import Close, Open, Origin, Placed, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.risk import EaLimits, Policy, TradingState
from quantmind.domain.risk.policy import DeadMan, MaxLoss, OnBreach, Rules, Trailing
from quantmind.domain.risk.resets import Reset
from quantmind.records import Event, Setting

FLATTEN = attrs.evolve(FTMO, on_breach=OnBreach.FLATTEN)


def by_hand(broker: Any, lots: str = "0.1") -> int:
    """A buy in the terminal, without a stop; its ticket."""
    done = broker.inner.account.open(Open(Origin("hand", 0), "demo", "EURUSD", Decimal(lots), Side.BUY), "")
    assert isinstance(done, Placed), done
    return done.ticket


def close(broker: Any, ticket: int) -> None:
    done = broker.inner.account.close(Close(Origin("hand", 0), "demo", "EURUSD", ticket), "")
    assert isinstance(done, Placed), done


def price(broker: Any, clock: Any, bid: float) -> None:
    """A price while no gateway looks."""
    broker.inner.account.tick(Quote("EURUSD", bid, round(bid + 0.0001, 5), round(clock.now() * 1000)))


def why(reply: dict[str, Any]) -> list[str]:
    return [item["rule"] for item in reply["reasons"]]


def state(path: CommandPath) -> TradingState:
    return path.boards.halts.read("demo").state


# --- a new day -------------------------------------------------------------------------------------------------------


async def test_a_new_day_is_not_judged_by_yesterdays_floor(tmp_path: Path, autojump_clock: MockClock) -> None:
    """An account that is well by today's floor is neither halted nor closed since yesterday's was higher."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FLATTEN, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
    ticket = by_hand(broker, "2")
    price(broker, clock, 1.0831)  # 400 lost yesterday
    close(broker, ticket)
    clock.shift += 7200 + 3600
    by_hand(broker, "2")
    price(broker, clock, 1.0820)  # and 240 today: 9,360, where the floors are 9,500 and 9,100
    async with open_command_path(policy=FLATTEN, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        path.prices["EURUSD"] = (1.0820, 1.0821)
        await trio.sleep(10)
        assert floor(path) == Decimal(9_100)
        assert state(path) is TradingState.ACTIVE
        assert len(broker.inner.account.positions()) == 1


async def test_yesterdays_halt_closes_nothing_of_today(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A halt for a day's loss is over with its day, also for what was opened while the gateway was down."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FLATTEN, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        by_hand(broker, "2")
        await path.tick("EURUSD", 1.0825, 1.0826)
        await trio.sleep(5)
        assert not broker.inner.account.positions()
        assert set(path.boards.halts.holds("demo")) == {"daily_loss"}
    clock.shift += 7200 + 3600
    by_hand(broker, "0.1")
    async with open_command_path(policy=FLATTEN, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        path.prices["EURUSD"] = (1.0825, 1.0826)
        await trio.sleep(10)
        assert len(broker.inner.account.positions()) == 1
        assert state(path) is TradingState.ACTIVE


async def test_a_breach_of_todays_floor_is_seen_while_the_journal_is_down(autojump_clock: MockClock) -> None:
    """A baseline allows nothing before it is on disk, but what is below it is broken at once."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FLATTEN, broker=broker, clock=at(-20)) as path:
        ticket = by_hand(broker, "2")
        await path.tick("EURUSD", 1.0951, 1.0952)  # 2,000
        close(broker, ticket)
        await path.sample()
        path.journal.write_fails = "disk full"
        await trio.sleep(25)
        by_hand(broker, "2")
        await path.tick("EURUSD", 1.0920, 1.0921)  # 640 lost: 11,360 where today's floor is 11,500
        assert set(path.boards.halts.holds("demo")) == {"daily_loss"}


async def test_a_new_day_that_begins_broken_holds_the_account_all_day(autojump_clock: MockClock) -> None:
    """A halt of yesterday does not stand in for one of today: it would end when the price comes back."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FTMO, broker=broker, clock=at(-20)) as path:
        by_hand(broker, "2")
        await path.tick("EURUSD", 1.0820, 1.0821)
        assert state(path) is TradingState.HALTED
        await trio.sleep(60)
        assert state(path) is TradingState.HALTED, "still 620 below the balance at the reset"
        await path.tick("EURUSD", 1.0850, 1.0851)
        await trio.sleep(5)
        assert state(path) is TradingState.HALTED


async def test_a_floor_that_is_not_known_is_not_released(autojump_clock: MockClock) -> None:
    """Whether the cause stands can't be told, so it counts as standing."""
    policy = attrs.evolve(FTMO, rules=Rules(max_loss=MaxLoss(amount=Decimal(500), trailing=Trailing.INTRADAY)))
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=policy, broker=broker, clock=at(-4 * 3600)) as path:
        by_hand(broker, "2")
        await path.tick("EURUSD", 1.0820, 1.0821)
        assert state(path) is TradingState.HALTED
        path.sampling = False
        await trio.sleep(120)  # nobody looks
        path.sampling = True
        await trio.sleep(2)
        assert (await path.set_state("active"))["code"] == "cause_stands"
        assert state(path) is TradingState.HALTED


async def test_a_quick_restart_forgets_no_high_water_mark(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Whoever looked until a moment ago has seen the highest equity, though nothing has changed for minutes."""
    policy = attrs.evolve(FTMO, rules=Rules(max_loss=MaxLoss(amount=Decimal(500), trailing=Trailing.INTRADAY)))
    broker, clock, file = make_broker(balance=10_000), at(-4 * 3600), tmp_path / "j.sqlite3"
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        by_hand(broker, "1")
        await trio.sleep(250)
    async with open_command_path(policy=policy, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await trio.sleep(2)
        assert "baseline_known" not in why(await path.ask(opening(sl=1.0831)))


# --- another configuration -------------------------------------------------------------------------------------------


async def test_a_reset_at_another_hour_takes_no_later_balance(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What the account had at an hour that was no reset when it passed is not what it has now."""
    broker, clock, file = make_broker(balance=10_000), at(0.5 * 3600), tmp_path / "j.sqlite3"
    first = attrs.evolve(FTMO, reset=Reset(0, "Europe/Prague"))
    other = attrs.evolve(FTMO, reset=Reset(60, "Europe/Prague"))
    async with open_command_path(policy=first, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await trio.sleep(3600)  # 1:30
        ticket = by_hand(broker, "2")
        await path.tick("EURUSD", 1.0831, 1.0832)
        close(broker, ticket)  # 400 are lost after 1:00
        await path.sample()
    clock.shift += 300
    async with open_command_path(policy=other, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await trio.sleep(1)
        reply = await path.ask(opening(sl=1.0811))
        assert (reply["approved"], why(reply)[0]) == (False, "baseline_known")


@pytest.mark.parametrize("changed", [{"login": 2}, {"currency": "EUR"}])
async def test_another_account_has_no_baseline_of_this_one(
    changed: dict[str, Any], tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The second phase's account begins anew: the floor of the first one's day would be 400 too low."""
    clock, file = at(-7200), tmp_path / "j.sqlite3"
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
    other = make_broker(balance=10_400)
    terms = other.inner.account._books.terms
    other.inner.account._books.terms = attrs.evolve(terms, **changed)
    async with open_command_path(policy=FTMO, broker=other, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
        reply = await path.ask(opening(sl=1.0831))
        assert (reply["approved"], why(reply)[0]) == (False, "baseline_known")


# --- a clock that moves ----------------------------------------------------------------------------------------------


async def test_what_was_slept_through_is_no_high_water_mark(autojump_clock: MockClock) -> None:
    """A machine that slept with something open saw no highest equity: the trailing floor is not known any more."""
    policy = attrs.evolve(FTMO, rules=Rules(max_loss=MaxLoss(amount=Decimal(500), trailing=Trailing.INTRADAY)))
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=policy, broker=broker, clock=at(-4 * 3600)) as path:
        by_hand(broker, "1")
        await path.sample()
        path.clock.shift += 7200  # Trio's clock stands still while the machine sleeps
        await path.sample()
        await trio.sleep(1)
        reply = await path.ask(opening(sl=1.0831))
        assert (reply["approved"], why(reply)[0]) == (False, "baseline_known")


async def test_a_reset_that_comes_a_second_time_lowers_no_floor(autojump_clock: MockClock) -> None:
    """A clock that was forward for a moment has not been at midnight: what there is then counts where it is more."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FTMO, broker=broker, clock=at(-120)) as path:
        path.clock.shift += 300
        await path.sample()
        path.clock.shift -= 300
        await path.sample()
        said = SupplyBaseline("demo", Decimal(10_000), None, None, None, "today's", "owner")
        assert (await path.governor.ask(said))["missing"] is None
        ticket = by_hand(broker, "2")
        await path.tick("EURUSD", 1.0871, 1.0872)  # 400
        close(broker, ticket)
        await path.sample()
        assert floor(path) == Decimal(9_500)
        await trio.sleep(150)
        assert floor(path) == Decimal(9_900)


async def test_a_reset_that_comes_again_while_nobody_looks(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Then what the day began with is not known."""
    broker, clock, file = make_broker(balance=10_000), at(-120), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        await path.sample()
        clock.shift += 300
        await path.sample()
        clock.shift -= 300
        await path.sample()
        said = SupplyBaseline("demo", Decimal(10_000), None, None, None, "today's", "owner")
        assert (await path.governor.ask(said))["missing"] is None
        path.sampling = False
        await trio.sleep(600)
        path.sampling = True
        await trio.sleep(2)
        assert why(await path.ask(opening(sl=1.0831)))[0] == "baseline_known"


@pytest.mark.parametrize("jump", [3600, -3600])
async def test_a_clock_that_is_set_makes_no_ea_silent(jump: int, autojump_clock: MockClock) -> None:
    """Silence is counted by a clock that nobody sets: none is closed for it too early, and none is forgotten."""

    def limits(_: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=DeadMan.FLATTEN)

    async with open_command_path(ea_limits=limits) as path:
        await path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7})
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        path.clock.shift += jump
        await trio.sleep(20)
        assert (await path.ask(opening()))["approved"] is True
        assert len(path.broker.inner.account.positions()) == 1
        await trio.sleep(20)
        assert (await path.ask(opening()))["approved"] is False
        assert not path.broker.inner.account.positions()


async def test_an_ea_that_is_new_has_its_time_to_beat(autojump_clock: MockClock) -> None:
    """One whose first message is no heartbeat is not silent since the gateway began."""

    def limits(_: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=DeadMan.FLATTEN)

    async with open_command_path(ea_limits=limits) as path:
        done = path.broker.inner.account.open(Open(Origin("alpha", 7), "demo", "EURUSD", Decimal(1), Side.BUY), "")
        assert isinstance(done, Placed)
        await trio.sleep(600)
        assert (await path.ask(opening()))["approved"] is True
        await trio.sleep(20)
        assert len(path.broker.inner.account.positions()) == 1
        await trio.sleep(20)
        assert not path.broker.inner.account.positions()


@pytest.mark.parametrize("jump", [3600, -3600])
async def test_a_clock_that_is_set_changes_no_minute(jump: int, autojump_clock: MockClock) -> None:
    """What was approved in the last minute counts for a minute, and no longer."""
    policy = Policy(max_open_positions=100, rules=Rules(max_orders_per_minute=2))
    async with open_command_path(policy=policy) as path:
        for number in range(2):
            assert (await path.ask(opening(f"a{number}", volume=0.01)))["approved"] is True
        path.clock.shift += jump
        assert why(await path.ask(opening("b", volume=0.01))) == ["max_orders_per_minute"]
        await trio.sleep(61)
        assert (await path.ask(opening("c", volume=0.01)))["approved"] is True


async def test_a_flattening_ends_though_the_clock_is_set_back(autojump_clock: MockClock) -> None:
    """Else it would close for an hour whatever is opened."""
    async with open_command_path() as path:
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        await path.set_state("halted", flatten=True)
        path.clock.shift -= 3600
        await trio.sleep(5)
        assert not path.broker.inner.account.positions()
        assert not path.boards.risk.flattenings("demo")


# --- a record that is poisoned, a journal that is down ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state:demo", {"state": "asleep", "cause": "?", "since": 0.0}),
        ("state:demo", {"state": "active"}),
        ("hold:demo:max_loss", {"state": "halted"}),
        ("multiplier:alpha", {"value": "NaN", "by": "?"}),
        ("multiplier:alpha", {"value": "much", "by": "?"}),
        ("flatten:demo", {"broker": "demo"}),
    ],
)
async def test_a_setting_that_is_not_understood_only_tightens(
    key: str, value: dict[str, Any], autojump_clock: MockClock
) -> None:
    """The governor runs, since closes need it; what can't be read counts as the strictest that it could say."""
    journal = InlineJournal()
    await journal.append([Setting(key, value, 1.0)])
    async with open_command_path(journal=journal) as path:
        await path.sample()
        reply = await path.ask(opening())
        assert reply["approved"] is key.startswith("flatten:")
        assert not [event for event in path.events if isinstance(event, Crashed)]


async def test_a_promise_that_is_not_understood_ends_no_governor(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is opened, since nobody knows what is promised; what is open can be closed."""
    journal = InlineJournal()
    async with open_command_path(journal=journal) as path:
        ticket = (await path.ask(order(path.clock, "p", volume=0.1)))["ticket"]
        assert (await path.ask(opening("a")))["approved"] is True
        read = InlineJournal.open_reservations

        async def poisoned(journal: InlineJournal) -> Any:
            return [attrs.evolve(item, reservation={"side": "up", "volume": "1"}) for item in await read(journal)]

        monkeypatch.setattr(InlineJournal, "open_reservations", poisoned)
        await path.crash("execution/governor")
        await path.sample()
        assert why(await path.ask(opening("b", magic=9)))[0] == "journal"
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert len([event for event in path.events if isinstance(event, Crashed)]) == 1


async def test_a_new_governor_watches_while_the_record_can_not_be_read(autojump_clock: MockClock) -> None:
    """The boards outlive it, and with them what the day is counted from: a breach is held and closed all the same."""
    broker = make_broker(balance=10_000)
    async with open_command_path(policy=FLATTEN, broker=broker, clock=at(-7200)) as path:
        by_hand(broker, "2")
        await path.sample()
        path.journal.fails = "disk gone"
        await path.crash("execution/governor")
        await path.tick("EURUSD", 1.0820, 1.0821)
        await trio.sleep(10)
        assert set(path.boards.halts.holds("demo")) == {"daily_loss"}
        assert not broker.inner.account.positions()


async def test_what_only_the_boards_hold_is_written_by_the_next_governor(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A hold that neither journal nor emergency file could take outlives its governor, and then the process."""
    broker, clock, file = make_broker(balance=10_000), at(-7200), tmp_path / "j.sqlite3"
    async with open_command_path(policy=FTMO, broker=broker, clock=clock, journal=InlineJournal(file)) as path:
        ticket = by_hand(broker, "2")
        await path.sample()
        path.journal.write_fails = path.journal.aside_fails = "disk full"
        await path.tick("EURUSD", 1.0820, 1.0821)
        await path.ask({"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5, "request_id": "m"})
        await path.crash("execution/governor")
        path.journal.write_fails = path.journal.aside_fails = None
        await path.tick("EURUSD", 1.0851, 1.0852)
        close(broker, ticket)
        await trio.sleep(2)
        kept = {item.key: item.value for item in await path.journal.settings()}
        assert kept["hold:demo:daily_loss"]["state"] == "halted"
        assert kept["multiplier:alpha"]["value"] == "0.5"


async def test_a_flattening_that_is_over_does_not_fill_the_emergency_file(autojump_clock: MockClock) -> None:
    """Its end waits for the journal; the room that is left is for orders that go out without one."""
    async with open_command_path() as path:
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        path.journal.write_fails = "disk full"
        await path.set_state("halted", flatten=True)
        await trio.sleep(5)
        assert not path.broker.inner.account.positions()
        before = len(path.journal.aside)
        await trio.sleep(60)
        assert len(path.journal.aside) <= before
        path.journal.write_fails = None
        await trio.sleep(2)
        assert not path.boards.risk.flattenings("demo")
        done = [item for item in path.journal.appended if isinstance(item, Event) and item.name == "flatten.done"]
        assert len(done) == 1


async def test_a_price_that_is_no_number_ends_no_governor(autojump_clock: MockClock) -> None:
    """Where limits only observe an order passes though nobody can say what it risks, and others after it."""
    policy = attrs.evolve(FTMO, observe_only=True)
    async with open_command_path(policy=policy, broker=make_broker(balance=10_000), clock=at(-7200)) as path:
        path.prices["EURUSD"] = (float("nan"), float("nan"))
        path.confirm_prices()
        await path.ask(opening("a", sl=1.0831))
        await path.ask(opening("b", sl=1.0831))
        assert not [event for event in path.events if isinstance(event, Crashed)]


async def test_what_is_said_again_is_kept_aside_once(autojump_clock: MockClock) -> None:
    """An EA that tells its multiplier each second leaves room for orders; what is tightened further is kept, too."""
    update = {"type": "risk_update", "ea_name": "alpha"}
    async with open_command_path() as path:
        path.journal.write_fails = "disk full"
        for _ in range(20):
            assert (await path.ask({**update, "risk_multiplier": 0.5}))["status"] == "success"
        assert [record.value["value"] for record in path.journal.aside] == ["0.5"]
        assert (await path.ask({**update, "risk_multiplier": 0.4}))["status"] == "success"
        path.journal.write_fails = None
        assert (await path.ask({**update, "risk_multiplier": 0.4}))["status"] == "success"
        path.journal.write_fails = "disk full"
        assert (await path.ask({**update, "risk_multiplier": 0.4}))["status"] == "success"
        assert (await path.ask({**update, "risk_multiplier": 0.2}))["status"] == "success"
        kept = {item.key: item.value for item in await path.journal.settings()}
        assert kept["multiplier:alpha"]["value"] == "0.2"


# --- what is being closed --------------------------------------------------------------------------------------------


async def test_nothing_is_added_to_what_is_being_closed(autojump_clock: MockClock) -> None:
    """An EA that is back opens what would be closed again at once, for the spread, until its magic is flat."""

    def limits(_: str) -> EaLimits:
        return EaLimits(dead_man_s=30.0, on_dead_man=DeadMan.FLATTEN)

    beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
    async with open_command_path(ea_limits=limits) as path:
        await path.ask(beat)
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        path.boards.links.of("demo").breaker.most = 1000  # it would keep back everything
        path.broker.inner.faults.place_error = "no line"
        await trio.sleep(40)
        await path.ask(beat)
        reply = await path.ask(opening("o"))
        assert (reply["approved"], why(reply)) == (False, ["trading_state"])
        assert "EA alpha has been silent" in reply["reasons"][0]["message"]
        await path.ask({**beat, "ea_name": "beta", "magic": 8})
        assert (await path.ask({**opening("q", magic=8), "ea_name": "beta"}))["approved"] is True
        path.broker.inner.faults.place_error = None
        await trio.sleep(8)
        await path.ask(beat)
        assert (await path.ask(opening("r")))["approved"] is True


async def test_who_only_takes_orders_back_does_not_keep_another_from_closing(autojump_clock: MockClock) -> None:
    """Two EAs may have one magic: what has to go is what either of them wants."""

    def limits(ea_name: str) -> EaLimits:
        action = DeadMan.CANCEL if ea_name == "alpha" else DeadMan.FLATTEN
        return EaLimits(dead_man_s=30.0 if ea_name == "alpha" else 35.0, on_dead_man=action)

    async with open_command_path(ea_limits=limits) as path:
        for name in ("alpha", "beta"):
            await path.ask({"type": "heartbeat", "ea_name": name, "symbol": "EURUSD", "magic": 7})
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        waiting = order(path.clock, "w", volume=0.1, order_type="limit", price=1.0700)
        assert (await path.ask(waiting))["status"] == "success"
        path.broker.inner.faults.place_error = "no line"
        await trio.sleep(45)
        path.broker.inner.faults.place_error = None
        await trio.sleep(30)
        assert not path.broker.inner.account.orders()
        assert not path.broker.inner.account.positions()


async def test_what_can_not_be_closed_is_asked_for_less_and_less(autojump_clock: MockClock) -> None:
    """A market that is closed for a weekend is not asked each second: firms count requests, and each is on record."""
    async with open_command_path() as path:
        assert (await path.ask(order(path.clock, "p", volume=0.1)))["status"] == "success"
        path.broker.inner.faults.place_error = "market closed"
        path.broker.sent.clear()
        await path.set_state("halted", flatten=True)
        await trio.sleep(10)
        assert len(path.broker.sent) >= 6
        await trio.sleep(590)
        assert len(path.broker.sent) <= 40
        path.broker.inner.faults.place_error = None
        await trio.sleep(35)
        assert not path.broker.inner.account.positions()


# --- what is counted -------------------------------------------------------------------------------------------------


async def test_a_trade_counts_before_its_deal_is_read(autojump_clock: MockClock) -> None:
    """The broker's deals come later than what was executed: meanwhile the position itself tells."""
    policy = attrs.evolve(FTMO, rules=Rules(max_trades_per_day=1))
    async with open_command_path(policy=policy, broker=make_broker()) as path:
        assert (await path.ask(order(path.clock, "a", volume=0.1)))["status"] == "success"
        assert why(await path.ask(order(path.clock, "b", volume=0.1))) == ["max_trades_per_day"]
        await path.sample()
        assert why(await path.ask(order(path.clock, "c", volume=0.1))) == ["max_trades_per_day"]
        assert path.broker.opened == 1


# --- an account that is released meanwhile ---------------------------------------------------------------------------


async def test_a_release_ends_a_flattening_behind_another_one(autojump_clock: MockClock) -> None:
    """What has not been asked for yet is not asked for any more when nobody wants it."""
    async with open_command_path() as path:
        for name, magic in (("alpha", 7), ("beta", 8)):
            placed = {**order(path.clock, name, volume=0.1, magic=magic), "ea_name": name}
            assert (await path.ask(placed))["status"] == "success"
        await path.sample()
        held = trio.Event()

        async def slow() -> None:
            await held.wait()

        path.broker.before = slow
        path.boards.risk.flattening("demo:7", Flattening("demo", "silent", path.clock.now(), magic=7))
        path.boards.risk.flattening("demo", Flattening("demo", "all", path.clock.now()))
        await trio.sleep(1)  # the first is with its broker
        assert (await path.set_state("active"))["status"] == "success"
        held.set()
        await trio.sleep(5)
        assert [item.magic for item in path.broker.inner.account.positions()] == [8]


async def test_a_release_ends_a_flattening_in_the_middle(autojump_clock: MockClock) -> None:
    """What is not with the broker yet stays, however much there was to close."""
    async with open_command_path() as path:
        for _ in range(20):
            by_hand(path.broker)
        await path.sample()

        async def slow() -> None:
            await trio.sleep(0.5)

        path.broker.before = slow
        await path.set_state("halted", flatten=True)
        await trio.sleep(2)
        assert (await path.set_state("active"))["status"] == "success"
        await trio.sleep(30)
        assert len(path.broker.inner.account.positions()) >= 10


async def test_a_slow_broker_is_flat_in_the_end(autojump_clock: MockClock) -> None:
    """Orders that wait for others grow no older by it."""
    async with open_command_path() as path:
        for _ in range(40):
            by_hand(path.broker)
        await path.sample()

        async def slow() -> None:
            await trio.sleep(1)

        path.broker.before = slow
        await path.set_state("halted", flatten=True)
        await trio.sleep(60)
        assert not path.broker.inner.account.positions()
        assert not path.broker.tags_sent_twice
        assert len(path.broker.sent) == 40
