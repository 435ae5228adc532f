"""What a peer can do to us, and that it harms only itself."""

from __future__ import annotations

import pytest
import trio

from quantmind.net.errors import PeerGone
from quantmind.net.ws import ServerConnection, connect

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def accept_and_wait(connection: ServerConnection) -> None:
    await connection.handshake()
    await connection.accept()
    while True:
        await connection.receive()


async def test_a_ping_after_our_close_ends_only_that_connection(server):
    """A peer that pings after our Close, which makes trio-websocket 0.12.2 raise, harms nobody."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        connection.push(b"hello")
        await connection.close(4001, "bye")

    async with server(handler, close_timeout_s=0.5) as served:
        async with served.peer() as peer:
            await peer.upgrade()
            assert await peer.frame() == (TEXT, b"hello")
            assert await peer.frame() == (CLOSE, b"\x0f\xa1bye")
            for _ in range(100):
                await peer.send(PING, b"x")
            await peer.send(CLOSE, b"\x0f\xa1")
            assert await peer.frame() is None
        await served.wait_ended(1)
        assert served.ended[0].close_code == 4001
        async with served.peer() as peer:
            await peer.upgrade()


async def test_a_ping_after_our_1009_ends_only_that_connection(server):
    """The same after the Close that trio-websocket sends by itself, where its reader does raise."""
    async with server(accept_and_wait, max_message_bytes=100) as served:
        async with served.peer() as peer:
            await peer.upgrade()
            flood = peer.encode(TEXT, b"x" * 101) + peer.encode(PING, b"p") * 50 + peer.encode(TEXT, b"y" * 101)
            await peer.stream.send_all(flood)
            assert await peer.close_code() == 1009
            assert await peer.ended()
        await served.wait_ended(1)
        assert served.ended[0].close_code == 1009
        assert [gone.code for gone in served.gone] == [1009]


async def test_every_ping_of_a_flood_is_answered(server, echo_handler):
    """A flood of pings is answered in order, and messages in between too."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()

        async def send():
            for number in range(2000):
                await peer.send(PING, b"%d" % number)
            await peer.send(TEXT, b"end")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            for number in range(2000):
                assert await peer.frame() == (PONG, b"%d" % number)
            assert await peer.frame() == (TEXT, b"end")


