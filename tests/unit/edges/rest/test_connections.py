"""Connections over real sockets: every request gets its answer or a clean end, and nothing stays behind."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import socket
import struct

import pytest
import trio
from unit.edges.rest.harness import ORDER, OWNER, Served, open_server, request

from quantmind.edges import http
from quantmind.edges.rest import gate
from quantmind.net.listen import close_listener, open_listener

PATIENCE_S = 20.0
"""How long a test waits for what must come; no measure of speed."""

A_ROUTE = 8
"""The objects that Werkzeug leaves of each look for a route: a small function that calls itself."""

BODY = b'{"side": "buy", "symbol": "000", "volume": 5e-324}'
ROUTES = ["/health", "/", "/status", "/trade", "/command", "/nowhere", "/ticks/EURUSD", "/ticks/NOPE"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]


async def until_gone(served: Served, within_s: float = 1.0) -> None:
    """Wait until the server has no connection left."""
    with trio.fail_after(within_s):
        while served.edge.statistics.connections:
            await trio.sleep(0.005)


@pytest.mark.parametrize("split", [False, True], ids=["whole", "split"])
@pytest.mark.parametrize("method", METHODS)
async def test_fifty_requests_with_a_body_on_one_connection(method, split):
    """No method and no route leaves a body behind that hangs the next request, and none costs the connection."""
    async with open_server() as served:
        for path in ROUTES:
            client = await served.connect()
            for _ in range(50 if path in ("/trade", "/nowhere") else 8):
                with trio.fail_after(PATIENCE_S):
                    head, body = request(method, path, BODY)
                    await client.send(head, body) if split else await client.send(head + body)
                    reply = await client.reply(head=method == "HEAD")
                assert reply is not None, "the server ended the connection"
                assert 200 <= reply.status < 600
                assert reply.status != 500
            await client.aclose()
        await until_gone(served)


async def test_body_in_single_bytes():
    """A body may come in any pieces; more of them than the server's queue has places."""
    async with open_server() as served:
        client = await served.connect()
        for path, status in (("/trade", 200), ("/nowhere", 404), ("/trade", 200)):
            head, body = request("POST", path, ORDER)
            await client.send(head, *(bytes([byte]) for byte in body))
            with trio.fail_after(PATIENCE_S):
                reply = await client.reply()
            assert reply is not None
            assert reply.status == status


async def test_pipelined_requests_are_answered_in_order():
    """Fifty requests in one segment get fifty answers in their order."""
    async with open_server() as served:
        client = await served.connect()
        wanted, sent = [], b""
        for number in range(50):
            path, status = (("/health", 200), ("/nowhere", 404), ("/trade", 200))[number % 3]
            head, body = request("POST" if number % 3 else "GET", path, ORDER if number % 3 else None)
            sent += head + body
            wanted.append(status)
        await client.send(sent)
        with trio.fail_after(PATIENCE_S):
            got = [reply.status for _ in wanted if (reply := await client.reply()) is not None]
        assert got == wanted


async def test_head_has_the_same_head_and_no_body():
    """HEAD on every GET route without parameters, and the connection goes on."""
    async with open_server() as served:
        client = await served.connect()
        for path in ("/health", "/", "/status", "/symbols", "/actors"):
            await client.send(request("GET", path)[0])
            whole = await client.reply()
            await client.send(request("HEAD", path)[0])
            bare = await client.reply(head=True)
            assert whole is not None
            assert bare is not None
            assert bare.status == 200
            assert bare.body == b""
            assert bare.headers["content-type"] == whole.headers["content-type"]
            assert client.buffer == b""


async def test_expect_100_continue():
    """A client that asks first is told to go on, and answered."""
    async with open_server() as served:
        client = await served.connect()
        for path, status in (("/trade", 200), ("/nowhere", 404), ("/health", 405), ("/trade", 200)):
            head, body = request("POST", path, ORDER, Expect="100-continue")
            await client.send(head)
            with trio.fail_after(PATIENCE_S):
                while b"100" not in client.buffer:
                    await client.fill()
                await client.send(body)
                reply = await client.reply()
            assert reply is not None
            assert reply.status == status


