"""Session hours: how they are written, when they are open, when they open again, over changes of the clocks."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.domain.sessions import ALWAYS, DAYS, Sessions, parse_days, parse_hours, weekly

EXAMPLES = examples(1_000, 200)
NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")


def msc(text, zone=UTC):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", (0,)),
        ("Mon-Fri", (0, 1, 2, 3, 4)),
        ("sun-thu", (6, 0, 1, 2, 3)),
        ("mon, wed", (0, 2)),
        ("fri-mon", (4, 5, 6, 0)),
        ("mon-mon", (0,)),
    ],
)
def test_days(text, days):
    """A day, a range that may go over the weekend, several."""
    assert parse_days(text) == days


@pytest.mark.parametrize(
    "text", ["", "monday", "mon-", "-fri", "mon;tue", "mon,mon", "mon-wed,tue", "1", "mon - - fri"]
)
def test_what_names_no_days_is_refused(text):
    """With what may be written."""
    with pytest.raises(ValueError, match=r"names no days: write mon|names a day twice"):
        parse_days(text)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("09:00-17:30", ((540, 1050),)),
        ("0:05 - 23:55", ((5, 1435),)),
        ("00:00-24:00", ((0, 1440),)),
        ("22:00-06:00", ((1320, 1800),)),
        ("09:00-12:00, 13:00-17:00", ((540, 720), (780, 1020))),
        ("18:00-00:00", ((1080, 1440),)),
    ],
)
def test_hours(text, ranges):
    """One that ends before it begins ends on the next day."""
    assert parse_hours(text) == ranges


MANY = ",".join(["01:00-02:00"] * 17)
NO_HOURS = [
    "",
    "9-17",
    "09:00",
    "09:00-",
    "09:00-09:00",
    "24:00-01:00",
    "25:00-26:00",
    "09:60-10:00",
    "0:00-24:01",
    MANY,
]


@pytest.mark.parametrize("text", NO_HOURS)
def test_what_is_no_range_of_hours_is_refused(text):
    """A session that never opens among them."""
    with pytest.raises(ValueError, match=r"write|too many"):
        parse_hours(text)


@given(st.text(max_size=60) | st.text(alphabet="0123456789:-, ", max_size=40))
@settings(max_examples=EXAMPLES)
def test_any_text_is_hours_or_an_error(text):
    """Nothing but a ValueError, and ranges with a length."""
    with contextlib.suppress(ValueError):
        ranges = parse_hours(text)
        assert ranges
        assert all(0 <= start < 1440 and start < end <= start + 1440 for start, end in ranges)


@given(st.text(max_size=60) | st.lists(st.sampled_from([*DAYS, "-", ",", " "]), max_size=9).map("".join))
@settings(max_examples=EXAMPLES)
def test_any_text_is_days_or_an_error(text):
    """Nothing but a ValueError, and each day once."""
    with contextlib.suppress(ValueError):
        days = parse_days(text)
        assert len(set(days)) == len(days) > 0


def test_no_hours_are_always():
    """A symbol of which nothing is said trades at any time, as one with the whole week does."""
    assert weekly({}) is ALWAYS
    assert weekly({"mon-sun": "00:00-24:00"}).ranges == ()
    assert ALWAYS.is_open(0)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ({"mon-fri": "09:00-17:00", "wed": "10:00-11:00"}, "wed stands in 'mon-fri' and in 'wed'"),
        ({"mon": "22:00-06:00", "tue": "05:00-07:00"}, "'mon 22:00-06:00' and 'tue 05:00-07:00' overlap"),
        ({"sun": "22:00-06:00", "mon": "05:59-07:00"}, "overlap"),
        ({"mon": "09:00-12:00, 11:00-13:00"}, "overlap"),
    ],
)
def test_hours_that_contradict_each_other_are_refused(hours, said):
    """Which of them would count?"""
    with pytest.raises(ValueError, match=said):
        weekly(hours)


def test_ranges_that_touch_are_one():
    """Midnight is no pause in a week that goes on."""
    assert weekly({"mon-tue": "00:00-24:00"}).ranges == ((0, 2880),)


def test_a_forex_week():
    """Sunday 17:05 to Friday 17:00 in New York, with five minutes' pause each day."""
    week = weekly({"sun-thu": "17:05-17:00"}, NEW_YORK)

    assert not week.is_open(msc("2026-11-22T17:04:59", NEW_YORK))
    assert week.is_open(msc("2026-11-22T17:05:00", NEW_YORK))
    assert week.is_open(msc("2026-11-23T16:59:59", NEW_YORK))
    assert not week.is_open(msc("2026-11-23T17:00:00", NEW_YORK))
    assert not week.is_open(msc("2026-11-27T17:00:00", NEW_YORK))
    assert week.opens_at(msc("2026-11-27T17:00:00", NEW_YORK)) == msc("2026-11-29T17:05:00", NEW_YORK)


