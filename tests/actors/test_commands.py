"""The commands actor and the door before it: one reply each, at most one act for each id, nothing late."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio
from command_path import (
    EA_TOKEN,
    READ_TOKEN,
    TOKEN,
    InlineJournal,
    WallClock,
    closing,
    make_broker,
    open_command_path,
    opening,
    order,
)
from trio.testing import MockClock

from actors.boards import EaRegistry
from actors.known import KnownCommands
from quantmind.records import Decision, Intent, Settled

ACTORS = [
    "execution/commands",
    "execution/governor",
    "execution/brokers/executor:demo",
    "execution/brokers/closer:demo",
]


def rules(reply: dict[str, Any]) -> list[str]:
    return [reason["rule"] for reason in reply.get("reasons", [])]


# --- shape ---------------------------------------------------------------------------------------------------------


async def test_each_type_is_answered(autojump_clock: MockClock) -> None:
    """Every type of message has its answer with status, timestamp and the request's id."""
    async with open_command_path() as path:
        approved = await path.ask(opening("a"))
        for message in (
            {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7},
            {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5},
            {"type": "trade_result", "ea_name": "alpha", "approval_id": approved["approval_id"], "volume": 0},
            {"type": "trade_close", "ea_name": "alpha", "symbol": "EURUSD", "ticket": 9, "profit": 1.5},
            {"type": "trade_modify", "ea_name": "alpha", "ticket": 9, "new_sl": 1.08},
        ):
            reply = await path.ask({**message, "request_id": "id-" + message["type"]})
            assert reply["status"] == "success", reply
            assert reply["request_id"] == "id-" + message["type"]
            assert isinstance(reply["timestamp"], float)


async def test_heartbeat_registers_the_ea(autojump_clock: MockClock) -> None:
    """A heartbeat is noted by EA name and magic: when, how often, and what the EA said of itself."""
    async with open_command_path() as path:
        beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 2**64 - 1, "balance": 1000.5}
        await path.ask(beat)
        await trio.sleep(1)
        reply = await path.ask(beat)
        assert reply["risk_multiplier"] == 1
        assert reply["trading_state"] == "active"
        (ea,) = path.boards.eas.all()
        assert (ea.ea_name, ea.magic, ea.messages, ea.symbol) == ("alpha", 2**64 - 1, 2, "EURUSD")
        assert ea.last_seen - ea.connected_at == pytest.approx(1, abs=0.01)


