"""The executor: intent before broker, each order at most once, and what is unknown is looked up and never resent."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel
from command_path import closing, open_command_path, opening, order
from trio.testing import MockClock

from actors.health import causes_of
from quantmind.adapters.guarded import Deadlines
from quantmind.domain.breaker import BreakerState, Path
from quantmind.records import Intent, Settled

EXECUTOR = "execution/brokers/executor:demo"


def kinds(path: Any) -> list[str]:
    return [type(record).__name__ for record in path.journal.appended]


async def test_intent_is_durable_before_the_broker_is_called(autojump_clock: MockClock) -> None:
    """When the broker is called the intent is on disk, and when the answer is given the outcome is."""
    async with open_command_path() as path:
        seen: list[list[str]] = []

        async def look() -> None:
            seen.append(kinds(path))

        path.broker.before = look
        reply = await path.ask(order(path.clock))
        assert seen == [["Decision", "Intent"]]
        assert kinds(path) == ["Decision", "Intent", "Settled"]
        _, intent, settled = path.journal.appended
        assert isinstance(intent, Intent)
        assert isinstance(settled, Settled)
        assert intent.order_id == settled.order_id == reply["order_id"] == path.broker.sent[0][0]
        assert len(intent.order_id) <= 16
        assert intent.body["volume"] == "0.1"
        assert intent.body["approved_volume"] == "0.1"
        assert await path.journal.open_intents("demo") == []


async def test_numbers_stay_exact(autojump_clock: MockClock) -> None:
    """Volume and stops reach the broker with the digits that were sent; a repeat from the journal says the same."""
    async with open_command_path() as path:
        raw = b'{"type":"trade_open","ea_name":"alpha","symbol":"EURUSD","volume":0.30,"magic":18446744073709551615,'
        raw += b'"side":"buy","sl":1.08401,"tp":1.0900,"request_id":"r","execute":true,"token":"ea-token-0123456789",'
        raw += b'"expires_at":%.3f}' % (path.clock.now() + 20)
        first = await path.ask(raw)
        assert first["status"] == "success"
        (_, approved), *_ = path.broker.sent
        assert (str(approved.proposal.volume), str(approved.proposal.sl)) == ("0.30", "1.08401")
        assert approved.proposal.origin.magic == 2**64 - 1
        path.known._entries.clear()
        again = await path.ask(raw)
        first.pop("timestamp")
        again.pop("timestamp")
        assert again == first


async def test_broker_refuses(autojump_clock: MockClock) -> None:
    """A refusal of the broker is an error with its code and sentence, is no approval, and holds nothing."""
    async with open_command_path() as path:
        reply = await path.ask(order(path.clock, sl=1.2))
        assert (reply["status"], reply["code"], reply["retcode"]) == ("error", "broker_refused", 10016)
        assert reply["approved"] is False
        assert reply["approved_volume"] == 0
        assert "stop" in reply["message"].lower()
        again = await path.ask(order(path.clock, sl=1.2))
        assert again["retcode"] == 10016
        assert len(path.broker.sent) == 1


async def test_broker_unavailable(autojump_clock: MockClock) -> None:
    """A broker that can't be reached was sent nothing, and the answer says so."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_error = "no line"
        reply = await path.ask(order(path.clock))
        assert (reply["status"], reply["code"], reply["approved"]) == ("error", "broker_unavailable", False)
        path.broker.inner.faults.place_error = None
        assert (await path.ask(opening()))["approved"] is True


