"""Lines of the log outside of it: as JSON lines that still prove themselves.

`body` comes last and as it stands in the log, byte for byte, so that everybody can take it out and compute the hash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quantmind.adapters.journal.chain import START
from quantmind.adapters.journal.lines import HASH_BYTES, is_object
from quantmind.adapters.journal.verify import Pruned
from quantmind.domain.clock import iso_from_msc
from quantmind.records import Entry

FIELDS: Final = (
    "seq",
    "time",
    "at_us",
    "kind",
    "broker",
    "ea_name",
    "request_id",
    "order_id",
    "prev",
    "hash",
    "body",
)
"""Of one line, in this order; `prev` is the hash before it, null where that is not known."""

_encode = msgspec.json.Encoder().encode


class _ExportLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    time: str
    at_us: int
    kind: str
    broker: str | None
    ea_name: str | None
    request_id: str | None
    order_id: str | None
    hash: str
    body: msgspec.Raw
    prev: str | None = None


_parse = msgspec.json.Decoder(_ExportLine).decode
_pruned = msgspec.json.Decoder(Pruned).decode


def values(line: Entry, before: bytes | None) -> list[Any]:
    """A line's fields in order; `before` is the hash before it, None where that is not known."""
    return [
        line.seq,
        time_of(line),
        line.at_us,
        line.kind,
        line.broker,
        line.ea_name,
        line.request_id,
        line.order_id,
        None if before is None else before.hex(),
        line.hash.hex(),
        line.body,
    ]


def json_line(line: Entry, before: bytes | None) -> str:
    """A line as one line of JSON. A body that is no JSON object, since somebody changed it, becomes a string."""
    *head, body = values(line, before)
    fields = _encode(dict(zip(FIELDS, head, strict=False))).decode()
    return f'{fields[:-1]},"body":{body if is_object(body) else _encode(body).decode()}}}'


def parse(text: bytes) -> tuple[Sequence[Any], bytes | None, str]:
    """A line's row as the log has it, the hash before it if the line tells, and its `time`.

    Raises:
        ValueError: it is no such line.
    """
    try:
        line = _parse(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    names = (line.broker, line.ea_name, line.request_id, line.order_id)
    row = (line.seq, line.at_us, line.kind, *names, bytes(line.body).decode(), _hash(line.hash))
    return row, None if line.prev is None else _hash(line.prev), line.time


def _hash(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != HASH_BYTES:
        raise ValueError(f"{text!r:.80} is no hash of {HASH_BYTES} bytes")
    return found


def time_of(line: Entry) -> str:
    """A line's time in ISO 8601, UTC, milliseconds."""
    return iso_from_msc(line.at_us // 1000)


def before_each(connection: sqlite3.Connection, lines: Sequence[Entry]) -> list[bytes | None]:
    """The hash before each of some lines in order; None where neither that line nor one that says it went is there."""
    found: list[bytes | None] = []
    last: Entry | None = None
    for line in lines:
        if last is not None and last.seq == line.seq - 1:
            found.append(last.hash or None)
        else:
            found.append(_before(connection, line.seq))
        last = line
    return found


def _before(connection: sqlite3.Connection, seq: int) -> bytes | None:
    if seq == 1:
        return START
    row = connection.execute("SELECT hash FROM log WHERE seq = ?", (seq - 1,)).fetchone()
    if row is not None:
        return row[0] if isinstance(row[0], bytes) else None
    row = connection.execute("SELECT body FROM log WHERE kind = 'pruned' ORDER BY seq DESC LIMIT 1").fetchone()
    try:
        gone = None if row is None else _pruned(row[0])
        return _hash(gone.hash) if gone is not None and gone.through == seq - 1 else None
    except (msgspec.DecodeError, ValueError, TypeError):
        return None