async def test_chunked_bodies():
    """Chunked bodies count like others, also in several segments; a broken one ends its own connection only."""
    async with open_server() as served:
        client = await served.connect()
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, bytes([byte])) for byte in ORDER) + b"0\r\n\r\n"
        for path, status in (("/trade", 200), ("/nowhere", 404), ("/trade", 200)):
            head = (
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Token: {OWNER}\r\n"
                "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            await client.send(head.encode(), chunks[:50], chunks[50:])
            with trio.fail_after(PATIENCE_S):
                reply = await client.reply()
            assert reply is not None
            assert reply.status == status
        await client.send(head.encode(), b"zz\r\n")
        with trio.fail_after(PATIENCE_S):
            assert await client.ended()
        await until_gone(served)


async def test_too_large_is_answered_before_it_is_read(monkeypatch):
    """413 comes at once and can be read by a client that goes on sending; then the connection ends."""
    monkeypatch.setattr(gate, "LINGER_S", 0.2)
    async with open_server(max_body_bytes=1024) as served:
        for split in (b"", b"x" * 1024, b"x" * 2000, b"x" * 200_000):
            client = await served.connect()
            head = request("POST", "/trade", b"", Content_Length="100000000")[0]
            await client.send(head, split)
            with trio.fail_after(PATIENCE_S):
                reply = await client.reply()
                assert reply is not None
                assert reply.status == 413
                assert reply.headers["connection"] == "close"
                assert json.loads(reply.body)["code"] == "body_too_large"
                assert await client.ended()
        client = await served.connect()
        head = request("POST", "/trade")[0].replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(head, *(b"400\r\n%s\r\n" % (b"x" * 1024) for _ in range(30)))
        with trio.fail_after(PATIENCE_S):
            reply = await client.reply()
            assert reply is not None
            assert reply.status == 413
            await client.ended()
        await until_gone(served)


async def test_a_client_that_never_stops_sending_is_cut(monkeypatch):
    """After 413 only so much is listened to."""
    monkeypatch.setattr(gate, "LINGER_S", 0.2)
    async with open_server(max_body_bytes=1024) as served:
        client = await served.connect()
        head = request("POST", "/trade", b"", Content_Length="999999999999")[0]
        await client.send(head)
        with trio.fail_after(PATIENCE_S):
            try:
                while True:
                    await client.stream.send_all(b"x" * 65536)
            except trio.BrokenResourceError:
                pass
        await until_gone(served)


async def test_slow_body_is_408(monkeypatch):
    """A body that stops halfway is answered and the connection ended."""
    monkeypatch.setattr(gate, "BODY_WITHIN_S", 0.1)
    monkeypatch.setattr(gate, "LINGER_S", 0.1)
    async with open_server() as served:
        client = await served.connect()
        head, body = request("POST", "/trade", ORDER)
        await client.send(head, body[:-1])
        with trio.fail_after(PATIENCE_S):
            reply = await client.reply()
            assert reply is not None
            assert reply.status == 408
            assert await client.ended()
        assert served.world.commands == []


async def test_slow_loris_head_ends_in_bounded_time():
    """A head that never ends does not hold a connection, however steadily it drips."""
    async with open_server(edge={"keep_alive_s": 0.3}) as served:
        first, later = await served.connect(), await served.connect()
        await later.send(request("GET", "/health")[0])
        assert await later.reply() is not None
        for client in (first, later):
            await client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        with trio.fail_after(PATIENCE_S):
            try:
                while True:
                    for client in (first, later):
                        await client.stream.send_all(b"X-A: b\r\n")
                    await trio.sleep(0.02)
            except trio.BrokenResourceError:
                pass
        await first.ended()
        await later.ended()
        await until_gone(served)


async def test_idle_connection_is_closed_at_keep_alive_timeout():
    """Whether it has had a request, an unread body, a refusal or nothing yet."""
    async with open_server(edge={"keep_alive_s": 0.2}) as served:
        for sent in (
            None,
            request("GET", "/health"),
            request("POST", "/nowhere", BODY),
            request("POST", "/trade", ORDER),
        ):
            client = await served.connect()
            if sent is not None:
                await client.send(*sent)
                assert await client.reply() is not None
            started = trio.current_time()
            with trio.fail_after(PATIENCE_S):
                assert await client.ended()
            assert trio.current_time() - started >= 0.15
        await until_gone(served)


async def test_a_client_that_has_gone_leaves_nothing():
    """Its connection ends at once and not at the keep-alive timeout."""
    async with open_server() as served:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(30):
            client = await served.connect()
            await client.send(request("GET", "/health")[0])
            assert await client.reply() is not None
            await client.aclose()
        await until_gone(served)
        assert trio.lowlevel.current_statistics().tasks_living == before


@pytest.mark.parametrize("how", ["close", "reset", "mid-head", "mid-body"])
async def test_a_client_that_disappears_mid_request(how):
    """The handler is cancelled, the command goes on to its own end, and no task stays behind."""
    async with open_server() as served:
        served.world.reply = lambda _: None
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            client = await served.connect()
            head, body = request("POST", "/trade", ORDER)
            if how == "mid-head":
                await client.send(head[:30])
            elif how == "mid-body":
                await client.send(head, body[:10])
            else:
                seen = len(served.world.commands)
                await client.send(head, body)
                with trio.fail_after(PATIENCE_S):
                    while len(served.world.commands) == seen:
                        await trio.sleep(0.001)
            if how == "reset":
                client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.stream.socket.close()
            else:
                await client.aclose()
        await until_gone(served)
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert served.edge.statistics.failed == 0


async def large(scope, receive, send):
    """An app whose answer does not fit into any socket's buffer."""
    size = 32 << 20
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size), "more_body": False})