async def test_nothing_new_before_it_was_reconciled(autojump_clock: MockClock) -> None:
    """While its orders can't be reconciled a broker takes nothing new, closes go out, and then it goes on by itself."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.broker.inner.faults.place_unknown = "executed"
        path.broker.inner.faults.find_error = "no line"
        await path.ask(order(path.clock, "u", magic=1))
        path.broker.inner.faults.place_unknown = None
        await path.crash(EXECUTOR)
        reply = await path.ask(order(path.clock, "n", magic=2))
        assert (reply["status"], reply["code"]) == ("error", "broker_unavailable")
        assert path.boards.links.of("demo").orders == "degraded"
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        path.broker.inner.faults.find_error = None
        await trio.sleep(3)
        assert path.boards.links.of("demo").orders == "ready"
        assert (await path.ask(order(path.clock, "n", magic=2)))["status"] == "success"


async def test_reconciling_leaves_what_is_in_hand_alone(autojump_clock: MockClock) -> None:
    """An order that is at the broker while the others are reconciled keeps its own outcome."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.broker.before = gate.wait
        asked = path.later(order(path.clock, sl=1.2))  # will be refused
        await trio.sleep(4.5)  # twice over the time of reconciling
        gate.set()
        assert (await asked.wait())["retcode"] == 10016
        await trio.sleep(3)
        assert (await path.ask(order(path.clock, sl=1.2)))["retcode"] == 10016
        assert sum(isinstance(record, Settled) for record in path.journal.appended) == 1


async def test_reconciling_never_settles_by_an_old_look(autojump_clock: MockClock) -> None:
    """An order that ends while the record is being read keeps its outcome, though the read shows it open."""
    async with open_command_path() as path:
        gate = trio.Event()
        path.broker.before = gate.wait
        asked = path.later(order(path.clock, sl=1.2))
        await trio.sleep(0.1)
        stale = await path.journal.open_intents("demo")
        assert len(stale) == 1
        reads = 0

        async def old_look(_: str) -> Any:
            nonlocal reads
            reads += 1
            gate.set()
            await trio.sleep(0.5)
            return stale

        path.journal.read_intents = old_look
        assert (await asked.wait())["retcode"] == 10016
        path.broker.before = None
        await trio.sleep(0.5)
        path.journal.read_intents = None
        assert reads == 1
        known = await path.journal.lookup("alpha", "r1")
        assert known is not None
        assert known.reply["retcode"] == 10016


async def test_a_slow_broker_delays_nobody_elses_answer(autojump_clock: MockClock) -> None:
    """Orders of one batch are answered as they come out, and not when the last one has."""
    async with open_command_path() as path:
        path.broker.inner.faults.place_delay_s = 0.3
        began = trio.current_time()
        asked = [path.later(order(path.clock, f"r{n}")) for n in range(8)]
        done: list[float] = []

        async def wait(one: Any) -> None:
            assert (await one.wait())["status"] == "success"
            done.append(round(trio.current_time() - began, 1))

        async with trio.open_nursery() as nursery:
            for one in asked:
                nursery.start_soon(wait, one)
        assert done[0] <= 0.4
        assert done == sorted(done)
        assert len(set(done)) > 4


async def test_a_broker_that_never_answers_is_left(autojump_clock: MockClock) -> None:
    """After a while an order without an answer is unknown, and the next one, a close say, gets its turn."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        forever = trio.Event()
        path.broker.before = forever.wait
        stuck = path.later(order(path.clock, "s"))
        assert (await stuck.wait())["status"] == "unknown"
        path.broker.before = None
        await trio.sleep(Deadlines().place_s)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        await trio.sleep(Deadlines().find_s)
        assert path.broker.opened == 1


async def test_a_bug_in_an_adapter_is_unknown_and_not_resent(autojump_clock: MockClock) -> None:
    """Whatever an adapter raises after the order may have left: unknown, reconciled, sent once."""
    async with open_command_path() as path:

        async def bug() -> None:
            raise LookupError("a bug")

        path.broker.after = bug
        assert (await path.ask(order(path.clock)))["status"] == "unknown"
        path.broker.after = None
        await trio.sleep(3)
        assert (await path.ask(order(path.clock)))["status"] == "success"
        assert (len(path.broker.sent), path.broker.opened) == (1, 1)


@pytest.mark.parametrize("crashes", [False, True])
async def test_an_outcome_that_cannot_be_written(crashes: bool, autojump_clock: MockClock) -> None:
    """A journal that fails after the fill: the outcome is said, written later, and a crash finds it at the broker."""
    async with open_command_path() as path:

        async def fail() -> None:
            path.journal.fails = "disk full"

        path.broker.after = fail
        first = await path.ask(order(path.clock))
        assert first["status"] == "success"
        path.broker.after = None
        if crashes:
            await path.crash(EXECUTOR)
        path.journal.fails = None
        await trio.sleep(3)
        known = await path.journal.lookup("alpha", "r1")
        assert known is not None
        assert known.reply["ticket"] == first["ticket"]
        assert (await path.ask(order(path.clock)))["ticket"] == first["ticket"]
        assert path.broker.opened == 1


async def test_unknown_without_a_record_is_reconciled_too(autojump_clock: MockClock) -> None:
    """A close that went out while the journal was down, and whose outcome is unknown, is found again later."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.journal.fails = "disk full"
        path.broker.inner.faults.place_unknown = "executed"
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "unknown"
        path.broker.inner.faults.place_unknown = None
        path.journal.fails = None
        await trio.sleep(5)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert (await path.ask(opening()))["approved"] is True
        assert len(path.broker.sent) == 2


