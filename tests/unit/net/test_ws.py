"""The server's end of a WebSocket, and our client."""

from __future__ import annotations

import gc
import json
import random

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, open_websocket_url

from quantmind.net.errors import NetError, PeerGone
from quantmind.net.listen import open_listener
from quantmind.net.ws import connect, text_frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def opened(connection):
    await connection.handshake()
    await connection.accept()


async def test_the_handshake_shows_the_request(server):
    """Path, headers in lower case and the peer's address are known before the answer."""
    seen = []

    async def handler(connection):
        seen.append(await connection.handshake())
        assert not connection.alive
        connection.push(b"too early")
        await connection.accept()
        assert connection.alive
        assert connection.close_code is None
        connection.push(b"welcome")
        await connection.receive()

    async with server(handler) as served:
        headers = {"Authorization": "Bearer secret", "Origin": "http://localhost"}
        async with connect(f"{served.url}feed?x=1", headers=headers) as client:
            assert await client.receive() == "welcome"
        await served.wait_ended(1)
    assert seen[0].path == "/feed?x=1"
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert seen[0].headers["origin"] == "http://localhost"
    assert seen[0].remote.startswith("127.0.0.1:")
    assert seen[0].remote == served.connections[0].remote
    assert served.gone[0].code == 1000


async def test_a_refused_handshake(server):
    """The peer gets the status and the body; our client says them in words."""

    async def handler(connection):
        await connection.handshake()
        await connection.reject(503, b"max_clients reached")
        with pytest.raises(RuntimeError, match="answered once"):
            await connection.accept()

    async with server(handler) as served:
        async with served.peer() as peer:
            await peer.stream.send_all(peer.upgrade_request)
            assert (await peer.head()).startswith(b"HTTP/1.1 503 ")
            while await peer.fill():
                pass
            assert peer.buffer == b"max_clients reached"
        with pytest.raises(NetError, match="HTTP status 503: max_clients reached"):
            async with connect(served.url):
                pytest.fail("opened")
        await served.wait_ended(2)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "server stopping"), (1013, "x" * 300), (4029, "ä")])
async def test_closing_tells_code_and_reason(server, code, reason):
    """Both sides end with the code we closed with, at once when the peer answers."""

    async def handler(connection):
        await opened(connection)
        await connection.close(code, reason)
        assert connection.close_code == code
        assert not connection.alive
        connection.push(b"after the end")
        with pytest.raises(PeerGone) as gone:
            await connection.receive()
        assert gone.value.code == code
        await connection.close(4000)
        assert connection.close_code == code

    async with server(handler) as served:
        async with connect(served.url) as client:
            with pytest.raises(PeerGone) as gone:
                await client.receive()
        assert gone.value.code == code
        assert reason.startswith(gone.value.reason)
        await served.wait_ended(1)


async def test_leaving_the_block_closes(server):
    """Without `close`, leaving the block is 1000."""

    async def handler(connection):
        await opened(connection)
        connection.push(b"hello")

    async with server(handler, close_timeout_s=30) as served, connect(served.url) as client:
        assert await client.receive() == "hello"
        with pytest.raises(PeerGone) as gone:
            await client.receive()
        assert gone.value.code == 1000
        await served.wait_ended(1)


async def test_being_cancelled_closes_at_once(server):
    """A session that is cancelled says 1001, and takes no time for it."""

    async def handler(connection):
        await opened(connection)
        connection.push(b"hello")
        await trio.sleep_forever()

    async with server(handler, close_timeout_s=3600) as served, served.peer() as peer:
        await peer.upgrade()
        assert await peer.frame() == (TEXT, b"hello")
        served.stop()
        await served.wait_ended(1)
        assert await peer.close_code() == 1001
        assert await peer.frame() is None


