"""Reads a calendar of events, as CSV or JSON. Bytes in, a `Calendar` out, or one sentence that says what is wrong.

Nothing is guessed that could move an event: a time without a zone, a date that can be read in two ways, an impact or a
currency that is no known word refuse the whole file. Formats: docs/news.md.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from quantmind.domain.risk.news import ALL, Calendar, Impact, NewsEvent

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_EVENTS: Final = 100_000
_TITLE: Final = 200
_SHOWN: Final = 60
_YEARS: Final = range(1990, 2101)

_NAMES: Final = {
    "time": ("time", "datetime", "dateandtime", "start", "when", "datetimeutc", "timeutc", "dateutc"),
    "date": ("date", "day", "eventdate", "releasedate"),
    "zone": ("zone", "timezone", "tz"),
    "currency": ("currency", "currencycode", "ccy", "cur", "country"),
    "impact": ("impact", "importance", "imp", "volatility", "priority"),
    "title": ("title", "event", "eventname", "name", "headline", "description"),
}
"""What each field is called in public exports, the surest name first; letters and digits of it, in lower case."""
_IMPACTS: Final = {
    **dict.fromkeys(("high", "red", "3"), Impact.HIGH),
    **dict.fromkeys(("medium", "moderate", "med", "orange", "2"), Impact.MEDIUM),
    **dict.fromkeys(("low", "yellow", "1", "holiday", "none", "noneconomic"), Impact.LOW),
}
_WHOLE_DAY: Final = re.compile(r"(?:|all[ -]?day|tentative|day \d{1,2})", re.ASCII | re.IGNORECASE)
_WHEN: Final = re.compile(
    r"(?P<a>\d{1,4})[-/.](?P<b>\d{1,2})[-/.](?P<c>\d{1,4})"
    r"(?:(?:T|\s+)(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<offset>Z|UTC|GMT|[+-]\d\d:?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])(\d\d):?(\d\d)", re.ASCII | re.IGNORECASE)
_COMMENT: Final = re.compile(r"#\s*(time ?zone|zone|tz|dates?)\s*[:=]\s*(\S.*)", re.ASCII | re.IGNORECASE)


class CalendarFault(ValueError):
    """The file is no calendar: says where, what stands there, and what may be written."""


def parse_calendar(data: bytes) -> Calendar:
    """Read a whole file.

    Raises:
        CalendarFault: it is too large, or not all of it can be read without a doubt.
    """
    if len(data) > MAX_BYTES:
        raise CalendarFault(f"it has {len(data)} bytes, at most {MAX_BYTES} are read: leave out what is long past")
    text = _decode(data)
    first = text.lstrip()[:1]
    if not first:
        raise CalendarFault("it is empty: write a CSV with a header, or JSON")
    events: list[NewsEvent] = []
    for place, fields, hints in _json_rows(text) if first in "[{" else _csv_rows(text):
        if len(events) >= MAX_EVENTS:
            raise CalendarFault(f"{place}: more than {MAX_EVENTS} events: leave out what is long past")
        try:
            events.append(_event(fields, hints))
        except CalendarFault as fault:
            raise CalendarFault(f"{place}, {fault}") from None
    if not events:
        raise CalendarFault("it has no event: a calendar without any would let everything pass")
    return Calendar(events)


@attrs.frozen
class _Hints:
    """What the file says once for all of its events: their zone, and the order of a date's parts (`mdy`, `dmy`)."""

    zone: tzinfo | None = None
    dates: str | None = None


_Row = tuple[str, Mapping[str, str], _Hints]
"""Where it stands, its fields by our names, what holds for all of them."""


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")  # only titles may have other letters


# --- CSV -----------------------------------------------------------------------------------------------------------


