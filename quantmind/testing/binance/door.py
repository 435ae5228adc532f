"""A WebSocket connection's server side: framing by wsproto, with the exchange's customs. Its only importer here."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from quantmind.net.frames import close_frame, text_frame
from quantmind.testing.binance.settings import Settings

MOST_FRAMES: Final = 65_536
"""Messages that wait for one client; beyond it the exchange cuts the connection, as the real one does."""
MOST_BYTES: Final = 64 * 1024
"""Of one message of a client."""
BATCH: Final = 64
"""Frames that are written at once."""
LAST_WORDS_S: Final = 2.0
"""How long a client may take to read our last frames and to close."""
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL: Final = 1002
POLICY: Final = 1008
TOO_BIG: Final = 1009
_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


def cut_stream(stream: Stream) -> None:
    """Close the socket at once: the other side sees the connection end."""
    plain = stream if isinstance(stream, trio.SocketStream) else stream.transport_stream
    plain.socket.close()


@attrs.define(eq=False)
class WsLine:
    """One WebSocket connection, from its handshake on. `push` and `cut` never wait.

    Args:
        head: what the client has sent by now; the request is in it.
        is_silent: whether messages of a path are kept back.
        gives_no_pong: whether pings are left without an answer.
    """

    settings: Settings
    _stream: Stream
    _head: bytes
    is_silent: Callable[[str], bool]
    gives_no_pong: Callable[[], bool]
    on_text: Callable[[str], None] = attrs.field(default=lambda _: None)
    on_age: Callable[[], None] = attrs.field(default=lambda: None)
    """Called when the connection nears its end by age."""
    counts_text: bool = True
    """Whether text messages count for `Settings.incoming_per_s`: those of the WebSocket API have weights instead."""
    target: str = attrs.field(default="", init=False)
    opened_at: float = attrs.field(default=math.nan, init=False)
    received: int = attrs.field(default=0, init=False)
    """Messages of the client, pings and pongs among them."""
    pushed: int = attrs.field(default=0, init=False)
    _ws: WSConnection = attrs.field(factory=lambda: WSConnection(ConnectionType.SERVER), init=False)
    _frames: deque[bytes] = attrs.field(factory=deque, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _written: trio.Event = attrs.field(factory=trio.Event, init=False)
    _pong: trio.Event = attrs.field(factory=trio.Event, init=False)
    _awaited: bytes | None = attrs.field(default=None, init=False)
    _recent: deque[float] = attrs.field(factory=deque, init=False)
    _text: str = attrs.field(default="", init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def path(self) -> str:
        """Of the URL, as it was sent."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Of the URL; `+` and `%xx` are read."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def is_over(self) -> bool:
        """Nothing more is pushed: it has ended, or is about to."""
        return self._closing

    @property
    def backlog(self) -> int:
        """Frames that wait to be written."""
        return len(self._frames)

    def push(self, payload: bytes) -> None:
        """Send a text message."""
        self.push_frame(text_frame(payload))

    def push_frame(self, frame: bytes) -> None:
        """Send a message that is framed already."""
        if self._closing or self.is_silent(self.path):
            return
        self.pushed += 1
        self._put(frame)

    def close(self, code: int, reason: str = "") -> None:
        """Say no more than this."""
        if not self._closing:
            self._put(close_frame(code, reason))
            self._closing = True
            self._news.set()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._closing = True
        cut_stream(self._stream)
        self._scope.cancel()

    async def below(self, frames: int) -> None:
        """Wait until fewer frames wait, or the connection is over."""
        while len(self._frames) >= frames and not self._closing:
            await self._written.wait()

    def read_request(self) -> bool:
        """Read the request, and know `target`. False: it is none."""
        head, _, self._rest = self._head.partition(b"\r\n\r\n")
        try:
            self._ws.receive_data(head + b"\r\n\r\n")
            request = next(iter(self._ws.events()), None)
        except ProtocolError:
            return False
        if not isinstance(request, Request):
            return False
        self.target, self.opened_at = request.target, trio.current_time()
        return True

    async def refuse(self, status: int) -> None:
        """Answer the request with a status of HTTP."""
        said = RejectConnection(status_code=status, headers=[(b"Content-Length", b"0")], has_body=True)
        with contextlib.suppress(*_BROKEN):
            await self._stream.send_all(self._ws.send(said) + self._ws.send(RejectData(data=b"")))

    def accept(self) -> None:
        """Open the connection: what is pushed from now on follows the handshake. `run` writes it."""
        self._frames.appendleft(self._ws.send(AcceptConnection()))
        self._ws.receive_data(self._rest)

    async def run(self) -> None:
        """Serve the connection until it is over, whoever ends it."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    heard_all = trio.Event()
                    nursery.start_soon(self._ping)
                    nursery.start_soon(self._grow_old)
                    nursery.start_soon(self._read, heard_all)
                    await self._write()
                    with trio.move_on_after(LAST_WORDS_S):
                        await heard_all.wait()
                    nursery.cancel_scope.cancel()
        finally:
            self._closing = True
            self._frames.clear()
            self._written.set()
            cut_stream(self._stream)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _put(self, frame: bytes) -> None:
        self._frames.append(frame)
        if len(self._frames) > MOST_FRAMES:
            self.cut()
        self._news.set()

    # Until the last frame after `close` is written.
    async def _write(self) -> None:
        with contextlib.suppress(*_BROKEN):
            while True:
                while self._frames:
                    batch = [self._frames.popleft() for _ in range(min(BATCH, len(self._frames)))]
                    await self._stream.send_all(b"".join(batch))
                    self._written.set()
                    self._written = trio.Event()
                if self._closing:
                    return
                await self._news.wait()
                self._news = trio.Event()
        self.cut()

    async def _ping(self) -> None:
        number = 0
        while True:
            await trio.sleep(self.settings.ping_every_s)
            number += 1
            if self._closing:
                return
            self._awaited, self._pong = str(number).encode(), trio.Event()
            self._put(self._ws.send(Ping(payload=self._awaited)))
            with trio.move_on_after(self.settings.pong_within_s):
                await self._pong.wait()
                continue
            self.cut()

    async def _grow_old(self) -> None:
        settings = self.settings
        if settings.notice_s:
            await trio.sleep_until(self.opened_at + settings.life_s - settings.notice_s)
            self.on_age()
        await trio.sleep_until(self.opened_at + settings.life_s)
        self.close(GOING_AWAY)

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, heard_all: trio.Event) -> None:
        try:
            # The request may have brought frames with it.
            while self._take():
                data = await self._stream.receive_some(MOST_BYTES)
                if not data:
                    break
                self._ws.receive_data(bytes(data))
        except ProtocolError:
            self.close(PROTOCOL)
        except _BROKEN:
            self.cut()
        heard_all.set()
        self._closing = True
        self._news.set()

    # False: nothing more is read.
    def _take(self) -> bool:
        for event in self._ws.events():
            if isinstance(event, CloseConnection):
                if not self._closing:
                    self._put(self._ws.send(event.response()))
                return False
            if self._closing:
                continue
            if isinstance(event, BytesMessage):
                self.close(POLICY, "text messages only")
            elif isinstance(event, TextMessage):
                self._take_text(event)
            elif isinstance(event, Ping | Pong):
                self._take_control(event)
        return True

    def _take_text(self, event: TextMessage) -> None:
        self._text += event.data
        if len(self._text) > MOST_BYTES:
            self.close(TOO_BIG)
        elif event.message_finished:
            text, self._text = self._text, ""
            if self._count(self.counts_text):
                self.on_text(text)

    def _take_control(self, event: Ping | Pong) -> None:
        if not self._count():
            return
        if isinstance(event, Pong):
            if bytes(event.payload) == self._awaited:
                self._awaited = None
                self._pong.set()
        elif not self.gives_no_pong():
            self._put(self._ws.send(event.response()))

    # False: it is one message too many in a second.
    def _count(self, counts: bool = True) -> bool:
        self.received += 1
        if not counts:
            return True
        now = trio.current_time()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        self._recent.append(now)
        if len(self._recent) > self.settings.incoming_per_s:
            self.close(POLICY, "Too many requests")
            return False
        return True
