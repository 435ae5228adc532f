"""One line of the log from its row: strict, or as far as it can be read after somebody or something changed it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quantmind.records import Entry

COLUMNS: Final = "seq, at_us, kind, broker, ea_name, request_id, order_id, body, hash"
LAST_US: Final = 32_503_680_000_000_000
"""The year 3000: later times can't be written on every system, and no clock is there yet."""
HASH_BYTES: Final = 32

_check_body = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def entry(row: Sequence[Any]) -> Entry:
    """A line from its row.

    Raises:
        sqlite3.DatabaseError: no journal writes such a line.
    """
    fault = fault_of(row)
    if fault is not None:
        raise sqlite3.DatabaseError(f"line {row[0]} is not as it was written: {fault}; see `quantmind journal verify`")
    return Entry(*row)


def fault_of(row: Sequence[Any]) -> str | None:
    """Why no journal has written such a line; None: one may have."""
    _, at_us, kind, broker, ea_name, request_id, order_id, body, line_hash = row
    if not (type(at_us) is int and 0 <= at_us < LAST_US):
        return f"its time is {at_us!r:.40}, which is none"
    if not (_is_text(kind) and _is_text(body)):
        return "its kind or its body is no text"
    if not all(each is None or _is_text(each) for each in (broker, ea_name, request_id, order_id)):
        return "the name of its broker, EA, request or order is no text"
    if type(line_hash) is not bytes or len(line_hash) != HASH_BYTES:
        return f"its hash is not {HASH_BYTES} bytes"
    return None if is_object(body) else "its body is no JSON object on one line"


def is_object(body: str) -> bool:
    """Whether a body is a JSON object, on one line as every journal writes it."""
    try:
        _check_body(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return "\n" not in body and "\r" not in body


def _is_text(value: object) -> bool:
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, see `tolerate`
        return False
    return True


def tolerate(connection: sqlite3.Connection) -> None:
    """Have bytes that are no UTF-8 read like the rest, so that they can be told instead of ending the query."""
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def mend(row: Sequence[Any]) -> Entry:
    """A line from any row, for those who look at what is left: what can't stand in one is replaced, the hash is empty.

    A body that is no JSON object stays as it is.
    """
    if fault_of(row) is None:
        return Entry(*row)
    seq, at_us, kind, *names, body, _ = row
    at_us = at_us if type(at_us) is int and 0 <= at_us < LAST_US else 0
    broker, ea_name, request_id, order_id = (None if each is None else _as_text(each) for each in names)
    return Entry(seq, at_us, _as_text(kind), broker, ea_name, request_id, order_id, _as_text(body))


def _as_text(value: object) -> str:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
