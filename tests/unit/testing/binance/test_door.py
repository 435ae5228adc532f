"""The simulator's one port: what it takes for HTTP, for a WebSocket, or for neither."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl

import h11
import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed

from quantmind.testing.binance.door import MOST_FRAMES
from quantmind.testing.binance.faults import Dropped, Held
from quantmind.testing.binance.http_door import HttpAnswer, serve_http
from quantmind.testing.binance.port import MOST_HEAD, _is_upgrade


@pytest.fixture
def jumping(autojump_clock):
    autojump_clock.autojump_threshold = 0.002
    return autojump_clock


async def plain(client):
    return await trio.open_tcp_stream("127.0.0.1", client.sim.port.address.port)


async def all_of(stream):
    got = b""
    with trio.fail_after(1000):
        while data := await stream.receive_some():
            got += data
    return got


async def test_one_connection_serves_many_requests(tools):
    """HTTP connections stay open, and requests on them are answered in order."""
    async with tools.open() as client:
        for _ in range(5):
            assert (await client.http.get("/api/v3/ping")).status_code == 200
        assert client.sim.port.accepted == 1
        assert client.sim.url == f"http://127.0.0.1:{client.sim.port.address.port}"


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_who_says_nothing_is_let_go(tools, jumping, said):
    """A head that does not come, or not to its end, is waited for ten seconds."""
    async with tools.open() as client, await plain(client) as stream:
        begun = trio.current_time()
        if said:
            await stream.send_all(said)
        assert await all_of(stream) == b""
        assert trio.current_time() - begun == pytest.approx(10, abs=1)


async def test_an_idle_connection_is_let_go(tools, jumping):
    """A minute after its last request."""
    async with tools.open() as client, await plain(client) as stream:
        begun = trio.current_time()
        await stream.send_all(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await all_of(stream)).endswith(b"\r\n\r\n{}")
        assert trio.current_time() - begun == pytest.approx(60, abs=1)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"JUMP\r\n\r\n", b"400"),
        (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /" + b"a" * (MOST_HEAD + 1), b"431"),
        (b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n" + b"a" * 99999, b"413"),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", b""),
    ],
)
async def test_what_is_no_request_is_refused(tools, said, status):
    """It gets a 4xx, or nothing, and the connection ends; others are served."""
    async with tools.open() as client:
        async with await plain(client) as stream:
            with pytest.raises(trio.BrokenResourceError) if status == b"413" else trio.fail_after(5):
                await stream.send_all(said)
                got = await all_of(stream)
                assert got[9:12] == status
                if status == b"413":
                    raise trio.BrokenResourceError
        assert (await client.http.get("/api/v3/ping")).status_code == 200


async def test_the_port_speaks_tls(tools, tmp_path):
    """With a context, REST and streams are https and wss."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file = tmp_path / "both.pem"
    file.write_bytes(made + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    trusting = ssl.create_default_context(cadata=made.decode())
    async with tools.open(tls=server) as client:
        port = client.sim.port.address.port
        assert client.sim.url == f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(verify=trusting) as http:
            assert (await http.get(f"https://localhost:{port}/api/v3/ping")).status_code == 200
        async with await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=trusting) as stream:
            await stream.send_all(tools.handshake("/ws/btcusdt@bookTicker"))
            assert b" 101 " in await stream.receive_some()
            client.sim.quote("BTCUSDT", "1000", "1001")
            assert b'"s":"BTCUSDT"' in await stream.receive_some()
        async with await plain(client) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in await all_of(stream)


async def test_frames_may_come_with_the_handshake(tools):
    """What follows the request in one packet is read as frames."""
    async with tools.open() as client, await plain(client) as stream:
        await stream.send_all(tools.handshake("/ws") + b"\x89\x81\x00\x00\x00\x00x")
        got = b""
        while b"\x8a\x01x" not in got:
            got += await stream.receive_some()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x82\x81\x00\x00\x00\x00x", 1008),
        (b"\xff\x81\x00\x00\x00\x00x", 1002),
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
    ],
)
async def test_frames_that_may_not_be_end_a_connection(tools, frame, code):
    """A binary message, a frame with reserved bits, text that is no UTF-8."""
    async with tools.open() as client, await plain(client) as stream:
        await stream.send_all(tools.handshake("/ws"))
        await stream.receive_some()
        await stream.send_all(frame)
        got = await stream.receive_some()
        assert (got[0], int.from_bytes(got[2:4], "big")) == (0x88, code)


async def test_a_long_message_ends_a_connection(tools):
    """64 kB are the most."""
    async with tools.open() as client, client.socket("/ws") as ws:
        await ws.send_message("x" * 70_000)
        with pytest.raises(ConnectionClosed) as raised:
            await tools.heard(ws)
        assert raised.value.reason.code == 1009


async def test_a_client_that_does_not_read_is_cut(tools):
    """What waits for it is bounded."""
    async with tools.open() as client, await plain(client) as stream:
        await stream.send_all(tools.handshake("/ws/btcusdt@bookTicker"))
        await stream.receive_some()
        await tools.until(lambda: client.sim.connections())
        for _ in range(MOST_FRAMES + 1):
            client.sim.streams.publish("btcusdt@bookTicker", b"{}")
        assert not client.sim.connections()
        assert not client.sim.streams.subscribers("x")


async def test_the_end_leaves_nothing(tools):
    """Open connections of every kind end with the simulator."""
    async with tools.open() as client:
        stream = await plain(client)
        other = await plain(client)
        await other.send_all(tools.handshake("/ws"))
        await other.receive_some()
    async with stream, other:
        for each in (stream, other):
            with contextlib.suppress(trio.BrokenResourceError):
                assert await all_of(each) == b""


async def test_http_answers_are_whole(tools):
    """A dropped answer closes the connection; a held one keeps it until the client leaves."""
    for said, gone in ((HttpAnswer(200, b"{}"), False), (Dropped(), True), (Held(), False)):
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            ended = trio.Event()

            async def serve(said=said, ended=ended, theirs=theirs):
                await serve_http(theirs, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", lambda _: said, lambda: 0.0, 60)
                await theirs.aclose()
                ended.set()

            nursery.start_soon(serve)
            await trio.testing.wait_all_tasks_blocked()
            assert ended.is_set() is gone
            await ours.aclose()


@given(st.binary(max_size=200))
async def test_any_bytes_are_a_request_or_refused(said):
    """Whatever a client sends, the server goes on; what it answers is HTTP."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_http, theirs, said, lambda _: HttpAnswer(200, b""), lambda: 0.0, 60)
        await ours.send_eof()
        got = b""
        with trio.move_on_after(0.001):
            while data := await ours.receive_some():
                got += data
        await ours.aclose()
    if got:
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
        client.receive_data(got)
        assert isinstance(client.next_event(), h11.Response)


@given(st.binary(max_size=100))
def test_an_upgrade_is_one_header(head):
    """Bytes without that header are none."""
    assert _is_upgrade(head) is False or b"websocket" in head.lower()
    assert _is_upgrade(b"GET / HTTP/1.1\r\nUPGRADE:  WebSocket\r\n\r\n")