async def test_what_a_cut_client_sent_ahead_is_not_worked_off(monkeypatch):
    """Requests that were sent ahead end with their connection: answers for nobody would keep the process busy."""
    served_requests = 0

    async def counting(scope, receive, send):
        nonlocal served_requests
        served_requests += 1
        await large(scope, receive, send)

    ahead = request("GET", "/")[0] * 200
    async with open_server(counting, edge={"write_within_s": 0.2}) as served:
        client = await served.connect(receive_buffer=4096)
        await client.send(ahead)
        with trio.fail_after(PATIENCE_S):
            while served.edge.statistics.stalled == 0:
                await trio.sleep(0.01)
        await until_gone(served)
        assert served_requests == 1
        assert served.edge.statistics.failed == 0


async def test_a_client_that_does_not_read_is_cut(caplog):
    """An answer that nobody takes ends its connection after the write limit."""
    async with open_server(large, edge={"write_within_s": 0.2}) as served:
        client = await served.connect(receive_buffer=4096)
        await client.send(request("GET", "/")[0])
        with trio.fail_after(PATIENCE_S):
            while served.edge.statistics.stalled == 0:
                await trio.sleep(0.01)
        await until_gone(served)
        assert served.edge.statistics.failed == 0
        assert "Traceback" not in caplog.text


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_stop_does_not_wait_for_a_client_that_reads_nothing(how):
    """Stopping is over within the grace period, and a cancellation at once, whatever a client does."""
    async with open_server(large, edge={"grace_s": 0.2 if how == "stop" else 30, "write_within_s": 60}) as served:
        client = await served.connect(receive_buffer=4096)
        await client.send(request("GET", "/")[0])
        await client.fill()
        if how == "stop":
            served.supervisor.request_stop()
        else:
            served.cancel()
        with trio.fail_after(PATIENCE_S):
            while served.edge.statistics.connections:
                await trio.sleep(0.01)


async def test_stop_lets_requests_in_flight_end():
    """A request in flight gets its answer within the grace period; an idle connection closes at once."""
    async with open_server(edge={"grace_s": 3 * PATIENCE_S}) as served:
        served.world.reply = lambda _: None
        idle, busy = await served.connect(), await served.connect()
        await idle.send(request("GET", "/health")[0])
        assert await idle.reply() is not None
        await busy.send(*request("POST", "/trade", ORDER))
        with trio.fail_after(PATIENCE_S):
            while not served.world.commands:
                await trio.sleep(0.001)
        close_listener(served.listener)
        served.supervisor.request_stop()
        with trio.fail_after(PATIENCE_S):
            assert await idle.ended()
        with pytest.raises(OSError):
            await served.connect()
        served.world.context.door.expire(float("inf"))
        with trio.fail_after(PATIENCE_S):
            reply = await busy.reply()
        assert reply is not None
        assert reply.status == 429
        with trio.fail_after(PATIENCE_S):
            assert await busy.ended()


async def test_stop_cuts_after_the_grace_period():
    """What has not ended by then is cut."""
    async with open_server(edge={"grace_s": 0.2}) as served:
        served.world.reply = lambda _: None
        client = await served.connect()
        await client.send(*request("POST", "/trade", ORDER))
        with trio.fail_after(PATIENCE_S):
            while not served.world.commands:
                await trio.sleep(0.001)
        served.supervisor.request_stop()
        with trio.fail_after(PATIENCE_S):
            assert await client.reply() is None


