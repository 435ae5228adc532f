"""The place of a bridge that comes by itself: it is waited for, let go, replaced, and never mistaken for another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio
import trio.testing

from quantmind.adapters.mt5.berth import ARRIVES_WITHIN_S, MOST_WAITING, Berth, Caller
from quantmind.adapters.mt5.broker import BridgedBroker
from quantmind.adapters.mt5.line import AnswerLost, Line, NotSent
from quantmind.domain.orders import Absent, Open, Origin, Placed, Side
from quantmind.domain.risk.approval import Approved, Terms, approve
from quantmind.errors import BrokerUnavailable
from quantmind.net.zmq import ZmqContext
from quantmind.wire import bridge


class Bridge:
    """The other end, played by the test."""

    def __init__(self) -> None:
        self.asked: list[bridge.AnyRequest] = []
        self.deaf = False

    def send(self, payload: bytes) -> bool:
        if self.deaf:
            return False
        if bridge.kind_in(payload) != "reply":  # that is a last word
            self.asked.append(bridge.decode(payload))
        return True

    def answer(self, caller: Caller, number: int = 0, session: str | None = None) -> None:
        reply = bridge.Ticks(number=number, ticks=())
        said = caller.proof if session is None else session
        caller.take(bridge.encode_reply(self.asked[-1].id, reply, said))


def arrived(berth: Berth, at: Bridge) -> Caller:
    return berth.arrive(at.send, 5, "Demo", 1.8e9)


async def ask(line: Line) -> bridge.Ticks:
    return await line.ask(bridge.TicksGet(id=line.next_id(), after=0), bridge.Ticks, 5.0)


async def test_it_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """And the broker is unavailable with a way out when none comes; whoever comes meanwhile is taken at once."""
    del autojump_clock
    berth = Berth("mine", "5")
    began = trio.current_time()
    with pytest.raises(BrokerUnavailable, match="start the bridge EA in the terminal with account 5"):
        await berth.start()
    assert trio.current_time() - began == pytest.approx(ARRIVES_WITHIN_S)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def come() -> None:
            await trio.sleep(3)
            arrived(berth, Bridge())

        began = trio.current_time()
        caller = await berth.start()
    assert trio.current_time() - began == pytest.approx(3)
    assert caller is await berth.start()


async def test_asking_and_answering() -> None:
    """By the same line as a worker; what it says unasked is told."""
    berth, there, told = Berth("mine"), Bridge(), []
    caller = arrived(berth, there)
    with ZmqContext() as context:
        line = Line(caller.open(context), lambda: berth.alive, 7, lambda: told.append(1), caller.proof)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def answer() -> None:
                await trio.testing.wait_all_tasks_blocked()
                caller.take(bridge.encode_transaction("deal", caller.proof))
                there.answer(caller, 3)

            assert (await ask(line)).number == 3
    assert [each.id for each in there.asked] == ["8"]
    assert told == [1]


@pytest.mark.parametrize("how", ["replaced", "killed", "talkative", "in its name", "deaf"])
async def test_who_waits_hears_that_the_answer_is_lost(how: str, autojump_clock: trio.testing.MockClock) -> None:
    """At once, and not at the end of its time."""
    del autojump_clock
    berth, there = Berth("mine"), Bridge()
    caller = arrived(berth, there)
    with ZmqContext() as context:
        line = Line(caller.open(context), lambda: berth.alive, 0, lambda: None, caller.proof)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def end() -> None:
                await trio.testing.wait_all_tasks_blocked()
                if how == "replaced":
                    arrived(berth, Bridge())
                elif how == "killed":
                    await berth.kill()
                elif how == "talkative":
                    for _ in range(MOST_WAITING + 1):
                        caller.take(bridge.encode_transaction("deal", caller.proof))
                elif how == "deaf":
                    there.deaf = True
                    assert not caller.send(b"{}")
                else:  # where the session stands it must be right, though it is in the message
                    reply = bridge.encode_reply(there.asked[-1].id, bridge.Nothing(), "x" + caller.proof)
                    caller.take(reply)

            began = trio.current_time()
            with pytest.raises(AnswerLost):
                await ask(line)
            assert trio.current_time() - began < 1
        assert (caller.gone is None) == (how == "in its name")
        with pytest.raises(NotSent):
            await ask(line)
    assert berth.alive == (how in ("replaced", "in its name"))


async def test_what_is_no_answer_is_counted_and_not_kept() -> None:
    """It must have the session like all the rest, and one that has gone is not looked at."""
    berth = Berth("mine")
    caller = arrived(berth, Bridge())
    assert caller.counts(bridge.encode(bridge.Guarded(seq=1, state="watching", session=caller.proof)))
    assert not caller.counts(bridge.encode(bridge.Guarded(seq=1, state="watching", session="another")))
    assert caller.said() == []
    assert (caller.received, caller.strange) == (2, 1)
    await berth.kill()
    assert not caller.counts(bridge.encode(bridge.Guarded(seq=1, state="watching", session=caller.proof)))


async def test_a_late_answer_is_none_to_another_request() -> None:
    """A line that is opened anew to the same bridge counts on, so an answer to the line before fits nothing."""
    berth, there = Berth("mine"), Bridge()
    caller = arrived(berth, there)
    broker = BridgedBroker("mine", berth)
    welcome = bridge.Welcome(protocol=1, account=5, server="Demo", margin_mode="hedging")

    def say(request: bridge.AnyRequest) -> None:
        said = welcome if isinstance(request, bridge.Hello) else bridge.Symbols(symbols=())
        caller.take(bridge.encode_reply(request.id, said, caller.proof))

    async def connect() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.connect)
            for _ in range(2):
                before = len(there.asked)
                while len(there.asked) == before:
                    await trio.sleep(0.001)
                say(there.asked[-1])

    await connect()
    with trio.move_on_after(0.01):
        await broker.poll()
    given_up = there.asked[-1]
    await broker.aclose()
    assert berth.alive, "it stays where it is"
    await connect()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def answer() -> None:
            await trio.testing.wait_all_tasks_blocked()
            caller.take(bridge.encode_reply(given_up.id, bridge.Ticks(number=1, ticks=()), caller.proof))
            caller.take(
                bridge.encode_reply(there.asked[-1].id, bridge.Ticks(number=2, ticks=(), crossed=9), caller.proof)
            )

        assert (await broker.poll()).crossed == 9
    ids = [int(each.id) for each in there.asked]
    assert ids == sorted(set(ids))
    await broker.aclose()


class Scripted:
    """A bridge that answers at once, as the test says."""

    def __init__(self, berth: Berth) -> None:
        self.asked: list[bridge.AnyRequest] = []
        self.clock_ms = 1_000_000
        self.found: Placed | Absent | None = Absent()
        self.caller = berth.arrive(self.send, 5, "Demo", 1.8e9)

    def send(self, payload: bytes) -> bool:
        if bridge.kind_in(payload) == "reply":
            return True  # a last word
        request = bridge.decode(payload)
        self.asked.append(request)
        said = self.answer(request)
        proof = self.caller.proof
        if isinstance(said, str):
            self.caller.take(bridge.encode_error(request.id, said, "no", proof))
        elif said is not None:
            self.caller.take(bridge.encode_reply(request.id, said, proof))
        return True

    def answer(self, request: bridge.AnyRequest) -> Any:
        match request:
            case bridge.Hello():
                return bridge.Welcome(
                    protocol=1, account=5, server="Demo", margin_mode="hedging", clock_ms=self.clock_ms
                )
            case bridge.SymbolsGet():
                return bridge.Symbols(symbols=())
            case bridge.OrderFind():
                return bridge.Found.of(self.found)
            case bridge.OrderSend() if 0 < request.start_by_ms < self.clock_ms:
                return bridge.LATE
            case bridge.OrderSend():
                return bridge.Result.of(Placed(10009, ticket=5)) if request.tag != "lost" else None
            case _:
                raise AssertionError(request)


def approved() -> Approved:
    proposal = Open(Origin("a", 1), "mine", "EURUSD", Decimal("0.1"), Side.BUY)
    return approve(proposal, Terms(Decimal(1), None), approval_id="a", incarnation=1, deadline=1e9, reduces=False)


async def test_clocks_that_have_drifted_apart_hold_no_order_up(autojump_clock: trio.testing.MockClock) -> None:
    """An order that is called late at once was not: it is greeted anew, and the order goes out once."""
    del autojump_clock
    berth = Berth("mine")
    there, broker = Scripted(berth), BridgedBroker("mine", berth)
    await broker.connect()
    assert await broker.place(approved(), "t1") == Placed(10009, ticket=5)
    there.clock_ms += 3_600_000
    assert await broker.place(approved(), "t2") == Placed(10009, ticket=5)
    kinds = [type(each).__name__ for each in there.asked]
    assert kinds[-3:] == ["OrderSend", "Hello", "OrderSend"]
    by = [each.start_by_ms - there.clock_ms for each in there.asked if isinstance(each, bridge.OrderSend)]
    assert by[-1] == broker.limits.order_s * 1000
    await broker.aclose()


async def test_absent_is_believed_when_it_can_t_begin_any_more(autojump_clock: trio.testing.MockClock) -> None:
    """The bridge that has it may hang, and another one that knows nothing of it may be asked."""
    del autojump_clock
    berth = Berth("mine")
    there, broker = Scripted(berth), BridgedBroker("mine", berth, settle_s=10.0, shared=True)
    await broker.connect()
    assert await broker.find("of-an-earlier-one") is None
    with trio.move_on_after(broker.limits.order_s / 2):
        await broker.place(approved(), "lost")
    there = Scripted(berth)
    await broker.connect()
    assert await broker.find("lost") is None
    there.found = Placed(10009, ticket=6)
    assert await broker.find("lost") == there.found
    there.found = Absent()
    await trio.sleep(broker.settle_s)
    assert await broker.find("lost") == Absent()
    assert await broker.find("of-an-earlier-one") == Absent()
    await broker.aclose()
