"""libzmq's context, and which sockets and ports were opened in it."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

import zmq

from quantmind.net.zmq.watch import PeerWatch

if TYPE_CHECKING:
    from quantmind.net.zmq.socket import ZmqSocket


class ZmqContext:
    """libzmq's context: its own I/O thread and the sockets opened in it.

    In fact two, the second made when it is needed: sockets that ask nobody who he is live apart from those that a ZAP
    handler is asked about (see `set_open`). Closing never waits: what is still queued is lost (LINGER 0).
    """

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._apart: zmq.Context[zmq.Socket[bytes]] | None = None
        self._sockets: list[ZmqSocket] = []
        self._left: set[int] = set()
        self.watch = PeerWatch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self, kind: int, *, apart: bool = False) -> zmq.Socket[bytes]:
        """Return a new libzmq socket of this kind; `apart` from any ZAP handler, or where one is asked."""
        if not apart:
            return self._context.socket(kind)
        if self._apart is None:
            self._apart = zmq.Context()
        return self._apart.socket(kind)

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
        self.watch.close()
        while self._sockets:
            self._sockets.pop().close()
        self._context.destroy(0)
        if self._apart is not None:
            self._apart.destroy(0)
