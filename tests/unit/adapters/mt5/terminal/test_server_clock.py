"""The server's clock: measured, remembered, and right on both sides of every change of clocks."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantmind.adapters.mt5.terminal.server_clock import (
    AGREEING,
    NewYorkClose,
    ServerClock,
    offset_of,
    parse_server_zone,
)

MANY = settings(max_examples=examples(1_000, 200), deadline=None)
HOUR = 3600
ATHENS = zoneinfo.ZoneInfo("Europe/Athens")
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


def live(clock: ServerClock, now: float, offset_s: int, ticks: int = AGREEING, symbol: str = "EURUSD") -> list[bool]:
    """Ticks that come in now, a second apart, 0.1 s old."""
    clock.observe(symbol, int((now - 1 + offset_s) * 1000), now - 1)
    return [clock.observe(symbol, int((now + each - 0.1 + offset_s) * 1000), now + each) for each in range(ticks)]


# Summer time in 2026: New York from 8 March to 1 November, Europe from 29 March to 25 October.
@pytest.mark.parametrize(
    ("utc", "new_york", "athens"),
    [
        (at(2026, 1, 15, 12), 2, 2),
        (at(2026, 3, 7, 12), 2, 2),
        (at(2026, 3, 9, 12), 3, 2),
        (at(2026, 3, 27, 12), 3, 2),
        (at(2026, 3, 30, 12), 3, 3),
        (at(2026, 7, 1, 12), 3, 3),
        (at(2026, 10, 24, 12), 3, 3),
        (at(2026, 10, 26, 12), 3, 2),
        (at(2026, 11, 2, 12), 2, 2),
    ],
)
def test_the_two_conventions(utc: float, new_york: int, athens: int) -> None:
    """They differ in March and in the last week of October."""
    assert offset_of(NewYorkClose(), utc) == new_york * HOUR
    assert offset_of(ATHENS, utc) == athens * HOUR
    midnight = datetime.fromtimestamp(utc, NewYorkClose()).replace(hour=0, minute=0)
    assert midnight.astimezone(NEW_YORK).hour == 17


def test_before_anything_is_known_it_is_assumed() -> None:
    """New York's close, which most servers keep; and it says so."""
    clock = ServerClock()
    now = at(2026, 11, 27, 12)
    assert (clock.source, clock.offset_s(now)) == ("assumed", 2 * HOUR)
    assert clock.describe(now) == "UTC+02:00, assumed, other days by New York's close"
    assert clock.to_utc_msc(int((now + 2 * HOUR) * 1000)) == now * 1000


def test_one_live_tick_measures() -> None:
    """The first one is taken at its word, whatever was assumed."""
    clock, now = ServerClock(), at(2026, 11, 27, 12)
    assert live(clock, now, 5 * HOUR + 1800, 1) == [True]
    assert (clock.source, clock.offset_s(now)) == ("measured", 5 * HOUR + 1800)
    assert "other days by what was measured then" in clock.describe(now)


def test_an_old_tick_says_nothing() -> None:
    """At a weekend the newest tick is hours old, and a first look at one never knows how old it is."""
    clock, now = ServerClock(), at(2026, 11, 28, 12)  # a Saturday
    friday = int((at(2026, 11, 27, 21, 59) + 2 * HOUR) * 1000)
    for each in range(100):
        assert not clock.observe("EURUSD", friday, now + each)
    assert not clock.observe("EURUSD", friday + 1000, now + 3600), "it was not looked at for an hour"
    assert clock.source == "assumed"


def test_a_change_needs_several_that_agree() -> None:
    """One tick with a wrong time, or from a server that was late, changes nothing."""
    clock, now = ServerClock(), at(2026, 11, 27, 12)
    live(clock, now, 2 * HOUR)
    assert live(clock, now + 10, 3 * HOUR, AGREEING - 1) == [False] * (AGREEING - 1)
    assert live(clock, now + 20, 2 * HOUR, 1, "GBPUSD") == [False]
    assert clock.offset_s(now) == 2 * HOUR
    assert live(clock, now + 30, 3 * HOUR, AGREEING, "USDJPY")[-1]
    assert clock.offset_s(now + 40) == 3 * HOUR


@pytest.mark.parametrize("ahead", [-13 * HOUR, 15 * HOUR, 2 * HOUR + 900, 40 * HOUR])
def test_what_is_no_offset_is_not_taken(ahead: int) -> None:
    """Beyond any zone, or between two half hours."""
    clock, now = ServerClock(), at(2026, 11, 27, 12)
    live(clock, now, ahead)
    assert clock.source == "assumed"


@pytest.mark.parametrize(("zone", "rule"), [(NewYorkClose(), "New York's close"), (ATHENS, "Europe/Athens")])
def test_both_changes_of_a_year(zone: NewYorkClose, rule: str) -> None:
    """Measured each day over 2026, every time of the year is converted as the server's zone has it."""
    clock = ServerClock()
    days = [at(2026, 1, 1, 12) + day * 86_400 for day in range(365)]
    for day in days:
        live(clock, day, offset_of(zone, day))
    assert rule in clock.describe(days[-1])
    for day in days:
        for hour in range(0, 24, 5):
            utc = day + hour * HOUR
            server = int((utc + offset_of(zone, utc)) * 1000)
            assert abs(clock.to_utc_msc(server) - utc * 1000) in (0, HOUR * 1000)
            # Only in the hour that autumn has twice it is another one.
            if offset_of(zone, utc - HOUR) == offset_of(zone, utc):
                assert clock.to_utc_msc(server) == utc * 1000
            assert clock.from_utc_s(utc) == server // 1000