async def test_pings_while_closing_are_ignored(server):
    """Pings that cross our Close get no pong: nothing follows a Close frame."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        await connection.receive()
        await connection.close(1001, "server stopping")

    async with server(handler, close_timeout_s=0.5) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.stream.send_all(peer.encode(TEXT, b"go") + peer.encode(PING, b"x") * 500)
        assert await peer.ended()
        await served.wait_ended(1)
        assert served.ended[0].close_code == 1001


@pytest.mark.parametrize("half", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websock"])
async def test_half_a_handshake_is_given_up(server, half):
    """A peer that does not complete its request is answered with 408 after `handshake_timeout_s`, and dropped."""
    async with server(handshake_timeout_s=0.2, close_timeout_s=1) as served, served.peer() as peer:
        await peer.stream.send_all(half)
        assert (await peer.head()).startswith(b"HTTP/1.1 408 ")
        assert not await peer.fill()
        await peer.stream.aclose()
        await served.wait_ended(1)
        assert served.gone[0].code is None
        assert not served.ended[0].alive


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n"
        ),
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: Upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"\x00" * 64,
        b"not http at all\r\n\r\n",
    ],
    ids=[
        "get",
        "post",
        "no-key",
        "version",
        "not-ascii",
        "not-a-host",
        "long-header",
        "many-headers",
        "tls",
        "nul",
        "words",
    ],
)
async def test_what_is_no_handshake_gets_4xx(server, request_bytes):
    """Whatever is not a WebSocket request is answered with 4xx, and the connection ends at once."""
    async with server() as served, served.peer() as peer:
        await peer.stream.send_all(request_bytes)
        head = await peer.head()
        assert head.startswith(b"HTTP/1.1 4"), head
        assert not await peer.fill()
        await peer.stream.aclose()
        await served.wait_ended(1)
        assert served.gone[0].code is None


async def test_input_before_the_answer_is_bounded(server):
    """A peer that goes on sending before its handshake is answered is dropped, not stored."""
    hold = trio.Event()

    async def handler(connection):
        await connection.handshake()
        await hold.wait()
        await connection.accept()

    async with server(handler) as served, served.peer() as peer:
        await peer.stream.send_all(peer.upgrade_request)
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.stream.send_all(b"x" * 65536)
        hold.set()
        await served.wait_ended(1)
        assert len(served.gone) == 1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"opcode": TEXT, "payload": b"hello", "masked": False}, 1002),
        ({"opcode": TEXT, "payload": b"hello", "reserved": 0x40}, 1002),
        ({"opcode": TEXT, "payload": b"hello", "reserved": 0x10}, 1002),
        ({"opcode": 3, "payload": b""}, 1002),
        ({"opcode": 15, "payload": b""}, 1002),
        ({"opcode": 0, "payload": b"nothing to continue"}, 1002),
        ({"opcode": PING, "payload": b"x" * 126}, 1002),
        ({"opcode": PING, "payload": b"x", "fin": False}, 1002),
        ({"opcode": CLOSE, "payload": b"\x03"}, 1002),
        ({"opcode": CLOSE, "payload": b"\x03\xed"}, 1002),
        ({"opcode": TEXT, "payload": b"caf\xe9!"}, 1007),
        ({"opcode": TEXT, "payload": b"\xf0\x9f\x98"}, 1007),
        ({"opcode": CLOSE, "payload": b"\x03\xe8\xff"}, 1007),
        ({"opcode": TEXT, "payload": b"x" * 1001}, 1009),
        ({"opcode": BINARY, "payload": b"x" * 100_000}, 1009),
        ({"opcode": TEXT, "payload": b"\xc3\xa4" * 501}, 1009),
    ],
    ids=[
        "unmasked",
        "rsv1",
        "rsv3",
        "opcode-3",
        "opcode-15",
        "continuation",
        "long-ping",
        "split-ping",
        "close-1-byte",
        "close-1005",
        "latin-1",
        "cut-utf-8",
        "close-reason",
        "text-too-long",
        "binary-too-long",
        "too-many-bytes",
    ],
)
async def test_a_broken_frame_is_answered_with_its_code(server, echo_handler, frame, code):
    """A frame against the rules closes its connection, and the peer is told by which code."""
    async with server(echo_handler, max_message_bytes=1000, close_timeout_s=1) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.send(**frame)
        assert await peer.close_code() == code
        assert await peer.frame() is None
        await peer.stream.aclose()
        await served.wait_ended(1)
        assert served.ended[0].close_code == code
        assert [gone.code for gone in served.gone] == [code]


async def test_fragments_make_one_message(server, echo_handler):
    """A message may come in fragments, with pings between them."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()
        whole = "zwölf Boxkämpfer".encode()
        await peer.send(TEXT, whole[:3], fin=False)
        await peer.send(PING, b"between")
        await peer.send(0, b"", fin=False)
        await peer.send(0, whole[3:])
        assert await peer.frame() == (PONG, b"between")
        assert await peer.frame() == (TEXT, whole)


async def test_fragments_count_together(server, echo_handler):
    """Small fragments that never end are a message that is too long."""
    async with server(echo_handler, max_message_bytes=1000) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.send(TEXT, b"x" * 90, fin=False)
        for _ in range(10):
            await peer.send(0, b"x" * 100, fin=False)
        assert await peer.close_code() == 1009


