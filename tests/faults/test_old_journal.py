"""A journal of another version: an earlier one is taken over whole or not at all, a later one is left alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from faults.disk_trading import ALIVE, check_journal, checksum, eventually, orders
from faults.failing_disk import FailingDisk, build
from faults.old_journal import contents, make_version_1
from gateway_process import running, write_config

from quantmind.adapters.journal import opening, schema
from quantmind.adapters.journal.audit import verify_journal
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.schema import VERSION, WrongVersion

TABLES = ("keys", "intents", "decisions", "settings")
TAKE_OVER_AND_DIE = """
import os, signal, sys
from pathlib import Path
from quantmind.adapters.journal import opening
from quantmind.adapters.journal.chain import Chain

def die(self):
    os.kill(os.getpid(), signal.SIGKILL)

Chain.finish = die
opening.open_for_writing(Path(sys.argv[1]), durable=True)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    file = tmp_path / "state" / "journal.sqlite3"
    make_version_1(file)
    return file


def rows(file: Path) -> dict[str, list[Any]]:
    """What version 1 has of each table."""
    columns = {
        "keys": "*",
        "intents": (
            "order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, state, reply, settled_at"
        ),
        "decisions": "*",
        "settings": "*",
    }
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return {
            table: connection.execute(f"SELECT {columns[table]} FROM {table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        }


def test_all_is_taken_over(old: Path) -> None:
    """Every row stays as it was, outcomes are known by the broker's answer, and the first line says how much came."""
    before = rows(old)
    opening.open_for_writing(old, durable=True).close()
    assert contents(old)[0] == VERSION
    assert rows(old) == before
    with contextlib.closing(sqlite3.connect(old)) as connection:
        lines = connection.execute("SELECT seq, kind, body FROM log").fetchall()
        known_by = dict(connection.execute("SELECT request_id, known_by FROM intents").fetchall())
    ((seq, kind, body),) = lines
    assert (seq, kind) == (1, "journal")
    assert json.loads(body)["taken_over"] == {"keys": 7, "intents": 5, "decisions": 2, "settings": 2}
    assert known_by.pop("cut-off") is None
    assert set(known_by.values()) == {"answer"}
    assert verify_journal(old, now=time.time()).ok


@pytest.mark.parametrize("where", ["append", "finish"])
def test_a_fault_in_the_middle_leaves_the_old_one(old: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If taking over fails half-way nothing of it is left, and the next try does it all."""
    before = contents(old)

    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Chain, where, fail)
    with pytest.raises(sqlite3.OperationalError):
        opening.open_for_writing(old, durable=True)
    assert contents(old) == before
    monkeypatch.undo()
    opening.open_for_writing(old, durable=True).close()
    assert contents(old)[0] == VERSION


def test_a_kill_in_the_middle_leaves_the_old_one(old: Path) -> None:
    """A process that dies while it takes over leaves version 1, and the next one takes it over."""
    before = contents(old)
    killed = subprocess.run([sys.executable, "-c", TAKE_OVER_AND_DIE, str(old)], check=False, capture_output=True)
    assert killed.returncode != 0
    if os.name == "posix":
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert contents(old) == before
    opening.open_for_writing(old, durable=True).close()
    assert contents(old)[0] == VERSION
    assert verify_journal(old, now=time.time()).ok


@pytest.mark.parametrize("left_open", [True, False])
def test_a_later_version_is_left_alone(tmp_path: Path, left_open: bool) -> None:
    """A file of a later program is refused by its version, and not a byte of it changes, also of its log."""
    file = tmp_path / "journal.sqlite3"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE something (new TEXT)")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    if left_open:  # as a crash leaves it: its newest part is in the write-ahead log
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("journal.sqlite3", "journal.sqlite3-wal"):
            (copy / name).write_bytes((tmp_path / name).read_bytes())
        file = copy / "journal.sqlite3"
    connection.close()
    before = {name: text for name, text in checksum(file.parent).items() if not name.endswith(("-shm", "copy"))}
    for _ in range(2):
        with pytest.raises(WrongVersion, match=f"it has version {VERSION + 1}, this program knows up to {VERSION}"):
            opening.open_for_writing(file, durable=True)
    after = {name: text for name, text in checksum(file.parent).items() if not name.endswith(("-shm", "copy"))}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"journal.sqlite3-wal"}, "an empty one, to read"


def test_every_version_has_its_step() -> None:
    """From each version there is a way to the next, up to the newest."""
    assert sorted(schema._STEPS) == list(range(VERSION))


def test_a_gateway_takes_over_where_the_old_one_ended(old: Path) -> None:
    """It answers repeats as the old one did, settles what was cut off, and keeps halts and multipliers."""
    config = write_config(old.parent.parent, {"demo": ALIVE, "other": ALIVE}, account_interval_ms=100)
    replies = {key: json.loads(reply) for table in ("intents", "decisions") for key, reply in _replies(old, table)}
    ticket = replies["open-1"]["ticket"]
    asked: dict[str, dict[str, Any]] = {
        "open-1": {"type": "trade_open", "side": "buy", "volume": 0.3, "execute": True},
        "close-1": {"type": "trade_close", "ticket": ticket, "volume": 0.1, "execute": True},
        "refused-1": {"type": "trade_open", "side": "buy", "volume": 0.1, "sl": 1.3, "execute": True},
        "denied-1": {"type": "trade_open", "side": "buy", "volume": 50},
    }
    with running(config) as gateway:
        assert gateway.get("/status")["journal"]["down"] is None
        for request_id, fields in asked.items():
            first = replies[request_id]
            again = _ask(gateway, request_id, fields)
            assert {**again, **first} == again, request_id
        other = _ask(gateway, "open-1", {**asked["open-1"], "volume": 0.1})
        assert other["code"] == "request_id_conflict"
        expired = _ask(gateway, "approved-1", {"type": "trade_open", "side": "buy", "volume": 0.02})
        assert [reason["rule"] for reason in expired["reasons"]] == ["approval_expired"]
        eventually(lambda: orders(old).values(), lambda states: "intent" not in states)
        cut_off = _ask(gateway, "cut-off", {"type": "trade_open", "side": "buy", "volume": 0.2, "execute": True})
        assert "the broker has never had it" in cut_off["message"]
        eventually(lambda: _states(gateway), lambda states: states == {"demo": "active", "other": "halted"})
        beat = gateway.post("/command", {"type": "heartbeat", "ea_name": "beta", "symbol": "EURUSD", "broker": "demo"})
        assert beat[1]["risk_multiplier"] == 0.5
        assert gateway.get("/deals?broker=demo")["items"] == [], "nothing was sent again"
        assert gateway.stop() == 0
    check_journal(old)


def test_a_disk_that_fails_while_a_gateway_takes_over(old: Path, tmp_path: Path) -> None:
    """The gateway is up, opens nothing, and takes over when the disk is well; nothing of the old one is lost."""
    before = rows(old)
    disk = FailingDisk(build(tmp_path), str(old), tmp_path / "control")
    config = write_config(old.parent.parent, {"demo": ALIVE, "other": ALIVE}, account_interval_ms=100)
    disk.fail("sync", suffix="-wal")
    with running(config, env=disk.env) as gateway:
        assert "disk I/O error" in eventually(lambda: gateway.get("/status")["journal"]["down"], bool)
        refused = _ask(gateway, "new", {"type": "trade_open", "side": "buy", "volume": 0.1})
        assert "journal" in [reason["rule"] for reason in refused["reasons"]]
        assert disk.hit("sync") > 0
        disk.mend()
        eventually(lambda: gateway.get("/status")["journal"]["down"], lambda down: down is None)
        assert gateway.stop() == 0
    after = rows(old)
    assert set(before["keys"]) <= set(after["keys"])
    assert set(before["decisions"]) <= set(after["decisions"])
    check_journal(old)


def _replies(file: Path, table: str) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT request_id, reply FROM {table} WHERE reply IS NOT NULL").fetchall()


def _states(gateway: Any) -> dict[str, str]:
    """The trading state of each broker. It lags behind what the state is made of by a quarter of a second."""
    return {item["trading"]["broker"]: item["trading"]["state"] for item in gateway.get("/status")["brokers"]}


def _ask(gateway: Any, request_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    message = {"ea_name": "alpha", "magic": 7, "request_id": request_id, "broker": "demo", "symbol": "EURUSD", **fields}
    status, reply = gateway.post("/command", message)
    assert status == 200, reply
    return dict(reply)
