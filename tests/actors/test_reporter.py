"""The reporter and the thread beside the loop: how late it is, and what held it where it stood still."""

from __future__ import annotations

import logging
import threading
import time

import pytest
import trio
from trio.testing import MockClock

from actors.loop_watch import LoopLag, LoopWatch
from actors.reporter import SUMMARY_EVERY_S, Reporter
from actors.runtime import Inbox, Mailbox, MailboxPolicy


def hold_the_loop(seconds: float) -> None:
    time.sleep(seconds)


def wait_until(what: object, lag: LoopLag) -> None:
    deadline = time.monotonic() + 20
    while not what(lag) and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)
    assert what(lag)  # type: ignore[operator]


def test_where_the_loop_stands_still_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each time, with what holds it; the longest time grows as long as it lasts."""
    lag = LoopLag()
    watch = LoopWatch(lag, stalled_after_s=0.1)
    with caplog.at_level(logging.ERROR), watch.running():
        wait_until(lambda lag: lag.stalls == 1, lag)
        hold_the_loop(0.2)
        assert lag.stalls == 1
        assert lag.stalled_s > 0.2
        watch.beat()
        hold_the_loop(0.3)
        assert lag.stalls == 2
        assert lag.stalled_in is not None
        assert "hold_the_loop" in lag.stalled_in
    assert "hold_the_loop" in caplog.text
    assert sum("stall.loop" in record.message for record in caplog.records) == 2


def test_a_loop_that_turns_is_not_told_of() -> None:
    """As long as it says so in time."""
    lag = LoopLag()
    watch = LoopWatch(lag, stalled_after_s=20.0)
    with watch.running():
        for _ in range(10):
            watch.beat()
            time.sleep(0.01)
    assert (lag.stalls, lag.stalled_in) == (0, None)


async def test_the_thread_ends_with_the_reporter() -> None:
    """No thread is left over, however the reporter ends."""
    inbox: Inbox[object] = Inbox(Mailbox(MailboxPolicy()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Reporter(LoopLag(), dict), inbox)
        await trio.sleep(0.05)
        assert any(thread.name == "loop watch" for thread in threading.enumerate())
        inbox.request_stop()
    with trio.fail_after(20):
        while any(thread.name == "loop watch" for thread in threading.enumerate()):
            await trio.sleep(0.01)


async def test_what_it_reports(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """A loop that is late is counted and told; each minute there is a line with the counters."""
    lag = LoopLag()
    inbox: Inbox[object] = Inbox(Mailbox(MailboxPolicy()))
    with caplog.at_level(logging.INFO):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Reporter(lag, lambda: {"ticks": 7}), inbox)
            await trio.sleep(0.3)
            assert (lag.late, lag.last_ms) == (0, 0.0)
            autojump_clock.jump(2.0)
            await trio.sleep(0.01)
            assert lag.late == 1
            assert 1700 < lag.max_ms <= 2000
            await trio.sleep(SUMMARY_EVERY_S)
            inbox.request_stop()
    assert "report.gateway ticks=7" in caplog.text
    assert "late.loop" in caplog.text
