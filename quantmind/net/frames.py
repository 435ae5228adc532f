"""WebSocket frames from server to client (RFC 6455, section 5): never masked, never fragmented."""

from __future__ import annotations

from typing import Final

CLOSE_OPENING: Final = 0x88
"""First byte of every Close frame, masked or not. No HTTP message begins with it."""

MAX_CONTROL_PAYLOAD: Final = 125


def text_frame(payload: bytes) -> bytes:
    """Return the text frame that carries `payload`, which must be UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a Close frame; a reason that does not fit is cut at a character."""
    text = reason.encode()[: MAX_CONTROL_PAYLOAD - 2].decode(errors="ignore").encode()
    return bytes((CLOSE_OPENING, 2 + len(text))) + code.to_bytes(2, "big") + text