# --- closes never wait for opens -------------------------------------------------------------------------------------


async def test_a_close_passes_an_open_that_hangs(autojump_clock: MockClock) -> None:
    """A broker that takes its time over an open, or never answers, holds up what adds exposure and nothing else."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        hangs = trio.Event()

        async def hold() -> None:
            if path.broker.holding is not None and not path.broker.holding.reduces:
                await hangs.wait()

        path.broker.before = hold
        stuck = [path.later(order(path.clock, f"s{number}", symbol="GBPUSD", magic=number)) for number in range(3)]
        await trio.sleep(0.1)
        began = trio.current_time()
        reply = await path.ask(closing(path.clock, ticket, "c"))
        assert (reply["status"], trio.current_time() - began) == ("success", pytest.approx(0.0, abs=0.05))
        hangs.set()
        assert {(await each.wait())["status"] for each in stuck} <= {"success", "unknown"}


async def test_an_open_passes_a_close_that_hangs(autojump_clock: MockClock) -> None:
    """The other way round, too; and closes of one account go out one after the other."""
    async with open_command_path() as path:
        tickets = [(await path.ask(order(path.clock, f"p{number}")))["ticket"] for number in range(2)]
        hangs = trio.Event()

        async def hold() -> None:
            if path.broker.holding is not None and path.broker.holding.reduces:
                await hangs.wait()

        path.broker.before = hold
        stuck = [path.later(closing(path.clock, ticket, f"c{ticket}")) for ticket in tickets]
        await trio.sleep(0.1)
        assert (await path.ask(order(path.clock, "o", symbol="GBPUSD")))["status"] == "success"
        assert len(path.broker.sent) == 3
        hangs.set()
        assert {(await each.wait())["status"] for each in stuck} == {"success"}


async def test_a_closer_that_crashes_leaves_its_order_to_the_executor(autojump_clock: MockClock) -> None:
    """A close in hand at a crash is unknown, then found, and never sent again; opens did not notice."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        path.broker.after = trio.sleep_forever
        lost = path.later(closing(path.clock, ticket, "c"))
        await trio.sleep(0.05)
        path.broker.after = None
        await path.crash("execution/brokers/closer:demo")
        assert (await lost.wait())["status"] == "unknown"
        assert (await path.ask(order(path.clock, "o", symbol="GBPUSD")))["status"] == "success"
        await trio.sleep(3)
        assert (await path.ask(closing(path.clock, ticket, "c")))["status"] == "success"
        assert path.broker.tags_sent_twice == []


