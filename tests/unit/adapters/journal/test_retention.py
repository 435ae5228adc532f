"""Growth is bounded from the beginning of the log, the chain goes on, and nothing that is still open ever goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import pytest

from quantmind.adapters.journal import reading, retention, rows
from quantmind.adapters.journal.chain import START, Chain, digest, head
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.retention import DAY_S, KEYS_AT_LEAST_S, Bounds, Pruner
from quantmind.adapters.journal.schema import prepare
from quantmind.domain.order_life import OrderState
from quantmind.ports import LogQuery
from quantmind.records import Decision, Entry, Event, Holding, Intent, Record, Released, Settled
from quantmind.wire import replies

NOW = 1_795_424_400.0


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection, durable=False)
    yield connection
    connection.close()


def put(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    chain = Chain(connection)
    rows.write_all(connection, records, chain)
    chain.finish()
    connection.execute("COMMIT")


def prune(connection: sqlite3.Connection, pruner: Pruner, now: float = NOW, *, most: int = 100) -> int:
    """Prune until there is nothing more to go; how many lines went."""
    gone = 0
    for _ in range(most):
        connection.execute("BEGIN IMMEDIATE")
        chain = Chain(connection)
        lines, more = pruner.prune(connection, chain, now)
        chain.finish()
        connection.execute("COMMIT")
        gone += lines
        if not more:
            return gone
    raise AssertionError("there is always more")


def log(connection: sqlite3.Connection) -> list[Entry]:
    return read_page(connection, LogQuery(limit=1_000_000)).entries


def check_chain(connection: sqlite3.Connection) -> None:
    """Each line is chained to the one before it; the first to the hash that the newest `pruned` line names."""
    lines = log(connection)
    pruned = [replies.from_store(line.body) for line in lines if line.kind == "pruned"]
    before, number = START, 0
    if pruned and lines[0].seq > 1:
        before, number = bytes.fromhex(pruned[-1]["hash"]), pruned[-1]["through"]
    for line in lines:
        number += 1
        assert line.seq == number
        before = digest(before, line)
        assert line.hash == before
    assert head(connection) == (number, before)


def event(number: int, at: float, size: int = 10) -> Event:
    return Event("note", "demo", {"number": number, "text": "x" * size}, at)


def intent(number: int, at: float) -> Intent:
    return Intent(f"o{number}", "demo", "alpha", 7, "EURUSD", f"r{number}", "f", {"type": "trade_open"}, at)


def decision(number: int, at: float, *, reserved: bool) -> Decision:
    held = {"volume": "0.1", "side": "buy", "valid_until": at} if reserved else None
    return Decision(f"d{number}", "demo", "alpha", 7, "EURUSD", f"k{number}", "f", True, {}, {}, at, held)


def test_old_lines_go_and_the_chain_goes_on(connection: sqlite3.Connection) -> None:
    """Lines older than `keep_days` go, the line `pruned` says which, and what comes later is chained as before."""
    old, young = NOW - 10 * DAY_S, NOW - DAY_S
    put(connection, [event(n, old) for n in range(50)] + [event(n, young) for n in range(50)])
    connection.execute("UPDATE log SET at_us = ? WHERE seq = 1", (round(old * 1e6),))  # the line that begins the file
    pruner = Pruner(Bounds(keep_days=5))
    assert prune(connection, pruner) == 51
    assert [replies.from_store(line.body)["through"] for line in log(connection) if line.kind == "pruned"] == [51]
    check_chain(connection) if log(connection)[0].seq == 52 else pytest.fail("the wrong lines went")
    put(connection, [event(n, NOW) for n in range(10)])
    check_chain(connection)
    assert prune(connection, pruner) == 0
    assert prune(connection, pruner, NOW + 4.5 * DAY_S) == 50
    check_chain(connection)


def test_the_size_is_bounded(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the largest size the oldest lines go, a chunk at a time, until it is well below; young or not."""
    monkeypatch.setattr(retention, "CHUNK", 50)
    put(connection, [event(n, NOW, size=2000) for n in range(1000)])
    pruner = Pruner(Bounds(max_size_mb=1))
    assert retention.live_bytes(connection) > 2_000_000
    gone = prune(connection, pruner)
    assert gone > 500
    assert retention.live_bytes(connection) <= 1024 * 1024
    assert replies.from_store(log(connection)[-1].body)["why"] == "size"
    check_chain(connection)


