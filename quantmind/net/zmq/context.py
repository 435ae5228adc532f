"""libzmq's context, and which sockets and ports were opened in it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

import zmq

if TYPE_CHECKING:
    from quantmind.net.zmq.socket import ZmqSocket


class ZmqContext:
    """libzmq's context: its own I/O thread and the sockets opened in it.

    Closing never waits: what is still queued is lost (LINGER 0).
    """

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._sockets: list[ZmqSocket] = []
        self._left: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self, kind: int) -> zmq.Socket[bytes]:
        """Return a new libzmq socket of this kind."""
        return self._context.socket(kind)

    def adopt(self, opened: ZmqSocket) -> None:
        """Close this socket with the context."""
        self._sockets.append(opened)

    def release(self, closed: ZmqSocket) -> None:
        """Forget a socket that was closed before the context."""
        self._left.add(closed.port)
        if closed in self._sockets:
            self._sockets.remove(closed)

    def has_left(self, port: int) -> bool:
        """Whether a socket of this context was closed on `port`: libzmq may not have let go of it yet."""
        return port in self._left

    def close(self) -> None:
        """Close the sockets, the last one opened first, and the context. Closing twice is harmless."""
        while self._sockets:
            self._sockets.pop().close()
        self._context.destroy(0)
