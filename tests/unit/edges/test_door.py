"""The door alone, with an actor that does what it is told: one answer each, whatever becomes of the call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from command_path import TOKEN, Notebook, WallClock
from trio.testing import MockClock

from actors.messages import HandleCommand
from actors.runtime import ActorSpec, Inbox, MailboxPolicy, Overflow, Supervisor
from quantmind.edges import door as module
from quantmind.edges.command_log import CommandLog
from quantmind.edges.door import ANSWER_WITHIN_S, Door
from quantmind.edges.latency import Latencies
from quantmind.wire.auth import Authenticator, Identity

BEAT = b'{"type":"heartbeat","ea_name":"alpha","symbol":"EURUSD","magic":7,"request_id":"r"}'


@attrs.define(eq=False)
class Hall:
    """A door with an actor behind it."""

    door: Door
    root: Supervisor
    calls: list[Any] = attrs.field(factory=list)
    behave: Any = None
    heard: list[dict[str, Any]] = attrs.field(factory=list)

    async def actor(self, inbox: Inbox[Any]) -> None:
        async for call in inbox:
            self.calls.append(call)
            await self.behave(call)


@asynccontextmanager
async def hall(behave: Any, *, capacity: int = 8, max_in_flight: int = 4, **options: Any) -> AsyncIterator[Hall]:
    holder: list[Hall] = []
    root = Supervisor(
        "root",
        [ActorSpec("commands", lambda: holder[0].actor, mailbox=MailboxPolicy(Overflow.REJECT, capacity))],
        on_event=lambda _: None,
    )
    auth = Authenticator({TOKEN: ("owner", frozenset({"admin"}))})
    door = Door(
        "zmq",
        root.ref("commands"),
        auth,
        WallClock(),
        Latencies(5.0),
        max_in_flight,
        **{"require_token": False, "log": CommandLog("zmq", Notebook(), WallClock()), **options},
    )
    holder.append(Hall(door, root, behave=behave))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(door.sweep)
        await nursery.start(root.run)
        yield holder[0]
        nursery.cancel_scope.cancel()


async def answer(call: Any) -> None:
    call.answer({"status": "success", "from": call.request.command.envelope.request_id})


async def test_an_answer_has_time_and_id(autojump_clock: MockClock) -> None:
    """Whatever is answered carries the door's time and the request's own id."""
    async with hall(answer) as place:
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(0.1)
        (reply,) = place.heard
        assert (reply["status"], reply["from"], reply["request_id"]) == ("success", "r", "r")
        assert reply["timestamp"] == pytest.approx(WallClock().now(), abs=1)
        assert place.door.in_flight == 0
        assert place.door.statistics.by_status == {"success": 1}
        request: HandleCommand = place.calls[0].request
        assert (request.via, request.identity) == ("zmq", Identity())


@pytest.mark.parametrize(
    ("raw", "code", "request_id"),
    [
        (b"", "invalid_json", None),
        (b"\xff", "invalid_json", None),
        (b'{"type":"x","request_id":"r"}', "unknown_type", "r"),
        (b'{"type":"heartbeat","request_id":"r"}', "invalid_message", "r"),
        (b'{"type":"heartbeat","ea_name":"a","request_id":"r","token":"wrong"}', "unauthorized", "r"),
    ],
)
async def test_what_is_turned_away(raw: bytes, code: str, request_id: Any, autojump_clock: MockClock) -> None:
    """A message that can't be understood or has a wrong token is answered at once and goes no further."""
    async with hall(answer) as place:
        place.door.submit(raw, place.heard.append)
        (reply,) = place.heard
        assert (reply["status"], reply["code"], reply["request_id"]) == ("error", code, request_id)
        assert reply["approved"] is False
        assert place.calls == []