async def test_what_a_closer_had_in_hand_when_it_crashed_is_unknown_at_once(autojump_clock: MockClock) -> None:
    """Whoever hears that its close is unknown opens nothing there before it is known, though opens go on elsewhere."""
    async with open_command_path() as path:
        ticket = (await path.ask(order(path.clock, "p")))["ticket"]
        await trio.sleep(2.1)  # just after a look of the reconciler
        path.broker.before = trio.sleep_forever
        lost = path.later(closing(path.clock, ticket, "c"))
        await trio.sleep(0.05)
        path.broker.before = None
        await path.crash("execution/brokers/closer:demo")
        assert (await lost.wait())["status"] == "unknown"
        refused = await path.ask(order(path.clock, "o"))
        assert (refused["status"], [each["rule"] for each in refused["reasons"]]) == ("rejected", ["no_unknown"])
        assert (await path.ask(order(path.clock, "q", symbol="GBPUSD")))["status"] == "success"
        await trio.sleep(3)
        assert (await path.ask(order(path.clock, "r")))["status"] == "success"


async def test_a_closer_that_can_not_run_is_told(autojump_clock: MockClock) -> None:
    """Closes that can't go out are what people must know first."""
    async with open_command_path() as path:
        link = path.boards.links.of("demo")
        assert path.root.fail("execution/brokers/closer:demo", RuntimeError("again"))
        with trio.fail_after(5):
            while link.closes_error is None:
                await trio.lowlevel.checkpoint()
        assert "closer" in link.closes_error
        assert "closes_failed" in [cause.code for cause in causes_of(path.boards, "demo", trio.current_time(), None)]
        with trio.fail_after(5):
            while link.closes_error is not None:
                await trio.sleep(0.01)


async def test_nothing_is_opened_that_could_not_be_closed(autojump_clock: MockClock) -> None:
    """While the closer is away nothing new goes out, be it approved already; what was asked before waits for nobody."""
    async with open_command_path() as path:
        link = path.boards.links.of("demo")
        hangs = trio.Event()
        path.broker.before = hangs.wait
        first = path.later(order(path.clock, "first", magic=1))
        await trio.sleep(0.05)
        queued = path.later(order(path.clock, "queued", magic=2))
        await trio.sleep(0.05)
        link.closes_error = "its closer ended by an error; see /actors"
        hangs.set()
        assert (await first.wait())["status"] == "success"
        for reply in (await queued.wait(), await path.ask(order(path.clock, "new", magic=3))):
            assert (reply["status"], reply["code"]) == ("error", "broker_unavailable")
            assert "its closer ended by an error" in reply["message"]
        assert len(path.broker.sent) == 1
        link.closes_error = None
        assert (await path.ask(order(path.clock, "again", magic=3)))["status"] == "success"


# --- the breaker -----------------------------------------------------------------------------------------------------


async def test_an_open_breaker_refuses_opens_that_were_approved_before(autojump_clock: MockClock) -> None:
    """It is looked at just before the order would leave; nothing was sent, and that is what is told."""
    async with open_command_path() as path:
        hangs = trio.Event()
        path.broker.before = hangs.wait
        first = path.later(order(path.clock, "first", magic=1))
        await trio.sleep(0.05)
        later = path.later(order(path.clock, "later", magic=2))
        await trio.sleep(0.1)
        breaker = path.boards.links.of("demo").breaker
        for _ in range(5):
            breaker.failed(Path.ORDERS, "no answer", trio.current_time())
        hangs.set()
        assert (await first.wait())["status"] == "success"
        reply = await later.wait()
        assert (reply["status"], reply["code"]) == ("error", "broker_unavailable")
        assert "circuit breaker is open" in reply["message"]
        assert len(path.broker.sent) == 1


async def test_the_executor_sends_the_probe(autojump_clock: MockClock) -> None:
    """Without any order, the way that orders go is tried when the time is over, by a look-up that changes nothing."""
    async with open_command_path() as path:
        breaker = path.boards.links.of("demo").breaker
        for _ in range(5):
            breaker.failed(Path.ORDERS, "no answer", trio.current_time())
        await trio.sleep(59)
        assert breaker.state(trio.current_time()) is BreakerState.OPEN
        await trio.sleep(4)
        assert breaker.state(trio.current_time()) is BreakerState.CLOSED
        assert path.broker.sent == []