def test_history_before_a_change_is_right_after_it() -> None:
    """On the Monday after clocks went forward Friday's deals have Friday's offset: the day's loss depends on it."""
    clock = ServerClock()
    monday = at(2026, 3, 9, 12)
    live(clock, monday, 3 * HOUR)
    friday = at(2026, 3, 6, 20)
    assert clock.to_utc_msc(int((friday + 2 * HOUR) * 1000)) == friday * 1000
    assert clock.to_utc_msc(int((monday + 3 * HOUR) * 1000)) == monday * 1000


def test_a_change_of_clocks_counts_before_it_is_measured() -> None:
    """The first tick on Sunday has the new offset by the rule; ticks then only confirm it."""
    clock = ServerClock()
    live(clock, at(2026, 3, 6, 12), 2 * HOUR)
    sunday = at(2026, 3, 8, 22)
    assert clock.offset_s(sunday) == 3 * HOUR
    live(clock, sunday, 3 * HOUR)
    assert "New York's close" in clock.describe(sunday)


def test_a_server_without_summer_time() -> None:
    """What was measured holds until something else is."""
    clock = ServerClock()
    for month in range(1, 13):
        live(clock, at(2026, month, 15, 12), 3 * HOUR)
    for month in range(1, 13):
        utc = at(2026, month, 10, 3)
        assert clock.to_utc_msc(int((utc + 3 * HOUR) * 1000)) == utc * 1000


def test_it_is_remembered() -> None:
    """A worker that starts at a weekend knows what the last one measured; what is no memory is left out."""
    clock, now = ServerClock(), at(2026, 11, 27, 12)
    live(clock, now, 5 * HOUR)
    again = ServerClock()
    again.recall(clock.remember())
    assert (again.source, again.offset_s(now + 86_400)) == ("remembered", 5 * HOUR)
    live(again, now + 86_400, 5 * HOUR)
    assert again.source == "measured"
    for kept in ({}, {"changes": 1}, {"changes": [1, None, [], ["x", 2], [1, 99], [1e300, 7200], [float("nan"), 0]]}):
        empty = ServerClock()
        empty.recall(kept)
        assert empty.source == "assumed", kept


def test_a_configured_zone_rules() -> None:
    """Ticks that say otherwise are counted, since one of the two is wrong."""
    clock, now = ServerClock(parse_server_zone("+01:30")), at(2026, 7, 1, 12)
    live(clock, now, 3 * HOUR)
    assert (clock.source, clock.offset_s(now)) == ("configured", 5400)
    assert clock.contradicted == AGREEING
    assert "3 ticks say otherwise" in clock.describe(now)


def test_zones_by_name() -> None:
    """Those of the configuration, and nothing else."""
    assert parse_server_zone("UTC") is UTC
    assert parse_server_zone("-03:30") == timezone(-timedelta(hours=3, minutes=30))
    assert isinstance(parse_server_zone("new_york_close"), NewYorkClose)
    assert parse_server_zone("Europe/Athens") == ATHENS
    for wrong in ("", "Mars/Base", "+2", "../etc/passwd", "x" * 500):
        with pytest.raises(ValueError, match="time zone"):
            parse_server_zone(wrong)


def test_our_own_clock_may_jump() -> None:
    """A tick that seems to come from before the last look, or long after it, measures nothing."""
    clock, now = ServerClock(), at(2026, 11, 27, 12)
    live(clock, now, 2 * HOUR)
    assert not clock.observe("EURUSD", int((now + 10 + 2 * HOUR) * 1000), now - 3600)
    assert not clock.observe("EURUSD", int((now + 11 + 2 * HOUR) * 1000), now + 7200)
    assert clock.offset_s(now) == 2 * HOUR


@MANY
@example(39_600, "-11:30")
@example(0, "Europe/Athens")
@given(st.integers(0, 2**33), st.sampled_from([None, "new_york_close", "Europe/Athens", "UTC", "-11:30"]))
def test_there_and_back(utc: int, zone: str | None) -> None:
    """Except for the hour that autumn has twice, which is one hour off at most."""
    clock = ServerClock(None if zone is None else parse_server_zone(zone))
    back = clock.to_utc_msc(clock.from_utc_s(utc) * 1000) / 1000
    assert back == utc or abs(back - utc) == HOUR


@MANY
@given(st.lists(st.tuples(st.integers(0, 2**33), st.integers(-(2**45), 2**45), st.floats(0, 2e9)), max_size=30))
def test_any_ticks_leave_a_sane_clock(ticks: list[tuple[int, int, float]]) -> None:
    """Whatever a server says, an offset is one that a place on earth has."""
    clock = ServerClock()
    for _, server_msc, now in ticks:
        clock.observe("EURUSD", server_msc, now)
    for now in (0.0, 1.8e9):
        assert -12 * HOUR <= clock.offset_s(now) <= 14 * HOUR
        assert clock.offset_s(now) % 1800 == 0


@pytest.mark.parametrize("server_msc", [0, 253_402_300_799_999, 10**15])
def test_a_time_at_the_ends_of_the_calendar_is_converted(server_msc: int) -> None:
    """A terminal may say any number; a date that Python has none for is no crash."""
    assert abs(ServerClock().to_utc_msc(server_msc) - server_msc) <= 14 * 3_600_000
