"""An answer's body, unpacked as it comes, and bounded: what unpacks to more than it may never gets into memory."""

from __future__ import annotations

import zlib
from typing import Any, Final

import attrs

MOST_BYTES: Final = 8 * 1024 * 1024
"""The longest answer, exchangeInfo of all symbols, has 2 to 3 MB."""


@attrs.define(eq=False)
class Unpacked:
    """Args:
    packing: its content encoding, in small letters.
    """

    packing: str
    body: bytearray = attrs.field(factory=bytearray, init=False)
    fault: str | None = attrs.field(init=False)
    """Why no more of it is wanted."""
    _gzip: Any = attrs.field(init=False)

    @fault.default
    def _unknown_packing(self) -> str | None:
        return None if self.packing in ("gzip", "identity") else f"is packed in {self.packing[:40]!a}"

    @_gzip.default
    def _unpacking(self) -> Any:
        return zlib.decompressobj(wbits=31) if self.packing == "gzip" else None

    def take(self, chunk: bytes) -> bool:
        """Take in the next bytes; whether more are of no use. Those that come after a fault are passed over."""
        if self.fault is None:
            try:
                room = MOST_BYTES + 1 - len(self.body)
                self.body += chunk if self._gzip is None else self._gzip.decompress(chunk, room)
            except zlib.error:
                self.fault = "is not packed as it says"
            if len(self.body) > MOST_BYTES:
                self.fault = f"has more than {MOST_BYTES} bytes"
        return self.fault is not None

    def end(self) -> str | None:
        """That was all; why it can't be read, or None."""
        if self.fault is None and self._gzip is not None and not self._gzip.eof:
            self.fault = "broke off"
        return self.fault
