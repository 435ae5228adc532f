"""The fault proxy: every fault is made, when it is asked for, and nothing else is changed."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from quantmind.testing.faults import Direction
from quantmind.testing.proxy import FaultProxy, Faults, open_proxy

Received = list[bytes]
ENDS: list[str] = []
"""How connections ended for the server."""


def reset_on_close(stream: trio.SocketStream) -> None:
    form = "hh" if sys.platform == "win32" else "ii"
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))


@contextlib.asynccontextmanager
async def echo_behind(faults: Faults | None = None) -> AsyncIterator[FaultProxy]:
    """A server that says back what it hears and resets whoever says `die`, behind a proxy."""
    ENDS.clear()

    async def echo(stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                if data == b"die":
                    reset_on_close(stream)
                    stream.socket.close()
                    return
                await stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            ENDS.append("reset")
        else:
            ENDS.append("closed")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with open_proxy("127.0.0.1", port, faults=faults) as proxy:
            with trio.fail_after(20):
                yield proxy
        nursery.cancel_scope.cancel()


async def client_of(proxy: FaultProxy) -> trio.SocketStream:
    return await trio.open_tcp_stream(proxy.host, proxy.port)


async def exchange(stream: trio.SocketStream) -> None:
    """Say one thing and hear it; the proxy has noted that by then."""
    await stream.send_all(b"x")
    assert await stream.receive_some() == b"x"
    await trio.testing.wait_all_tasks_blocked()


async def settled(proxy: FaultProxy) -> tuple[int, int]:
    """How many connections are open and how many were cut, once nothing happens any more."""
    await trio.testing.wait_all_tasks_blocked(0.05)
    return proxy.statistics().open, proxy.statistics().cut


async def read_exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        if not piece:
            break
        data += piece
    return data


async def read_to_end(stream: trio.SocketStream) -> tuple[bytes, str]:
    """What came, and how it ended."""
    data = b""
    while True:
        try:
            piece = await stream.receive_some()
        except trio.BrokenResourceError:
            return data, "reset"
        if not piece:
            return data, "closed"
        data += piece


@pytest.mark.parametrize(
    "faults", [Faults(), Faults(slice_bytes=7), Faults(latency_s=0.02), Faults(bytes_per_s=5e6, slice_bytes=5000)]
)
async def test_what_passes_is_unchanged(faults: Faults) -> None:
    """Latency, slices and a narrow line change when bytes come, and neither bytes nor order; an end passes, too."""
    sent = bytes(range(256)) * 200
    async with echo_behind(faults) as proxy, await client_of(proxy) as stream:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, sent)
            assert await read_exactly(stream, len(sent)) == sent
        await stream.send_eof()
        assert await read_to_end(stream) == (b"", "closed")
        assert proxy.statistics().passed_bytes == 2 * len(sent)


async def test_slices_are_small() -> None:
    """A sliced message arrives in pieces, however it was sent."""
    async with echo_behind(Faults(slice_bytes=3, latency_s=0.001)) as proxy, await client_of(proxy) as stream:
        await stream.send_all(b"0123456789")
        pieces: Received = []
        while sum(map(len, pieces)) < 10:
            pieces.append(await stream.receive_some(100))
        assert len(pieces) > 1


async def test_latency_and_bandwidth_take_time() -> None:
    """A late line is late in both directions, and a narrow one is no faster than it may be."""
    async with echo_behind(Faults(latency_s=0.1)) as proxy, await client_of(proxy) as stream:
        began = trio.current_time()
        await stream.send_all(b"x")
        await stream.receive_some()
        assert trio.current_time() - began >= 0.2
        proxy.restore(Faults(bytes_per_s=10_000))
        began = trio.current_time()
        await stream.send_all(b"x" * 3000)
        await read_exactly(stream, 3000)
        assert trio.current_time() - began >= 0.25


async def test_a_latency_that_ends_lets_go_of_what_waits() -> None:
    """Faults that change count for what is on its way."""
    async with echo_behind(Faults(latency_s=3600)) as proxy, await client_of(proxy) as stream:
        await stream.send_all(b"x")
        await trio.testing.wait_all_tasks_blocked(0.05)
        proxy.restore()
        assert await stream.receive_some() == b"x"


@pytest.mark.parametrize(("by_reset", "end"), [(False, "closed"), (True, "reset")])
async def test_cut_after_bytes(by_reset: bool, end: str) -> None:
    """A connection ends where it is said to, in the midst of a message."""
    async with echo_behind() as proxy, await client_of(proxy) as stream:
        await stream.send_all(b"12345")
        assert await read_exactly(stream, 5) == b"12345"
        proxy.set_faults(cut_after_bytes=18, cut_by_reset=by_reset)
        await stream.send_all(b"abcde")
        got, how = await read_to_end(stream)
        assert how == end
        assert b"abcde".startswith(got)
        assert len(got) <= 3
        assert proxy.statistics().passed_bytes == 18
        assert proxy.statistics().cut == 1


@pytest.mark.parametrize(("method", "end"), [("cut_all", "closed"), ("reset_all", "reset")])
async def test_open_connections_end_and_new_ones_work(method: str, end: str) -> None:
    """Cutting is for what is open now."""
    async with echo_behind() as proxy, await client_of(proxy) as stream, await client_of(proxy) as other:
        for each in (stream, other):
            await each.send_all(b"x")
            await each.receive_some()
        assert getattr(proxy, method)() == 2
        for each in (stream, other):
            assert await read_to_end(each) == (b"", end)
        async with await client_of(proxy) as third:
            await third.send_all(b"y")
            assert await third.receive_some() == b"y"


async def test_half_open() -> None:
    """A swallowed connection takes everything, answers nothing and never comes back; others work."""
    async with echo_behind() as proxy, await client_of(proxy) as stream:
        await stream.send_all(b"x")
        await stream.receive_some()
        assert proxy.swallow_all() == 1
        await stream.send_all(b"lost")
        with trio.move_on_after(0.2) as silent:
            await stream.receive_some()
        assert silent.cancelled_caught
        async with await client_of(proxy) as other:
            await other.send_all(b"y")
            assert await other.receive_some() == b"y"
            before = proxy.set_faults(swallow=True)
            await other.send_all(b"z")
            with trio.move_on_after(0.2) as silent:
                await other.receive_some()
            assert silent.cancelled_caught
            proxy.restore(before)
            await other.send_all(b"z")
            with trio.move_on_after(0.2) as silent:
                await other.receive_some()
            assert silent.cancelled_caught
        assert proxy.statistics().swallowed_bytes == 6


@pytest.mark.parametrize(("by_reset", "end"), [(False, "closed"), (True, "reset")])
async def test_a_time_out(by_reset: bool, end: str, mock_clock: trio.testing.MockClock) -> None:
    """Nothing passes any more, what was sent is lost, and the connection ends when its time is over and not before."""
    async with echo_behind() as proxy, await client_of(proxy) as stream:
        await exchange(stream)
        proxy.set_faults(timeout_s=5, cut_by_reset=by_reset)
        await stream.send_all(b"lost")
        mock_clock.jump(4.9)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (proxy.statistics().open, proxy.statistics().swallowed_bytes) == (1, 4)
        mock_clock.jump(0.2)
        assert await read_to_end(stream) == (b"", end)
        assert await settled(proxy) == (0, 1)
        assert [end] == ENDS


async def test_a_time_out_takes_new_connections_too(mock_clock: trio.testing.MockClock) -> None:
    """Each has its own time, from its beginning on."""
    async with echo_behind(Faults(timeout_s=5)) as proxy, await client_of(proxy) as first:
        await first.send_all(b"lost")
        await trio.testing.wait_all_tasks_blocked(0.05)
        mock_clock.jump(3)
        async with await client_of(proxy) as second:
            await trio.testing.wait_all_tasks_blocked(0.05)
            mock_clock.jump(3)
            assert await read_to_end(first) == (b"", "closed")
            assert await settled(proxy) == (1, 1)
            mock_clock.jump(2.1)
            assert await read_to_end(second) == (b"", "closed")


async def test_what_is_dying_dies(mock_clock: trio.testing.MockClock) -> None:
    """Neither the end of the fault nor a longer time saves a connection that it has reached; new ones work."""
    async with echo_behind() as proxy, await client_of(proxy) as stream:
        await exchange(stream)
        proxy.set_faults(timeout_s=5)
        proxy.set_faults(timeout_s=3600)
        proxy.restore()
        async with await client_of(proxy) as other:
            await exchange(other)
            mock_clock.jump(5.1)
            assert await read_to_end(stream) == (b"", "closed")
            await exchange(other)


@pytest.mark.parametrize(("by_reset", "end"), [(False, "closed"), (True, "reset")])
async def test_an_idle_connection_is_forgotten(by_reset: bool, end: str, mock_clock: trio.testing.MockClock) -> None:
    """Whoever says something in time keeps it, as often as that is needed; silence ends it."""
    async with echo_behind(Faults(idle_s=2, cut_by_reset=by_reset)) as proxy, await client_of(proxy) as stream:
        for _ in range(4):
            await exchange(stream)
            mock_clock.jump(1.9)
            await trio.testing.wait_all_tasks_blocked(0.05)
        await exchange(stream)
        mock_clock.jump(2.1)
        assert await read_to_end(stream) == (b"", end)
        assert await settled(proxy) == (0, 1)


async def test_an_idle_limit_counts_from_the_last_use(mock_clock: trio.testing.MockClock) -> None:
    """Set later, it ends at once what has been silent for too long, and lifted in time it ends nothing."""
    async with echo_behind() as proxy, await client_of(proxy) as stream, await client_of(proxy) as other:
        await exchange(stream)
        mock_clock.jump(3)
        await exchange(other)
        proxy.set_faults(idle_s=2)
        assert await read_to_end(stream) == (b"", "closed")
        proxy.restore()
        mock_clock.jump(10)
        await exchange(other)


async def test_jitter_keeps_order(mock_clock: trio.testing.MockClock) -> None:
    """Each piece has a lateness of its own, within bounds, and none overtakes another."""
    sent = bytes(range(40))
    async with echo_behind(Faults(jitter_s=1, slice_bytes=1, only="up")) as proxy, await client_of(proxy) as stream:
        began, arrived = trio.current_time(), []
        await stream.send_all(sent)
        got = b""
        async with trio.open_nursery() as nursery:

            async def jump() -> None:
                while True:
                    await trio.testing.wait_all_tasks_blocked(0.005)
                    mock_clock.jump(0.05)

            nursery.start_soon(jump)
            while len(got) < len(sent):
                got += await stream.receive_some()
                arrived.append(trio.current_time() - began)
            nursery.cancel_scope.cancel()
        assert got == sent
        assert arrived[-1] <= 1.2
        assert len({round(each, 2) for each in arrived}) > 2  # the latest so far holds up those behind it


async def test_faults_of_one_direction(mock_clock: trio.testing.MockClock) -> None:
    """The other one is as it was."""
    async with echo_behind(Faults(latency_s=2, only="up")) as proxy, await client_of(proxy) as stream:
        for only in ("up", "down"):
            proxy.set_faults(only=only)
            began = trio.current_time()
            await stream.send_all(b"x")
            await trio.testing.wait_all_tasks_blocked(0.05)
            mock_clock.jump(2)
            assert await stream.receive_some() == b"x"
            assert trio.current_time() - began == 2
        proxy.restore(Faults(cut_after_bytes=5, only="down"))
        await stream.send_all(b"12345678")
        assert await read_to_end(stream) == (b"123", "closed")
        assert proxy.statistics().passed_bytes == 4 + 8 + 3  # two of the five went down before


async def test_an_answer_that_is_lost() -> None:
    """Swallowed on its way down: the server has heard the request, and the client never hears of it."""
    async with echo_behind(Faults(swallow=True, only="down")) as proxy, await client_of(proxy) as stream:
        await stream.send_all(b"order")
        with trio.move_on_after(0.2) as silent:
            await stream.receive_some()
        assert silent.cancelled_caught
        statistics = proxy.statistics()
        assert (statistics.passed_bytes, statistics.swallowed_bytes) == (5, 5)
        async with await client_of(proxy) as other:
            proxy.restore()
            await exchange(other)
            assert proxy.swallow_all("up") == 2
            await other.send_all(b"lost")
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert proxy.statistics().swallowed_bytes == 9


@pytest.mark.parametrize("lost", ["up", "down"])
async def test_a_reset_passes_only_where_bytes_do(lost: Direction) -> None:
    """It is news like any other: on a way where nothing passes it is lost."""
    async with echo_behind() as proxy, await client_of(proxy) as leaves, await client_of(proxy) as stays:
        for stream in (leaves, stays):
            await exchange(stream)
        if lost == "down":
            await stays.send_all(b"die")
        proxy.swallow_all(lost)
        reset_on_close(leaves)
        leaves.socket.close()
        if lost == "up":
            await trio.testing.wait_all_tasks_blocked(0.1)
            assert ENDS == []
        else:
            while not ENDS:
                await trio.sleep(0.01)
            assert ENDS == ["reset"]
            with trio.move_on_after(0.2) as silent:
                await stays.receive_some()
            assert silent.cancelled_caught


async def test_an_end_for_a_side_that_has_gone() -> None:
    """News of a reset was lost, and then the other side ends in order: nobody is there to hear it, and others go on."""
    async with echo_behind() as proxy, await client_of(proxy) as stays:
        async with await client_of(proxy) as leaves:
            for stream in (leaves, stays):
                await exchange(stream)
            await leaves.send_all(b"die")
            proxy.swallow_all("down")
            await trio.testing.wait_all_tasks_blocked(0.1)
        await trio.testing.wait_all_tasks_blocked(0.1)
        async with await client_of(proxy) as new:
            await exchange(new)


async def test_refused_and_absent() -> None:
    """Whoever is refused is reset, and so is whoever comes while the server is not there."""
    async with echo_behind(Faults(refuse=True)) as proxy:
        with pytest.raises(OSError, match=r"failed|broken"):  # on Linux the connect itself may hear of the reset
            async with await client_of(proxy) as stream:
                assert (await read_to_end(stream))[1] == "reset"
                raise OSError("broken")
        assert proxy.statistics().refused == 1
    with trio.socket.socket() as free:
        await free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_proxy("127.0.0.1", port) as proxy, await client_of(proxy) as stream:
        with trio.fail_after(20):
            assert (await read_to_end(stream))[1] == "reset"


async def test_leaving_ends_every_connection() -> None:
    """No connection outlives its proxy."""
    async with echo_behind() as proxy:
        stream = await client_of(proxy)
        await stream.send_all(b"x")
        await stream.receive_some()
        async with open_proxy(proxy.host, proxy.port) as second:
            through = await client_of(second)
            await through.send_all(b"x")
            await through.receive_some()
        assert (await read_to_end(through))[0] == b""
        await through.aclose()
        await stream.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"latency_s": -1},
        {"jitter_s": -0.1},
        {"bytes_per_s": 0},
        {"slice_bytes": -3},
        {"cut_after_bytes": 0},
        {"timeout_s": 0},
        {"idle_s": float("nan")},
        {"only": "both"},
    ],
)
async def test_faults_that_cannot_be(wrong: dict[str, Any]) -> None:
    """A wrong value is named, and the faults stay as they were."""
    async with echo_behind() as proxy:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            proxy.set_faults(**wrong)
        with pytest.raises(TypeError):
            proxy.set_faults(latency=1)
        assert proxy.faults == Faults()
