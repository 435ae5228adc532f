"""The stream that is ours: whole frames, never waiting, newest of each key while behind."""

from __future__ import annotations

import json
import socket

import attrs
import pytest
import trio
import trio.testing

from quantmind.net.frames import close_frame, text_frame
from quantmind.net.stream import PIECE_BYTES, Ending, OwnedStream

MIB = 1024 * 1024


@attrs.define
class Pair:
    """Our stream, and the other end of its socket."""

    stream: OwnedStream
    other: trio.SocketStream
    buffer: bytes = b""
    ended: int = 0

    async def frame(self) -> tuple[int, bytes] | None:
        """Read one whole frame."""

        async def take(size: int) -> bytes | None:
            while len(self.buffer) < size:
                data = await self.other.receive_some(65536)
                if not data:
                    return None
                self.buffer += data
            taken, self.buffer = self.buffer[:size], self.buffer[size:]
            return taken

        start = await take(2)
        if start is None:
            assert not self.buffer
            return None
        assert start[0] & 0xF0 == 0x80
        size = start[1]
        if size >= 126:
            longer = await take(2 if size == 126 else 8)
            assert longer is not None
            size = int.from_bytes(longer, "big")
        payload = await take(size)
        assert payload is not None, "torn frame"
        return start[0] & 15, payload

    async def texts(self, count: int) -> list[str]:
        texts = []
        for _ in range(count):
            frame = await self.frame()
            assert frame is not None
            texts.append(frame[1].decode())
        return texts


@pytest.fixture
async def pair(nursery):
    """A stream with its writer running, its peer with a small receive buffer."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen()
    client = trio.socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await client.connect(listener.getsockname())
    served, _ = await listener.accept()
    listener.close()
    made: list[Pair] = []
    stream = OwnedStream(
        socket.socket(fileno=served.detach()),
        slow_client_timeout_s=30,
        max_queued_bytes=MIB,
        on_end=lambda: setattr(made[0], "ended", made[0].ended + 1),
    )
    made.append(Pair(stream, trio.SocketStream(client)))
    stream.open_pushes()
    nursery.start_soon(stream.write_forever)
    yield made[0]
    stream.close_now()
    await made[0].other.aclose()


def tick(key: str, seq: int, pad: int = 150) -> tuple[str, bytes]:
    return key, text_frame(json.dumps({"k": key, "q": seq, "pad": "y" * pad}).encode())


def push_ticks(stream: OwnedStream, items: list[tuple[str, bytes]]) -> None:
    stream.push_ticks(items, b"".join(frame for _, frame in items))


def fill(stream: OwnedStream) -> int:
    """Push ticks of one key until the peer's kernel takes no more; return the last number."""
    seq = 0
    while stream.queued_bytes == 0:
        seq += 1
        push_ticks(stream, [tick("fill", seq, 2000)])
    return seq


async def test_a_push_goes_out_at_once(pair):
    """While the peer keeps up nothing is queued, and no task runs."""
    pair.stream.push(text_frame(b"one"))
    push_ticks(pair.stream, [tick("A", 1), tick("B", 2)])
    statistics = pair.stream.statistics()
    assert (statistics.pushes, statistics.frames_sent, statistics.queued_bytes) == (2, 3, 0)
    assert statistics.bytes_sent == 5 + len(tick("A", 1)[1]) + len(tick("B", 2)[1])
    assert pair.stream.unwritable_since is None
    with trio.fail_after(30):
        texts = await pair.texts(3)
    assert texts[0] == "one"
    assert [json.loads(text)["q"] for text in texts[1:]] == [1, 2]