async def test_a_message_pushed_is_a_message_received(server, echo_handler):
    """Text of any size goes there and back; trio-websocket's own client agrees with our frames."""
    async with server(echo_handler, max_message_bytes=200_000) as served, open_websocket_url(served.url) as ws:
        for size in (0, 1, 125, 126, 65_535, 65_536, 150_000):
            await ws.send_message("é" * (size // 2))
            assert await ws.get_message() == "é" * (size // 2)
        await ws.ping()
        await ws.aclose(4242, "done")
        with pytest.raises(ConnectionClosed):
            await ws.get_message()
        await served.wait_ended(1)
    assert served.gone[0].code == 4242


async def test_cancelling_receive_loses_nothing(server):
    """Messages that arrive around a cancelled `receive` are there for the next."""
    got = []

    async def handler(connection):
        await opened(connection)
        while len(got) < 200:
            with trio.move_on_after(random.random() * 0.002):
                got.append(await connection.receive())

    async with server(handler) as served, connect(served.url) as client:
        for number in range(200):
            await client.send(str(number))
            if number % 7 == 0:
                await trio.sleep(0.001)
        await served.wait_ended(1)
    assert got == [str(number) for number in range(200)]


async def test_ping(server):
    """A ping returns with the peer's pong; one that never comes ends with the connection, not never."""
    outcomes = []

    async def handler(connection):
        await opened(connection)
        async with trio.open_nursery() as nursery:

            async def drain():
                with pytest.raises(PeerGone):
                    await connection.receive()

            async def unanswered():
                try:
                    await connection.ping()
                except PeerGone as gone:
                    outcomes.append(gone.code)
                with pytest.raises(PeerGone):
                    await connection.ping()

            await connection.ping()
            outcomes.append("pong")
            nursery.start_soon(drain)
            nursery.start_soon(unanswered)

    async with server(handler) as served:
        async with served.peer() as peer:
            await peer.upgrade()
            opcode, payload = await peer.frame()
            assert opcode == PING
            await peer.send(PONG, payload)
            assert (await peer.frame())[0] == PING
        await served.wait_ended(1)
    assert outcomes == ["pong", 1006]


async def test_a_stalled_client_is_counted_as_4008(server):
    """A peer that reads nothing is dropped within the limit, its memory bounded, and the session is told."""

    async def handler(connection):
        await opened(connection)
        async with trio.open_nursery() as nursery:

            async def receive():
                try:
                    await connection.receive()
                finally:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(receive)
            items = [(key, text_frame(b"x" * 500)) for key in range(100)]
            joined = b"".join(frame for _, frame in items)
            while True:
                connection.push_ticks(items, joined)
                await trio.sleep(0.002)

    with pytest.raises(ExceptionGroup) as failure:
        async with server(handler, slow_client_timeout_s=0.3) as served, served.peer(4096) as peer:
            await peer.upgrade()
            await trio.sleep_forever()
    (gone,) = [error for error in leaves(failure.value) if isinstance(error, PeerGone)]
    assert (gone.code, gone.reason) == (4008, "stalled")
    statistics = served.connections[0].statistics()
    assert served.connections[0].close_code == 4008
    assert statistics.peak_queued < 400_000
    assert statistics.conflated > 0


async def test_a_client_that_asks_and_never_reads_is_counted_as_4008(server):
    """Replies are never left out, so their number is bounded."""

    async def handler(connection):
        await opened(connection)
        while True:
            await connection.receive()
            connection.push(b"x" * 60_000)

    async with server(handler, max_queued_bytes=200_000) as served, served.peer(4096) as peer:
        await peer.upgrade()
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.send(TEXT, b"again")
        await served.wait_ended(1)
        assert served.ended[0].close_code == 4008
        assert (served.gone[0].code, served.gone[0].reason) == (4008, "overflow")


async def test_closing_a_peer_that_reads_nothing_keeps_our_code(server):
    """The code with which we closed stands, even if the peer never took it."""

    async def handler(connection):
        await opened(connection)
        while connection.statistics().queued_bytes == 0:
            connection.push(b"x" * 60_000)
        await connection.close(4029, "too fast")

    async with server(handler, slow_client_timeout_s=0.2, close_timeout_s=30) as served, served.peer(4096) as peer:
        await peer.upgrade()
        await served.wait_ended(1)
        assert served.ended[0].close_code == 4029


async def test_everything_at_once(server):
    """A slow reader, pings both ways, cancelled sends, a flood of ticks, replies, and a close: every frame parses,
    no tick is older than one already seen of its key, every reply arrives in order, and the code is ours.
    """
    replies = 300
    state = {"pongs": 0, "cancelled": 0}

    async def handler(connection):
        await opened(connection)
        stop = trio.Event()
        async with trio.open_nursery() as nursery:

            async def echo():
                while True:
                    connection.push(b'{"echo":"' + (await connection.receive()).encode() + b'"}')

            async def pinger():
                while True:
                    with trio.move_on_after(0.004) as scope:
                        await connection.ping()
                        state["pongs"] += 1
                    state["cancelled"] += scope.cancelled_caught
                    await trio.sleep(0.002)

            async def replier():
                for number in range(replies):
                    connection.push(json.dumps({"reply": number, "pad": "z" * random.randrange(5000)}).encode())
                    await trio.sleep(0.003)
                stop.set()

            for task in (echo, pinger, replier):
                nursery.start_soon(task)
            seq = 0
            while not stop.is_set():
                items = []
                for key in range(20):
                    seq += 1
                    data = {"k": key, "q": seq, "pad": "y" * 150}
                    items.append((key, text_frame(json.dumps(data).encode())))
                connection.push_ticks(items, b"".join(frame for _, frame in items))
                await trio.sleep(0.0005)
            nursery.cancel_scope.cancel()
        await connection.close(4001, "enough")

    async with server(handler) as served, served.peer(8192) as peer:
        await peer.upgrade()
        last: dict[int, int] = {}
        got_replies: list[int] = []
        got_pongs = 0
        count = 0
        code = None
        while (frame := await peer.frame()) is not None:
            opcode, payload = frame
            assert code is None, "something follows the Close frame"
            count += 1
            if opcode == PING:
                await peer.send(PONG, payload)
            elif opcode == PONG:
                got_pongs += 1
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                await peer.send(PING, b"late")
                await peer.send(CLOSE, payload[:2])
            else:
                data = json.loads(payload)
                if "reply" in data:
                    got_replies.append(data["reply"])
                elif "k" in data:
                    assert data["q"] > last.get(data["k"], 0)
                    last[data["k"]] = data["q"]
            if code is None and count % 100 == 0:
                await peer.send(PING, b"mine")
                await peer.send(TEXT, b"hello")
                await trio.sleep(0.03)
        await served.wait_ended(1)
    assert code == 4001
    assert got_replies == list(range(replies))
    assert len(last) == 20
    assert got_pongs > 0
    statistics = served.ended[0].statistics()
    assert statistics.conflated > 0
    assert served.ended[0].close_code == 4001
    assert state["pongs"] + state["cancelled"] > 0


async def test_no_task_or_socket_is_left(server, echo_handler):
    """After many connections the number of tasks is what it was."""
    async with server(echo_handler) as served:
        await trio.testing.wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(30):
            async with connect(served.url) as client:
                await client.send("x")
                assert await client.receive() == "x"
        await served.wait_ended(30)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


# ---------------------------------------------------------------------- the client


async def test_nothing_listens():
    """The error is for a person at a terminal."""
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    with trio.fail_after(30), pytest.raises(NetError, match=rf"no gateway answers at ws://127\.0\.0\.1:{port}/: is it"):
        async with connect(f"ws://127.0.0.1:{port}/"):
            pytest.fail("opened")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "127.0.0.1:8765", "ws://127.0.0.1:99999/"])
async def test_a_url_that_is_none(url):
    """The error shows the form."""
    with pytest.raises(NetError, match="ws://host:port/path"):
        async with connect(url):
            pytest.fail("opened")


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
)
async def test_what_answers_is_no_gateway(nursery, answer):
    """Whatever else listens there, the client says so and does not hang."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def serve(stream):
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    nursery.start_soon(trio.serve_listeners, serve, listeners)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(30), pytest.raises(NetError, match=rf"ws://127\.0\.0\.1:{port}/"):
        async with connect(f"ws://127.0.0.1:{port}/"):
            pytest.fail("opened")
    nursery.cancel_scope.cancel()


async def test_the_client_survives_pings_after_its_close(server):
    """The same weakness of trio-websocket on the client's side."""

    async def handler(connection):
        await opened(connection)
        connection.push(b"hello")
        try:
            while True:
                connection.push_frame(b"\x89\x00" * 50)
                with trio.move_on_after(0.001):
                    await connection.receive()
        finally:
            pass

    async with server(handler) as served:
        for _ in range(20):
            async with connect(served.url) as client:
                assert await client.receive() == "hello"
        await served.wait_ended(20)


