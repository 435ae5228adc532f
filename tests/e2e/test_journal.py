"""The journal of a real gateway: read and checked while it runs, after it was killed, and over a restart."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.test_cli_trading import WALK, first_price
from gateway_process import TOKEN, GatewayProcess, done, quantmind, running, until, write_config

ENDLESS = 40.0


@contextmanager
def following(config: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[Any]]]:
    """`quantmind journal tail --follow` in a process of its own, and the lines that it has printed."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "quantmind",
            "journal",
            "tail",
            "--follow",
            "--json",
            "--config",
            str(config),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines: queue.Queue[Any] = queue.Queue()

    def pump() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(json.loads(line))

    reader = threading.Thread(target=pump)
    reader.start()
    try:
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def up_to(lines: queue.Queue[Any], kind: str) -> list[Any]:
    """What is followed, up to a line of this kind."""
    found = []
    while True:
        found.append(lines.get(timeout=ENDLESS))
        if found[-1]["kind"] == kind:
            return found


def pages(gateway: GatewayProcess, query: str) -> list[Any]:
    """Every line that GET /journal gives, in small pages."""
    found, after = [], ""
    while True:
        page = gateway.get(f"/journal?limit=3{query}{after}")
        found += page["items"]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def trade(config: Path, bid: float, key: str, volume: str = "0.10") -> Any:
    ran = quantmind(
        config, "trade", "EURUSD", "buy", volume, "--sl", f"{bid - 0.02:.5f}", "--yes", "--key", key, "--json"
    )
    return json.loads(ran.stdout)


def test_what_a_gateway_did_can_be_read_and_proven(tmp_path: Path) -> None:
    """Followed live over a kill and a restart; the same over REST, in an export and in the file; no secret in it."""
    config = write_config(tmp_path, WALK)
    with following(config, "-n", "1000") as (follower, lines):
        with running(config) as gateway:
            opened = trade(config, first_price(gateway), "k1")
            refused = trade(config, first_price(gateway), "k2", volume="900")
            assert refused["code"] == "rejected"
            # With the token in the body, as an EA sends it: one that is judged and one that is wrong.
            asked = {"type": "trade_open", "ea_name": "alpha", "request_id": "w", "token": TOKEN, "symbol": "EURUSD"}
            assert gateway.post("/command", {**asked, "volume": 0.1, "magic": 7, "side": "buy"})[1]["approved"] is True
            assert gateway.post("/command", {**asked, "volume": 0})[0] == 422
            story = done_lines(config, "show", "--order", opened["order_id"])
            assert [line["kind"] for line in story[:3]] == ["decision", "intent", "outcome"]
            assert story[2]["body"]["reply"]["ticket"] == opened["ticket"]
            said = quantmind(config, "journal", "show", "--request", "k2").stdout
            assert "refused trade_open EURUSD buy 900" in said
            assert "max_volume" in said

            checked = done(config, "journal", "verify")
            wanted = {"intent", "outcome", "decision"}
            over_rest = pages(gateway, f"&kind={','.join(sorted(wanted))}")
            shown = done_lines(config, "tail", "-n", "1000", "--kinds", ",".join(wanted))
            assert over_rest == [{k: v for k, v in line.items() if k not in ("at_us", "prev")} for line in shown]
            gateway.stop(signal.SIGKILL)
        seen = up_to(lines, "outcome")
        after_kill = done(config, "journal", "verify", "--head", checked["head"])
        assert after_kill["lines"] >= checked["lines"]

        with running(config) as gateway:
            trade(config, first_price(gateway), "k3")
            seen += up_to(lines, "intent") + up_to(lines, "outcome")
            until(lambda: done_lines(config, "tail", "-n", "50", "--kinds", "deal,position"))
            assert gateway.stop() == 0
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=30) == 0
    assert [line["seq"] for line in seen] == list(range(1, seen[-1]["seq"] + 1))

    export = tmp_path / "log.jsonl"
    told = done(config, "journal", "export", str(export))
    assert done(config, "journal", "verify", str(export), "--head", told["head"])["ok"]
    assert done(config, "journal", "verify", "--head", checked["head"])["ok"]
    kept = [export, *(path for path in (tmp_path / "state").iterdir() if path.is_file())]
    assert len(kept) >= 3
    assert not any(TOKEN.encode() in path.read_bytes() for path in kept)


def test_a_copy_proves_what_the_journal_proves(tmp_path: Path) -> None:
    """After a kill with its -wal; without it the end is missing, which a noted head shows; an edit always does."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        trade(config, first_price(gateway), "k1")
        head = done(config, "journal", "verify")["head"]
        gateway.stop(signal.SIGKILL)
    copies = tmp_path / "copies"
    copies.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / "state" / f"journal.sqlite3{suffix}", copies)
    copy = copies / "journal.sqlite3"
    assert done(config, "journal", "verify", str(copy), "--head", head)["ok"]
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE log SET body = replace(body, 'buy', 'sell') WHERE kind = 'intent'")
    ran = quantmind(config, "journal", "verify", str(copy))
    assert ran.returncode == 1
    assert "it, or its hash, was changed" in ran.stdout
    assert "intents" in ran.stdout
    for path in copies.iterdir():
        path.unlink()
    shutil.copy(tmp_path / "state" / "journal.sqlite3", copies)
    assert quantmind(config, "journal", "verify", str(copy), "--head", head).returncode in (1, 69)


def test_a_read_only_folder(tmp_path: Path) -> None:
    """A copy where nothing can be written, not even SQLite's own files beside it."""
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("here a read-only folder can be written all the same")
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        first_price(gateway)
        assert gateway.stop() == 0
    folder = tmp_path / "copies"
    folder.mkdir()
    shutil.copy(tmp_path / "state" / "journal.sqlite3", folder)
    folder.chmod(0o500)
    try:
        ran = quantmind(config, "journal", "verify", str(folder / "journal.sqlite3"))
        assert ran.returncode == 0, ran.stderr
    finally:
        folder.chmod(0o700)


def done_lines(config: Path, *arguments: str) -> list[Any]:
    """The JSON lines of a reading subcommand that must work."""
    ran = quantmind(config, "journal", *arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]
