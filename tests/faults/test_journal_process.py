"""SQLite on a disk that fails: what a failed sync leaves behind, and a write-ahead log that can not be emptied."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from faults import journal_process
from faults.failing_disk import FailingDisk, build

from quantmind.adapters.journal import writer
from quantmind.adapters.journal.audit import verify_journal


@attrs.define(eq=False)
class Child:
    """The journal's process."""

    process: subprocess.Popen[str]
    told: list[int] = attrs.field(factory=list)

    def append(self, name: str, size: int = 10) -> str | None:
        """Why it was not kept, or None."""
        failure: str | None = self._ask(f"append {name} {size}", "appended")["failure"]
        return failure

    def status(self) -> dict[str, Any]:
        return dict(self._ask("status", "status")["status"])

    def until(self, key: str, value: Any) -> None:
        end = time.monotonic() + 60
        while self.status()[key] != value:
            assert time.monotonic() < end, self.status()
            time.sleep(0.05)

    def _ask(self, line: str, key: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read(key)

    def read(self, key: str) -> dict[str, Any]:
        """The next line that says this; commits are noted on the way."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            self.told += said.get("told", ())
            if key in said:
                return said
        raise AssertionError("the journal's process has ended")


@contextlib.contextmanager
def running(file: Path, disk: FailingDisk) -> Iterator[Child]:
    """Killed at the end."""
    process = subprocess.Popen(
        [sys.executable, journal_process.__file__, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **disk.env},
    )
    try:
        child = Child(process)
        child.read("status")
        yield child
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "journal.sqlite3"


@pytest.fixture
def disk(tmp_path: Path, file: Path) -> FailingDisk:
    return FailingDisk(build(tmp_path), str(file), tmp_path / "control")


def names(file: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT order_id FROM intents")}


def test_a_commit_whose_sync_failed(file: Path, disk: FailingDisk) -> None:
    """Its caller hears that it failed. If it is there all the same, it is told as a part of the log, in its place."""
    with running(file, disk) as child:
        assert child.append("before") is None
        disk.fail("sync", suffix="-wal")
        for n in range(3):
            assert "disk I/O error" in str(child.append(f"failed-{n}"))
        assert child.status()["down"] is not None
        disk.mend()
        child.until("down", None)
        assert child.append("after") is None
        assert child.append("failed-0") is None, "tried again it is kept, whether it was there or not"
        assert child.status()["lost_lines"] == 0
        assert child.told == sorted(set(child.told)), "each line once, in order"
        last = child.told[-1]
        assert child.told == list(range(2, last + 1)), "and none left out"
    report = verify_journal(file, now=time.time())
    assert report.ok, report.faults
    assert report.last is not None
    assert report.last.seq == last
    assert {"before", "after", "failed-0"} <= names(file)


@pytest.mark.parametrize("mended", [True, False])
def test_a_log_that_can_not_be_moved_to_the_file(mended: bool, file: Path, disk: FailingDisk) -> None:
    """What is appended is kept in the write-ahead log, which grows and says so; a kill loses nothing of it."""
    size = 100_000
    appends = writer.LATE_LOG_BYTES // size + writer.LOOK_EVERY + 20
    with running(file, disk) as child:
        disk.fail("sync", "write", suffix="journal.sqlite3")
        for n in range(appends):
            assert child.append(f"o{n}", size) is None
        status = child.status()
        assert disk.hit("sync") + disk.hit("write") > 0
        assert status["down"] is None, "nothing is lost by it, so it is no reason to refuse"
        assert "disk I/O error" in status["checkpoint_error"]
        assert status["wal_bytes"] > writer.LATE_LOG_BYTES
        if mended:
            disk.mend()
            for n in range(writer.LOOK_EVERY):
                assert child.append(f"p{n}") is None
            assert child.status()["checkpoint_error"] is None
    disk.mend()
    with running(file, disk) as child:
        assert child.append("last") is None
    assert {f"o{n}" for n in range(appends)} <= names(file)
    assert verify_journal(file, now=time.time()).ok
