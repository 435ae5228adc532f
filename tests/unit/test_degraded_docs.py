"""docs/degraded.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from actors.condition_board import MEANINGS
from actors.feed_watch import LONGEST_PAUSE_S, STALE_AFTER_S
from quantmind.adapters.guarded import Deadlines
from quantmind.domain.breaker import MOST_FAILURES, OPEN_S

PAGE = (Path(__file__).parents[2] / "docs" / "degraded.md").read_text(encoding="utf-8")


def test_every_cause_is_there() -> None:
    """Each code with its meaning, word by word, and no other."""
    table = PAGE.partition("## Causes")[2].partition("## ")[0]
    assert dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", table, re.MULTILINE)) == dict(MEANINGS)


def test_every_number_is_right() -> None:
    """Those of the breaker, of deadlines and of the watchdog."""
    told = " ".join(PAGE.split())
    limits = Deadlines()
    assert f"`breaker.failures` ({MOST_FAILURES})" in told
    assert f"`breaker.open_s` ({OPEN_S:g})" in told
    assert f"`stale_after_s` ({STALE_AFTER_S:g})" in told
    assert f"connecting after {limits.connect_s:g} s" in told
    assert {limits.poll_s, limits.sample_s, limits.deals_s} == {10.0}
    assert "prices, account and deals after 10 s" in told
    assert f"an order after {limits.place_s:g} s" in told
    assert f"a look-up after {limits.find_s:g} s" in told
    assert f"a recovery after {limits.recover_s:g} s" in told
    assert LONGEST_PAUSE_S == 600
