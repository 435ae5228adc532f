"""A journal of version 1, as a gateway of that version left it when it was killed: recorded, with its times set to now.

In it: an order that was filled (`open-1`) and closed in part (`close-1`), one that the broker refused (`refused-1`),
one that waits in the book (`limit-1`), one that was cut off between its intent and its outcome (`cut-off`), a verdict
against (`denied-1`) and one for (`approved-1`, whose volume is reserved), a halt of the account `other`, a multiplier
of `beta`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded" / "journal_version_1.sql"
RECORDED_AT = 1_795_736_307.0
TIMES = {
    "keys": ("at",),
    "intents": ("at", "settled_at"),
    "decisions": ("at", "released_at"),
    "settings": ("at",),
}


def make_version_1(file: Path) -> None:
    """Make the file at that path."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(RECORDED.read_text(encoding="utf-8"))
        later = round(time.time()) - 60 - RECORDED_AT  # else what is too old for the record would go
        for table, columns in TIMES.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = {column} + ?", (later,))
        connection.execute("PRAGMA user_version = 1")


def contents(file: Path) -> tuple[int, list[str]]:
    """The version of a file, and all that is in it."""
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return version, list(connection.iterdump())
