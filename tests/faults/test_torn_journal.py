"""The journal's file itself is torn, cut or garbled: what shows, what does not, and what an operator is told."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from pathlib import Path

import pytest
from faults.disk_trading import Trader, check_journal, configure, eventually, orders, rules
from faults.failing_disk import FailingDisk, build
from gateway_process import GatewayProcess, running

from quantmind.adapters.journal.audit import verify_journal
from quantmind.adapters.journal.verify import Noted

FILES = ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def trade(gateway: GatewayProcess) -> Trader:
    """A few orders of each kind."""
    trader = Trader(gateway)
    ticket = trader.opened(0.3)
    trader.close(ticket, 0.1)
    trader.opened(0.1)
    return trader


def events(gateway: GatewayProcess, name: str) -> list[dict]:
    """What the journal has of such events."""
    bodies = [item["body"] for item in gateway.get("/journal?kind=event&limit=1000")["items"]]
    return [body for body in bodies if body["name"] == name]


def check_repeats(trader: Trader) -> None:
    deals = len(trader.deals())
    for request_id in trader.executed():
        first, again = trader.repeat(request_id)
        assert again == first, request_id
    assert len(trader.deals()) == deals


def noted(file: Path) -> Noted:
    """The journal's head, as somebody notes it elsewhere."""
    report = verify_journal(file, now=time.time())
    assert report.ok
    assert report.last is not None
    return Noted(report.last.seq, report.last.hash)


# --- the last record -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 10, 1000, 4120, 6000])
def test_a_last_record_that_was_torn(room: int, tmp_path: Path, state: Path) -> None:
    """The disk takes a part of a record and the process is killed: that one was never said, and all others are there.

    The part ends within the header of a frame, within its page, or between two of them.
    """
    disk = FailingDisk(build(tmp_path), str(state / "journal"), tmp_path / "control")
    config = configure(tmp_path, persist=True)
    with running(config, env=disk.env) as gateway:
        trader = trade(gateway)
        disk.fail("truncate", error=errno.ENOSPC)
        disk.leave_room(room)
        refused = eventually(trader.open, lambda reply: reply["status"] != "success")
        assert rules(refused) == ["journal"]
        gateway.kill()
    disk.mend()
    with running(config, env=disk.env) as gateway:
        trader.gateway = gateway
        trader.until_up()
        check_repeats(trader)
        eventually(lambda: orders(state / FILES[0]).values(), lambda states: "intent" not in states)
        trader.opened()
        assert gateway.stop() == 0
    check_journal(state / FILES[0])


def test_a_tail_that_nobody_wrote(tmp_path: Path, state: Path) -> None:
    """What stands behind the last commit in the write-ahead log, whatever it is, is no part of the journal."""
    config = configure(tmp_path, persist=True)
    with running(config) as gateway:
        trader = trade(gateway)
        gateway.kill()
    head, log = noted(state / FILES[0]), state / FILES[1]
    whole = log.read_bytes()
    for tail in (bytes(8240), os.urandom(8240), whole[-4120:], whole[-4120:-2000]):
        log.write_bytes(whole + tail)
        assert verify_journal(state / FILES[0], now=time.time(), noted=head).ok
    with running(config) as gateway:
        trader.gateway = gateway
        trader.until_up()
        check_repeats(trader)
        trader.opened()
        assert gateway.stop() == 0
    check_journal(state / FILES[0])


