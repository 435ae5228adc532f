"""The newest lines of what holds: of each setting, and of each position, pending order and deal.

Gathered while the log is read from its beginning, in constant memory: what could be many is in a temporary table.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

import attrs
import msgspec

from quantmind.records import Entry

HOLDINGS: Final = frozenset({"position", "order", "deal"})
NULL: Final = b"null"


class SettingBody(msgspec.Struct, frozen=True):
    """The body of a line `setting`."""

    key: str
    value: msgspec.Raw


class HoldingBody(msgspec.Struct, frozen=True):
    """The body of a line of a holding."""

    ticket: msgspec.Raw
    cause: str
    data: msgspec.Raw


setting_body: Final = msgspec.json.Decoder(SettingBody).decode
holding_body: Final = msgspec.json.Decoder(HoldingBody).decode


@attrs.frozen
class NewestSetting:
    """The newest line of a setting; `value` is JSON text, None where it was forgotten."""

    seq: int
    at_us: int
    value: str | None


@attrs.define(eq=False)
class Latest:
    """Is given each line; the connection gets a temporary table `latest`."""

    connection: sqlite3.Connection
    settings: dict[str, NewestSetting] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.connection.execute(
            "CREATE TEMP TABLE latest (broker TEXT, kind TEXT, ticket TEXT, seq INTEGER NOT NULL, "
            "gone INTEGER NOT NULL, order_id TEXT, PRIMARY KEY (broker, kind, ticket)) WITHOUT ROWID"
        )

    def feed(self, line: Entry) -> None:
        """Take a line that may be newer than what is known."""
        # A body without these fields is of a later version, or was changed, which the chain tells.
        with contextlib.suppress(msgspec.ValidationError):
            if line.kind == "setting":
                body = setting_body(line.body)
                value = bytes(body.value)
                newest = NewestSetting(line.seq, line.at_us, None if value == NULL else value.decode())
                self.settings[body.key] = newest
            elif line.kind in HOLDINGS:
                self._hold(line, holding_body(line.body))

    # The order that did it is kept when a later line does not know it, until what was held is gone.
    def _hold(self, line: Entry, body: HoldingBody) -> None:
        gone = bytes(body.data) == NULL
        self.connection.execute(
            "INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, "
            "order_id = CASE WHEN gone THEN excluded.order_id ELSE coalesce(excluded.order_id, order_id) END, "
            "gone = excluded.gone",
            (line.broker, line.kind, bytes(body.ticket).decode(), line.seq, gone, line.order_id),
        )