async def test_the_clients_exceptions_come_out_as_they_are(server, echo_handler):
    """An exception inside the block is not wrapped in a group."""
    async with server(echo_handler) as served:
        with pytest.raises(LookupError):
            async with connect(served.url) as client:
                assert client.close_code is None
                raise LookupError
        await served.wait_ended(1)


async def test_sending_to_a_server_that_has_gone(server):
    """PeerGone, with its code."""

    async def handler(connection):
        await opened(connection)
        await connection.close(1013, "full")

    async with server(handler) as served, connect(served.url) as client:
        with pytest.raises(PeerGone) as gone:
            while True:
                await client.send("x")
                await trio.sleep(0.001)
        assert gone.value.code in (1013, 1006)
        assert client.close_code is not None


async def test_a_message_too_long_for_the_client(server):
    """The client's own limit closes with 1009."""

    async def handler(connection):
        await opened(connection)
        connection.push(b"x" * 2000)
        with pytest.raises(PeerGone) as gone:
            await connection.receive()
        assert gone.value.code == 1009

    async with server(handler) as served, connect(served.url, max_message_bytes=1000) as client:
        with pytest.raises(PeerGone) as gone:
            await client.receive()
        assert gone.value.code == 1009
        await served.wait_ended(1)


def leaves(group):
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


@pytest.mark.parametrize("goes", ["rudely", "politely", "before it asks"])
async def test_connections_that_came_and_went_leave_nothing_for_the_collector(server, echo_handler, goes):
    """Objects that hold each other lie about until it has looked at all that there is, and everybody waits for that."""
    came = 0

    async def come_and_go(served) -> None:
        nonlocal came
        async with served.peer() as peer:
            if goes != "before it asks":
                await peer.upgrade()
            if goes == "politely":
                await peer.send(CLOSE, b"\x03\xe8")
                assert await peer.close_code() == 1000
        came += 1
        await served.wait_ended(came)

    async with server(echo_handler) as served:
        await come_and_go(served)
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await come_and_go(served)
            for kept in (served.connections, served.ended, served.gone, served.scopes):
                kept.clear()
            left = gc.collect()
        finally:
            gc.enable()
    assert left < 20, f"{left} objects"
