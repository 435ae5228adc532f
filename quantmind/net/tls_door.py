"""The server's side of TLS: who begins properly and in time gets in, everybody else is closed and counted."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Final

import attrs
import trio

from quantmind.domain.rarely import Rarely
from quantmind.net.certificates import Certificates
from quantmind.net.errors import PeerGone
from quantmind.net.tls_socket import TlsSocket

logger: Final = logging.getLogger("quantmind.tls")

HANDSHAKE_S: Final = 10.0
LOG_EVERY_S: Final = 10.0
HANDSHAKE_RECORD: Final = 0x16
LEAVE_S: Final = 1.0
MOST_UNREAD: Final = 64 * 1024

_TEXT: Final = b"This port speaks TLS; use https:// or wss:// here.\n"
PLAIN_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


@attrs.define(eq=False)
class TlsStatistics:
    """For /status; outlives who accepts."""

    opened: int = 0
    opening: int = 0
    """In their handshake now; bounded by the connections that the doors take."""
    failed: dict[str, int] = attrs.field(factory=dict)
    """Connections that did not come to be, by reason: plain_http, not_tls, timeout, gone, handshake."""


@attrs.define(eq=False)
class TlsDoor:
    """Takes accepted sockets through the handshake, with the certificate of now."""

    certificates: Certificates
    handshake_s: float = HANDSHAKE_S
    statistics: TlsStatistics = attrs.field(factory=TlsStatistics)
    _rarely: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)

    async def open(self, raw: socket.socket) -> TlsSocket:
        """Return the connection on `raw`, which is closed when there is none, also when cancelled.

        Raises:
            PeerGone: it went away, does not speak TLS, does not trust us, or took too long.
        """
        try:
            with self._opening():
                await self._expect_tls(trio.socket.from_stdlib_socket(raw))
                opened = TlsSocket(raw, self.certificates.context)
                await opened.handshake()
                return opened
        except BaseException:
            raw.close()
            raise

    async def open_stream(self, stream: trio.SocketStream) -> trio.SSLStream[trio.SocketStream]:
        """As `open`, for whoever works with streams; does not close `stream`."""
        with self._opening():
            await self._expect_tls(stream.socket)
            secured = trio.SSLStream(stream, self.certificates.context, server_side=True, https_compatible=True)
            await secured.do_handshake()
            return secured

    def status(self) -> dict[str, Any]:
        """For /status."""
        return {**attrs.asdict(self.statistics), "certificate": self.certificates.status()}

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        self.statistics.opening += 1
        try:
            with trio.fail_after(self.handshake_s):
                yield
            self.statistics.opened += 1
        except trio.TooSlowError:
            raise self._failed("timeout", f"no TLS handshake within {self.handshake_s:g} s") from None
        except ssl.SSLError as error:
            raise self._failed("handshake", error.reason or str(error)) from error
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
                raise self._failed("handshake", cause.reason or str(cause)) from error
            raise self._failed("gone", "it went away in its handshake") from error
        except (OSError, trio.ClosedResourceError) as error:
            raise self._failed("gone", "it went away in its handshake") from error
        finally:
            self.statistics.opening -= 1

    async def _expect_tls(self, peer: trio.socket.SocketType) -> None:
        first = await peer.recv(1, socket.MSG_PEEK)
        if not first:
            raise self._failed("gone", "it went away without a word")
        if first[0] == HANDSHAKE_RECORD:
            return
        if not first.isalpha():
            raise self._failed("not_tls", "what came first is no TLS")
        with trio.move_on_after(LEAVE_S):
            await self._send_away(peer)
        raise self._failed("plain_http", "it spoke plain HTTP")

    # Closing with unread input would reset the connection, and the peer might never see why.
    async def _send_away(self, peer: trio.socket.SocketType) -> None:
        await peer.send(PLAIN_ANSWER)
        peer.shutdown(socket.SHUT_WR)
        unread = 0
        while unread < MOST_UNREAD:
            data = await peer.recv(4096)
            if not data:
                return
            unread += len(data)

    def _failed(self, reason: str, text: str) -> PeerGone:
        failed = self.statistics.failed
        failed[reason] = failed.get(reason, 0) + 1
        count = self._rarely.due(reason, trio.current_time())
        if count:
            logger.warning("refuse.tls reason=%s count=%d: %s", reason, count, text)
        return PeerGone(None, text)