async def test_while_behind_the_newest_of_each_key_is_kept(pair):
    """Memory is bounded by the number of keys, and the peer gets the newest of each when it reads again."""
    with trio.fail_after(60):
        fill(pair.stream)
        assert pair.stream.unwritable_since is not None
        for seq in range(1, 20_001):
            push_ticks(pair.stream, [tick(f"K{seq % 10}", seq)])
        waiting = pair.stream.queued_bytes
        assert waiting < 10 * 300 + 2 * 2200
        assert pair.stream.statistics().conflated >= 19_990
        newest: dict[str, int] = {}
        while set(newest.values()) < set(range(19_991, 20_001)) or len(newest) < 11:
            frame = await pair.frame()
            assert frame is not None
            data = json.loads(frame[1])
            assert data["q"] > newest.get(data["k"], 0)
            newest[data["k"]] = data["q"]
        await pair.stream.flush()
        assert pair.stream.queued_bytes == 0
        assert pair.stream.unwritable_since is None


async def test_replies_are_never_left_out_and_go_ahead_of_waiting_ticks(pair):
    """While behind, replies keep their order, come before ticks that wait, and never inside a frame."""
    with trio.fail_after(60):
        fill(pair.stream)
        push_ticks(pair.stream, [tick("A", 1), tick("B", 1)])
        for number in range(500):
            pair.stream.push(text_frame(b"reply %d" % number))
            push_ticks(pair.stream, [tick("A", 2 + number)])
        seen: list[str] = []
        while True:
            (text,) = await pair.texts(1)
            if '"fill"' not in text:
                seen.append(text)
            if len(seen) == 502:
                break
        assert seen[:500] == [f"reply {number}" for number in range(500)]
        assert [json.loads(text)["q"] for text in seen[500:]] == [501, 1]


async def test_a_torn_burst_is_finished_frame_by_frame(pair):
    """When the kernel takes a part of a burst, the frame in the middle is finished, and later ones can be replaced."""
    with trio.fail_after(60):
        items = [tick(f"S{number}", 1, 1000) for number in range(4000)]
        push_ticks(pair.stream, items)
        statistics = pair.stream.statistics()
        assert statistics.partial_writes >= 1
        assert 0 < statistics.queued_bytes < len(b"".join(frame for _, frame in items))
        push_ticks(pair.stream, [tick(f"S{number}", 2, 1000) for number in range(4000)])
        last: dict[str, int] = {}
        count = 0
        while len(last) < 4000 or set(last.values()) != {2}:
            if len(last) == 4000 and count >= 4000 + statistics.frames_sent:
                break
            (text,) = await pair.texts(1)
            count += 1
            data = json.loads(text)
            assert data["q"] > last.get(data["k"], 0)
            last[data["k"]] = data["q"]
            if count == 4000 + statistics.frames_sent:
                break
        assert set(last.values()) == {2}


async def test_forgotten_ticks_do_not_trail(pair):
    """After `forget_ticks` no waiting tick of that key goes out."""
    with trio.fail_after(60):
        fill(pair.stream)
        push_ticks(pair.stream, [tick("A", 1), tick("B", 1), tick("C", 1)])
        before = pair.stream.queued_bytes
        pair.stream.forget_ticks(["A", "C", "never seen"])
        assert pair.stream.queued_bytes == before - len(tick("A", 1)[1]) - len(tick("C", 1)[1])
        pair.stream.push(text_frame(b"unsubscribed"))
        texts: list[str] = []
        while not texts or '"B"' not in texts[-1]:
            texts += [text for text in await pair.texts(1) if '"fill"' not in text]
        assert texts[0] == "unsubscribed"
        assert len(texts) == 2


async def test_a_peer_that_reads_no_replies_is_dropped(pair):
    """Control frames are bounded in bytes: beyond it the peer is dropped."""
    with trio.fail_after(60):
        fill(pair.stream)
        reply = text_frame(b"x" * 60_000)
        for _ in range(17):
            pair.stream.push(reply)
        assert pair.stream.ending is None
        pair.stream.push(reply)
        assert pair.stream.ending is Ending.OVERFLOW
        assert pair.stream.queued_bytes == 0
        pair.stream.push(reply)
        push_ticks(pair.stream, [tick("A", 1)])
        assert pair.stream.queued_bytes == 0
        assert pair.ended == 1
        with pytest.raises(trio.BrokenResourceError):
            while await pair.other.receive_some(65536):
                pass