# --- what was acknowledged, taken away -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "garbled", "gone"])
def test_a_log_that_lost_what_it_had(how: str, tmp_path: Path, state: Path) -> None:
    """A disk that loses what it had said to have takes the newest commits away whole.

    Nothing in the file can tell that: it is the file of a moment before. A head that was noted elsewhere tells it, and
    so does the broker, whose orders of ours then have no record.
    """
    config = configure(tmp_path, persist=True)
    with running(config) as gateway:
        trader = trade(gateway)
        eventually(lambda: events(gateway, "reconciled"), bool)
        assert gateway.stop() == 0
    with running(config) as gateway:
        trader.gateway = gateway
        ticket = trader.opened(0.1)
        eventually(trader.volumes, lambda found: ticket in found)
        gateway.kill()
    head = noted(state / FILES[0])
    log = state / FILES[1]
    if how == "cut":
        os.truncate(log, 32 + 4120)
    elif how == "garbled":
        with log.open("r+b") as file:
            file.seek(32 + 4120)
            file.write(os.urandom(5000))
    else:
        for name in FILES[1:]:
            (state / name).unlink()
    assert verify_journal(state / FILES[0], now=time.time()).ok, "it is whole, and of a moment before"
    told = verify_journal(state / FILES[0], now=time.time(), noted=head)
    assert not told.ok
    assert any(str(head.seq) in str(fault) for fault in told.faults)
    with running(config) as gateway:
        trader.gateway = gateway
        trader.until_up()
        drift = eventually(lambda: events(gateway, "outside"), bool)
        assert [event["position"] for event in drift] == [ticket]
        gateway.kill()


# --- a page that is not what was written ---------------------------------------------------------------------------


def garble(file: Path, table: str | None) -> None:
    """Overwrite the first page of a table, or of the file."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        page = 1
        if table is not None:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(b"\xa5" * size)


@pytest.mark.parametrize("table", [None, "keys", "intents", "log"])
def test_a_garbled_page(table: str | None, tmp_path: Path, state: Path) -> None:
    """It says what is wrong and the way out, opens nothing, closes; nothing crashes over and over."""
    config = configure(tmp_path, persist=True)
    with running(config) as gateway:
        trader = trade(gateway)
        ticket = trader.opened(0.2)
        assert gateway.stop() == 0
    garble(state / FILES[0], table)
    with running(config) as gateway:
        trader.gateway = gateway
        said = trader.until_down()
        assert "malformed" in said or "not a database" in said
        assert "move journal.sqlite3 and what is named like it (-wal, -shm) away together" in said
        eventually(trader.volumes, lambda found: ticket in found)
        for _ in range(3):
            opened = trader.open()
            assert "journal" in rules(opened) or opened["status"] == "unknown", opened
            assert trader.journal["down"] == said, "it stays so, and does not come and go"
            time.sleep(0.5)
        assert trader.close(ticket)["status"] == "success"
        assert trader.journal["emergency"]["waiting"] == 3, "the close is kept, though the journal is lost"
        assert trader.set_state("halted")[0] == 200
        restarts = [node["restarts"] for node in _nodes(gateway.get("/actors"))]
        assert max(restarts) == 0
        assert gateway.stop() == 0

    # the way out, as it was told
    for name in FILES:
        if (state / name).exists():
            (state / name).rename(tmp_path / name)
    closed = trader.executed()[-1]
    with running(config) as gateway:
        trader.gateway = gateway
        trader.until_up()
        assert trader.state == "halted", "what was kept aside came over"
        first, again = trader.repeat(closed)
        assert again == first
        assert trader.set_state("active")[0] == 200
        trader.opened()
        assert gateway.stop() == 0
    check_journal(state / FILES[0])


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_file_that_went_and_left_its_log(how: str, tmp_path: Path, state: Path) -> None:
    """Its log alone holds what was newest: it is kept for whoever puts the file back, and not begun anew over it."""
    config = configure(tmp_path, persist=True)
    with running(config) as gateway:
        trader = trade(gateway)
        gateway.kill()
    file, log = state / FILES[0], state / FILES[1]
    kept, before = file.read_bytes(), log.read_bytes()
    if how == "removed":
        file.unlink()
    else:
        os.truncate(file, 0)
    with running(config) as gateway:
        trader.gateway = gateway
        said = trader.until_down()
        assert "journal.sqlite3-wal holds a part of it" in said
        assert "put the file back" in said
        gateway.kill()
    assert log.read_bytes() == before
    file.write_bytes(kept)
    with running(config) as gateway:
        trader.gateway = gateway
        trader.until_up()
        check_repeats(trader)
        assert gateway.stop() == 0
    check_journal(file)


def _nodes(tree: dict) -> list[dict]:
    return [tree, *(node for child in tree.get("children", ()) for node in _nodes(child))]
