"""The governor as an actor: what it promises is durable, and no restart, halt or outage widens a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
from command_path import EA_TOKEN, TOKEN, InlineJournal, WallClock, closing, open_command_path, opening, order
from trio.testing import MockClock

from actors.messages import Executed, SetMultiplier
from actors.promises import Promises
from quantmind.domain.orders import Close, Origin, Placed
from quantmind.domain.risk import EaLimits, Mandate, MandateMode, Policy, judge
from quantmind.domain.risk.rules import ADDING
from quantmind.domain.router_state import RouterState
from quantmind.records import Intent, Setting, Settled


def rules(reply: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in reply.get("reasons", [])]


def modify(ticket: int, request_id: str, clock: Any, **stops: Any) -> dict[str, Any]:
    return {
        "type": "trade_modify",
        "ea_name": "alpha",
        "ticket": ticket,
        "request_id": request_id,
        "execute": True,
        "token": EA_TOKEN,
        "expires_at": clock.now() + 30,
        **stops,
    }


# --- verdicts ------------------------------------------------------------------------------------------------------


async def test_verdict_names_volume_and_end(autojump_clock: MockClock) -> None:
    """An approval is for exactly what was asked, says how much would pass, and until when."""
    async with open_command_path(policy=Policy(max_volume=Decimal("0.5"))) as path:
        reply = await path.ask(opening(volume=0.3))
        assert reply["approved"] is True
        assert (reply["approved_volume"], reply["max_volume"]) == (0.3, 0.5)
        assert reply["valid_until"] == pytest.approx(path.clock.now() + 5, abs=0.02)
        assert reply["valid_for_ms"] == 5000
        refused = await path.ask(opening(volume=0.6))
        assert (refused["status"], refused["approved"], rules(refused)) == ("rejected", False, ["max_volume"])
        assert "approval_id" not in refused
        reduced = await path.ask(opening(volume=0.6, reduce=True))
        assert (reduced["approved"], reduced["approved_volume"]) == (True, 0.5)


@pytest.mark.parametrize("what", ["sample", "price", "symbol", "journal"])
async def test_what_cannot_be_checked_is_refused(what: str, autojump_clock: MockClock) -> None:
    """An old sample, an old price, an unknown symbol or a journal that is down refuses an open, and says which."""
    rule = {"sample": "equity_fresh", "price": "price_fresh", "symbol": "symbols", "journal": "journal"}[what]
    async with open_command_path() as path:
        if what == "symbol":
            path.boards.catalog.set("demo", [])
        elif what == "journal":
            path.journal.fails = "disk full"
        else:
            path.sampling = False
            await trio.sleep(10)
            if what == "price":
                await path.sample()
                path.boards.prices._by_key.clear()
            else:
                path.confirm_prices()
        reply = await path.ask(opening())
        assert (reply["status"], reply["approved"]) == ("rejected", False)
        assert rule in rules(reply)
        executed = await path.ask(order(path.clock))
        assert executed["approved"] is False
        assert path.broker.sent == []


async def test_a_rule_that_raises_refuses(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a rule is a refusal that names it, and the governor goes on."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("bug")

    monkeypatch.setitem(judge.__kwdefaults__, "rules", (*ADDING, broken))
    async with open_command_path() as path:
        assert rules(await path.ask(opening())) == ["broken"]
        assert (await path.ask(order(path.clock)))["approved"] is False
        assert path.broker.sent == []


async def test_a_governor_that_crashes_on_a_request_approves_nothing(
    autojump_clock: MockClock,
) -> None:
    """What breaks outside the rules ends the incarnation; the asker hears that nothing was sent, and others go on."""

    bugs = ["once"]

    def poison(ea_name: str) -> EaLimits:
        if ea_name == "poison" and bugs:
            bugs.clear()
            raise RuntimeError("bug")
        return EaLimits()

    async with open_command_path(ea_limits=poison, sampling=False) as path:
        asked = [path.later(opening(ea_name=name)) for name in ("alpha", "poison", "beta")]
        heard = [await one.wait() for one in asked]
        assert heard[1]["approved"] is False
        assert heard[1]["code"] == "internal"
        await path.settle(1)
        await path.sample()
        assert (await path.ask(opening(ea_name="beta")))["approved"] is True


async def test_ea_limits_and_multiplier(autojump_clock: MockClock) -> None:
    """max_volume is the floor to the step of the multiplier times what account and EA may have."""
    async with open_command_path(ea_limits=lambda _: EaLimits(max_volume=Decimal("0.55"))) as path:
        await path.ask({"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5})
        reply = await path.ask(opening(volume=0.5))
        assert (reply["approved"], reply["max_volume"], reply["risk_multiplier"]) == (False, 0.27, 0.5)
        assert set(rules(reply)) <= {"max_volume", "risk_multiplier"}
        assert reply["reasons"]
        assert (await path.ask(opening(volume=0.27)))["approved"] is True


# --- multiplier ----------------------------------------------------------------------------------------------------


async def test_multiplier_goes_down_freely_and_up_by_an_admin(autojump_clock: MockClock) -> None:
    """An EA may lower its multiplier; raising it needs the scope admin; each EA has its own."""
    async with open_command_path() as path:

        def update(value: float, **more: Any) -> dict[str, Any]:
            return {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": value, **more}

        assert (await path.ask(update(0.4)))["risk_multiplier"] == 0.4
        for token in ({}, {"token": EA_TOKEN}):
            assert (await path.ask(update(0.5, **token)))["code"] == "forbidden"
        assert (await path.ask(update(0.4)))["status"] == "success"
        assert (await path.ask(update(0.9, token=TOKEN)))["risk_multiplier"] == 0.9
        beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 1}
        assert (await path.ask(beat))["risk_multiplier"] == 0.9
        assert (await path.ask({**beat, "ea_name": "beta"}))["risk_multiplier"] == 1


@pytest.mark.parametrize("emergency", [None, "disk full"])
async def test_raise_that_is_not_durable_is_not_a_raise(emergency: str | None, autojump_clock: MockClock) -> None:
    """While the journal is down lowering counts at once, also when it can't be kept, and raising does not at all."""
    async with open_command_path() as path:
        await path.ask({"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5})
        path.journal.fails, path.journal.aside_fails = "disk full", emergency
        for value, token in ((1.0, TOKEN), (0.25, None)):
            message = {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": value}
            reply = await path.ask(message if token is None else {**message, "token": token})
            assert reply["status"] == ("success" if emergency is None and value == 0.25 else "error")
            assert reply.get("code") in (None, "internal")
        assert path.boards.multipliers.read("alpha") == Decimal("0.25")
        await path.crash("execution/governor")
        path.journal.fails = None
        await trio.sleep(3)
        assert path.boards.multipliers.read("alpha") == Decimal("0.25")
        stored = {item.key: item.value for item in await path.journal.settings()}
        assert stored["multiplier:alpha"]["value"] == "0.25"


# --- trading state -------------------------------------------------------------------------------------------------


async def test_states_and_what_passes(autojump_clock: MockClock) -> None:
    """In reduce_only and halted closes and tighter stops pass; opens, looser stops and a hedge's leg don't."""
    async with open_command_path() as path:
        buy = (await path.ask(order(path.clock, "a", volume=0.5, sl=1.08)))["ticket"]
        sell = (await path.ask(order(path.clock, "b", volume=0.5, side="sell")))["ticket"]
        single = (await path.ask(order(path.clock, "c", symbol="GBPUSD", sl=1.2)))["ticket"]
        await trio.sleep(1)
        for state in ("reduce_only", "halted"):
            assert (await path.set_state(state))["status"] == "success"
            assert rules(await path.ask(order(path.clock, f"open-{state}"))) == ["trading_state"]
            assert rules(await path.ask(opening())) == ["trading_state"]
            # either leg of a full hedge: the net would grow
            for leg in (buy, sell):
                reply = await path.ask(closing(path.clock, leg, f"leg-{leg}-{state}", volume=0.1))
                assert (reply["approved"], rules(reply)) == (False, ["trading_state"])
            for looser in ({"new_sl": 1.19}, {"new_sl": 0}):
                reply = await path.ask(modify(single, f"loosen-{state}-{looser}", path.clock, **looser))
                assert (reply["approved"], rules(reply)) == (False, ["trading_state"])
            tighter = 1.21 if state == "reduce_only" else 1.22
            reply = await path.ask(modify(single, f"tighten-{state}", path.clock, new_sl=tighter))
            assert (reply["status"], reply["sl"]) == ("success", tighter)
            part = closing(path.clock, single, f"close-{state}", symbol="GBPUSD", volume=0.05)
            assert (await path.ask(part))["status"] == "success"
        assert {p.ticket for p in path.broker.inner.account.positions()} == {buy, sell}


async def test_state_of_one_account_or_all(autojump_clock: MockClock) -> None:
    """A state is set for one account, or for all; one that is not there is an error and sets nothing."""
    async with open_command_path(brokers=("demo", "other")) as path:
        await path.set_state("halted", "demo")
        assert path.boards.halts.read("other").state.value == "active"
        assert (await path.set_state("halted", "nowhere"))["code"] == "unknown_broker"
        assert "nowhere" not in path.boards.halts.all()
        await path.set_state("reduce_only")
        assert {halt.state.value for halt in path.boards.halts.all().values()} == {"reduce_only"}


async def test_halt_survives_everything(tmp_path: Any, autojump_clock: MockClock) -> None:
    """A halt is durable: it stands after a crash of the governor and after a restart of the whole."""
    clock, file = WallClock(), tmp_path / "journal.sqlite3"
    async with open_command_path(journal=InlineJournal(file), clock=clock) as path:
        await path.set_state("halted")
        await path.crash("execution/governor")
        assert (await path.ask(opening()))["approved"] is False
    async with open_command_path(journal=InlineJournal(file), clock=clock) as path:
        assert "trading_state" in rules(await path.ask(opening()))
        assert path.boards.halts.read("demo").cause == "a test (by tester)"
        await path.set_state("active")
    async with open_command_path(journal=InlineJournal(file), clock=clock) as path:
        assert (await path.ask(opening()))["approved"] is True


async def test_halt_without_a_journal_survives_the_governor(autojump_clock: MockClock) -> None:
    """A halt that could not be written holds all the same, over a crash too, and is written when the journal works."""
    async with open_command_path() as path:
        path.journal.fails = path.journal.aside_fails = "disk full"
        assert (await path.set_state("halted"))["code"] == "internal"
        assert path.boards.halts.read("demo").state.value == "halted"
        await path.crash("execution/governor")
        path.journal.fails = None
        await trio.sleep(3)
        assert rules(await path.ask(opening())) == ["trading_state"]
        stored = {item.key: item.value for item in await path.journal.settings()}
        assert stored["state:demo"]["state"] == "halted"
        # and a release that could not be written is none
        path.journal.fails = "disk full"
        assert (await path.set_state("active"))["status"] == "error"
        path.journal.fails = None
        await trio.sleep(2)
        assert path.boards.halts.read("demo").state.value == "halted"
        assert {item.key: item.value for item in await path.journal.settings()}["state:demo"]["state"] == "halted"
        assert (await path.set_state("active"))["status"] == "success"
        await trio.sleep(2)
        assert (await path.ask(opening()))["approved"] is True


async def test_a_halt_without_a_journal_survives_the_process(tmp_path: Any, autojump_clock: MockClock) -> None:
    """What was tightened while the journal could not write is kept aside, said, and read at the next start."""
    clock, file = WallClock(), tmp_path / "journal.sqlite3"
    async with open_command_path(journal=InlineJournal(file), clock=clock, brokers=("demo", "other")) as path:
        path.journal.fails = "disk full"
        assert (await path.set_state("halted", "demo"))["status"] == "success"
        assert (await path.set_state("reduce_only"))["status"] == "error", "of one account it is looser"
        assert [path.boards.halts.read(name).state.value for name in ("demo", "other")] == ["halted", "reduce_only"]
        lower = {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5}
        assert (await path.ask(lower))["status"] == "success"
        aside = list(path.journal.aside)
    journal = InlineJournal(file, fails="disk full", aside=aside)
    async with open_command_path(journal=journal, clock=clock, brokers=("demo", "other")) as path:
        assert "journal" in rules(await path.ask(opening(broker="demo")))
        path.journal.fails = None
        await trio.sleep(2)
        assert rules(await path.ask(opening(broker="demo"))) == ["trading_state"]
        assert path.boards.multipliers.read("alpha") == Decimal("0.5")
        assert [path.boards.halts.read(name).state.value for name in ("demo", "other")] == ["halted", "reduce_only"]


async def test_a_release_that_is_written_too_late_is_none(autojump_clock: MockClock) -> None:
    """A release that was refused, and is in the record all the same, is followed there by the halt that holds."""
    async with open_command_path() as path:
        await path.set_state("halted")
        path.journal.late = True
        assert (await path.set_state("active"))["status"] == "error"
        stored = {item.key: item.value for item in await path.journal.settings()}
        assert stored["state:demo"]["state"] == "halted", "it is kept aside, for whoever reads"
        path.journal.late = False
        await path.ask(opening("v"))
        assert path.boards.halts.read("demo").state.value == "halted"
        written = [item.value["state"] for item in path.journal.appended if isinstance(item, Setting)]
        assert (written[:2], written[-1]) == (["halted", "active"], "halted")


async def test_loosening_from_halted_to_reduce_only_counts_when_durable(autojump_clock: MockClock) -> None:
    """Halted to reduce_only is a loosening: it counts when it is on disk and not before."""
    async with open_command_path() as path:
        await path.set_state("halted")
        path.journal.fails = "disk full"
        await path.set_state("reduce_only")
        assert path.boards.halts.read("demo").state.value == "halted"
        path.journal.fails = None
        await path.set_state("reduce_only")
        assert path.boards.halts.read("demo").state.value == "reduce_only"


# --- promises ------------------------------------------------------------------------------------------------------


async def test_a_promise_holds_its_place(autojump_clock: MockClock) -> None:
    """An approval without a result holds its place until a sample taken 2 s after its end, not shorter or longer."""
    async with open_command_path(policy=Policy(max_open_positions=1)) as path:
        await path.ask(opening())
        began = trio.current_time()
        while rules(await path.ask(opening())) == ["max_open_positions"]:
            await trio.sleep(0.05)
        assert 7.0 <= trio.current_time() - began <= 7.6


@pytest.mark.parametrize("volume", [0, 0.1])
async def test_a_result_ends_a_promise_with_a_later_sample(volume: float, autojump_clock: MockClock) -> None:
    """A reported result frees nothing by itself; the next sample after it does."""
    async with open_command_path(policy=Policy(max_open_positions=1)) as path:
        path.sampling = False
        approval = (await path.ask(opening()))["approval_id"]
        result = {"type": "trade_result", "ea_name": "alpha", "approval_id": approval, "volume": volume}
        other = await path.ask({**result, "ea_name": "beta"})
        assert other["code"] == "unknown_approval"
        assert (await path.ask({**result, "approval_id": "none"}))["code"] == "unknown_approval"
        assert (await path.ask(result))["reserved"] == 0.1
        assert rules(await path.ask(opening())) == ["max_open_positions"]
        await trio.sleep(0.01)
        await path.sample()
        assert (await path.ask(result))["reserved"] == 0
        assert (await path.ask(opening()))["approved"] is True


async def test_the_gateways_own_order_cannot_be_reported(autojump_clock: MockClock) -> None:
    """An EA's word does not end the promise of an order that the gateway itself has in flight."""
    async with open_command_path(policy=Policy(max_open_positions=1)) as path:
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_blind = True
        first = await path.ask(order(path.clock))
        result = {"type": "trade_result", "ea_name": "alpha", "approval_id": first["order_id"], "volume": 0}
        assert (await path.ask(result))["reserved"] == 0.1
        await trio.sleep(2)
        assert (await path.ask(result))["reserved"] == 0.1
        assert "max_open_positions" in rules(await path.ask(opening(ea_name="beta")))


async def test_promises_of_a_batch_count_for_each_other(autojump_clock: MockClock) -> None:
    """Commands that come together can't all have the last place."""
    async with open_command_path(policy=Policy(max_open_positions=3)) as path:
        asked = [path.later(opening(f"v{n}")) for n in range(10)] + [
            path.later(order(path.clock, f"x{n}")) for n in range(10)
        ]
        heard = [await one.wait() for one in asked]
        assert sum(reply["approved"] for reply in heard) == 3


async def test_executed_orders_hold_one_place_each_all_the_time(autojump_clock: MockClock) -> None:
    """From approval over execution to the next sample an order counts as one position: never none, never two."""
    async with open_command_path(policy=Policy(max_open_positions=2)) as path:
        path.sampling = False
        await trio.sleep(0.1)
        ticket = (await path.ask(order(path.clock, "a")))["ticket"]
        assert (await path.ask(opening()))["approved"] is True  # 1 position, 1 promise
        assert rules(await path.ask(opening())) == ["max_open_positions"]
        await path.sample()
        assert rules(await path.ask(opening())) == ["max_open_positions"]
        await path.ask(closing(path.clock, ticket, "c"))
        assert (await path.ask(opening()))["approved"] is True


@pytest.mark.parametrize("crash", ["execution/governor", "execution/brokers/executor:demo", "execution/commands"])
async def test_no_crash_frees_a_promise(crash: str, autojump_clock: MockClock) -> None:
    """Approvals and unknown orders are still counted after any crash, and end as they would have."""
    # the unknown order counts twice: as what it holds, and as the position that the sample shows
    async with open_command_path(policy=Policy(max_open_positions=3)) as path:
        await path.ask(opening("v"))
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_blind = True
        await path.ask(order(path.clock, "x"))
        await path.crash(crash)
        await trio.sleep(1)
        assert "max_open_positions" in rules(await path.ask(opening(ea_name="beta")))
        await trio.sleep(7)
        assert (await path.ask(opening(ea_name="beta")))["approved"] is True  # the approval ended; the order is held


async def test_an_undelivered_order_frees_its_promise(autojump_clock: MockClock) -> None:
    """An order that waits in the executor's mailbox beyond its time comes back and holds nothing."""
    async with open_command_path(policy=Policy(max_open_positions=2)) as path:
        hang = trio.Event()
        path.broker.before = hang.wait
        stuck = path.later(order(path.clock, "stuck"))
        await trio.sleep(0.1)
        back = path.later(order(path.clock, "back"))
        await back.wait()
        await stuck.wait()
        path.broker.before = None
        hang.set()
        await trio.sleep(3)
        assert len(path.broker.sent) == 1
        reply = await path.ask(opening())
        assert reply["approved"] is True, reply
        assert rules(await path.ask(opening())) == ["max_open_positions"]


async def test_an_executor_crash_frees_and_leaks_nothing(autojump_clock: MockClock) -> None:
    """An order in an executor that crashed is unknown at once, blocks its like, and is resolved with its outcome."""
    async with open_command_path(policy=Policy(max_open_positions=2)) as path:
        path.broker.inner.faults.find_blind = True
        hang = trio.Event()
        path.broker.after = hang.wait
        asked = path.later(order(path.clock, "x"))
        await trio.sleep(0.1)
        await path.crash("execution/brokers/executor:demo")
        path.broker.after = None
        assert (await asked.wait())["status"] == "unknown"
        assert rules(await path.ask(opening())) == ["no_unknown"]
        assert (await path.ask(opening(magic=8)))["approved"] is True
        await trio.sleep(3)
        path.broker.inner.faults.find_blind = False
        await trio.sleep(3)
        assert (await path.ask(order(path.clock, "x")))["status"] == "success"
        await trio.sleep(8)
        assert (await path.ask(opening()))["approved"] is True
        assert rules(await path.ask(opening())) == ["max_open_positions"]


# --- unknown -------------------------------------------------------------------------------------------------------


async def test_unknown_blocks_its_like_and_then_the_account(autojump_clock: MockClock) -> None:
    """An unknown order blocks its EA, magic and symbol at once, after 30 s its account; closes go on; then it ends."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p", symbol="GBPUSD", magic=1)))["ticket"]
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_blind = True
        unknown = await path.ask(order(path.clock, "u"))
        assert unknown["status"] == "unknown"
        began = trio.current_time()
        path.broker.inner.faults.place_unknown = None
        assert rules(await path.ask(opening())) == ["no_unknown"]
        for free in (opening(magic=8), opening(symbol="GBPUSD"), opening(ea_name="beta")):
            assert (await path.ask(free))["approved"] is True
        await trio.sleep(29 - (trio.current_time() - began))
        assert (await path.ask(opening(ea_name="beta")))["approved"] is True
        await path.crash("execution/brokers/executor:demo")
        await trio.sleep(30.5 - (trio.current_time() - began))
        assert rules(await path.ask(opening(ea_name="beta"))) == ["no_unknown"], "no restart begins the 30 s anew"
        assert (await path.ask(closing(path.clock, ticket, "c", symbol="GBPUSD", magic=1)))["status"] == "success"
        path.broker.inner.faults.find_blind = False
        await trio.sleep(4)
        assert (await path.ask(opening(ea_name="beta")))["approved"] is True
        settled = await path.ask(order(path.clock, "u"))
        assert (settled["status"], settled["volume"]) == ("success", 0.1)
        assert len(path.broker.sent) == 3


async def test_lost_order_is_settled_as_not_sent(autojump_clock: MockClock) -> None:
    """An unknown order that the broker surely never had is settled so; a repeat hears it and sends nothing."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_unknown = "lost"
        assert (await path.ask(order(path.clock, "u")))["status"] == "unknown"
        path.broker.inner.faults.place_unknown = None
        await trio.sleep(3)
        again = await path.ask(order(path.clock, "u"))
        assert (again["status"], again["code"]) == ("error", "broker_unavailable")
        assert (await path.ask(opening()))["approved"] is True
        assert len(path.broker.sent) == 1


async def test_outcome_during_a_governor_restart_is_not_lost(autojump_clock: MockClock) -> None:
    """A governor that restarts while an outcome is being written does not keep the order as unknown for ever."""
    async with open_command_path() as path:
        gate = trio.Event()

        async def slow(records: Any) -> None:
            if any(isinstance(record, Settled) for record in records):
                await gate.wait()

        path.journal.before = slow
        asked = path.later(order(path.clock, "x"))
        await trio.sleep(0.1)
        assert path.broker.opened == 1
        await path.crash("execution/governor")
        gate.set()
        await asked.wait()
        await trio.sleep(3)
        assert (await path.ask(opening()))["approved"] is True
        await trio.sleep(40)
        assert (await path.ask(opening(ea_name="beta")))["approved"] is True


# --- restarts ------------------------------------------------------------------------------------------------------


async def test_old_approvals_are_refused_after_a_restart(autojump_clock: MockClock) -> None:
    """What an earlier incarnation approved and the executor has not sent yet is not sent."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.journal.gate, path.journal.gate_for = gate, Intent
        asked = path.later(order(path.clock, "x"))
        await trio.sleep(0.1)
        await path.crash("execution/governor")
        gate.set()
        reply = await asked.wait()
        assert (reply["approved"], rules(reply)) == (False, ["governor_restarted"])
        assert path.broker.sent == []
        await trio.sleep(3)
        assert (await path.ask(order(path.clock, "y")))["status"] == "success"


async def test_halt_between_approval_and_sending(autojump_clock: MockClock) -> None:
    """A halt that comes while the intent is written keeps an open from going out, and lets a close go."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        gate = trio.Event()
        path.journal.gate, path.journal.gate_for = gate, Intent
        opened = path.later(order(path.clock, "x"))
        closed = path.later(closing(path.clock, ticket, "c"))
        await trio.sleep(0.1)
        await path.set_state("halted")
        gate.set()
        reply = await opened.wait()
        assert (reply["approved"], rules(reply)) == (False, ["trading_state"])
        assert (await closed.wait())["status"] == "success"
        assert path.broker.opened == 1


async def test_a_mandate_between_approval_and_sending(autojump_clock: MockClock) -> None:
    """The mandate `none` that comes while the intent is written keeps an open from going out, and lets a close go."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        gate = trio.Event()
        path.journal.gate, path.journal.gate_for = gate, Intent
        opened = path.later(order(path.clock, "x"))
        closed = path.later(closing(path.clock, ticket, "c"))
        await trio.sleep(0.1)
        path.boards.router.set(RouterState(1, mandate=Mandate(MandateMode.NONE, Decimal(0))))
        gate.set()
        reply = await opened.wait()
        assert (reply["approved"], rules(reply)) == (False, ["mandate"])
        assert (await closed.wait())["status"] == "success"
        assert path.broker.opened == 1


async def test_a_mandate_that_was_not_read_lets_nothing_be_opened(autojump_clock: MockClock) -> None:
    """Before the router has read its record, opens are refused by name and closes pass."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.boards.router.state = None
        reply = await path.ask(opening())
        assert (reply["approved"], rules(reply)) == (False, ["mandate"])
        assert "has not been read back yet" in reply["reasons"][0]["message"]
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"


async def test_a_mandate_counts_everywhere(autojump_clock: MockClock) -> None:
    """Verdict, heartbeat and `max_volume` say the same: the smaller of the mandate's cap and the EA's multiplier."""
    async with open_command_path() as path:
        beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
        path.boards.router.set(RouterState(1, mandate=Mandate(MandateMode.REDUCED, Decimal("0.5"))))
        assert (await path.ask(beat))["risk_multiplier"] == 0.5
        verdict = await path.ask(opening(volume=0.8))
        assert (verdict["approved"], verdict["max_volume"], rules(verdict)) == (False, 0.5, ["mandate"])
        await path.ask({"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.2})
        assert (await path.ask(beat))["risk_multiplier"] == 0.2
        assert (await path.ask(opening(volume=0.2)))["approved"] is True


async def test_tickets_are_not_unknown_before_they_were_read(autojump_clock: MockClock) -> None:
    """Before the first sample a ticket is not `unknown_ticket`: no data is not no positions. A restart keeps what
    was seen, so a close goes out at once."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        assert (await path.ask(closing(path.clock, 42, "no")))["code"] == "unknown_ticket"
        await path.sample()
        path.sampling = False
        await path.crash("execution/governor")
        assert "equity_fresh" in rules(await path.ask(opening()))
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        path.boards.links.of("demo").sample = None
        await path.crash("execution/governor")
        reply = await path.ask(closing(path.clock, 42, "d"))
        assert (reply["status"], reply["code"]) == ("error", "broker_unavailable")


async def test_a_governor_without_its_record_approves_no_open(autojump_clock: MockClock) -> None:
    """Until promises, states and multipliers were read back nothing may add exposure; then it goes on by itself."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        await path.sample()
        path.journal.fails = "locked"
        await path.crash("execution/governor")
        await trio.sleep(3)
        assert "journal" in rules(await path.ask(opening()))
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        path.journal.fails = None
        await trio.sleep(3)
        assert (await path.ask(opening()))["approved"] is True


@pytest.mark.parametrize("trouble", ["fails", "hangs", "late"])
async def test_without_a_journal_opens_are_refused_and_reductions_go_on(
    trouble: str, autojump_clock: MockClock
) -> None:
    """A journal that is down, hangs, or answers too late refuses opens in time; closes go out and are said in time."""
    async with open_command_path() as path:
        tickets = [(await path.ask(order(path.clock, f"p{n}")))["ticket"] for n in range(3)]
        await path.sample()
        setattr(path.journal, trouble, "disk full" if trouble == "fails" else True)
        verdict = await path.ask(opening("v"))
        assert (verdict["approved"], rules(verdict)) == (False, ["journal"])
        assert "approval_id" not in verdict
        opened = await path.ask(order(path.clock, "o"))
        assert opened["approved"] is False
        for ticket in tickets:
            began = trio.current_time()
            reply = await path.ask(closing(path.clock, ticket, f"c{ticket}"))
            assert reply["status"] == "success", reply
            assert trio.current_time() - began < 4
        assert path.broker.opened == 3
        setattr(path.journal, trouble, None if trouble == "fails" else False)
        await trio.sleep(5)
        assert (await path.ask(order(path.clock, "after")))["status"] == "success"
        # what went out without a record is recorded by now, under its id
        for ticket in tickets:
            known = await path.journal.lookup("alpha", f"c{ticket}")
            assert known is not None
            assert known.reply["status"] == "success"


async def test_conflated_sample_does_not_count_a_close_twice(autojump_clock: MockClock) -> None:
    """A sample that overtook an outcome in the mailbox already shows it."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p", volume=0.5)))["ticket"]
        await path.ask(closing(path.clock, ticket, "c", volume=0.2))
        promises = Promises()
        await trio.sleep(0.01)
        sample = await path.broker.inner.sample()
        promises.sampled(sample, 0)
        close = Close(Origin("alpha", 7, "c"), "demo", "EURUSD", ticket, Decimal("0.2"))
        placed = Placed(10009, volume=Decimal("0.2"))
        promises.executed(Executed("o", close, placed, sample.taken_at - 0.005))
        assert promises.holdings("demo").positions[ticket].volume == Decimal("0.3")


async def test_settings_do_not_mix(autojump_clock: MockClock) -> None:
    """A setting of another kind in the record does no harm."""
    async with open_command_path() as path:
        await path.journal.append([Setting("something:else", {"a": 1}, 0.0)])
        await path.crash("execution/governor")
        await trio.sleep(1)
        assert (await path.ask(opening()))["approved"] is True
        assert (await path.governor.ask(SetMultiplier("alpha", Decimal("0.1"), False, "t")))["status"] == "success"


async def test_an_order_unknown_for_long_shows_as_reduce_only(autojump_clock: MockClock) -> None:
    """After 30 s of an unknown order the heartbeat says reduce_only, and active again once it is reconciled."""
    async with open_command_path() as path:
        beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_blind = True
        assert (await path.ask(order(path.clock, "a")))["status"] == "unknown"
        await trio.sleep(5)
        assert (await path.ask(beat))["trading_state"] == "active"
        await trio.sleep(30)
        assert (await path.ask(beat))["trading_state"] == "reduce_only"
        path.broker.inner.faults.find_blind = False
        await trio.sleep(5)
        assert (await path.ask(beat))["trading_state"] == "active"
