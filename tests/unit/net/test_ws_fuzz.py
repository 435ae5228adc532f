"""Arbitrary bytes against the WebSocket server: it goes on serving others, and the connection ends."""

from __future__ import annotations

import contextlib
import itertools

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.net.ws import connect

modest = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

line = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"GET /\xff HTTP/1.1\r\n",
        b"HEAD / HTTP/1.1\r\n",
        b"\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"Host: " + b"a" * 70 + b"\r\n",
        b"Host: xn--\xe4\r\n",
        b"Upgrade: websocket\r\n",
        b"Upgrade: h2c\r\n",
        b"Connection: Upgrade\r\n",
        b"Connection: \xe4, Upgrade\r\n",
        b"Sec-WebSocket-Key: x\r\n",
        b"Sec-WebSocket-Key: \xff\r\n",
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Version: \xff\r\n",
        b"Sec-WebSocket-Protocol: \xff\r\n",
        b"Sec-WebSocket-Extensions: \xff\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"zz\r\n",
        b"\x81\x80abcd",
    ]
)
requests = st.lists(line, max_size=14).map(b"".join)
upgrade = st.just(
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Nearly a frame: any opcode, flags and mask; a length that may lie."""
    payload = draw(st.binary(max_size=40))
    first = draw(st.integers(0, 255))
    masked = draw(st.sampled_from([0x80, 0x80, 0x80, 0]))
    size = draw(st.sampled_from([len(payload), len(payload), 126, 127, draw(st.integers(0, 125))]))
    extended = draw(st.binary(max_size=8)) if size > 125 else b""
    return bytes((first, masked | size)) + extended + (b"\0\0\0\0" if masked else b"") + payload


async def attack(server, handler, data: bytes, cuts: list[int]) -> None:
    async with server(handler, handshake_timeout_s=0.05, close_timeout_s=0.05, max_message_bytes=100) as served:
        async with served.peer() as peer:
            with contextlib.suppress(trio.BrokenResourceError):
                edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
                for start, end in itertools.pairwise(edges):
                    await peer.stream.send_all(data[start:end])
                await peer.stream.send_eof()
            while await peer.fill():
                pass
        await served.wait_ended(1)
        assert not served.ended[0].alive
    async with server(handler) as served, connect(served.url) as client:
        await client.send("fine")
        assert await client.receive() == "fine"


cuts = st.lists(st.integers(0, 1000), max_size=4)


@modest
@given(data=st.one_of(st.binary(max_size=300), requests), cuts=cuts)
def test_any_bytes_instead_of_a_handshake(server, echo_handler, data, cuts):
    """Nothing a peer sends first can raise out of its connection."""
    trio.run(attack, server, echo_handler, data, cuts)


@modest
@given(head=upgrade, data=st.lists(st.one_of(frames(), st.binary(max_size=30)), max_size=8).map(b"".join), cuts=cuts)
def test_any_bytes_after_a_handshake(server, echo_handler, head, data, cuts):
    """Nor what it sends in place of frames."""
    trio.run(attack, server, echo_handler, head + data, cuts)
