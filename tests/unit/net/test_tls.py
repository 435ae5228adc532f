"""TLS under our own streams: what is written without waiting, handshakes that fail, and clients that verify."""

import contextlib
import socket
import ssl

import pytest
import trio
from certificates import Authority, needs_openssl

from quantmind.net.certificates import Certificates
from quantmind.net.errors import NetError, PeerGone
from quantmind.net.handshake import parse_url
from quantmind.net.stream import Ending, OwnedStream
from quantmind.net.tls_door import TlsDoor
from quantmind.net.tls_socket import TlsSocket
from quantmind.net.trust import client_context
from quantmind.net.ws import ConnectionLimits, connect, serve_connection, text_frame

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def door(authority):
    issued = authority.issue()
    return TlsDoor(Certificates.open(issued.certificate, issued.key))


def raw_pair():
    """Two connected sockets with small buffers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    server.setblocking(False)
    return server, client


@contextlib.asynccontextmanager
async def tls_pair(door, authority):
    """A server's and a client's end, both with their handshake done."""
    server, client = raw_pair()
    ends = [None, TlsSocket(client, client_context(authority.file), server_hostname="localhost")]

    async def open_server():
        ends[0] = await door.open(server)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_server)
            nursery.start_soon(ends[1].handshake)
    try:
        yield ends
    finally:
        for end in ends:
            end.close()


async def receive(end, count):
    got = b""
    while len(got) < count:
        try:
            data = end.recv(65536)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(end)
            continue
        if not data:
            break
        got += data
    return got


async def test_a_full_kernel_is_told_as_a_socket_tells_it(door, authority):
    """One byte is held back until the rest has gone, and other bytes may follow only then."""
    async with tls_pair(door, authority) as (server, client):
        data = bytes(range(256)) * 4000
        taken = server.send(data)
        assert taken == len(data) - 1
        with pytest.raises(BlockingIOError):
            server.send(data[taken:])
        got = []

        async def read():
            got.append(await receive(client, len(data) + 3))

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                left = memoryview(data[taken:] + b"end")
                while left:
                    try:
                        left = left[server.send(left) :]
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(server)
        assert got == [data + b"end"]


async def test_the_end_of_a_side_is_an_end_of_input(door, authority):
    """With a goodbye of TLS, and for a connection that is cut without one."""
    async with tls_pair(door, authority) as (server, client):
        server.shutdown(socket.SHUT_WR)
        assert await receive(client, 1) == b""
        client.close()
        assert await receive(server, 1) == b""


async def test_ticks_conflate_over_tls_and_no_frame_is_torn(door, authority):
    """While the client reads nothing newer ticks replace older ones, and what comes in the end is whole frames."""
    async with tls_pair(door, authority) as (server, client):
        stream = OwnedStream(server, slow_client_timeout_s=10, max_queued_bytes=1 << 20)
        stream.open_pushes()
        sent = 0
        keys = [f"S{number}" for number in range(50)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.write_forever)
            while stream.statistics().conflated < 500:
                sent += 1
                items = [(key, text_frame(b"%b %d " % (key.encode(), sent) + b"." * 300)) for key in keys]
                stream.push_ticks(items, b"".join(frame for _, frame in items))
                stream.push(text_frame(b"control %d" % sent))
                await trio.lowlevel.checkpoint()
            got = bytearray()
            newest = {}
            with trio.fail_after(20):
                while len(newest) < len(keys) or min(newest.values()) < sent:
                    got += await receive(client, 1)
                    for payload in frames_of(got):
                        word, number = payload.split()[:2]
                        if word != b"control":
                            assert newest.get(word, 0) < int(number)
                            newest[word] = int(number)
            stream.close_now()
            nursery.cancel_scope.cancel()
        assert set(newest.values()) == {sent}


def frames_of(buffer):
    """Take the whole frames off the front; each begins with its first byte, or something was torn."""
    while len(buffer) >= 2:
        assert buffer[0] == 0x81
        size, head = buffer[1], 2
        if size == 126:
            size, head = int.from_bytes(buffer[2:4]), 4
        assert size < 126 or head == 4
        if len(buffer) < head + size:
            return
        payload = bytes(buffer[head : head + size])
        del buffer[: head + size]
        yield payload


async def test_a_client_that_takes_nothing_is_dropped_over_tls(door, authority):
    """By the same limit as in clear text."""
    async with tls_pair(door, authority) as (server, _client):
        stream = OwnedStream(server, slow_client_timeout_s=0.2, max_queued_bytes=1 << 24)
        stream.open_pushes()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write_forever)
                stream.push(text_frame(b"x" * 5_000_000))
        assert stream.ending is Ending.STALLED


async def test_a_slow_client_that_takes_something_stays(door, authority):
    """What is encrypted at once goes out a piece at a time, and each piece counts."""
    async with tls_pair(door, authority) as (server, client):
        stream = OwnedStream(server, slow_client_timeout_s=0.5, max_queued_bytes=1 << 24)
        stream.open_pushes()
        got = 0
        frame = text_frame(b"x" * 1_000_000)
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write_forever)
                stream.push(frame)
                while got < len(frame):
                    await trio.sleep(0.02)
                    got += len(await receive(client, min(20_000, len(frame) - got)))
                stream.close_now()
        assert got == len(frame)


# ---------------------------------------------------------------------- handshakes


async def failing(door, talk, stream=False):
    """What the door says when a client does `talk`; and what the client hears."""
    server, client = raw_pair()
    client.setblocking(False)
    heard = []
    peer = trio.socket.from_stdlib_socket(client)

    async def speak():
        await talk(peer)
        with contextlib.suppress(ConnectionResetError):
            while data := await peer.recv(4096):
                heard.append(data)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            with pytest.raises(PeerGone) as caught:
                if stream:
                    with trio.SocketStream(trio.socket.from_stdlib_socket(server)).socket as owned:
                        await door.open_stream(trio.SocketStream(owned))
                else:
                    await door.open(server)
            assert server.fileno() == -1
    client.close()
    return caught.value, b"".join(heard)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "plain_http"),
        (b"\x04\x01", "not_tls"),
        (b"\x16\x03\x01\x00\x05hello", "handshake"),
        (None, "timeout"),
        (b"\x16\x03\x01", "timeout"),
        (b"", "gone"),
    ],
)
async def test_who_does_not_begin_properly_is_closed_and_counted(door, sent, reason, stream):
    """One of plain HTTP is told what to use."""
    door.handshake_s = 0.3 if reason == "timeout" else 5

    async def talk(peer):
        if sent:
            await peer.send(sent)
        elif sent is not None:
            peer.shutdown(socket.SHUT_WR)

    _, heard = await failing(door, talk, stream)
    assert door.statistics.failed == {reason: 1}
    assert (door.statistics.opening, door.statistics.opened) == (0, 0)
    assert (b"https://" in heard) == (reason == "plain_http")


async def test_a_cancelled_handshake_closes_the_socket(door):
    """Nothing is left behind when the gateway stops."""
    server, client = raw_pair()
    with client, trio.move_on_after(0.1):
        await door.open(server)
    assert server.fileno() == -1
    assert door.statistics.opening == 0


async def test_a_renewed_certificate_is_shown_to_the_next_client(door, authority):
    """Connections that are open go on."""
    async with tls_pair(door, authority) as (server, client):
        authority.issue(names="DNS:localhost,DNS:renewed.example")
        assert door.certificates.look()
        async with tls_pair(door, authority) as (_, later):
            names = [value for _, value in later._tls.getpeercert()["subjectAltName"]]
            assert names == ["localhost", "renewed.example"]
        server.send(b"still here")
        assert await receive(client, 10) == b"still here"


# ---------------------------------------------------------------------- clients


@contextlib.asynccontextmanager
async def wss_server(door):
    """Answers each message with itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)

    async def serve(raw):
        with contextlib.suppress(PeerGone):
            async with serve_connection(await door.open(raw), ConnectionLimits()) as connection:
                await connection.handshake()
                await connection.accept()
                while True:
                    connection.push((await connection.receive()).encode())

    async def accept(nursery):
        while True:
            await trio.lowlevel.wait_readable(listener)
            raw, _ = listener.accept()
            raw.setblocking(False)
            nursery.start_soon(serve, raw)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, nursery)
        yield listener.getsockname()[1]
        nursery.cancel_scope.cancel()
    listener.close()


