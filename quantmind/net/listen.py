"""Listening sockets of the standard library, accepted on Trio."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Callable
from typing import Final, NoReturn

import attrs
import trio

from quantmind.net.errors import AddressTaken, NetError
from quantmind.net.turns import Pace

logger: Final = logging.getLogger("quantmind.net")

BACKLOG: Final = 256
"""Connections the kernel keeps for us while the loop is busy; more are refused by it."""

ACCEPTS_PER_TURN: Final = 64
"""After so many accepts in a row, other tasks get a turn."""

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

# The process, or the machine, is out of something: accept will go on failing until it is given back.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# A connection that died between the kernel's accept and ours. Linux also reports its pending network error.
_STILLBORN: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENOPROTOOPT,
        errno.ETIMEDOUT,
    }
)

# Windows answers EACCES where a socket with SO_EXCLUSIVEADDRUSE holds the port.
_TAKEN: Final = frozenset({errno.EADDRINUSE} | ({errno.EACCES} if sys.platform == "win32" else set()))


def open_listener(host: str, port: int, backlog: int = BACKLOG) -> socket.socket:
    """Return a non-blocking socket, bound and listening; port 0 takes any free one.

    Raises:
        AddressTaken: another program listens there.
        NetError: the address can't be used; the text says why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise NetError(f"cannot listen on {host}:{port}: {host!r} is not an address of ours ({error})") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take the port away from us.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno in _TAKEN:
            raise AddressTaken(host, port) from error
        if error.errno == errno.EACCES:
            raise NetError(f"cannot listen on {host}:{port}: not permitted; set a port above 1023") from error
        raise NetError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


async def accept_connections(
    listener: socket.socket, handle: Callable[[socket.socket], None], pace: Pace | None = None
) -> NoReturn:
    """Accept for ever; `handle` gets each non-blocking socket, owns it, and must not wait.

    Running out of descriptors is waited out with growing pauses; a connection that died in the backlog is
    passed over. Cancelling loses no accepted connection.

    Args:
        pace: connections beyond its share are accepted in turns; the kernel keeps them meanwhile.

    Raises:
        trio.ClosedResourceError: the listener was closed by `close_listener`.
        NetError: the listener broke in a way that waiting will not mend.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        await trio.lowlevel.wait_readable(listener)
        trouble: OSError | None = None
        for _ in range(ACCEPTS_PER_TURN):
            if pace is not None and pace.spent:
                await pace.turn()
            try:
                raw, _address = listener.accept()
            except BlockingIOError:
                trouble = None
                break
            except OSError as error:
                trouble = error
                if error.errno in _STILLBORN:
                    continue
                if error.errno in _EXHAUSTED:
                    break
                raise NetError(f"the listener failed: {error.strerror or error}") from error
            trouble = None
            pause_s = FIRST_PAUSE_S
            raw.setblocking(False)
            if pace is not None:
                pace.count()
            try:
                handle(raw)
            except BaseException:
                raw.close()
                raise
        # Left over when the process is exhausted, or a whole turn was stillborn: never spin on either.
        if trouble is not None:
            logger.warning("accept.failed error=%s pause_s=%g", trouble, pause_s)
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def close_listener(listener: socket.socket) -> None:
    """Stop listening at once; whoever accepts on it is told. Closing twice is harmless."""
    if listener.fileno() != -1:
        trio.lowlevel.notify_closing(listener)
        listener.close()


@attrs.define(eq=False)
class ListenAddress:
    """An address to listen on. Outlives whoever accepts there: what connects during a restart waits.

    `port` 0 becomes the one that was taken, and stays.
    """

    host: str
    port: int
    _listener: socket.socket | None = attrs.field(default=None, init=False)

    def open(self) -> socket.socket:
        """Listen, if it does not yet.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        if self._listener is None:
            self._listener = open_listener(self.host, self.port)
            self.port = self._listener.getsockname()[1]
        return self._listener

    def close(self) -> None:
        """Listen no more. Safe to repeat."""
        listener, self._listener = self._listener, None
        if listener is not None:
            close_listener(listener)