def test_the_last_line_stays(connection: sqlite3.Connection) -> None:
    """However old it is: the chain goes on from it."""
    put(connection, [event(1, 5.0)])
    prune(connection, Pruner(Bounds(keep_days=1)))
    check_chain(connection)
    assert log(connection)


def test_a_clock_that_was_set_back_leaves_no_hole(connection: sqlite3.Connection) -> None:
    """Only a whole beginning goes: a younger line keeps what comes after it."""
    old = NOW - 10 * DAY_S
    connection.execute("UPDATE log SET at_us = 0")
    put(connection, [event(1, old), event(2, NOW), event(3, old), event(4, NOW)])
    assert prune(connection, Pruner(Bounds(keep_days=5))) == 2
    assert [line.kind for line in log(connection)] == ["event", "event", "event", "pruned"]


def test_what_is_open_never_goes(connection: sqlite3.Connection) -> None:
    """An order without an outcome, one that waits, a promise that holds, and their keys: whatever their age."""
    old = NOW - 1000 * DAY_S
    put(
        connection,
        [intent(n, old) for n in range(3)]
        + [Settled("o1", OrderState.PLACED, {"pending": True}, old), Settled("o2", OrderState.FILLED, {}, old)]
        + [decision(n, old, reserved=n < 2) for n in range(3)]
        + [Released("d1", "over", old)],
    )
    prune(connection, Pruner(Bounds(keep_days=1)))
    assert [item.order_id for item in reading.open_intents(connection, "demo")] == ["o0"]
    assert [item.order_id for item in reading.waiting_orders(connection, "demo")] == ["o1"]
    assert [item.decision_id for item in reading.open_reservations(connection)] == ["d0"]
    remembered = {item.request_id for item in reading.newest(connection, 100)}
    assert remembered == {"r0", "r1", "k0"} | ({"k1"} & remembered)
    assert reading.order(connection, "o2") is None
    assert reading.lookup(connection, "alpha", "r2") is None


def test_request_ids_outlive_any_size(connection: sqlite3.Connection) -> None:
    """Above the largest size, too, an id is remembered for a day: a late repeat must not act again."""
    yesterday, before = NOW - KEYS_AT_LEAST_S + 60, NOW - KEYS_AT_LEAST_S - 60
    for number, at in enumerate((yesterday, before)):
        put(connection, [intent(number, at), Settled(f"o{number}", OrderState.FILLED, {}, at)])
    put(connection, [event(n, NOW, size=2000) for n in range(1000)])
    prune(connection, Pruner(Bounds(max_size_mb=1)))
    assert reading.lookup(connection, "alpha", "r0") is not None
    assert reading.lookup(connection, "alpha", "r1") is None


def test_deals_are_kept_as_far_as_a_broker_tells_them(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest deals of each broker stay, so that none is taken for a new one; positions and orders always stay."""
    monkeypatch.setattr(retention, "DEALS_AT_LEAST", 20)
    old = NOW - 100 * DAY_S
    put(connection, [Holding("demo", "deal", n, {"n": n}, old + n) for n in range(50)])
    put(connection, [Holding("other", "deal", n, {"n": n}, old + n) for n in range(10)])
    put(connection, [Holding("demo", "position", 7, {"n": 7}, old), Holding("demo", "order", 8, {"n": 8}, old)])
    prune(connection, Pruner(Bounds(keep_days=1)))
    assert reading.known_deals(connection, "demo") == set(range(30, 50))
    assert reading.known_deals(connection, "other") == set(range(10))
    standing = reading.standing(connection)
    assert [item.ticket for item in (*standing.positions, *standing.orders)] == [7, 8]