async def test_an_empty_binary_frame_is_a_message(server, echo_handler):
    """Binary messages reach the session as bytes, empty ones too."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.send(BINARY)
        assert await peer.frame() == (TEXT, b"binary:0")
        await peer.send(TEXT)
        assert await peer.frame() == (TEXT, b"")


async def test_many_tiny_frames_at_once(server, echo_handler):
    """10 000 messages in one go all arrive, in order."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()
        data = b"".join(peer.encode(TEXT, b"%d" % number) for number in range(10_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.stream.send_all, data)
            for number in range(10_000):
                assert await peer.frame() == (TEXT, b"%d" % number)


@pytest.mark.parametrize("begun", [b"", b"\x81", b"\x81\xfe\x10", b"\x81\x85abcdhe"])
async def test_a_reset_inside_a_frame(server, echo_handler, begun):
    """A peer that vanishes inside a frame is 1006."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.stream.send_all(begun)
        await peer.send(PONG) if not begun else await trio.lowlevel.checkpoint()
        peer.reset()
        await served.wait_ended(1)
        assert served.ended[0].close_code == 1006
        assert not served.ended[0].alive


async def test_a_peer_that_never_answers_our_close_is_dropped(server):
    """Closing takes at most `close_timeout_s`."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        await connection.close(1001)
        assert not connection.alive

    async with server(handler, close_timeout_s=0.2) as served, served.peer() as peer:
        await peer.upgrade()
        await served.wait_ended(1)
        assert served.ended[0].close_code == 1001


async def test_one_dying_peer_leaves_twenty_others_untouched(server, echo_handler):
    """While peers die in every way there is, twenty others get every answer."""
    async with server(echo_handler, max_message_bytes=1000) as served:
        done = trio.Event()
        rounds = [0] * 20

        async def good(number: int) -> None:
            async with connect(served.url) as client:
                while not done.is_set() or rounds[number] < 20:
                    text = f"{number}:{rounds[number]}"
                    await client.send(text)
                    assert await client.receive() == text
                    rounds[number] += 1
                    await trio.sleep(0.001)

        async def bad() -> None:
            for attack in range(40):
                async with served.peer() as peer:
                    if attack % 5 == 0:
                        await peer.stream.send_all(b"\x16\x03\x01" + bytes(100))
                        continue
                    await peer.upgrade()
                    if attack % 5 == 1:
                        await peer.send(TEXT, b"caf\xe9")
                    elif attack % 5 == 2:
                        await peer.stream.send_all(peer.encode(TEXT, b"x" * 2000) + peer.encode(PING) * 10)
                    elif attack % 5 == 3:
                        await peer.stream.send_all(b"\x81\xfe")
                        peer.reset()
                    else:
                        await peer.send(TEXT, b"x", masked=False)
            done.set()

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(good, number)
            nursery.start_soon(bad)
        assert min(rounds) >= 20
        await served.wait_ended(60)


async def test_a_bug_of_ours_is_not_swallowed(server):
    """Only the peer's faults are: an exception of the block comes out as it is, and the peer sees 1011."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        await connection.receive()
        raise LookupError("ours")

    seen = []
    with pytest.raises(ExceptionGroup) as failure:
        async with server(handler) as served, served.peer() as peer:
            await peer.upgrade()
            await peer.send(TEXT, b"go")
            seen.append(await peer.close_code())
            await peer.stream.aclose()
            await trio.sleep_forever()
    assert failure.group_contains(LookupError, match="ours")
    assert seen == [1011]


async def test_peer_gone_says_how(server, echo_handler):
    """The session learns the peer's own code and reason."""
    async with server(echo_handler) as served, served.peer() as peer:
        await peer.upgrade()
        await peer.send(CLOSE, b"\x10\x00" + b"maintenance")
        assert await peer.close_code() == 4096
        await served.wait_ended(1)
        gone = served.gone[0]
        assert isinstance(gone, PeerGone)
        assert (gone.code, gone.reason) == (4096, "maintenance")
        assert "4096" in str(gone)