def _csv_rows(text: str) -> Iterator[_Row]:
    lines = io.StringIO(text, newline="")
    hints, skipped, header = _Hints(), 0, ""
    for line in lines:
        if line.strip() and not line.startswith("#"):
            header = line
            break
        skipped += 1
        hints = _hinted(hints, line, f"line {skipped}")
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(_chain(header, lines), delimiter=delimiter, strict=True)
    columns: dict[str, int] = {}
    width = 0
    try:
        for cells in reader:
            place = f"line {skipped + reader.line_num}"
            if not columns:
                columns, hints = _columns([cell.strip() for cell in cells], hints, place)
                width = len(cells)
            elif any(cell.strip() for cell in cells):
                if any(cell.strip() for cell in cells[width:]):
                    raise CalendarFault(
                        f"{place}: it has {len(cells)} cells and the header {width}: put a title that has "
                        f"{delimiter!r} in it between double quotes"
                    )
                yield place, {name: cells[at].strip() for name, at in columns.items() if at < len(cells)}, hints
    except csv.Error as error:
        why = _line_of(str(error))
        raise CalendarFault(f"line {skipped + reader.line_num}: it is no CSV ({why}); is a quote missing?") from None


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _columns(header: list[str], hints: _Hints, place: str) -> tuple[dict[str, int], _Hints]:
    at = {_plain(name): number for number, name in reversed(list(enumerate(header)))}
    names = _which(at)
    if ("time" not in names and "date" not in names) or not {"currency", "impact"} <= names.keys():
        found = _shown(", ".join(header))
        raise CalendarFault(f"{place}: the header has {found}: it needs time (or date and time), currency, impact")
    return {name: at[key] for name, key in names.items()}, _utc_by_name(names, hints)


def _hinted(hints: _Hints, line: str, place: str) -> _Hints:
    found = _COMMENT.match(line.strip())
    if found is None:
        return hints
    return _hint(hints, "dates" if found[1].lower().startswith("date") else "zone", found[2].strip(), place)


# --- JSON ----------------------------------------------------------------------------------------------------------


def _json_rows(text: str) -> Iterator[_Row]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CalendarFault(f"it is no JSON ({_line_of(_cut(str(error)))}); is it whole?") from None
    hints = _Hints()
    if isinstance(document, dict):
        for key, name in (("timezone", "zone"), ("dates", "dates")):
            if key in document:
                hints = _hint(hints, name, _text(document[key]), key)
        document = document.get("events")
    if not isinstance(document, list):
        raise CalendarFault('it has no list of events: write [{"time": …}, …] or {"events": […]}')
    for number, item in enumerate(document, 1):
        place = f"event {number}"
        if not isinstance(item, dict):
            raise CalendarFault(f"{place}: {_shown(_text(item))} is no object: write {{…}} with time, currency, impact")
        values = {_plain(key): _text(value) for key, value in reversed(item.items())}
        names = _which(values)
        yield place, {name: values[key] for name, key in names.items()}, _utc_by_name(names, hints)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return f"<{type(value).__name__}>"


# --- one event -----------------------------------------------------------------------------------------------------


def _event(fields: Mapping[str, str], hints: _Hints) -> NewsEvent:
    if fields.get("zone"):
        hints = _hint(hints, "zone", fields["zone"], "zone")
    at, lasts_s = _when(fields, hints)
    currency = fields.get("currency", "").upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        raise CalendarFault(
            f"currency: {_shown(currency)} is none: write its three letters, or {ALL} for an event that touches all"
        )
    named = fields.get("impact", "")
    impact = _IMPACTS.get(_plain(named)) or _IMPACTS.get(_plain(named.partition(" ")[0]))
    if impact is None:
        raise CalendarFault(f"impact: {_shown(named)} is none: write high, medium, low, or 3, 2, 1")
    title = _line_of(fields.get("title", "")[: 4 * _TITLE])[:_TITLE]
    return NewsEvent(at, currency, impact, title, lasts_s)


def _when(fields: Mapping[str, str], hints: _Hints) -> tuple[float, float]:
    """When it is (Unix seconds), and how long that is."""
    date, time = fields.get("date", ""), fields.get("time", "")
    named = "time" if time or not date else "date"
    whole_day = _WHOLE_DAY.fullmatch(time) is not None
    text = date if whole_day else time if _WHEN.match(time) else f"{date} {time}".strip()
    found = _WHEN.fullmatch(text[:_SHOWN])
    if found is None:
        raise CalendarFault(f"{named}: {_shown(text or time)} is no time: write 2026-11-23T13:30:00Z")
    zone = _zone_of(found["offset"]) if found["offset"] else hints.zone
    if zone is None:
        raise CalendarFault(
            f"{named}: {_shown(text)} does not say of which zone it is: write it with Z or an offset "
            "(2026-11-23T13:30:00-05:00), add a column zone, or begin the file with # timezone: America/New_York"
        )
    try:
        return _resolved(found, hints, zone, whole_day=found["hour"] is None or (whole_day and time != ""))
    except ValueError as error:
        why = str(error) if isinstance(error, CalendarFault) else "is no time that a clock shows"
        raise CalendarFault(f"{named}: {_shown(text)} {why}") from None