async def test_listener_outlives_a_crash(monkeypatch):
    """What connects while the edge restarts is served by its next incarnation."""
    real, crashed = http.accept_connections, trio.Event()

    async def crash_once(listener, handle, pace):
        if not crashed.is_set():
            crashed.set()
            raise RuntimeError("planted")
        await real(listener, handle, pace)

    monkeypatch.setattr(http, "accept_connections", crash_once)
    async with open_server() as served:
        client = await served.connect()
        await client.send(request("GET", "/health")[0])
        with trio.fail_after(PATIENCE_S):
            reply = await client.reply()
        assert reply is not None
        assert reply.status == 200
        assert crashed.is_set()


async def test_an_address_is_closed_on_stop_and_opened_again():
    """Given an address, the edge refuses connections as soon as it is asked to stop."""

    class Address:
        listener: socket.socket | None = None
        port = 0

        def open(self) -> socket.socket:
            if self.listener is None:
                self.listener = open_listener("127.0.0.1", self.port)
                self.port = self.listener.getsockname()[1]
            return self.listener

        def close(self) -> None:
            listener, self.listener = self.listener, None
            if listener is not None:
                close_listener(listener)

    address = Address()
    async with open_server() as served:
        served.edge.listener = address
        for _ in range(2):
            inbox = FakeInbox()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(served.edge, inbox)
                await inbox.is_ready.wait()
                stream = await trio.open_tcp_stream("127.0.0.1", address.port)
                await stream.send_all(request("GET", "/health")[0])
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
                inbox.stop.set()
            with pytest.raises(OSError):
                await trio.open_tcp_stream("127.0.0.1", address.port)
            await stream.aclose()


class FakeInbox:
    def __init__(self) -> None:
        self.is_ready, self.stop = trio.Event(), trio.Event()

    def ready(self) -> None:
        self.is_ready.set()

    async def wait_stopping(self) -> None:
        await self.stop.wait()


async def test_one_connection_too_many_takes_the_place_of_the_longest_quiet():
    """It is served, and of those that ask for nothing the one that was quiet longest is closed; the others go on."""
    async with open_server(edge={"max_connections": 3}) as served:
        kept = [await served.connect() for _ in range(3)]
        for client in (kept[1], kept[0], kept[2]):
            await client.send(request("GET", "/health")[0])
            assert await client.reply() is not None
        extra = await served.connect()
        await extra.send(request("GET", "/health")[0])
        with trio.fail_after(PATIENCE_S):
            assert await extra.reply() is not None
            assert await kept[1].ended()
        assert (served.edge.statistics.made_room, served.edge.statistics.turned_away) == (1, 0)
        await kept[0].send(request("GET", "/health")[0])
        assert await kept[0].reply() is not None


async def test_who_showed_a_token_keeps_its_place():
    """However many strangers come, with nothing to say or half a head, a known connection stays and new ones get in."""
    async with open_server(edge={"max_connections": 8}) as served:
        known = await served.connect()
        await known.send(request("GET", "/", token=OWNER)[0])
        assert (await known.reply()).status == 200
        strangers = [await served.connect() for _ in range(20)]
        for stranger in strangers[10:]:
            with contextlib.suppress(trio.BrokenResourceError):
                await stranger.send(b"GET / HT")
        operator = await served.connect()
        with trio.fail_after(PATIENCE_S):
            for client in (operator, known):
                await client.send(request("GET", "/", token=OWNER)[0])
                assert (await client.reply()).status == 200
        assert served.edge.statistics.turned_away == 0
        assert served.edge.statistics.made_room >= 14


