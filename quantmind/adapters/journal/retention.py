"""Growth is bounded: the oldest lines go by age and by size, and the chain goes on.

A line `pruned` is appended for what went: from which line through which, and the hash of the last of them, which is the
one that the first line that is kept was chained to. Lines always go from the beginning, so the newest `pruned` line
tells where the log begins; anything else that is missing is a gap.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import attrs

from quantmind.adapters.journal.chain import Chain

CHUNK: Final = 2000
"""Lines that go in one transaction: orders wait for no more than that."""
KEYS_AT_LEAST_S: Final = 86_400.0
"""A request id is remembered for so long whatever the size: far beyond the longest `expires_at` that is accepted."""
DEALS_AT_LEAST: Final = 10_000
"""So many deals of each broker are kept: as many as one is asked for at once, so that none is taken twice."""
MIB: Final = 1024 * 1024
DAY_S: Final = 86_400.0
SHRINK_TO: Final = 0.9
"""Of the largest size: what is too large goes down so far, so that not each line asks for another one to go."""


@attrs.frozen
class Bounds:
    """How much is kept."""

    max_size_mb: int = 1024
    keep_days: int = 90


@attrs.define(eq=False)
class Pruner:
    """Prunes a chunk at a time; see `prune`."""

    bounds: Bounds
    _shrinking: bool = attrs.field(default=False, init=False)

    def prune(self, connection: sqlite3.Connection, chain: Chain, now: float) -> tuple[int, bool]:
        """Let the oldest go, at most a chunk, inside the open transaction. `now` is Unix seconds.

        Returns:
            How many lines of the log went, and whether there may be more to go.
        """
        size = live_bytes(connection)
        most = self.bounds.max_size_mb * MIB
        self._shrinking = size > (most * SHRINK_TO if self._shrinking else most)
        too_old = now - self.bounds.keep_days * DAY_S
        lines = _prune_log(connection, chain, too_old, now, too_large=self._shrinking)
        cutoff = max(too_old, now - KEYS_AT_LEAST_S) if self._shrinking else too_old
        more = _prune_tables(connection, cutoff)
        return lines, more or lines == CHUNK


def live_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_bytes)


def _prune_log(connection: sqlite3.Connection, chain: Chain, too_old: float, now: float, *, too_large: bool) -> int:
    rows = connection.execute("SELECT seq, at_us, hash FROM log ORDER BY seq LIMIT ?", (CHUNK + 1,)).fetchall()
    oldest = rows[:-1][:CHUNK]  # the last line always stays: the chain goes on from it
    going = []
    for row in oldest:
        # A clock that was set back leaves a younger line before an older one: only a whole beginning goes.
        if not (too_large or row[1] < too_old * 1e6):
            break
        going.append(row)
    if not going:
        return 0
    first, (last, _, last_hash) = going[0][0], going[-1]
    connection.execute("DELETE FROM log WHERE seq <= ?", (last,))
    why = "size" if too_large else "age"
    body = {"first": first, "through": last, "lines": len(going), "hash": last_hash.hex(), "why": why}
    chain.append("pruned", now, body)
    return len(going)


def _prune_tables(connection: sqlite3.Connection, cutoff: float) -> bool:
    """What is remembered beside the log; never what is still open. True: there may be more."""
    gone = [
        connection.execute(
            "DELETE FROM keys WHERE (ea_name, request_id) IN (SELECT k.ea_name, k.request_id FROM keys k "
            "LEFT JOIN intents i ON i.order_id = k.record_id LEFT JOIN decisions d ON d.decision_id = k.record_id "
            "WHERE k.at < ? AND (i.order_id IS NULL OR (i.settled_at IS NOT NULL AND i.state <> 'placed')) "
            "AND (d.reservation IS NULL OR d.released_at IS NOT NULL) ORDER BY k.at LIMIT ?)",
            (cutoff, CHUNK),
        ).rowcount,
        connection.execute(
            "DELETE FROM intents WHERE order_id IN (SELECT order_id FROM intents WHERE at < ? AND "
            "settled_at IS NOT NULL AND state <> 'placed' ORDER BY at LIMIT ?)",
            (cutoff, CHUNK),
        ).rowcount,
        connection.execute(
            "DELETE FROM decisions WHERE decision_id IN (SELECT decision_id FROM decisions WHERE at < ? AND "
            "(reservation IS NULL OR released_at IS NOT NULL) ORDER BY at LIMIT ?)",
            (cutoff, CHUNK),
        ).rowcount,
    ]
    for (broker,) in connection.execute("SELECT DISTINCT broker FROM holdings WHERE kind = 'deal'").fetchall():
        gone.append(
            connection.execute(
                "DELETE FROM holdings WHERE broker = ? AND kind = 'deal' AND at < ? AND ticket IN (SELECT ticket FROM "
                "holdings WHERE broker = ? AND kind = 'deal' "
                "ORDER BY at DESC, CAST(ticket AS INTEGER) DESC LIMIT ? OFFSET ?)",
                (broker, cutoff, broker, CHUNK, DEALS_AT_LEAST),
            ).rowcount
        )
    return CHUNK in gone