async def test_many_frames_go_out_in_order_however_many(pair):
    """Whole, ahead of ticks, behind what was pushed before; beyond `max_queued_bytes`, which bounds the rest."""
    many = [text_frame(b"%d " % number + b"x" * 1000) for number in range(3000)]
    with trio.fail_after(60):
        pair.stream.push_many([])
        pair.stream.push(text_frame(b"first"))
        pair.stream.push_many(many)
        assert pair.stream.queued_bytes > 2 * MIB
        push_ticks(pair.stream, [tick("A", 1)])
        pair.stream.push(text_frame(b"after"))
        pair.stream.push_many(many[:10])
        assert pair.stream.ending is None
        texts = await pair.texts(3013)
        assert texts[0] == "first"
        assert [int(text.split()[0]) for text in texts[1:3001]] == list(range(3000))
        assert texts[3001] == "after"
        assert [int(text.split()[0]) for text in texts[3002:3012]] == list(range(10))
        assert json.loads(texts[3012])["k"] == "A"
        await pair.stream.flush()
        assert pair.stream.queued_bytes == 0


async def test_many_frames_do_not_make_room_for_others(pair):
    """Once they are written, what waits is bounded as before; and none follow a Close frame."""
    with trio.fail_after(60):
        pair.stream.push_many([text_frame(b"x" * 1000)] * 3000)
        await pair.texts(3000)
        await pair.stream.flush()
        fill(pair.stream)
        for _ in range(18):
            pair.stream.push(text_frame(b"x" * 60_000))
        assert pair.stream.ending is Ending.OVERFLOW
        pair.stream.push_many([text_frame(b"late")])
        assert pair.stream.queued_bytes == 0


async def test_waiting_for_control_frames(pair):
    """It ends when those are written that waited then, though ticks still wait; and at the end."""
    done: list[str] = []

    async def wait(name: str) -> None:
        await pair.stream.controls_written()
        done.append(name)

    with trio.fail_after(60):
        await pair.stream.controls_written()
        fill(pair.stream)
        await pair.stream.controls_written()
        pair.stream.push(text_frame(b"reply"))
        push_ticks(pair.stream, [tick(f"K{number}", 1, 2000) for number in range(200)])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "reply")
            await trio.testing.wait_all_tasks_blocked()
            assert not done
            while (await pair.texts(1))[0] != "reply":
                pass
            await trio.sleep(0.001)
        assert done == ["reply"]
        pair.stream.push(text_frame(b"x" * 500_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "end")
            await trio.testing.wait_all_tasks_blocked()
            assert done == ["reply"]
            pair.stream.drop()
        assert done == ["reply", "end"]


async def test_nothing_follows_a_close_frame(pair):
    """What comes after Close is dropped, and ticks that waited are too."""
    with trio.fail_after(60):
        fill(pair.stream)
        push_ticks(pair.stream, [tick("A", 1)])
        await_reply = text_frame(b"reply")
        pair.stream.push(await_reply)
        pair.stream.push(close_frame(4001, "bye"))
        assert pair.stream.close_sent
        assert not pair.stream.open_for_push
        pair.stream.push(text_frame(b"late"))
        push_ticks(pair.stream, [tick("B", 1)])

        async def pong() -> None:
            await pair.stream.send_all(b"\x8a\x00")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pong)
            frames = []
            while (frame := await pair.frame())[0] != 8:
                frames.append(frame)
            assert frame[1] == b"\x0f\xa1bye"
        assert frames[-1][1] == b"reply"
        pair.stream.close_now()
        assert await pair.frame() is None