async def test_wss_there_and_back(door, authority):
    """Small and large messages, and a close in order."""
    async with wss_server(door) as port:
        with trio.fail_after(10):
            async with connect(f"wss://localhost:{port}/", ca=authority.file) as client:
                for text in ("hello", "x" * 60_000):
                    await client.send(text)
                    assert await client.receive() == text
            assert client.close_code == 1000


async def test_the_name_is_verified_as_well(authority):
    """A certificate is good for the hosts that it names; the text says why not, and what to do."""
    issued = authority.issue("bad", names="DNS:other.example")
    door = TlsDoor(Certificates.open(issued.certificate, issued.key))
    async with wss_server(door) as port:
        with trio.fail_after(10), pytest.raises(NetError) as caught:
            async with connect(f"wss://localhost:{port}/", ca=authority.file):
                pass
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in str(caught.value)
    assert "--ca or QUANTMIND_CA" in str(caught.value)


async def test_one_of_another_authority_and_of_none(door, authority, tmp_path, monkeypatch):
    """Neither the system's authorities nor a foreign one let ours pass; QUANTMIND_CA does."""
    foreign = Authority.make(tmp_path, "foreign")
    async with wss_server(door) as port:
        url = f"wss://localhost:{port}/"
        monkeypatch.delenv("QUANTMIND_CA", raising=False)
        for ca in (foreign.file, None):
            with trio.fail_after(10), pytest.raises(NetError, match="is not trusted"):
                async with connect(url, ca=ca):
                    pass
        monkeypatch.setenv("QUANTMIND_CA", str(authority.file))
        with trio.fail_after(10):
            async with connect(url):
                pass
    assert door.statistics.failed["handshake"] >= 1


async def test_one_that_expired_while_it_was_in_use(authority):
    """A gateway that nobody renews is not trusted any more."""
    old = authority.issue("old", days=-1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(old.certificate, old.key)
    server, client = raw_pair()

    async def serve():
        with pytest.raises(ssl.SSLError):
            await TlsSocket(server, context).handshake()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
                await TlsSocket(client, client_context(authority.file), server_hostname="localhost").handshake()
    server.close()
    client.close()


def test_an_authority_that_can_t_be_used(tmp_path):
    """The text names the file and where its name came from."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(NetError, match=r"empty\.pem holds no certificate in PEM; it is named by --ca or QUANTMIND_CA"):
        client_context(empty)
    with pytest.raises(NetError, match="No such file"):
        client_context(tmp_path / "missing.pem")


def test_addresses():
    """wss has a port of its own."""
    assert parse_url("wss://gateway.example/x") == ("gateway.example", 443, "/x", True)
    assert parse_url("ws://[::1]:8765") == ("::1", 8765, "/", False)