async def test_connection_close_is_honoured_and_http_1_0_answered():
    """Old and one-shot clients get their answer and an end."""
    async with open_server() as served:
        client = await served.connect()
        await client.send(request("GET", "/health", Connection="close")[0])
        reply = await client.reply()
        assert reply is not None
        assert await client.ended()
        client = await served.connect()
        await client.send(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        reply = await client.reply()
        assert reply is not None
        assert reply.status == 200
        assert await client.ended()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"GET /health\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: !!!\r\n\r\n",
    ],
)
async def test_what_is_no_request_ends_its_own_connection_only(raw):
    """Garbage gets a 4xx or an end, in bounded time, and the server serves on."""
    async with open_server(edge={"keep_alive_s": 0.5}) as served:
        client = await served.connect()
        await client.send(raw)
        with trio.fail_after(PATIENCE_S):
            await client.ended()
        other = await served.connect()
        if client.buffer.startswith(b"HTTP/1.1"):
            assert client.buffer[9:10] in (b"4", b"5", b"1")
        await other.send(request("GET", "/health")[0])
        with trio.fail_after(PATIENCE_S):
            assert await other.reply() is not None


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1/health", 200),
        ("http://localhost:5005/health", 200),
        ("http://evil.example/health", 421),
        ("http://[/health", 400),
        ("http://a%5B/health", 421),
        ("?x=1", 400),
        ("health", 400),
        ("*", 404),
        ("//health", 200),
        ("/health/", 404),
        ("/%00%ff/%2e%2e", 404),
        ("/health?a=%ff", 422),
        ("/health?x", 422),
    ],
)
async def test_odd_targets(target, status):
    """Whatever stands for the path, the answer is a proper one."""
    async with open_server() as served:
        client = await served.connect()
        await client.send(request("GET", target)[0])
        with trio.fail_after(PATIENCE_S):
            reply = await client.reply()
        assert reply is not None
        assert reply.status == status
        if status != 200:
            assert reply.headers["content-type"] == "application/problem+json"
            assert json.loads(reply.body)["status"] == status


async def test_websocket_is_told_where_it_is():
    """A WebSocket handshake gets an answer in words."""
    async with open_server() as served:
        client = await served.connect()
        head = request(
            "GET",
            "/",
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
            Sec_WebSocket_Version="13",
        )[0]
        await client.send(head)
        with trio.fail_after(PATIENCE_S):
            reply = await client.reply()
            assert reply is not None
            assert reply.status == 404
            assert b"websocket address" in reply.body
            assert await client.ended()


async def test_a_bug_in_the_app_ends_one_answer_and_no_more(caplog):
    """An app that raises gives 500 or an end; the server goes on and its log has the traceback."""

    async def broken(scope, receive, send):
        raise RuntimeError("planted")

    async with open_server(broken) as served:
        for _ in range(2):
            client = await served.connect()
            await client.send(request("GET", "/health")[0])
            with trio.fail_after(PATIENCE_S):
                reply = await client.reply()
            assert reply is None or reply.status == 500
    assert "planted" in caplog.text
    assert all(record.name == "quantmind.http" for record in caplog.records if record.levelno >= logging.ERROR)


async def test_http_2_is_not_spoken(caplog):
    """An offer to upgrade is not taken up; a client that speaks it at once is told and cut. No log shows a token."""
    caplog.set_level(logging.DEBUG)
    async with open_server() as served:
        client = await served.connect()
        offer = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2_Settings": "AAMAAABkAAQAAP__"}
        for _ in range(2):
            await client.send(request("GET", "/", **offer)[0])
            with trio.fail_after(PATIENCE_S):
                reply = await client.reply()
            assert reply is not None
            assert reply.status == 200
        await client.aclose()
        client = await served.connect()
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        with trio.fail_after(PATIENCE_S):
            await client.ended()
        assert client.buffer.startswith(b"HTTP/1.1 4")
        await until_gone(served)
    assert OWNER not in caplog.text


async def test_nothing_is_logged_for_an_ordinary_day(caplog):
    """No banner, no access log."""
    caplog.set_level(logging.INFO)
    async with open_server() as served:
        client = await served.connect()
        for path in ("/health", "/nowhere"):
            await client.send(request("GET", path)[0])
            assert await client.reply() is not None
        await client.aclose()
        await until_gone(served)
    assert [record.name for record in caplog.records if not record.name.startswith("actors")] == []


@pytest.mark.parametrize("sends", [b"", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_connections_that_came_and_went_leave_nothing_for_the_collector(sends):
    """Objects that hold each other lie about until it has looked at all that there is, and everybody waits for that."""
    async with open_server() as served:

        async def come_and_go() -> None:
            client = await served.connect()
            if sends:
                await client.send(sends)
                with trio.fail_after(PATIENCE_S):
                    await client.reply()
            await client.aclose()
            await until_gone(served)

        await come_and_go()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await come_and_go()
            left = gc.collect()
        finally:
            gc.enable()
        assert left <= 20 * A_ROUTE, f"{left} objects"
