"""Rollovers: which moments charge swap, how many nights they count, over weekends and changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock.rollover import LAST_MSC, Night, Rollover

EXAMPLES = examples(1_000, 200)
NEW_YORK = ZoneInfo("America/New_York")
USUAL = Rollover()
WEEK_MSC = 7 * 86_400_000


def msc(text, zone=UTC):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def test_a_week_has_five_rollovers_and_seven_nights():
    """17:00 in New York, Wednesday for three, Saturday and Sunday none."""
    nights = list(USUAL.between(msc("2026-11-23T00:00:00"), msc("2026-11-30T00:00:00")))

    assert nights == [
        Night(msc(f"2026-11-{day}T22:00:00"), multiplier)
        for day, multiplier in ((23, 1), (24, 1), (25, 3), (26, 1), (27, 1))
    ]


def test_the_moment_follows_summer_time():
    """22:00 UTC on Friday 6 March 2026 and 21:00 on Monday 9 March."""
    first = USUAL.next_after(msc("2026-03-06T12:00:00"))
    assert first is not None
    assert first.at_msc == msc("2026-03-06T22:00:00")
    second = USUAL.next_after(first.at_msc)
    assert second == Night(msc("2026-03-09T21:00:00"), 1)


def test_the_moment_itself_belongs_to_the_night_before():
    """Later than the one, not later than the other: two calls that meet charge once."""
    at = msc("2026-11-23T22:00:00")

    assert USUAL.multiplier_between(at - 1, at) == 1
    assert USUAL.multiplier_between(at, at + 1) == 0
    assert USUAL.multiplier_between(at, at) == 0


def test_a_moment_that_the_clocks_leave_out_is_taken_as_before():
    """02:30 of Sunday 8 March 2026 does not exist in New York: with Sunday as the triple day it is 07:30 UTC."""
    night = Rollover(time(2, 30), NEW_YORK, triple_day=6).next_after(msc("2026-03-07T12:00:00"))

    assert night == Night(msc("2026-03-08T07:30:00"), 3)


def test_of_a_moment_that_comes_twice_it_is_the_first():
    """01:30 of Sunday 1 November 2026 in New York."""
    rollover = Rollover(time(1, 30), NEW_YORK, triple_day=6)
    first = rollover.next_after(msc("2026-10-31T12:00:00"))

    assert first == Night(msc("2026-11-01T05:30:00"), 3)
    assert rollover.next_after(first.at_msc) == Night(msc("2026-11-02T06:30:00"), 1)


@pytest.mark.parametrize("time_msc", [-1, LAST_MSC, 10**30])
def test_beyond_the_calendar_there_is_no_rollover(time_msc):
    """Instead of an error in the middle of a tick."""
    assert USUAL.next_after(time_msc) is None
    assert USUAL.multiplier_between(time_msc, time_msc + 1) == 0


@pytest.mark.parametrize("day", [-1, 7])
def test_a_triple_day_is_a_day_of_the_week(day):
    """Monday 0 to Sunday 6."""
    with pytest.raises(ValueError, match="triple_day"):
        Rollover(triple_day=day)


def rollovers():
    """Any moment, zone and day."""
    zones = st.sampled_from(["UTC", "America/New_York", "Europe/Athens", "Pacific/Apia", "Australia/Lord_Howe"])
    return st.builds(Rollover, st.times(), zones.map(ZoneInfo), st.integers(0, 6))


@given(rollovers(), st.integers(msc("1990-01-01"), msc("2040-01-01")), st.integers(0, 60 * 86_400_000), st.floats(0, 1))
@settings(max_examples=EXAMPLES)
def test_it_does_not_matter_in_how_many_steps_time_passes(rollover, start, length, share):
    """A tick each second and one each week charge the same nights."""
    end, middle = start + length, start + int(length * share)
    whole = list(rollover.between(start, end))

    assert whole == [*rollover.between(start, middle), *rollover.between(middle, end)]
    assert all(start < night.at_msc <= end for night in whole)
    assert [night.at_msc for night in whole] == sorted({night.at_msc for night in whole})


@given(rollovers(), st.integers(msc("2012-01-01"), msc("2040-01-01")))
@settings(max_examples=EXAMPLES)
def test_each_week_costs_seven_nights(rollover, start):
    """Whatever the clocks do, give or take the rollovers that a change of an hour moves over the edge."""
    weekend = 1 if rollover.triple_day < 5 else 2  # a triple weekend day comes on top of five days
    expected = 7 if weekend == 1 else 8
    assert abs(rollover.multiplier_between(start, start + 10 * WEEK_MSC) - 10 * expected) <= 3
