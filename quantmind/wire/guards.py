"""Looks at a message's text before, or beside, its decoding: how deep it nests, and whether a key stands twice."""

from __future__ import annotations

import json
from typing import Any

import msgspec

MAX_DEPTH = 16

_plain = msgspec.json.Decoder()


class CommandFault(Exception):
    """A command that can't be understood. `code` is one of the protocol's."""

    def __init__(self, code: str, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def too_deep(raw: bytes) -> bool:
    """Whether brackets are nested deeper than any message of the protocol: a cheap guard, strings included."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for byte in raw.translate(None, _NO_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


class _RepeatedKey(Exception):
    """The name that stands twice."""


def refuse_repeated_key(raw: bytes) -> None:
    """Refuse `{"volume": 0.1, "volume": 10}`: parsers differ on which one counts, and that is money."""
    # A message is flat, so its quotes are two for each key and two for each text. More of them are a repeated key,
    # an escaped quote or a nested value; only then is the slow look worth its time.
    try:
        plain = _plain.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # a number too long for a float; its own field says so
    else:
        texts = sum(value.__class__ is str for value in plain.values())
        if raw.count(b'"') == 2 * (len(plain) + texts):
            return
    try:
        json.loads(raw, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except _RepeatedKey as exc:
        message = f"the field {str(exc)[:40]!r} stands there twice; send it once"
        raise CommandFault("invalid_message", message) from None
    except (ValueError, RecursionError) as exc:
        raise CommandFault("invalid_json", f"the message is not JSON: {exc}"[:300]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise _RepeatedKey(key)
        unique[key] = value
    return unique
