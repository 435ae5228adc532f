"""A prop-firm account on the command path: an FTMO policy of 10,000, and a clock near to midnight in Prague."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import trio
from command_path import CommandPath, WallClock

from quantmind.domain.risk import Policy
from quantmind.domain.risk.policy import DailyLoss, MaxLoss, Rules
from quantmind.domain.risk.resets import Reset

PRAGUE = Reset(0, "Europe/Prague")
MIDNIGHT = dt.datetime(2026, 11, 27, 23, 0, tzinfo=dt.UTC).timestamp()
"""In Prague."""
FTMO = Policy(
    max_volume=Decimal(50),
    max_open_positions=100,
    initial_capital=Decimal(10_000),
    reset=PRAGUE,
    rules=Rules(daily_loss=DailyLoss(percent=Decimal(5)), max_loss=MaxLoss(percent=Decimal(10))),
)


def at(seconds: float) -> WallClock:
    """A clock that stands so many seconds after midnight in Prague."""
    return WallClock(MIDNIGHT + seconds - trio.current_time())


def floor(path: CommandPath, rule: str = "daily_loss") -> Decimal:
    status = path.boards.risk.read("demo")
    assert status is not None
    return next(each.floor.now for each in status.standings if each.floor.rule == rule)