def _resolved(found: re.Match[str], hints: _Hints, zone: tzinfo, *, whole_day: bool) -> tuple[float, float]:
    parts = (found["a"], found["b"], found["c"])
    if len(parts[0]) == 4:
        year, month, day = parts
    elif len(parts[2]) == 4 and hints.dates is not None:
        by_letter = dict(zip(hints.dates, parts, strict=True))
        year, month, day = by_letter["y"], by_letter["m"], by_letter["d"]
    else:
        raise CalendarFault(
            "can be read in two ways: write 2026-11-23, or begin the file with # dates: month-day-year "
            "(or day-month-year)"
        )
    if int(year) not in _YEARS:
        raise CalendarFault(f"is not of the years {_YEARS[0]} to {_YEARS[-1]}")
    midnight = datetime(int(year), int(month), int(day))  # noqa: DTZ001  # the zone comes next
    if whole_day:
        begin, end = _instant(midnight, zone, 0), _instant(midnight + timedelta(days=1), zone, 1)
        return begin, end - begin
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            raise CalendarFault("has no hour from 1 to 12 before am or pm")
        hour = hour % 12 + (12 if found["half"].lower().startswith("p") else 0)
    wall = midnight.replace(hour=hour, minute=int(found["minute"]), second=int(found["second"] or 0))
    first, second = _instant(wall, zone, 0), _instant(wall, zone, 1)
    return min(first, second), abs(second - first)  # shown twice, or skipped: it may be either, so it is all of it


def _instant(wall: datetime, zone: tzinfo, fold: int) -> float:
    return wall.replace(tzinfo=zone, fold=fold).timestamp()


# --- names ---------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return "".join(c for c in name[:_SHOWN].casefold() if c.isalnum())


def _which(keys: Mapping[str, Any]) -> dict[str, str]:
    """Our name of each field that is there, with the file's."""
    found = {}
    for name, usual in _NAMES.items():
        key = next((each for each in usual if each in keys), None)
        if key is not None:
            found[name] = key
    return found


def _utc_by_name(names: Mapping[str, str], hints: _Hints) -> _Hints:
    return attrs.evolve(hints, zone=UTC) if names.get("time", "").endswith("utc") else hints


def _hint(hints: _Hints, name: str, value: str, place: str) -> _Hints:
    if name == "zone":
        try:
            return attrs.evolve(hints, zone=_zone_of(value))
        except CalendarFault as fault:
            raise CalendarFault(f"{place}: {fault}") from None
    words = re.findall("[a-z]+", value[:_SHOWN].casefold())
    order = "".join(word[0] for word in words) if len(words) > 1 else "".join(dict.fromkeys("".join(words)))
    if sorted(order) != ["d", "m", "y"]:
        raise CalendarFault(f"{place}: {_shown(value)} orders no date: write month-day-year or day-month-year")
    return attrs.evolve(hints, dates=order)


def _zone_of(name: str) -> tzinfo:
    if name.upper() in ("Z", "UTC", "GMT"):
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(ahead if offset[1] == "+" else -ahead)
    try:
        return ZoneInfo(name[:_SHOWN])
    except (ValueError, KeyError, OSError):  # what else it is: no key, a folder of zones, a name too long
        said = f"{_shown(name)} is no time zone: write UTC, +02:00 or a name such as Europe/Prague"
        raise CalendarFault(said) from None


def _line_of(text: str) -> str:
    """The same on one line, with nothing in it that can't be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _shown(value: str) -> str:
    return repr(_cut(value))


def _cut(value: str) -> str:
    return value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