async def test_a_bug_in_the_decoder_is_answered(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that breaks ends nobody's socket: its sender hears `internal`, the next one is served."""
    real = module.decode

    def broken(raw: bytes) -> Any:
        if raw == b"boom":
            raise ZeroDivisionError
        return real(raw)

    monkeypatch.setattr(module, "decode", broken)
    async with hall(answer) as place:
        place.door.submit(b"boom", place.heard.append)
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(0.1)
        assert [reply.get("code") for reply in place.heard] == ["internal", None]


async def test_an_answer_that_breaks_harms_nobody(autojump_clock: MockClock) -> None:
    """An edge that can't take its answer does not end the actor that gave it."""
    async with hall(answer) as place:

        def bad(_: Any) -> None:
            raise OSError("the peer has gone")

        place.door.submit(BEAT, bad)
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(0.1)
        assert len(place.heard) == 1
        assert place.root.snapshot().children[0].restarts == 0


async def test_not_committed_in_time(autojump_clock: MockClock) -> None:
    """Nothing decided after 5 s: not approved, nothing is sent afterwards, and a late answer is dropped."""
    late: list[Any] = []

    async def slow(call: Any) -> None:
        await trio.sleep(7)
        late.append((call.commit(), call.answer({"status": "success", "approved": True})))

    async with hall(slow) as place:
        began = trio.current_time()
        place.door.submit(BEAT, lambda reply: place.heard.append({**reply, "at": trio.current_time() - began}))
        await trio.sleep(20)
        (reply,) = place.heard
        assert (reply["status"], reply["approved"], reply["code"]) == ("error", False, "busy")
        assert ANSWER_WITHIN_S <= reply["at"] <= ANSWER_WITHIN_S + 0.2
        assert late == [(False, False)]


async def test_committed_and_late(autojump_clock: MockClock) -> None:
    """Committed and no outcome after 5 s: unknown, and the late answer is not sent too."""

    async def slow(call: Any) -> None:
        call.commit()
        await trio.sleep(7)
        call.answer({"status": "success"})

    async with hall(slow) as place:
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(20)
        assert [reply["status"] for reply in place.heard] == ["unknown"]
        assert "approved" not in place.heard[0]
        assert place.door.statistics.timed_out == 1


@pytest.mark.parametrize("commits", [True, False])
async def test_a_crash_is_answered(commits: bool, autojump_clock: MockClock) -> None:
    """A crash before the point of no return: nothing was sent; after it: unknown."""

    async def crash(call: Any) -> None:
        if commits:
            call.commit()
        raise RuntimeError("a bug")

    async with hall(crash) as place:
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(2)
        (reply,) = place.heard
        if commits:
            assert reply["status"] == "unknown"
        else:
            assert (reply["status"], reply["code"], reply["approved"]) == ("error", "internal", False)


async def test_limits(autojump_clock: MockClock) -> None:
    """Beyond max_in_flight, and beyond the actor's mailbox, the answer is `busy` at once."""

    async def hang(_: Any) -> None:
        await trio.sleep(3)

    async with hall(hang, capacity=2, max_in_flight=4) as place:
        place.door.submit(BEAT, place.heard.append)
        await trio.sleep(0.1)
        for _ in range(6):
            place.door.submit(BEAT, place.heard.append)
        assert [reply["code"] for reply in place.heard] == ["busy"] * 4
        assert place.door.in_flight == 3


def order(number: int, broker: str, **more: Any) -> bytes:
    """An executed order of its own EA."""
    opening = {"type": "trade_open", "symbol": "EURUSD", "side": "buy", "volume": 0.01, "execute": True}
    named = {"ea_name": f"ea{number}", "magic": 7, "broker": broker, "request_id": f"r{number}"}
    return json.dumps({**opening, **named, "token": TOKEN, "expires_at": WallClock().now() + 30, **more}).encode()


async def test_a_broker_that_hangs_makes_no_order_of_another_busy(autojump_clock: MockClock) -> None:
    """Its orders are `busy` once they have its part of the places; an order for another broker still goes in."""

    async def hang(call: Any) -> None:
        call.move()

    async with hall(hang, capacity=100, max_in_flight=32, brokers=2) as place:
        for number in range(40):
            place.door.submit(order(number, "hangs"), place.heard.append, sender=number)
        await trio.sleep(0.1)
        assert place.door.in_flight == 14
        assert {reply["code"] for reply in place.heard} == {"busy"}
        assert place.door.statistics.no_place == {"broker": 26}
        place.heard.clear()
        place.door.submit(order(100, "works"), place.heard.append, sender=100)
        assert (place.heard, place.door.in_flight) == ([], 15)
        await trio.sleep(ANSWER_WITHIN_S + 1)
        assert (len(place.heard), place.door.in_flight) == (15, 0)
        place.heard.clear()
        place.door.submit(order(200, "hangs"), place.heard.append, sender=200)
        assert place.heard == []


async def test_a_sender_that_floods_leaves_places_for_others(autojump_clock: MockClock) -> None:
    """Beyond its quarter it is `busy`, whatever EA it names; a close of its own and others' commands still go in."""

    async def hang(call: Any) -> None:
        call.move()

    async with hall(hang, capacity=100, max_in_flight=32) as place:
        for number in range(20):
            place.door.submit(order(number, "demo"), place.heard.append, sender="flood")
        assert place.door.in_flight == 16
        assert place.door.statistics.no_place == {"sender": 4}
        place.heard.clear()
        close = json.loads(order(50, "demo", type="trade_close", ticket=5))
        for name in ("side", "volume"):
            del close[name]
        place.door.submit(json.dumps(close).encode(), place.heard.append, sender="flood")
        place.door.submit(order(51, "demo"), place.heard.append, sender="other")
        assert (place.heard, place.door.in_flight) == ([], 18)


async def test_waiting_for_fewer_ends_with_decisions(autojump_clock: MockClock) -> None:
    """What waits for a broker does not count, and what is answered counts no more."""
    calls: list[Any] = []

    async def keep(call: Any) -> None:
        calls.append(call.move())

    async with hall(keep, capacity=100, max_in_flight=32) as place:
        for number in range(4):
            place.door.submit(order(number, "demo"), place.heard.append, sender=number)
        await trio.sleep(0.1)
        with trio.move_on_after(1) as scope:
            await place.door.wait_below(4)
        assert scope.cancelled_caught
        calls[0].commit()
        with trio.fail_after(1):
            await place.door.wait_below(4)
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(place.door.wait_below, 3)
                await trio.sleep(0.1)
                calls[1].answer({"status": "success"})
        assert len(place.heard) == 1


async def test_after_the_end_everyone_has_an_answer(autojump_clock: MockClock) -> None:
    """When the tree has ended, what was in flight is answered and what comes is refused."""

    async def hang(_: Any) -> None:
        await trio.sleep_forever()

    async with hall(hang) as place:
        for _ in range(3):
            place.door.submit(BEAT, place.heard.append)
        await trio.sleep(0.1)
        await place.root.stop()
        place.door.submit(BEAT, place.heard.append)
        assert [reply["status"] for reply in place.heard] == ["error"] * 4
        assert place.door.in_flight == 0


async def test_require_token(autojump_clock: MockClock) -> None:
    """Where tokens are required a message without one is unauthorized; a known one's identity goes on."""
    async with hall(answer, require_token=True) as place:
        place.door.submit(BEAT, place.heard.append)
        place.door.submit(json.dumps({**json.loads(BEAT), "token": TOKEN}).encode(), place.heard.append)
        await trio.sleep(0.1)
        assert [reply.get("code") for reply in place.heard] == ["unauthorized", None]
        assert place.calls[0].request.identity.name == "owner"


async def test_request_waits(autojump_clock: MockClock) -> None:
    """`request` waits for the answer; cancelled, it leaves the command going on."""

    async def slow(call: Any) -> None:
        await trio.sleep(1)
        await answer(call)

    async with hall(slow) as place:
        identity = Identity("owner", frozenset({"admin"}))
        with trio.move_on_after(0.5) as scope:
            await place.door.request(BEAT, identity=identity)
        assert scope.cancelled_caught
        assert (await place.door.request(BEAT, identity=identity))["status"] == "success"
        assert len(place.calls) == 2


async def test_refuse(autojump_clock: MockClock) -> None:
    """What is no message at all is answered too."""
    async with hall(answer) as place:
        place.door.refuse("invalid_message", "two frames", place.heard.append)
        assert (place.heard[0]["code"], place.heard[0]["request_id"]) == ("invalid_message", None)


def test_latencies(caplog: pytest.LogCaptureFixture) -> None:
    """Slow commands are counted, and logged with their stages at most once a second."""
    from quantmind.domain.stopwatch import Stopwatch

    latencies = Latencies(5.0)
    for n in range(100):
        watch = Stopwatch(float(n))
        watch.mark("judge", n + 0.001)
        latencies.record("trade_open", watch, n + (0.020 if n >= 98 else 0.001))
    shown = latencies.snapshot()
    assert (shown["warnings"], shown["commands"]["trade_open"]["count"]) == (2, 100)
    assert shown["commands"]["trade_open"]["p50_ms"] <= 1.5
    assert shown["commands"]["trade_open"]["p99_ms"] >= 10
    assert len(caplog.records) <= 2


@pytest.mark.parametrize(("own_s", "broker_s", "slow"), [(0.004, 0.9, 0), (0.006, 0.0, 1), (0.001, 1.1, 1)])
def test_the_way_to_the_broker_is_not_the_gateway_s(own_s: float, broker_s: float, slow: int) -> None:
    """An exchange on the other side of the world makes no command slow, but one that takes over a second does."""
    from quantmind.domain.stopwatch import Stopwatch

    watch = Stopwatch(10.0)
    watch.mark("judge", 10.0 + own_s)
    watch.mark("broker", 10.0 + own_s + broker_s)
    latencies = Latencies(5.0)
    latencies.record("trade_open", watch, 10.0 + own_s + broker_s)
    assert latencies.snapshot()["warnings"] == slow
