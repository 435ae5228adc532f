"""Shares of the loop: within them nobody waits, beyond them one piece is done at a time, and no door is starved."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import MockClock

from quantmind.net.listen import accept_connections, open_listener
from quantmind.net.stream import PACED_BYTES, OwnedStream
from quantmind.net.turns import PATIENCE_S, Pace, Turns


async def test_a_share_is_spent_and_fills_again(autojump_clock: MockClock) -> None:
    """So many pieces at once, then so many a second; a debt is never more than one burst."""
    pace = Pace(Turns(), "door", per_s=10.0, burst=5.0)
    done = 0
    while not pace.spent:
        pace.count()
        done += 1
    assert done == 5
    await trio.sleep(0.1)
    assert not pace.spent
    pace.count(1000)
    await trio.sleep(0.5)
    assert pace.spent
    await trio.sleep(0.2)
    assert not pace.spent


async def test_the_share_of_all_holds_for_each(autojump_clock: MockClock) -> None:
    """Many who are each within theirs are held up together, in a line of their own; who comes anew has less at once."""
    turns = Turns()
    everybody = Pace(turns, "door", per_s=1.0, burst=10.0)
    paces = [Pace(turns, "door", 1.0, 5.0, first=3.0, of=everybody) for _ in range(4)]
    for pace in paces:
        for _ in range(2):
            assert not pace.spent
            pace.count()
    paces[0].count()
    assert paces[0].spent
    for pace in paces[1:]:
        assert not pace.spent
    paces[1].count()
    assert paces[2].spent
    async with trio.open_nursery() as nursery:
        for pace in paces:
            nursery.start_soon(pace.turn)
    assert turns.at("door").waited == 4


async def test_a_turn_comes_when_the_loop_is_at_rest(autojump_clock: MockClock) -> None:
    """Whatever the piece before set going, and everybody else's work, is done before the next piece."""
    turns, order = Turns(), []

    async def flood(name: str) -> None:
        for number in range(3):
            await turns.wait("commands")
            order.append((name, number))

    async def honest() -> None:
        for _ in range(50):
            await trio.lowlevel.checkpoint()
        order.append(("honest", 0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, "flood")
        nursery.start_soon(honest)
    assert order[0] == ("honest", 0)
    assert turns.at("commands").waited == 3
    assert turns.at("commands").waiting == 0


async def test_doors_and_lines_take_turns(autojump_clock: MockClock) -> None:
    """One who waits at a quiet door, or in a quiet line, is among the next, however many wait in the others."""
    held = True
    turns, order = Turns(lambda: held, patience_s=60), []

    async def wait(door: str, line: str) -> None:
        await turns.wait(door, line, hold_s=60)
        order.append((door, line))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(wait, "http", "accept")
        await trio.sleep(1)
        nursery.start_soon(wait, "http", "request")
        nursery.start_soon(wait, "websocket", "")
        await trio.sleep(1)
        assert turns.status()["http"] == {"waited": 21, "pressed": 0, "waiting": 21}
        held = False
    assert len(order) == 22
    assert max(order.index(("http", "request")), order.index(("websocket", ""))) <= 3


async def test_a_loop_that_never_rests_still_gives_turns() -> None:
    """After some patience the next turn comes all the same, and is counted."""
    turns = Turns(patience_s=0.001)
    async with trio.open_nursery() as nursery:

        async def spin() -> None:
            while True:
                await trio.lowlevel.checkpoint()

        nursery.start_soon(spin)
        with trio.fail_after(20):
            await turns.wait("ingest")
        nursery.cancel_scope.cancel()
    assert turns.at("ingest").pressed == 1


async def test_a_thread_at_work_is_waited_for(autojump_clock: MockClock) -> None:
    """While a thread has something in hand no turn is given, within the patience."""
    working = True
    turns = Turns(lambda: working)
    began = trio.current_time()
    await turns.wait("commands")
    assert trio.current_time() - began == pytest.approx(PATIENCE_S)
    began = trio.current_time()
    await turns.wait("commands", hold_s=0.002)
    assert trio.current_time() - began == pytest.approx(0.002)
    working = False
    began = trio.current_time()
    await turns.wait("commands")
    assert trio.current_time() == began


@pytest.mark.parametrize("which", ["first", "second"])
async def test_who_gives_up_leaves_no_gap(which: str, autojump_clock: MockClock) -> None:
    """A cancelled wait frees its place, wherever in the line it stood, and the others go on."""
    turns, scope, order = Turns(lambda: trio.current_time() < 0.005, patience_s=5.0), trio.CancelScope(), []

    async def wait(name: str) -> None:
        if name == which:
            with scope:
                await turns.wait("http")
            return
        await turns.wait("http")
        order.append(name)

    async with trio.open_nursery() as nursery:
        for name in ("first", "second", "third"):
            nursery.start_soon(wait, name)
            await trio.sleep(0.001)
        scope.cancel()
    assert sorted(order) == sorted({"first", "second", "third"} - {which})
    assert turns.at("http").waiting == 0


async def test_connections_beyond_the_share_are_accepted_by_turns() -> None:
    """None is lost, and each beyond the share waited for its turn."""
    turns, taken = Turns(), []
    with open_listener("127.0.0.1", 0) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(6)]
        async with trio.open_nursery() as nursery:
            pace = Pace(turns, "websocket", per_s=0.001, burst=2.0, line="accept")
            nursery.start_soon(accept_connections, listener, taken.append, pace)
            with trio.fail_after(20):
                while len(taken) < 6:
                    await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
    assert turns.at("websocket").waited >= 4
    for each in (*clients, *taken):
        each.close()


async def test_a_peer_beyond_its_share_is_read_in_small_pieces() -> None:
    """All its bytes come, in order, in pieces that hold nobody up."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    turns = Turns()
    pace = Pace(turns, "websocket", per_s=0.001, burst=2.0)
    stream = OwnedStream(ours, slow_client_timeout_s=5, max_queued_bytes=1000, pace=pace)
    sent = bytes(range(256)) * 40
    theirs.sendall(sent)
    pieces = []
    with trio.fail_after(20):
        while sum(map(len, pieces)) < len(sent):
            pieces.append(await stream.receive_some(2048))
    assert b"".join(pieces) == sent
    assert max(map(len, pieces[1:])) == PACED_BYTES
    assert turns.at("websocket").waited == len(pieces) - 1
    stream.close_now()
    theirs.close()