async def test_a_message_without_a_magic_is_no_other_ea(autojump_clock: MockClock) -> None:
    """A result or a multiplier counts for the magic that the EA named last."""
    async with open_command_path() as path:
        await path.ask({"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7})
        await path.ask({"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5})
        await path.ask({"type": "risk_update", "ea_name": "beta", "risk_multiplier": 0.5})
        heard = [(ea.ea_name, ea.magic, ea.messages) for ea in path.boards.eas.all()]
        assert heard == [("alpha", 7, 2), ("beta", 0, 1)]


async def test_the_registry_of_eas_is_bounded() -> None:
    """The one unheard for longest goes, and nothing of it stays."""
    registry = EaRegistry(capacity=2)
    registry.heard("alpha", 7, 1.0)
    registry.heard("beta", 1, 2.0)
    registry.heard("gamma", 1, 3.0)
    assert [ea.ea_name for ea in registry.all()] == ["beta", "gamma"]
    assert registry.heard("alpha", None, 4.0).magic == 0


async def test_account_is_never_guessed(autojump_clock: MockClock) -> None:
    """With several brokers a command names its own, or its EA is mapped; the order of appearance decides nothing."""
    async with open_command_path(brokers=("demo", "other")) as path:
        assert (await path.ask(opening()))["code"] == "broker_required"
        assert (await path.ask(opening(broker="third")))["code"] == "unknown_broker"
        assert (await path.ask(opening(broker="demo")))["approved"] is True
        assert (await path.ask(opening(broker="other")))["approved"] is False  # never sampled


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": None}, "unauthorized"),
        ({"token": "wrong"}, "unauthorized"),
        ({"token": READ_TOKEN}, "forbidden"),
        ({"request_id": None}, "request_id_required"),
        ({"side": None}, "invalid_message"),
        ({"expires_at": None}, "invalid_message"),
        ({"expires_at": 1.0}, "expired"),
        ({"expires_at": 9e9}, "invalid_message"),
        ({"expires_at": None, "timestamp": 1.0}, "expired"),
        ({"expires_at": None, "timestamp": 9e9}, "invalid_message"),
        ({"symbol": "NOPE"}, "unknown_symbol"),
    ],
)
async def test_execute_has_conditions(fields: dict[str, Any], code: str, autojump_clock: MockClock) -> None:
    """`execute` needs a token with its scope, an id, a side and a time; each is an error that frees the id."""
    async with open_command_path() as path:
        message = {k: v for k, v in order(path.clock, **fields).items() if v is not None}
        reply = await path.ask(message)
        assert (reply["status"], reply["approved"], reply["code"]) == ("error", False, code)
        assert path.broker.sent == []
        assert (await path.ask(order(path.clock)))["status"] == "success"


async def test_timestamp_bounds_an_order_by_its_time_to_live(autojump_clock: MockClock) -> None:
    """Without expires_at an order may run until its timestamp and 10 s."""
    async with open_command_path() as path:
        now = path.clock.now()
        ask = {"expires_at": None}
        late = {k: v for k, v in order(path.clock, "a", timestamp=now - 10.5, **ask).items() if v is not None}
        fresh = {k: v for k, v in order(path.clock, "b", timestamp=now - 9, **ask).items() if v is not None}
        assert (await path.ask(late))["code"] == "expired"
        assert (await path.ask(fresh))["status"] == "success"


async def test_required_token(autojump_clock: MockClock) -> None:
    """Where the door wants a token, nothing passes without one, heartbeats included."""
    async with open_command_path(require_token=True) as path:
        beat = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
        assert (await path.ask(beat))["code"] == "unauthorized"
        assert (await path.ask({**beat, "token": EA_TOKEN}))["status"] == "success"


# --- once ----------------------------------------------------------------------------------------------------------


async def test_repeat_acts_once(autojump_clock: MockClock) -> None:
    """The same id gets the same answer, and the order goes out once."""
    async with open_command_path() as path:
        first = await path.ask(order(path.clock))
        await trio.sleep(40)
        again = await path.ask(order(path.clock, token=TOKEN, timestamp=1.0))
        for reply in (first, again):
            del reply["timestamp"]
        assert again == first
        assert len(path.broker.sent) == 1


async def test_a_late_repeat_of_what_has_left_our_memory_is_looked_up(autojump_clock: MockClock) -> None:
    """`expired` says that nothing was done, so the journal is asked before: when it can't be read, it is unknown."""
    async with open_command_path() as path:
        body = order(path.clock)
        first = await path.ask(body)
        path.known._entries.clear()
        await trio.sleep(60)
        again = await path.ask(body)
        assert (again["status"], again["ticket"]) == ("success", first["ticket"])
        path.known._entries.clear()
        path.journal.fails = "disk full"
        assert (await path.ask(body))["status"] == "unknown"
        path.journal.fails = None
        never = {**order(path.clock, "never"), "expires_at": body["expires_at"]}
        assert (await path.ask(never))["code"] == "expired"
        assert len(path.broker.sent) == 1


async def test_same_id_with_another_body_is_a_conflict(autojump_clock: MockClock) -> None:
    """An id stands for one order; the same numbers written otherwise are the same order."""
    async with open_command_path() as path:
        assert (await path.ask(order(path.clock, volume=0.1)))["status"] == "success"
        assert (await path.ask(order(path.clock, volume=0.2)))["code"] == "request_id_conflict"
        same = b'{"type":"trade_open","ea":"alpha","symbol":"EURUSD","volume":1.0E-1,"magic":7,"side":"BUY",'
        same += b'"request_id":"r1","execute":true,"token":"%s","expires_at":%d}' % (
            EA_TOKEN.encode(),
            path.clock.now() + 9,
        )
        assert (await path.ask(same))["status"] == "success"
        assert len(path.broker.sent) == 1


async def test_ids_belong_to_their_ea(autojump_clock: MockClock) -> None:
    """Two EAs may use the same id."""
    async with open_command_path() as path:
        await path.ask(order(path.clock))
        await path.ask(order(path.clock, ea_name="beta"))
        assert len(path.broker.sent) == 2


async def test_repeat_in_flight_joins(autojump_clock: MockClock) -> None:
    """Repeats that come while the first is at the broker wait for its answer and get the same."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.broker.before = gate.wait
        asked = [path.later(order(path.clock)) for _ in range(5)]
        await trio.sleep(0.5)
        conflict = await path.ask(order(path.clock, volume=0.3))
        assert conflict["code"] == "request_id_conflict"
        gate.set()
        tickets = {(await one.wait())["ticket"] for one in asked}
        assert len(tickets) == 1
        assert len(path.broker.sent) == 1


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("where", ["decision", "intent", "before", "after", "outcome"])
async def test_crash_anywhere_acts_once(actor: str, where: str, autojump_clock: MockClock) -> None:
    """Whoever crashes and wherever: one answer each, never a claim that nothing was sent when it was, and one deal."""
    async with open_command_path() as path:
        gate = trio.Event()
        journal: InlineJournal = path.journal
        if where == "before":
            path.broker.before = gate.wait
        elif where == "after":
            path.broker.after = gate.wait
        else:
            journal.gate = gate
            journal.gate_for = {"decision": Decision, "intent": Intent, "outcome": Settled}[where]
        message = opening("r1") if where == "decision" else order(path.clock)
        first, joined = path.later(message), None
        await trio.sleep(0.1)
        joined = path.later(message)
        await trio.sleep(0.1)
        path.root.fail(actor, RuntimeError("crashed by a test"))
        await trio.sleep(0.3)
        gate.set()
        path.broker.before = path.broker.after = None
        for reply in (await first.wait(), await joined.wait()):
            if path.broker.opened and reply["status"] == "error":
                pytest.fail(f"it was sent, and the answer is {reply}")
        await trio.sleep(5)  # reconciled by now
        path.clock.shift += 1
        last = await path.ask(message if where == "decision" else order(path.clock))
        assert last["status"] in ("success", "rejected", "error"), last
        await trio.sleep(3)
        assert path.broker.opened <= 1
        assert path.broker.tags_sent_twice == []
        if where != "decision" and last["status"] == "success":
            assert path.broker.opened == 1
            assert last["ticket"] in {p.ticket for p in path.broker.inner.account.positions()}
        assert path.door.in_flight == 0


@pytest.mark.parametrize("where", ["intent", "before", "after", "outcome"])
async def test_restart_of_everything_acts_once(where: str, tmp_path: Any, autojump_clock: MockClock) -> None:
    """After the process ended anywhere, the same id on the same file gives the first's outcome and no second deal."""
    broker, clock, file = make_broker(), WallClock(), tmp_path / "journal.sqlite3"
    async with open_command_path(journal=InlineJournal(file), broker=broker, clock=clock) as path:
        forever = trio.Event()
        if where == "before":
            broker.before = forever.wait
        elif where == "after":
            broker.after = forever.wait
        else:
            path.journal.gate, path.journal.gate_for = forever, {"intent": Intent, "outcome": Settled}[where]
        path.door.submit(json.dumps(order(clock)).encode(), lambda _: None)
        await trio.sleep(0.2)
        path.root.request_stop()
        path.nursery.cancel_scope.cancel()
    broker.before = broker.after = None
    went_out = broker.opened
    async with open_command_path(journal=InlineJournal(file), broker=broker, clock=clock) as path:
        await trio.sleep(3)
        again = await path.ask(order(clock))
        assert broker.opened == went_out <= 1
        if went_out:
            assert again["status"] == "success"
            assert again["price"] == 1.0851
        else:
            assert again["code"] == "broker_unavailable", again
        assert (await path.ask(order(clock, volume=0.7)))["code"] == "request_id_conflict"
        assert (await path.ask(order(clock, "r2")))["status"] == "success"


async def test_restart_keeps_approvals_and_their_end(tmp_path: Any, autojump_clock: MockClock) -> None:
    """An approval is the same after a restart, its exposure is still promised, and after its end it is expired."""
    clock, file = WallClock(), tmp_path / "journal.sqlite3"
    async with open_command_path(journal=InlineJournal(file), clock=clock) as path:
        first = await path.ask(opening("a"))
        no = await path.ask(opening("b", volume=50))
        assert (no["status"], rules(no)) == ("rejected", ["max_volume"])
    async with open_command_path(journal=InlineJournal(file), clock=clock) as path:
        again = await path.ask(opening("a"))
        assert again["approved"] is True
        assert again["approval_id"] == first["approval_id"]
        assert again["valid_until"] == first["valid_until"]
        assert again["valid_for_ms"] < 5000
        assert rules(await path.ask(opening("b", volume=50))) == ["max_volume"]
        await trio.sleep(5)
        assert rules(await path.ask(opening("a"))) == ["approval_expired"]


async def test_repeat_of_an_approval_after_its_end_or_a_halt(autojump_clock: MockClock) -> None:
    """An approval that has ended, or that a halt overtook, is approved no more; the table and the journal agree."""
    async with open_command_path() as path:
        assert (await path.ask(opening("a")))["approved"] is True
        await path.set_state("reduce_only")
        for forget in (False, True):
            if forget:
                path.known._entries.clear()
            reply = await path.ask(opening("a"))
            assert (reply["approved"], rules(reply)) == (False, ["approval_expired"])
        await path.set_state("active")
        await trio.sleep(6)
        for forget in (False, True):
            if forget:
                path.known._entries.clear()
            assert rules(await path.ask(opening("a"))) == ["approval_expired"]


async def test_what_is_no_decision_frees_the_id(autojump_clock: MockClock) -> None:
    """`busy` and the like are not remembered: the same id may be used again, also for another order."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_error = "the line is cut"
        # An outcome after an intent is one, and is remembered:
        first = await path.ask(order(path.clock, "kept"))
        assert first["code"] == "broker_unavailable"
        path.broker.inner.faults.place_error = None
        assert (await path.ask(order(path.clock, "kept")))["code"] == "broker_unavailable"
        assert (await path.ask(order(path.clock, "kept", volume=0.2)))["code"] == "request_id_conflict"
        # Nobody had this one:
        hang = trio.Event()
        path.broker.before = hang.wait
        stuck = path.later(order(path.clock, "stuck"))
        await trio.sleep(0.1)
        freed = await path.ask(order(path.clock, "freed"))
        assert (freed["status"], freed["code"]) == ("error", "busy")
        assert (await stuck.wait())["status"] == "unknown"
        path.broker.before = None
        hang.set()
        await trio.sleep(1)
        assert (await path.ask(order(path.clock, "freed", volume=0.2)))["status"] == "success"
        assert (await path.ask(order(path.clock, "stuck")))["status"] == "success"
        assert path.broker.opened == 2


async def test_the_table_is_bounded_and_the_journal_remembers(autojump_clock: MockClock) -> None:
    """An order that fell out of the table is still known by the journal's key."""
    async with open_command_path() as path:
        path.known.capacity = 3
        first = await path.ask(order(path.clock, "r0"))
        for n in range(1, 6):
            await path.ask(order(path.clock, f"r{n}"))
        assert len(path.known) <= 3
        again = await path.ask(order(path.clock, "r0"))
        assert again["ticket"] == first["ticket"]
        assert len(path.broker.sent) == 6
        await trio.sleep(1)
        assert len((await path.broker.sample()).positions) == 6


async def test_known_commands_are_loaded(autojump_clock: MockClock) -> None:
    """A table takes over what the journal remembers and keeps what it has."""
    async with open_command_path() as path:
        await path.ask(order(path.clock, "r0"))
        await path.ask(opening("r1", volume=99))
        table = KnownCommands()
        table.load(await path.journal.known(10))
        assert len(table) == 2
        assert table.get(("alpha", "r1")).reply["status"] == "rejected"


# --- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["governor", "intent"])
async def test_nothing_is_sent_after_its_deadline(slow: str, autojump_clock: MockClock) -> None:
    """An order that was held up beyond its expires_at is never sent, wherever it was held up."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.journal.gate, path.journal.gate_for = gate, Decision if slow == "governor" else Intent
        if slow == "governor":
            path.later(opening("x"))
            await trio.sleep(0.01)
        asked = path.later(order(path.clock, expires_at=path.clock.now() + 0.4))
        await trio.sleep(0.6)
        gate.set()
        reply = await asked.wait()
        assert reply["status"] == "error", reply
        assert reply["approved"] is False
        assert path.broker.sent == []
        await trio.sleep(3)
        await path.sample()
        assert (await path.ask(order(path.clock, "r2")))["status"] == "success"
        assert len(path.broker.sent) == 1


async def test_a_clock_that_jumps_back_lengthens_nothing(autojump_clock: MockClock) -> None:
    """The deadline was turned into monotonic time when the order came in; setting the wall clock back is no help."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.journal.gate, path.journal.gate_for = gate, Intent
        asked = path.later(order(path.clock, expires_at=path.clock.now() + 0.4))
        await trio.sleep(0.1)
        path.clock.shift -= 3600
        await trio.sleep(0.5)
        gate.set()
        assert (await asked.wait())["code"] == "expired"
        assert path.broker.sent == []


async def test_door_says_what_it_knows_when_time_is_over(autojump_clock: MockClock) -> None:
    """After 5 s an order that may have gone out is `unknown`, and one that surely has not is not approved."""
    async with open_command_path() as path:
        hang = trio.Event()
        path.broker.after = hang.wait
        began = trio.current_time()
        out = path.later(order(path.clock, "out"))
        await trio.sleep(0.1)
        waiting = path.later(order(path.clock, "waits"))
        assert (await out.wait())["status"] == "unknown"
        waited = await waiting.wait()
        assert (waited["status"], waited["approved"]) == ("error", False)
        assert 5 <= trio.current_time() - began < 5.4
        assert len(path.broker.sent) == 1
        path.broker.after = None
        hang.set()
        await trio.sleep(3)
        assert len(path.broker.sent) == 1, "a late answer is dropped, and what nobody waits for is not sent"
        assert (await path.ask(order(path.clock, "out")))["status"] == "success"
        assert path.broker.opened == 1


async def test_max_in_flight(autojump_clock: MockClock) -> None:
    """Beyond the limit the answer is `busy` at once, and nothing was done."""
    async with open_command_path(max_in_flight=3) as path:
        hang = trio.Event()
        path.broker.before = hang.wait
        asked = [path.later(order(path.clock, f"r{n}")) for n in range(3)]
        await trio.sleep(0.1)
        reply = await path.ask(order(path.clock, "one-more"))
        assert (reply["code"], reply["approved"]) == ("busy", False)
        hang.set()
        for one in asked:
            assert (await one.wait())["status"] == "success"
        assert (await path.ask(order(path.clock, "one-more")))["status"] == "success"


async def test_a_journal_that_cannot_be_read_holds_up_nobody(autojump_clock: MockClock) -> None:
    """While a repeat is looked up in a hanging journal, heartbeats and others are answered."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_blind = True
        assert (await path.ask(order(path.clock)))["status"] == "unknown"
        path.journal.hangs = True
        began = trio.current_time()
        asked = [path.later(order(path.clock)) for _ in range(5)]
        await trio.sleep(0.01)
        beat = {"type": "heartbeat", "ea_name": "beta", "symbol": "EURUSD", "magic": 1}
        assert (await path.ask(beat))["status"] == "success"
        assert trio.current_time() - began < 0.1
        for one in asked:
            assert (await one.wait())["status"] == "unknown"
        assert trio.current_time() - began < 3


async def test_random_crashes_lose_no_reply_and_act_once(autojump_clock: MockClock) -> None:
    """Many orders under crashes of everyone: each request one reply, each id at most one deal, repeats agree."""
    chance = random.Random(7)
    async with open_command_path() as path:
        path.broker.inner.faults.place_delay_s = 0.003
        asked = {}
        for n in range(60):
            asked[n] = [path.later(order(path.clock, f"r{n}")) for _ in range(chance.choice([1, 1, 2]))]
            await trio.sleep(chance.random() * 0.02)
            if chance.random() < 0.3:
                path.root.fail(chance.choice(ACTORS), RuntimeError("crashed by a test"))
        first = {n: [await one.wait() for one in later] for n, later in asked.items()}
        path.broker.inner.faults.place_delay_s = 0
        await trio.sleep(6)
        assert path.broker.tags_sent_twice == []
        tickets = set()
        for n, heard in first.items():
            last = await path.ask(order(path.clock, f"r{n}"))
            told = {reply["ticket"] for reply in heard if reply["status"] == "success"}
            if last["status"] == "success":
                told.add(last["ticket"])
                assert not told & tickets
                tickets |= told
            assert len(told) <= 1, (heard, last)
        positions = {p.ticket for p in path.broker.inner.account.positions()}
        assert tickets == positions, "every deal is known by its id, and none is there twice"
        assert path.broker.opened == len(positions)


async def test_close_by_a_repeat_closes_once(autojump_clock: MockClock) -> None:
    """A partial close that is repeated closes its part once."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, volume=0.5)))["ticket"]
        for _ in range(3):
            reply = await path.ask(closing(path.clock, ticket, "c", volume=0.2))
            assert reply["volume"] == 0.2
        (position,) = path.broker.inner.account.positions()
        assert str(position.volume) == "0.3"


async def test_a_reported_approval_is_not_given_again(autojump_clock: MockClock) -> None:
    """Once an EA has reported its trade, a repeat of the request hears that the approval has been used."""
    async with open_command_path() as path:
        approved = await path.ask(opening("a"))
        assert (await path.ask(opening("a")))["approved"] is True
        result = {"type": "trade_result", "ea_name": "alpha", "approval_id": approved["approval_id"], "volume": 0.1}
        assert (await path.ask(result))["status"] == "success"
        again = await path.ask(opening("a"))
        assert again["approved"] is False
        assert rules(again) == ["approval_expired"]


@pytest.mark.parametrize("kind", ["limit", "stop"])
async def test_a_pending_order_needs_a_price(kind: str, autojump_clock: MockClock) -> None:
    """A limit or stop order without a price is no message."""
    async with open_command_path() as path:
        reply = await path.ask(opening(order_type=kind))
        assert (reply["code"], reply["approved"]) == ("invalid_message", False)
        assert "price is missing" in reply["message"]