def test_opening_follows_summer_time():
    """09:30 in New York is 14:30 UTC before the second Sunday of March and 13:30 after it."""
    week = weekly({"mon-fri": "09:30-16:00"}, NEW_YORK)

    assert week.opens_at(msc("2026-03-06T00:00:00")) == msc("2026-03-06T14:30:00")
    assert week.opens_at(msc("2026-03-06T21:00:00")) == msc("2026-03-09T13:30:00")


def test_an_opening_that_the_clocks_jump_over_is_at_the_jump():
    """02:30 is not on 8 March 2026 in New York: 01:59:59.999 is followed by 03:00."""
    week = weekly({"sun": "02:30-05:00"}, NEW_YORK)
    jump = msc("2026-03-08T07:00:00")

    assert week.opens_at(msc("2026-03-07T12:00:00")) == jump
    assert not week.is_open(jump - 1)
    assert week.is_open(jump)


def test_an_hour_that_comes_twice_is_open_twice():
    """01:30 to 02:00 in London comes at 00:30 and at 01:30 UTC on 25 October 2026."""
    week = weekly({"sun": "01:30-02:00"}, LONDON)

    assert week.is_open(msc("2026-10-25T00:45:00"))
    assert not week.is_open(msc("2026-10-25T01:15:00"))
    assert week.opens_at(msc("2026-10-25T01:15:00")) == msc("2026-10-25T01:30:00")


@pytest.mark.parametrize("time_msc", [-1, 10**18])
def test_a_time_that_no_calendar_has_is_an_error(time_msc):
    """A slip in a unit, not a closed market."""
    with pytest.raises(ValueError, match="no time of a market"):
        weekly({"mon": "09:00-10:00"}).is_open(time_msc)


def test_the_last_time_that_is_one_still_has_an_opening_after_it():
    """The calendar goes on for three weeks behind it."""
    last = 253_300_000_000_000
    assert weekly({"mon": "09:00-10:00"}, NEW_YORK).opens_at(last) > last


@pytest.mark.parametrize(
    ("zone", "hours", "now", "opens"),
    [
        (NEW_YORK, "02:30-03:10", "2026-03-08T06:00:00", "2026-03-08T07:00:00"),  # begins in the hour that is left out
        (LONDON, "00:30-01:20", "2026-10-25T00:30:00", "2026-10-25T01:00:00"),  # the clocks go back into it
    ],
)
def test_clocks_that_jump_into_a_session_open_it(zone, hours, now, opens):
    """Forward and back; both are Sundays."""
    week = weekly({"sun": hours}, zone)

    assert not week.is_open(msc(opens) - 1)
    assert week.opens_at(msc(now)) == msc(opens)


def sessions():
    """Any week of up to three ranges in zones with and without summer time."""
    minutes = st.lists(st.integers(0, 10_080), min_size=2, max_size=6, unique=True).map(sorted)
    zones = st.sampled_from([UTC, NEW_YORK, LONDON, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")])
    pairs = minutes.map(lambda each: tuple(zip(each[::2], each[1::2], strict=False)))
    return st.builds(Sessions, pairs, zones)


@given(sessions(), st.integers(msc("2026-01-01"), msc("2027-12-31")))
@settings(max_examples=EXAMPLES)
def test_it_opens_when_it_says(week, now):
    """At that moment it is open, and the moment before it was not; minute by minute nothing opens earlier."""
    opens = week.opens_at(now)

    assert week.is_open(opens)
    if opens != now:
        assert not week.is_open(now)
        assert not week.is_open(opens - 1)
        step = max(60_000, int(timedelta(minutes=7).total_seconds() * 1000))
        assert not any(week.is_open(at) for at in range(now, min(opens, now + 200 * step), step))
