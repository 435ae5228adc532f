"""Local times to UTC, where money is made and lost by the hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock.recordings import parse_zone
from quantmind.adapters.mock.recordings.errors import Fault

EXAMPLES = examples(1_000, 200)
HOUR_MS = 3_600_000


def msc(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("zone", "winter", "summer"),
    [("UTC", 0, 0), ("+02:00", 2, 2), ("-05:00", -5, -5), ("Europe/Athens", 2, 3), ("new_york_close", 2, 3)],
)
def test_local_noon_is_so_many_hours_earlier_in_utc(zone: str, winter: int, summer: int) -> None:
    """In winter and in summer."""
    for month, ahead in ((1, winter), (7, summer)):
        first, second = parse_zone(zone).minute_msc(2014, month, 15, 12, 0)
        assert first == second == msc(2014, month, 15, 12) - ahead * HOUR_MS


def test_new_york_close_changes_with_new_york() -> None:
    """In March that is weeks before Europe does; and its day begins at 17:00 in New York."""
    assert parse_zone("new_york_close").minute_msc(2014, 3, 20, 0, 0)[0] == msc(2014, 3, 19, 21)
    assert parse_zone("Europe/Athens").minute_msc(2014, 3, 20, 0, 0)[0] == msc(2014, 3, 19, 22)
    at = datetime.fromtimestamp(msc(2014, 3, 19, 21) / 1000, ZoneInfo("America/New_York"))
    assert (at.hour, at.minute) == (17, 0)


def test_an_hour_that_no_clock_showed_is_a_fault() -> None:
    """Then the zone is wrong."""
    with pytest.raises(Fault, match=r"2014-03-30 03:30 was never shown in zone Europe/Athens"):
        parse_zone("Europe/Athens").minute_msc(2014, 3, 30, 3, 30)


def test_an_hour_that_clocks_showed_twice_has_both() -> None:
    """The first and the second."""
    first, second = parse_zone("Europe/Athens").minute_msc(2014, 10, 26, 3, 30)
    assert second - first == HOUR_MS


@pytest.mark.parametrize(
    "text", ["Mars/Olympus", "+15:00", "-02:60", "EURUSD", "", "../etc/passwd", "Europe", "a" * 300]
)
def test_a_zone_that_is_none_is_refused(text: str) -> None:
    """The text says which there are, or what is wrong."""
    with pytest.raises(ValueError, match="zone"):
        parse_zone(text)


@given(st.text(max_size=20))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_text_is_a_zone_or_a_value_error(text: str) -> None:
    """And nothing else."""
    try:
        zone = parse_zone(text)
    except ValueError:
        return
    assert zone.name == text


@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2190, 1, 1)),  # noqa: DTZ001 - the zone is what is tested
    st.sampled_from(["UTC", "+05:30", "Europe/Athens", "new_york_close", "Australia/Lord_Howe"]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_back_in_the_zone_it_is_the_same_minute(at: datetime, name: str) -> None:
    """For every minute that there was, both times."""
    zone = parse_zone(name)
    minute = at.replace(second=0, microsecond=0)
    try:
        both = zone.minute_msc(minute.year, minute.month, minute.day, minute.hour, minute.minute)
    except Fault:
        return
    for time_msc in both:
        utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_msc)
        assert utc.astimezone(zone.tz).replace(tzinfo=None) + zone.ahead == minute