async def test_a_cancelled_send_is_whole(pair):
    """Cancelling gives up the wait: the frame still goes out whole, or not at all."""
    with trio.fail_after(60):
        fill(pair.stream)
        for number in range(5):
            with trio.move_on_after(0.01) as scope:
                await pair.stream.send_all(text_frame(b"%d" % number * 30_000))
            assert scope.cancelled_caught
        seen = []
        while len(seen) < 5:
            (text,) = await pair.texts(1)
            if '"fill"' not in text:
                seen.append(text)
        assert seen == [str(number) * 30_000 for number in range(5)]


async def test_send_all_waits_for_its_own_frame_only(pair):
    """A reply of trio-websocket's is out when its bytes are, even if ticks go on waiting."""
    with trio.fail_after(60):
        fill(pair.stream)
        done = trio.Event()

        async def send() -> None:
            await pair.stream.send_all(text_frame(b"pong"))
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            assert not done.is_set()
            for number in range(2000):
                push_ticks(pair.stream, [tick(f"K{number}", 1, 2000)])
            while not done.is_set():
                await pair.frame()
        assert pair.stream.queued_bytes > 2 * PIECE_BYTES


async def test_a_stalled_peer_is_dropped(pair):
    """A peer that takes nothing for `slow_client_timeout_s` is dropped by the writer itself, memory staying flat."""
    stream, other = pair.stream, pair.other
    stream._slow_client_timeout_s = 0.3
    with trio.fail_after(60):
        peak = 0
        seq = 0
        while stream.ending is None:
            for _ in range(20):
                seq += 1
                push_ticks(stream, [tick(f"K{number}", seq) for number in range(20)])
            peak = max(peak, stream.queued_bytes)
            await trio.sleep(0.005)
        assert stream.ending is Ending.STALLED
        assert peak < 20 * 300 + 2 * PIECE_BYTES
        assert stream.statistics().peak_queued < 20 * 300 + 2 * PIECE_BYTES
        assert pair.ended == 1
        with pytest.raises(trio.BrokenResourceError):
            while await other.receive_some(65536):
                pass


async def test_a_slow_peer_is_not_a_stalled_one(pair):
    """As long as the peer takes something now and then it stays."""
    stream = pair.stream
    stream._slow_client_timeout_s = 1.0
    with trio.fail_after(60):
        fill(stream)
        start = trio.current_time()
        while trio.current_time() < start + 2.5:
            push_ticks(stream, [tick(f"K{number}", 1, 2000) for number in range(200)])
            for _ in range(20):
                await pair.frame()
            await trio.sleep(0.05)
        assert stream.ending is None


async def test_reading_ends_when_the_stream_does(pair):
    """Whoever reads, or waits to write, is told of the end."""
    with trio.fail_after(60):
        fill(pair.stream)
        ends: list[type[BaseException]] = []

        async def expect(wait) -> None:
            try:
                await wait()
            except (trio.ClosedResourceError, trio.BrokenResourceError) as error:
                ends.append(type(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect, pair.stream.receive_some)
            nursery.start_soon(expect, lambda: pair.stream.send_all(b"\x8a\x00"))
            nursery.start_soon(pair.stream.flush)
            await trio.testing.wait_all_tasks_blocked()
            pair.stream.drop()
        assert ends in (
            [trio.ClosedResourceError, trio.BrokenResourceError],
            [trio.BrokenResourceError, trio.ClosedResourceError],
        )
        assert pair.ended == 1
        with pytest.raises(trio.ClosedResourceError):
            await pair.stream.send_all(b"\x8a\x00")
        with pytest.raises(trio.ClosedResourceError):
            await pair.stream.receive_some()


async def test_the_peer_going_away_is_noticed_by_a_push(pair):
    """A push to a dead connection ends the stream and raises nothing."""
    with trio.fail_after(60):
        await pair.other.aclose()
        while pair.stream.ending is None:
            pair.stream.push(text_frame(b"anyone?"))
            await trio.sleep(0.001)
        assert pair.stream.ending is Ending.DROPPED
