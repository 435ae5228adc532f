"""JSON objects over a stream, one a line: what the ledger broker and the link to it speak."""

from __future__ import annotations

import json
from typing import Any, Final

import attrs
import trio

LONGEST_LINE: Final = 16 << 20
"""A line beyond it is a bug of ours: thousands of deals are far less."""
READ_BYTES: Final = 64 * 1024

BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


@attrs.define(eq=False)
class Lines:
    """One end of a connection. Any task may send, one may receive."""

    stream: trio.SocketStream
    _sending: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one object. Cancelled amid it the connection is closed: what is torn can't be gone on with.

        Raises:
            trio.BrokenResourceError, trio.ClosedResourceError: the connection is over.
        """
        raw = json.dumps(message).encode() + b"\n"
        async with self._sending:
            try:
                await self.stream.send_all(raw)
            except trio.Cancelled:
                self.close()
                raise

    async def receive(self) -> list[dict[str, Any]] | None:
        """What has come, one object or more; None when the connection is over. A torn last line was never said."""
        while b"\n" not in self._buffer:
            try:
                data = await self.stream.receive_some(READ_BYTES)
            except BROKEN:
                return None
            if not data:
                return None
            self._buffer += data
            assert len(self._buffer) < LONGEST_LINE
        *whole, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [json.loads(line) for line in whole]

    def close(self) -> None:
        """End it at once. Safe to repeat."""
        self.stream.socket.close()
