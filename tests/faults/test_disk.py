"""The disk fails under a running gateway: opens are refused, closes go out, it resumes by itself, a kill loses nothing.

The journal and its emergency file are on a disk that fails as it is told; the paper account is on a healthy one, as a
broker's own books are.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from faults.disk_trading import Trader, check_journal, configure, eventually, orders, rules
from faults.failing_disk import FailingDisk, build
from gateway_process import running


@attrs.frozen
class Fault:
    """A kind of trouble: how it begins, what the journal says of it, whether something can still be kept aside."""

    begin: Callable[[FailingDisk], None]
    says: str
    keeps: bool
    """What is answered meanwhile outlives a kill."""
    surely: bool = True
    """And a power cut."""
    acts_on: str = "write"


def _fail(*operations: str, **how: object) -> Callable[[FailingDisk], None]:
    return lambda disk: disk.fail(*operations, **how)  # type: ignore[arg-type]


FAULTS = {
    # Nothing can be synced. What was written to the emergency file is there for another process all the same.
    "sync": Fault(_fail("sync"), "disk I/O error", keeps=True, surely=False, acts_on="sync"),
    "sync of the log": Fault(_fail("sync", suffix="-wal"), "disk I/O error", keeps=True, acts_on="sync"),
    "write of the log": Fault(_fail("write", suffix="-wal"), "disk I/O error", keeps=True),
    # What a full disk does: files that would grow don't, and what has its place is overwritten.
    "full": Fault(
        _fail("write", "truncate", error=errno.ENOSPC, suffix="-wal"), "database or disk is full", keeps=True
    ),
    "in the middle of a group": Fault(_fail("write", after=2, suffix="-wal"), "disk I/O error", keeps=True),
    "hangs": Fault(_fail("write", "sync", error=0, wait_s=600, suffix="-wal"), "has not answered", keeps=True),
    # Nothing at all can be written.
    "write": Fault(_fail("write"), "disk I/O error", keeps=False),
    "read-only": Fault(
        _fail("open", "write", "truncate", "unlink", error=errno.EROFS), "disk I/O error|readonly", keeps=False
    ),
    "hangs whole": Fault(_fail("write", "sync", error=0, wait_s=600), "has not answered", keeps=False),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("library"))


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> FailingDisk:
    """Under the journal and its emergency file."""
    return FailingDisk(library, str(tmp_path / "state" / "journal"), tmp_path / "control")


LIKE_OTHERS = ("sync of the log", "write of the log", "in the middle of a group")
"""They differ from others in what SQLite does inside: seen again in the long form."""


def case(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.long if values[0] in LIKE_OTHERS else ())


@pytest.mark.parametrize("kind", [case(kind) for kind in FAULTS])
def test_a_disk_that_fails(kind: str, tmp_path: Path, disk: FailingDisk) -> None:
    """Opens are refused by the rule `journal`, closes and halts go on, and when it is well it all goes on by itself."""
    fault = FAULTS[kind]
    with running(configure(tmp_path, persist=True), env=disk.env) as gateway:
        trader = Trader(gateway)
        whole, part = trader.opened(), trader.opened(0.3)
        assert trader.close(part, 0.1)["status"] == "success"

        fault.begin(disk)
        refused = eventually(trader.open, lambda reply: reply["status"] != "success")
        assert (refused["status"], refused["approved"], rules(refused)) == ("rejected", False, ["journal"])
        assert "nothing new is opened until it works again" in refused["reasons"][0]["message"]
        said = trader.until_down()
        assert any(words in said for words in fault.says.split("|")), said
        assert disk.hit(fault.acts_on) > 0
        began = time.monotonic()
        for _ in range(3):
            assert rules(trader.open()) == ["journal"]
            assert rules(trader.verdict()) == ["journal"]
        assert trader.close(whole)["status"] == "success"
        assert trader.close(part, 0.1)["status"] == "success"
        assert time.monotonic() - began < 20, "each is answered in the time that a door gives it"
        status, halted = trader.set_state("halted")
        assert (status, trader.state) == (200 if fault.keeps and fault.surely else 503, "halted"), halted
        emergency = trader.journal["emergency"]
        if fault.keeps:
            assert emergency["waiting"] > 0
        else:
            assert emergency["refused"] > 0
        assert any("fail.journal" in line or "fail.append" in line for line in gateway.log)
        assert any("send.without_journal" in line for line in gateway.log)

        disk.mend()
        trader.until_up()
        eventually(lambda: trader.journal["emergency"], lambda it: it["error"] is None and not it["used"])
        assert trader.set_state("active")[0] == 200
        assert trader.opened() not in (whole, part)
        for request_id in trader.executed():
            first, again = trader.repeat(request_id)
            assert again == first
        journal = tmp_path / "state" / "journal.sqlite3"
        eventually(lambda: orders(journal).values(), lambda states: "intent" not in states)
        assert gateway.stop() == 0
    check_journal(journal)
    recorded = orders(journal)
    went_out = {trader.answered[key][1]["order_id"] for key in trader.executed()}
    assert {recorded.pop(order_id) for order_id in went_out} == {"filled"}
    # A commit that could not be synced may be there all the same. Nobody was promised anything, and nothing was sent.
    assert set(recorded.values()) <= {"not_sent"}


@pytest.mark.parametrize(
    ("kind", "mended"),
    [*(case(kind, False) for kind in FAULTS), *(case(kind, True) for kind in ("sync", "hangs", "write"))],
)
def test_a_kill_while_the_disk_fails(kind: str, mended: bool, tmp_path: Path, disk: FailingDisk) -> None:
    """What was acknowledged is known after a kill, also while the disk still fails; nothing is sent a second time."""
    fault, config = FAULTS[kind], configure(tmp_path, persist=True)
    with running(config, env=disk.env) as gateway:
        trader = Trader(gateway)
        whole, part = trader.opened(), trader.opened(0.3)
        before = trader.executed()
        fault.begin(disk)
        eventually(trader.open, lambda reply: reply["status"] != "success")
        trader.until_down()
        assert trader.close(whole)["status"] == "success"
        if fault.keeps:
            assert trader.close(part, 0.1)["status"] == "success"
        trader.set_state("halted")
        left = 0.2 if fault.keeps else 0.3
        volumes = eventually(trader.volumes, lambda found: whole not in found and found.get(part) == left)
        deals = len(trader.deals())
        gateway.kill()
    if mended:
        disk.mend()
    with running(config, env=disk.env) as gateway:
        trader.gateway = gateway
        if mended:
            trader.until_up()
            # A file on a disk that did not answer may be read late.
            eventually(lambda: trader.journal["emergency"], lambda it: it["error"] is None and not it["waiting"])
        else:
            trader.until_down()
        eventually(trader.volumes, lambda found: found == volumes)
        readable = mended or not kind.startswith("hangs")
        for request_id in trader.executed() if fault.keeps else before:
            first, again = trader.repeat(request_id)
            if readable:
                assert again == first, request_id
            else:
                assert again["status"] != "success" or again == first
        if not fault.keeps:  # a whole position closes once, whatever is remembered
            _, again = trader.repeat(trader.executed()[-1])
            assert again["status"] in ("error", "unknown"), again
        assert len(trader.deals()) == deals
        assert trader.volumes() == volumes
        if mended and fault.keeps:
            assert trader.state == "halted"
            assert "trading_state" in rules(trader.open())
        elif not mended:
            # Where it can't even be read, the order might be a repeat of one that went out.
            opened = trader.open()
            assert "journal" in rules(opened) or (not readable and opened["status"] == "unknown"), opened
            assert len(trader.deals()) == deals
            assert trader.close(part)["status"] == "success"
        gateway.kill()
    disk.mend()
    check_journal(tmp_path / "state" / "journal.sqlite3")
