"""The line to a worker: whoever asks gets the own answer, or hears that there will be none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
import trio

from quantmind.adapters.mt5.host import Listening
from quantmind.adapters.mt5.line import AnswerLost, Line, NotSent, Refusal, Stuck
from quantmind.net.zmq import Incoming, RouterSocket, ZmqContext
from quantmind.wire import bridge


@attrs.define(eq=False)
class Worker:
    """The other end, played by the test."""

    socket: RouterSocket
    line: Line
    alive: bool = True

    async def next(self) -> tuple[Incoming, bridge.AnyRequest]:
        (incoming,) = await self.socket.receive_batch(1)
        assert incoming.body is not None
        return incoming, bridge.decode(incoming.body)

    def say(self, to: Incoming, request_id: str, number: int = 0) -> None:
        self.socket.reply(to.route, bridge.encode_reply(request_id, bridge.Ticks(number=number, ticks=())))

    async def ask(self, within_s: float = 5.0, after: int = 0) -> bridge.Ticks:
        return await self.line.ask(bridge.TicksGet(id=self.line.next_id(), after=after), bridge.Ticks, within_s)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    with ZmqContext() as context:
        socket = RouterSocket.bind(context, "127.0.0.1", 0)
        holder: list[Worker] = []
        line = Line(Listening("127.0.0.1", socket.port, "").open(context), lambda: holder[0].alive)
        holder.append(Worker(socket, line))

        async def answer() -> None:
            incoming, request = await holder[0].next()
            holder[0].say(incoming, request.id)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                asked = bridge.TicksGet(id=line.next_id(), after=0)
                await line.reach(asked, bridge.Ticks, 5.0)
            yield holder[0]
        line.close("the test is over")


async def gather(
    nursery: trio.Nursery, worker: Worker, into: dict[int, Any], after: int, within_s: float = 5.0
) -> None:
    try:
        into[after] = (await worker.ask(within_s, after)).number
    except (NotSent, Refusal, AnswerLost) as error:
        into[after] = error


async def test_nobody_there_is_not_sent() -> None:
    """Nothing went out, and nothing goes out later."""
    with ZmqContext() as context:
        socket = RouterSocket.bind(context, "127.0.0.1", 0)
        port = socket.port
        socket.close()
        line = Line(Listening("127.0.0.1", port, "").open(context))
        with pytest.raises(NotSent):
            await line.ask(bridge.SampleGet(id=line.next_id()), bridge.Holdings, 1.0)
        with pytest.raises(NotSent):
            await line.reach(bridge.SampleGet(id=line.next_id()), bridge.Holdings, 0.05)
        line.close("over")
        with pytest.raises(NotSent, match="over"):
            await line.ask(bridge.SampleGet(id=line.next_id()), bridge.Holdings, 1.0)


async def test_each_gets_its_own_answer(worker: Worker) -> None:
    """Twenty at once, answered in order."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        for after in range(20):
            nursery.start_soon(gather, nursery, worker, answers, after)
        for _ in range(20):
            incoming, request = await worker.next()
            assert isinstance(request, bridge.TicksGet)
            worker.say(incoming, request.id, request.after * 10)
    assert answers == {after: after * 10 for after in range(20)}


async def test_a_refusal_is_told(worker: Worker) -> None:
    """With its code."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 1)
        incoming, request = await worker.next()
        worker.socket.reply(incoming.route, bridge.encode_error(request.id, bridge.UNAVAILABLE, "no terminal"))
    assert isinstance(answers[1], Refusal)
    assert (answers[1].code, str(answers[1])) == ("unavailable", "no terminal")


async def test_a_reply_that_overtakes_proves_a_loss(worker: Worker) -> None:
    """The earlier one hears so at once, and waits for no time-out."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 1)
        await worker.next()
        nursery.start_soon(gather, nursery, worker, answers, 2)
        incoming, request = await worker.next()
        worker.say(incoming, request.id, 7)
    assert answers[2] == 7
    assert isinstance(answers[1], AnswerLost)
    assert not isinstance(answers[1], Stuck)


async def test_no_answer_is_stuck(worker: Worker) -> None:
    """After the time of the request and of those before it, whoever waits for them or not."""
    answers: dict[int, Any] = {}
    began = trio.current_time()
    with trio.move_on_after(0.02):
        await worker.ask(0.3)  # given up, and still in the worker's hands
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 2, 0.2)
    assert isinstance(answers[2], Stuck)
    assert trio.current_time() - began >= 0.5


async def test_closing_wakes_everybody(worker: Worker) -> None:
    """They hear why."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        for after in (1, 2):
            nursery.start_soon(gather, nursery, worker, answers, after)
            await worker.next()
        worker.line.close("it was killed")
    assert [str(answers[after]) for after in (1, 2)] == ["it was killed"] * 2
    assert all(isinstance(each, AnswerLost) for each in answers.values())


async def test_a_worker_that_ended_is_noticed(worker: Worker) -> None:
    """Long before the time of the request is over."""
    answers: dict[int, Any] = {}
    with trio.fail_after(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gather, nursery, worker, answers, 1, 60.0)
            await worker.next()
            worker.alive = False
    assert str(answers[1]) == "the worker has ended"
    assert worker.line.closed


async def test_whoever_reads_may_be_cancelled(worker: Worker) -> None:
    """Another one reads on."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as first:
            async with trio.open_nursery() as inner:
                inner.start_soon(gather, nursery, worker, answers, 1)
                await worker.next()
                nursery.start_soon(gather, nursery, worker, answers, 2)
                incoming, request = await worker.next()
                first.cancel()
        worker.say(incoming, request.id, 5)
    assert answers == {2: 5}


async def test_garbage_is_counted(worker: Worker) -> None:
    """And disturbs nobody."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 1)
        incoming, request = await worker.next()
        for body in (
            b"\xff",
            b"{}",
            bridge.encode_reply("99", bridge.Nothing()),
            bridge.encode_reply("x", bridge.Nothing()),
        ):
            worker.socket.reply(incoming.route, body)
        worker.say(incoming, request.id, 3)
    assert answers == {1: 3}
    assert worker.line.faults == 4


async def test_an_answer_of_another_kind_is_lost(worker: Worker) -> None:
    """Nobody makes an order out of it."""
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 1)
        incoming, request = await worker.next()
        worker.socket.reply(incoming.route, bridge.encode_reply(request.id, bridge.Nothing()))
    assert "can't be read" in str(answers[1])


async def test_requests_that_were_given_up_are_forgotten(worker: Worker) -> None:
    """Once something later was answered."""
    for _ in range(50):
        with contextlib.suppress(trio.TooSlowError), trio.fail_after(0.001):
            await worker.ask()
    answers: dict[int, Any] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gather, nursery, worker, answers, 77)
        while True:
            incoming, request = await worker.next()
            if isinstance(request, bridge.TicksGet) and request.after == 77:
                break
        worker.say(incoming, request.id, 1)
    assert answers == {77: 1}
    assert worker.line._outstanding == {}
