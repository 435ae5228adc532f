"""Journals with a random past: records of every kind, prunes, reopenings, a clock that moves; and edits of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st

from quantmind.adapters.journal import retention, rows, schema
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.retention import Bounds, Pruner
from quantmind.adapters.journal.schema import prepare
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.records import Command, Decision, Event, Holding, Intent, Record, Released, Setting, Settled

START = 1_795_424_400.25
NAMES = st.sampled_from(["alpha", "béta", 'g"amma', "=1+1", ""])
BROKERS = st.sampled_from(["demo", "live"])
IDS = st.integers(0, 20).map(str)
REQUESTS = st.none() | st.integers(0, 4).map(lambda number: f"r{number}")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=6)
    | st.decimals(-1000, 1000, places=5).map(lambda value: value + Decimal("0.10")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
REPLIES = st.fixed_dictionaries({"status": st.sampled_from(["success", "error"]), "price": st.decimals(0, 9, places=5)})
OUTCOMES = st.sampled_from(
    [OrderState.FILLED, OrderState.PLACED, OrderState.UNKNOWN, OrderState.REFUSED, OrderState.CANCELLED]
)


def _at(record: type[Any], **fields: Any) -> st.SearchStrategy[Any]:
    """A record whose time is set when it is written."""
    return st.builds(record, at=st.just(0.0), **fields)


_COMMON: dict[str, Any] = {
    "broker": BROKERS,
    "ea_name": NAMES,
    "magic": st.integers(0, 2**64 - 1),
    "symbol": st.sampled_from(["EURUSD", ""]),
    "request_id": REQUESTS,
    "fingerprint": st.sampled_from(["f1", "f2"]),
    "body": OBJECTS,
}
RECORDS = st.one_of(
    _at(Intent, order_id=IDS, **_COMMON),
    _at(
        Settled,
        order_id=IDS,
        state=OUTCOMES,
        reply=REPLIES,
        known_by=st.sampled_from(KnownBy),
        note=st.dictionaries(st.just("why"), st.text(max_size=4)),
    ),
    _at(
        Decision,
        decision_id=IDS,
        approved=st.booleans(),
        reply=REPLIES,
        reservation=st.none() | OBJECTS,
        inputs=OBJECTS,
        remembered=st.booleans(),
        via=st.just("rest"),
        by=st.just("owner"),
        **_COMMON,
    ),
    _at(Released, decision_id=IDS, reason=st.text(max_size=5)),
    _at(
        Setting,
        key=st.sampled_from(["state:demo", "multiplier:alpha", "router:regime"]),
        value=st.none() | OBJECTS,
        logged=st.just(True),
    ),
    _at(Setting, key=st.just("router:ticks"), value=st.none() | OBJECTS, logged=st.just(False)),
    _at(
        Holding,
        broker=BROKERS,
        kind=st.sampled_from(["position", "order"]),
        ticket=st.integers(1, 4),
        data=st.none() | OBJECTS,
        order_id=st.none() | IDS,
        cause=st.sampled_from(["", "sl"]),
    ),
    _at(
        Holding,
        broker=BROKERS,
        kind=st.just("deal"),
        ticket=st.integers(1, 9),
        data=OBJECTS,
        order_id=st.none() | IDS,
        cause=st.just("client"),
    ),
    _at(Event, name=st.just("drift"), broker=st.none() | BROKERS, data=OBJECTS, order_id=st.none() | IDS),
    _at(
        Command,
        kind=st.just("trade_open"),
        ea_name=NAMES,
        request_id=REQUESTS,
        broker=st.none() | BROKERS,
        via=st.just("zmq"),
        by=st.just("ea"),
        body=OBJECTS,
        reply=REPLIES,
    ),
)


@attrs.frozen
class Later:
    """The clock moves by so many seconds."""

    seconds: float


@attrs.frozen
class Prune:
    """Retention runs; `small`: the file is too large."""

    small: bool


@attrs.frozen
class Reopen:
    """The program ends and starts again."""


COMMITS = st.lists(RECORDS, min_size=1, max_size=4)
FORWARD = st.floats(0, 200_000).map(Later)
PAST = st.lists(st.one_of(COMMITS, FORWARD, st.booleans().map(Prune), st.just(Reopen())), max_size=25)
"""What may have been with a journal whose clock never went back."""
WHOLE = st.lists(st.one_of(COMMITS, st.floats(0, 100).map(Later)), min_size=1, max_size=20)
"""What may have been with one that lost nothing."""


@attrs.define(eq=False)
class Past:
    """Lives a past on a file; `now` is the clock at its end.

    Each intent and decision gets an id of its own; what speaks of one by its number means one of those.
    """

    path: Path
    now: float = START
    intents: int = 0
    decisions: int = 0

    def live(self, steps: list[Any]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema.time, "time", lambda: self.now)
            patch.setattr(retention, "CHUNK", 7)
            connection = self._open()
            try:
                for step in steps:
                    match step:
                        case Later(seconds):
                            self.now += seconds
                        case Prune(small):
                            pruner = Pruner(Bounds(max_size_mb=0 if small else 1024, keep_days=2))
                            self._commit(connection, lambda *given, pruner=pruner: pruner.prune(*given, self.now))
                        case Reopen():
                            connection.close()
                            connection = self._open()
                        case _:
                            self.write(connection, step)
            finally:
                connection.close()

    def write(self, connection: sqlite3.Connection, records: list[Record]) -> None:
        timed = []
        for record in records:
            self.now += 0.000_123
            timed.append(attrs.evolve(self._named(record), at=self.now))
        self._commit(connection, lambda connection, chain: rows.write_all(connection, timed, chain))

    def _named(self, record: Any) -> Any:
        match record:
            case Intent():
                self.intents += 1
                return attrs.evolve(record, order_id=f"o{self.intents}")
            case Decision():
                self.decisions += 1
                return attrs.evolve(record, decision_id=f"d{self.decisions}")
            case Settled() | Holding() if record.order_id is not None:
                return attrs.evolve(record, order_id=f"o{1 + int(record.order_id) % (self.intents + 1)}")
            case Released():
                return attrs.evolve(record, decision_id=f"d{1 + int(record.decision_id) % (self.decisions + 1)}")
        return record

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None)
        prepare(connection, durable=False)
        return connection

    def _commit(self, connection: sqlite3.Connection, work: Any) -> None:
        connection.execute("BEGIN IMMEDIATE")
        chain = Chain(connection)
        work(connection, chain)
        chain.finish()
        connection.execute("COMMIT")


@contextmanager
def editing(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as somebody with another program has it open."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def content(path: Path) -> dict[str, list[Any]]:
    """Every row of every table, by table."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        tables = ("log", "head", "intents", "decisions", "keys", "settings", "holdings")
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def changed(value: Any, how: int) -> Any:
    """Another value of the same kind, by a bit or so."""
    if value is None:
        return "x"
    if isinstance(value, bytes):
        return bytes([value[0] ^ (1 << how % 8)]) + value[1:] if value else b"x"
    if isinstance(value, int):
        return value + (1 if how % 2 else -1)
    if isinstance(value, float):
        return value + (0.001 if how % 2 else -86_400.0)
    place = how % (len(value) + 1)
    return value[:place] + "x" + value[place:] if how % 3 or not value else value[:-1]
