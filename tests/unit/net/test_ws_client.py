"""Our client of other people's servers: what a ping proves, and what errors may say."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from quantmind.net.errors import HandshakeRefused, NetError, PeerGone
from quantmind.net.listen import open_listener
from quantmind.net.ws import connect

SECRET = "a-listen-key"


async def test_what_came_before_a_pong_has_been_received(server):
    """However many messages lie before the pong, the receiving task has had them all when `ping` returns."""
    sent = 300

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        while await connection.receive() == "go":
            for number in range(sent):
                connection.push(b"%d" % number)
            connection.push(b"asked")

    async with server(handler) as served, connect(served.url, peer="Binance") as client, trio.open_nursery() as nursery:
        heard = []

        async def receive():
            while True:
                heard.append(await client.receive())

        nursery.start_soon(receive)
        for turn in range(1, 6):
            await client.send("go")
            await client.ping()
            assert len(heard) == turn * (sent + 1)
        nursery.cancel_scope.cancel()


async def test_a_ping_is_answered_though_the_server_says_nothing(server, echo_handler):
    """A ping needs no message of the server's, and can be repeated."""
    async with server(echo_handler) as served, connect(served.url) as client:
        for _ in range(3):
            await client.ping()


@pytest.mark.parametrize("how", ["closed", "left"])
async def test_a_ping_ends_with_the_connection(server, how):
    """Who waits for a pong is told that the connection is over, and does not wait for ever."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        await connection.receive()
        if how == "closed":
            await connection.close(1001, "bye")

    async with server(handler) as served, connect(served.url) as client:
        await client.send("end")
        with pytest.raises(PeerGone), trio.fail_after(10):
            while True:
                await client.ping()
        with pytest.raises(PeerGone):
            await client.ping()


async def deaf_server(listener, opened):
    """One that shakes hands, and then neither reads nor speaks."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, Request

    raw, _ = await trio.socket.from_stdlib_socket(listener).accept()
    with raw:
        ws = WSConnection(ConnectionType.SERVER)
        while True:
            ws.receive_data(await raw.recv(4096))
            if any(isinstance(event, Request) for event in ws.events()):
                break
        await raw.send(ws.send(AcceptConnection()))
        opened.set()
        await trio.sleep_forever()


async def test_a_ping_that_is_not_answered_is_given_up_by_its_caller():
    """Cancelled, it leaves the connection as it is: another ping can be sent, with another payload."""
    listener = open_listener("127.0.0.1", 0)
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(deaf_server, listener, opened)
        async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/") as client:
            for _ in range(2):
                with trio.move_on_after(0.02) as patience:
                    await client.ping()
                assert patience.cancelled_caught
            nursery.cancel_scope.cancel()
    listener.close()


async def test_a_server_with_a_name_is_called_by_it(server):
    """Errors name whom we wanted, with host and port, and never the path: a key may be in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NetError) as caught:
        async with connect(f"ws://127.0.0.1:{port}/ws/{SECRET}", peer="Binance"):
            pytest.fail("opened")
    assert str(caught.value).startswith(f"Binance at 127.0.0.1:{port} can't be reached (")
    assert SECRET not in str(caught.value)

    async def binary(connection):
        await connection.handshake()
        await connection.accept()
        connection.push_frame(b"\x82\x01x")
        await connection.receive()

    async with server(binary) as served:
        async with connect(f"{served.url}{SECRET}", peer="Binance") as client:
            with pytest.raises(NetError, match=r"Binance at 127.0.0.1:[0-9]+ sent a binary message$"):
                await client.receive()
        async with connect(served.url) as client:
            with pytest.raises(NetError, match="is it a QuantMind gateway"):
                await client.receive()


async def test_a_refusal_has_its_status(server):
    """429 and 418 mean something: whoever asked can tell them from a server that is away."""

    async def handler(connection):
        await connection.handshake()
        await connection.reject(429, b"slow down")

    async with server(handler) as served:
        with pytest.raises(HandshakeRefused, match=r"Binance at .* HTTP status 429: slow down") as caught:
            async with connect(f"{served.url}{SECRET}", peer="Binance"):
                pytest.fail("opened")
        assert caught.value.status == 429
        assert SECRET not in str(caught.value)


async def test_a_message_that_is_too_long_ends_the_connection(server):
    """Nothing is kept of it, and the connection ends with 1009."""

    async def handler(connection):
        await connection.handshake()
        await connection.accept()
        connection.push(b"x" * 5000)
        await connection.receive()

    async with server(handler) as served, connect(served.url, max_message_bytes=1000, peer="Binance") as client:
        with pytest.raises(PeerGone):
            await client.receive()
        assert client.close_code == 1009
