"""The place of a bridge that comes by itself: it is waited for, let go, replaced, and never mistaken for another."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from quantmind.adapters.mt5.berth import ARRIVES_WITHIN_S, MOST_WAITING, Berth, Caller
from quantmind.adapters.mt5.broker import BridgedBroker
from quantmind.adapters.mt5.line import AnswerLost, Line, NotSent
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
                else:
                    there.answer(caller, session="guessed")

            began = trio.current_time()
            with pytest.raises(AnswerLost):
                await ask(line)
            assert trio.current_time() - began < 1
        assert caller.gone is not None
        with pytest.raises(NotSent):
            await ask(line)
    assert berth.alive == (how == "replaced")


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
