"""Sessions on sockets: raw clients, and one session with a hub that the test plays."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import trio
from protocol.ws.ws_gateway import TOKENS, Client, FakeClock, WsGateway, open_gateway

from actors.account_board import AccountBoard
from actors.bulletin import Bulletin
from actors.channel_reader import Channels
from actors.clients import Clients
from actors.messages import HubMessage, HubStarted, Subscribe, Welcome
from actors.runtime import Inbox, Mailbox, MailboxPolicy, Ref
from actors.session import SESSION_MAILBOX, Session
from quantmind.config.model import WebSocketConfig
from quantmind.net.ws import connect

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """A client's frame, with a mask of zeros."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + payload


@contextlib.asynccontextmanager
async def raw_client(gateway: WsGateway, headers: bytes = b"", **options: int) -> AsyncIterator[trio.SocketStream]:
    """A client of bytes, its handshake done."""
    raw = trio.socket.socket()
    for name, value in options.items():
        raw.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    await raw.connect(("127.0.0.1", gateway.address.port))
    async with trio.SocketStream(raw) as stream:
        await stream.send_all(HANDSHAKE + headers + b"\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        yield stream


async def read_all(stream: trio.SocketStream) -> bytes:
    data = b""
    with contextlib.suppress(trio.BrokenResourceError):
        async for chunk in stream:
            data += chunk
    return data


async def until(condition: Any) -> None:
    """Wait until it holds."""
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.005)


class Desk:
    """One session with a hub that the test plays."""

    def __init__(
        self, client: Client, hub: Mailbox[HubMessage], inbox_of: Mailbox[HubStarted], session: Session
    ) -> None:
        self.client = client
        self.hub = hub
        self.started = inbox_of
        self.session = session

    async def next(self) -> Any:
        """What the hub is told next."""
        await until(self.hub.load_nowait)
        return self.hub.pop_nowait()

    def welcome(
        self, asked: Subscribe, rejected: tuple[str, ...] = (), epoch: str = "e1", recovered: bool | None = None
    ) -> None:
        accepted = tuple(name for name in asked.names if name not in rejected)
        refused = tuple((name, "unknown_symbol") for name in rejected)
        asked.sink.push_welcome(Welcome(asked.request_id, accepted, refused, len(accepted), epoch, (), (), recovered))

    async def restart_hub(self, epoch: str) -> None:
        self.started.put_nowait(HubStarted(epoch))
        await until(lambda: not self.started.statistics().queued)


@contextlib.asynccontextmanager
async def open_desk(channels: Channels | None = None, headers: Mapping[str, str] | None = None) -> AsyncIterator[Desk]:
    """A session on a socket pair; the hub's mailbox is read by the test."""
    hub: Mailbox[HubMessage] = Mailbox(MailboxPolicy(capacity=200))
    box: Mailbox[HubStarted] = Mailbox(SESSION_MAILBOX)
    listener = socket.create_server(("127.0.0.1", 0))
    inbox: Inbox[HubStarted] = Inbox(box)
    async with trio.open_nursery() as nursery:
        catalog = await _catalog()

        async def serve() -> None:
            raw, _ = await trio.to_thread.run_sync(listener.accept)
            sessions.append(
                Session(
                    raw=raw,
                    number=1,
                    hub=Ref("hub", hub),
                    config=WebSocketConfig(),
                    catalog=catalog,
                    clients=Clients(10),
                    clock=FakeClock(),
                    epoch=lambda: "e1",
                    authenticate=TOKENS.get,
                    channels=Channels(Bulletin(), AccountBoard(), FakeClock()) if channels is None else channels,
                )
            )
            await sessions[0](inbox)

        sessions: list[Session] = []
        nursery.start_soon(serve)
        with trio.fail_after(30):
            async with connect(f"ws://127.0.0.1:{listener.getsockname()[1]}/", headers=headers) as connection:
                yield Desk(Client(connection), hub, box, sessions[0])
        inbox.request_stop()
    listener.close()


async def _catalog() -> Any:
    async with open_gateway() as gateway:
        return gateway.catalog
