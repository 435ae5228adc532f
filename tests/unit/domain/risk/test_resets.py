"""When days end: daylight saving of two continents, hours that come twice or never."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.risk.resets import Reset

PRAGUE = Reset(0, "Europe/Prague")
NEW_YORK = Reset(0, "America/New_York")


def utc(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    ("reset", "at", "last", "following"),
    [
        (PRAGUE, "2026-01-15 12:00", "2026-01-14 23:00", "2026-01-15 23:00"),
        (PRAGUE, "2026-07-15 12:00", "2026-07-14 22:00", "2026-07-15 22:00"),
        (PRAGUE, "2026-07-14 22:00", "2026-07-14 22:00", "2026-07-15 22:00"),
        (PRAGUE, "2026-07-14 21:59:59", "2026-07-13 22:00", "2026-07-14 22:00"),
        (PRAGUE, "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        (PRAGUE, "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        (Reset(17 * 60, "America/Chicago"), "2026-03-08 12:00", "2026-03-07 23:00", "2026-03-08 22:00"),
        (Reset(17 * 60, "America/Chicago"), "2026-11-01 12:00", "2026-10-31 22:00", "2026-11-01 23:00"),
        (Reset(0, "Etc/GMT-3"), "2026-03-29 12:00", "2026-03-28 21:00", "2026-03-29 21:00"),
        # 02:30 does not come on 29 March, when 02:00 is 03:00, and comes twice on 25 October
        (Reset(150, "Europe/Prague"), "2026-03-29 00:59:59", "2026-03-28 01:30", "2026-03-29 01:00"),
        (Reset(150, "Europe/Prague"), "2026-03-29 12:00", "2026-03-29 01:00", "2026-03-30 00:30"),
        (Reset(150, "Europe/Prague"), "2026-10-25 01:30", "2026-10-25 00:30", "2026-10-26 01:30"),
    ],
)
def test_the_reset_before_and_after(reset: Reset, at: str, last: str, following: str) -> None:
    """Wall-clock time of the place, whatever its clocks do."""
    assert (reset.last(utc(at)), reset.next(utc(at))) == (utc(last), utc(following))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25)]
)
def test_how_long_a_day_in_prague_is(day: str, hours: int) -> None:
    """A day of 23 hours in spring and one of 25 in autumn."""
    begin = PRAGUE.last(utc(f"{day} 12:00"))
    assert PRAGUE.next(begin) - begin == hours * 3600


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-07", 6), ("2026-03-20", 5), ("2026-03-30", 6), ("2026-10-24", 6), ("2026-10-28", 5), ("2026-11-05", 6)],
)
def test_prague_and_new_york_change_on_different_days(day: str, hours: int) -> None:
    """For some weeks a year they are an hour nearer to each other."""
    at = PRAGUE.last(utc(f"{day} 12:00"))
    assert NEW_YORK.next(at) - at == hours * 3600


def test_three_resets_between() -> None:
    """Over the day of 23 hours, oldest first; the end counts, the beginning does not."""
    found = PRAGUE.between(utc("2026-03-27 23:00"), utc("2026-03-30 22:00"))
    assert found == [utc("2026-03-28 23:00"), utc("2026-03-29 22:00"), utc("2026-03-30 22:00")]
    assert PRAGUE.between(utc("2026-03-28 23:00"), utc("2026-03-29 21:59")) == []


zones = st.sampled_from(
    ["UTC", "Europe/Prague", "America/New_York", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe", "Etc/GMT-3"]
)
moments = st.integers(int(utc("2020-01-01")), int(utc("2030-01-01"))).map(float)


@given(st.builds(Reset, st.integers(0, 1439), zones), moments)
def test_resets_are_in_order_and_a_day_apart(reset: Reset, at: float) -> None:
    """The last one is not after a moment, the next one is, none is between them, and a day has 22 to 26 hours."""
    last, following = reset.last(at), reset.next(at)
    assert last <= at < following
    assert 22 * 3600 <= following - last <= 26 * 3600
    assert reset.next(last) == following
    assert reset.last(following) == following
    assert reset.last(following - 1) == last
    assert reset.between(last, following) == [following]


def test_it_is_said_in_words() -> None:
    assert str(Reset(17 * 60 + 5, "America/Chicago")) == "17:05 America/Chicago"
