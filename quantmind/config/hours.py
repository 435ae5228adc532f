"""Times of the day and the week: days, hours, moments and time zones, and the nightly rollover made of them."""

import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, time, tzinfo
from functools import cache
from typing import Any, Final

import attrs

from quantmind.config.kinds import Choice, Refused, Schema
from quantmind.config.settings import setting
from quantmind.config.suggest import nearest
from quantmind.config.tree import Scalar
from quantmind.domain.sessions import DAYS, parse_days, parse_hours

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_WEEK_DAYS: Final = tuple(day.capitalize() for day in DAYS)
_MOMENT: Final = re.compile(rf"({'|'.join(_WEEK_DAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY_MIN: Final = 24 * 60
_LONGEST: Final = 200


@attrs.frozen
class SessionDays:
    """Days of the week, as the name of a session."""

    says: str = "days: mon, tue, wed, thu, fri, sat or sun, a range such as mon-fri, or several with commas"

    def parse(self, scalar: Scalar) -> str:
        return _checked(scalar, parse_days)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[A-Za-z, -]{3,200}$"}


@attrs.frozen
class SessionHours:
    """Hours of a day."""

    says: str = "hours such as 09:00-17:30, several with commas"

    def parse(self, scalar: Scalar) -> str:
        return _checked(scalar, parse_hours)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[0-9:, -]{9,200}$"}


@attrs.frozen
class HourRange:
    """One range of hours of a day, over midnight where its end is earlier."""

    says: str = "hours such as 08:00-17:00"

    def parse(self, scalar: Scalar) -> str:
        if "," in scalar.text:
            raise Refused("write each range by itself, as in [08:00-12:00, 13:00-17:00]")
        try:
            return _checked(scalar, parse_hours)
        except Refused as refused:
            raise Refused(str(refused).removesuffix(", more than one with commas")) from None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[0-9: -]{9,20}$"}


@attrs.frozen
class WeekMoment:
    """A moment of the week."""

    says: str = f'a day ({", ".join(_WEEK_DAYS)}) with a time, such as "Fri 22:00"'

    def parse(self, scalar: Scalar) -> str:
        if not _MOMENT.fullmatch(scalar.text):
            raise Refused
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?:{_MOMENT.pattern})$"}


@attrs.frozen
class ClockTime:
    """A moment of the day."""

    says: str = "a time from 00:00 to 23:59"

    def parse(self, scalar: Scalar) -> str:
        if not _CLOCK.fullmatch(scalar.text):
            raise Refused
        return scalar.text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?:{_CLOCK.pattern})$"}


@attrs.frozen
class ZoneName:
    """A time zone of the IANA database."""

    says: str = "a time zone such as America/New_York or UTC"

    def parse(self, scalar: Scalar) -> str:
        if scalar.text == "UTC" or scalar.text in _zones():
            return scalar.text
        if not _zones():
            raise Refused("this machine has no time zones: install the package tzdata")
        near = nearest(scalar.text, _zones()) if not scalar.hidden and len(scalar.text) <= _LONGEST else None
        raise Refused(f'did you mean "{near}"?' if near else "")

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^[A-Za-z0-9_+/-]{2,64}$"}


@attrs.frozen(kw_only=True)
class SwapConfig:
    """When positions held overnight are charged; the rates are `swap_long` and `swap_short` of a symbol."""

    time: str = setting(ClockTime(), "Moment of the rollover, on the clocks of `zone`.", default="17:00")
    zone: str = setting(ZoneName(), "Time zone of the rollover; its summer time counts.", default="America/New_York")
    triple_day: str = setting(
        Choice(WEEKDAYS), "Day of the rollover that counts three nights, for the weekend.", default="wednesday"
    )


def clock_time(text: str) -> time:
    """Return the moment that a `ClockTime` names."""
    hour, _, minute = text.partition(":")
    return time(int(hour), int(minute))


def minute_of(text: str) -> int:
    """Return the minute of the day that a `ClockTime` names."""
    at = clock_time(text)
    return at.hour * 60 + at.minute


def hour_range(text: str) -> tuple[int, int]:
    """Return the minutes of the day from which and up to which an `HourRange` goes; 1440 is its end."""
    ((begin, end),) = parse_hours(text)
    return begin, end if end <= _DAY_MIN else end - _DAY_MIN


def week_moment(text: str) -> tuple[int, int]:
    """Return the day (0 is Monday) and the minute of it that a `WeekMoment` names."""
    day, _, time_text = text.partition(" ")
    return _WEEK_DAYS.index(day), minute_of(time_text)


def zone_of(name: str) -> tzinfo:
    """Return the time zone that a `ZoneName` names; UTC also where the machine has no database of them."""
    return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _checked(scalar: Scalar, parse: Callable[[str], Any]) -> str:
    if len(scalar.text) > _LONGEST:
        raise Refused(f"at most {_LONGEST} characters are allowed")
    try:
        parse(scalar.text)
    except ValueError as error:
        raise Refused("" if scalar.hidden else _way_out(str(error))) from None
    return scalar.text


def _way_out(message: str) -> str:
    # The message of a kind has the value already; what follows the colon says what to do.
    return message.rpartition(": ")[2]
