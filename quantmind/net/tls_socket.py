"""TLS over a non-blocking socket, with a socket's own calls: what is written without waiting goes out encrypted.

OpenSSL wants a write that it could not finish to be repeated with the same bytes, and whoever writes ticks may have
newer ones by then. So a write is encrypted whole, into memory. While the kernel has not taken all of that, `send` says
that one byte was not taken, and the caller comes back with that byte, as it does to a socket.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

import trio

READ_BYTES: Final = 16 * 1024

MOST_ANSWERED: Final = 64 * 1024
"""What TLS itself may want to answer to a peer that takes nothing; such a peer only makes us work."""


class TlsSocket:
    """One side of a TLS connection; `handshake` first. One task may send and one receive, neither of them waits.

    Args:
        raw: a connected socket, owned from now on.
        context: of a server, or of a client.
        server_hostname: whom a client wants to talk to; None: this is the server.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._came = ssl.MemoryBIO()
        self._goes = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._came, self._goes, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self._unsent = memoryview(b"")
        self._withheld = 0
        self._answered = 0
        self.moved = 0
        """Bytes, encrypted, that the kernel has taken."""

    async def handshake(self) -> None:
        """Agree on keys with the peer; callers bound it.

        Raises:
            ssl.SSLError: it does not speak TLS, or one of us does not trust the other.
            OSError: the connection broke.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush_all()
                await self._fill()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert that says why
                raise
            else:
                await self._flush_all()
                return

    async def _flush_all(self) -> None:
        while not self._flush():
            await trio.lowlevel.wait_writable(self._raw)

    async def _fill(self) -> None:
        while True:
            try:
                self._take_in(self._raw.recv(READ_BYTES))
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._raw)
            else:
                return

    def _take_in(self, data: bytes) -> None:
        if data:
            self._came.write(data)
        else:
            self._came.write_eof()

    # False: the kernel has not taken everything.
    def _flush(self) -> bool:
        if self._goes.pending:
            self._unsent = memoryview(bytes(self._unsent) + self._goes.read())
        while self._unsent:
            try:
                taken = self._raw.send(self._unsent)
            except BlockingIOError:
                return False
            self.moved += taken
            self._unsent = self._unsent[taken:]
        self._answered = 0
        return True

    # ------------------------------------------------------------------ as a socket

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt and write; the number of bytes taken. The next call must begin with what was not taken of this one.

        Raises:
            BlockingIOError: the kernel is full; nothing was taken, and other bytes may be given next.
            OSError: the connection broke.
        """
        if not self._flush():
            raise BlockingIOError
        left = memoryview(data)[self._withheld :]
        self._withheld = 0
        while left:
            left = left[self._tls.write(left) :]
        if self._flush():
            return len(data)
        self._withheld = 1
        return len(data) - 1

    def recv(self, most: int) -> bytes:
        """Return at most so many bytes; empty at the end of the peer's side.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection broke, or the peer broke the protocol.
        """
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                self._answer()
                self._take_in(self._raw.recv(READ_BYTES))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    # To a peer's change of keys, for one.
    def _answer(self) -> None:
        self._answered += self._goes.pending
        if self._goes.pending and not self._flush() and self._answered > MOST_ANSWERED:
            raise ConnectionResetError("the peer asks TLS for answers and takes none")

    def shutdown(self, how: int) -> None:
        """Say that no more will be written, and read on."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        with contextlib.suppress(BlockingIOError):
            self._flush()
        self._raw.shutdown(how)

    def fileno(self) -> int:
        """The socket's descriptor; -1 when it is closed."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """As a socket's; it never blocks."""
        assert not flag, "a TlsSocket never blocks"

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """As a socket's."""
        self._raw.setsockopt(level, option, value)

    def getpeername(self) -> tuple[str, int]:
        """As a socket's."""
        name: tuple[str, int] = self._raw.getpeername()
        return name

    def close(self) -> None:
        """Close the socket at once. Closing twice is harmless."""
        self._raw.close()
