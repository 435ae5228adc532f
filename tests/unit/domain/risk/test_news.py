"""The operator's calendar: what is read, what is refused and in which words, and that no bytes do anything else."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quantmind.domain.risk import calendar_text
from quantmind.domain.risk.calendar_text import MAX_BYTES, CalendarFault, parse_calendar
from quantmind.domain.risk.news import Calendar, Impact, NewsEvent

HEADER = "time,currency,impact,title\n"
ROW = "2026-11-23T13:30:00Z,USD,high,Non-Farm Payrolls\n"


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


NFP = NewsEvent(at("2026-11-23T13:30"), "USD", Impact.HIGH, "Non-Farm Payrolls")


def read(text: str | bytes) -> tuple[NewsEvent, ...]:
    return parse_calendar(text if isinstance(text, bytes) else text.encode()).events


def fault(text: str | bytes) -> str:
    with pytest.raises(CalendarFault) as caught:
        read(text)
    return str(caught.value)


PUBLIC = "# timezone: GMT\n# dates: mm-dd-yyyy\nTitle,Country,Date,Time,Impact,Forecast,Previous,URL\n"
DAY_FIRST = "# dates: day-month-year\nStart,Name,Impact,Currency\n"
ODD = {"Time": "2026-11-23 08:30", "CURRENCY": "usd", "Impact": "high", "Event": "Non-Farm\nPayrolls "}
WEEKLY = [
    {
        "title": "CPI m/m",
        "country": "USD",
        "date": "2026-11-23T08:30:00-05:00",
        "impact": "High",
        "forecast": "0.3%",
        "previous": "0.2%",
    },
    {"title": "Bank Holiday", "country": "JPY", "date": "2026-11-22T18:00:00-05:00", "impact": "Holiday"},
    {"title": "G20 Meetings", "country": "All", "date": "2026-11-24T00:00:00-05:00", "impact": "Medium"},
]


@pytest.mark.parametrize(
    "text",
    [
        HEADER + ROW,
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace("\n", "\r\n"),
        (HEADER + ROW).replace("\n", "\r"),
        (HEADER + ROW).replace(",", ";"),
        (HEADER + ROW).replace(",", "\t").encode("utf-16"),
        HEADER + "\n\n" + ROW + "\n,,,\n",
        "IMPACT,Title,Currency,Time\nHIGH,Non-Farm Payrolls,usd,2026-11-23 13:30Z\n",
        "Date,Time,Currency,Importance,Event\n2026-11-23,14:30:00+01:00,USD,3,Non-Farm Payrolls\n",
        "Date,Time,Zone,Currency,Imp.,Event\n2026.11.23,08:30,America/New_York,USD,red,Non-Farm Payrolls\n",
        "# timezone: America/New_York\nDate,Time,Currency,Impact,Event\n2026/11/23,8:30am,USD,High,Non-Farm Payrolls\n",
        "# Timezone = +01:00\n#\n\nDateTime,Ccy,Impact,Name\n2026-11-23 2:30 PM,USD,3,Non-Farm Payrolls\n",
        PUBLIC + "Non-Farm Payrolls,USD,11-23-2026,1:30pm,High,,,\n",
        DAY_FIRST + "23/11/2026 13:30:00 UTC,Non-Farm Payrolls,High Impact Expected,USD\n",
        "DateTime (UTC),Currency,Impact,Title\n2026-11-23 13:30,USD,High,Non-Farm Payrolls\n",
        json.dumps([{"time": "2026-11-23T13:30:00Z", "currency": "USD", "impact": 3, "title": "Non-Farm Payrolls"}]),
        json.dumps(
            {"events": [{"title": NFP.title, "country": "USD", "impact": "High", "date": "2026-11-23T08:30:00-05:00"}]}
        ),
        json.dumps({"timezone": "America/New_York", "events": [ODD]}),
    ],
)  # fmt: skip
def test_one_event_in_many_ways(text: str | bytes) -> None:
    """Columns in any order and case, usual names, time in one column or two, with an offset or a zone said once."""
    assert read(text) == (NFP,)


def test_a_weekly_file() -> None:
    """The widely used JSON of a week: countries are currencies, a holiday moves little, All is everybody."""
    assert read(json.dumps(WEEKLY)) == (
        NewsEvent(at("2026-11-22T23:00"), "JPY", Impact.LOW, "Bank Holiday"),
        NewsEvent(at("2026-11-23T13:30"), "USD", Impact.HIGH, "CPI m/m"),
        NewsEvent(at("2026-11-24T05:00"), "ALL", Impact.MEDIUM, "G20 Meetings"),
    )


@pytest.mark.parametrize(
    ("word", "impact"),
    [
        *dict.fromkeys(("high", "HIGH", "3", "red", "High Volatility Expected"), Impact.HIGH).items(),
        *dict.fromkeys(("medium", "Moderate", "2", "orange", "med"), Impact.MEDIUM).items(),
        *dict.fromkeys(("low", "1", "yellow", "none", "Holiday", "Non-Economic"), Impact.LOW).items(),
    ],
)
def test_impacts(word: str, impact: Impact) -> None:
    """Words and numbers of the usual exports."""
    assert read(f"{HEADER}2026-11-23T13:30Z,USD,{word},x")[0].impact is impact


@pytest.mark.parametrize("word", ["", "All Day", "all-day", "Tentative", "Day 2"])
def test_an_event_without_a_time_is_all_of_its_day(word: str) -> None:
    """Nobody knows when it is, so it may be at any time of the day in its zone."""
    text = f"# timezone: Europe/Prague\ndate,time,currency,impact\n2026-10-25,{word},EUR,high\n"
    assert read(text) == (NewsEvent(at("2026-10-24T22:00"), "EUR", Impact.HIGH, "", 25 * 3600),)
    stamped = json.dumps([{"date": "2026-11-23T00:00:00+01:00", "time": word, "currency": "EUR", "impact": 3}])
    assert read(stamped)[0].lasts_s == (86400 if word else 0)


def test_an_hour_that_clocks_show_twice_is_both() -> None:
    """And one that they skip is all that it may mean: nothing says which of the two."""
    text = "# timezone: Europe/Prague\ntime,currency,impact\n2026-10-25 02:30,EUR,3\n2026-03-29 02:30,EUR,3\n"
    spring, autumn = read(text)
    assert (autumn.at, autumn.lasts_s) == (at("2026-10-25T00:30"), 3600)
    assert (spring.at, spring.lasts_s) == (at("2026-03-29T00:30"), 3600)


def test_titles_are_harmless() -> None:
    """Without control characters, of one line, of 200 characters at most."""
    (event,) = read(f'{HEADER}2026-11-23T13:30Z,USD,high,"a\x1b[31m\n\tb{"c" * 500}"')
    assert event.title.startswith("a [31m bccc")
    assert len(event.title) == 200
    assert event.title.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        (" \r\n\t", "it is empty"),
        ("# timezone: UTC\n", "the header has ''"),
        ("when,what\n", "line 1: the header has 'when, what': it needs time (or date and time), currency, impact"),
        (HEADER, "it has no event"),
        ("[]", "it has no event"),
        ('{"events": []}', "it has no event"),
        ("{}", "it has no list of events"),
        ("[1]", "event 1: '1' is no object"),
        ("[{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("[" + "9" * 5000 + "]", "it is no JSON"),
        (HEADER + ROW + "2026-11-23T13:30:00,USD,high,x", "line 3, time: '2026-11-23T13:30:00' does not say of which"),
        (HEADER + "11/23/2026 13:30Z,USD,high,x", "line 2, time: '11/23/2026 13:30Z' can be read in two ways"),
        (HEADER + "2026-11-31T13:30Z,USD,high,x", "line 2, time: '2026-11-31T13:30Z' is no time that a clock shows"),
        (HEADER + "2026-11-23T24:00Z,USD,high,x", "is no time that a clock shows"),
        (HEADER + "2026-11-23 13:30pmZ,USD,high,x", "has no hour from 1 to 12"),
        (HEADER + "2026-11-23 13:30+99:99,USD,high,x", "is no time zone"),
        (HEADER + "0026-11-23T13:30Z,USD,high,x", "is not of the years 1990 to 2100"),
        (HEADER + "1795440600,USD,high,x", "line 2, time: '1795440600' is no time: write 2026-11-23T13:30:00Z"),
        (HEADER + "Tentative,USD,high,x", "'Tentative' is no time"),
        (HEADER + ",USD,high,x", "line 2, time: '' is no time"),
        (HEADER + "2026-11-23T13:30Z,United States,high,x", "line 2, currency: 'UNITED STATES' is none: write its"),
        (HEADER + "2026-11-23T13:30Z,,high,x", "or ALL for an event that touches all"),
        (HEADER + "2026-11-23T13:30Z,USD,huge,x", "line 2, impact: 'huge' is none: write high, medium, low"),
        (HEADER + "2026-11-23T13:30Z,USD", "line 2, impact: '' is none"),
        (HEADER + "2026-11-23T13:30Z,USD,high,a,b", "line 2: it has 5 cells and the header 4: put a title that has"),
        (HEADER + '2026-11-23T13:30Z,USD,high,"a', "is a quote missing?"),
        (HEADER + ROW + "x" * 200_000, "it is no CSV (field larger"),
        ("time,zone,currency,impact\n2026-11-23 13:30,united states,USD,3", "line 2, zone: 'united states' is no time"),
        ("# timezone: Mars\n" + HEADER, "line 1: 'Mars' is no time zone: write UTC, +02:00 or a name such as"),
        ("# timezone: ../../etc/passwd\n" + HEADER, "is no time zone"),
        ("# timezone: America\n" + HEADER, "is no time zone"),
        ("\n# dates: sometimes\n" + HEADER, "line 2: 'sometimes' orders no date"),
        ('{"timezone": 5, "events": []}', "timezone: '5' is no time zone"),
        ('{"events": [{"time": "2026-11-23T13:30", "currency": "USD", "impact": 3}]}', "event 1, time: "),
        ('[{"time": "2026-11-23T13:30Z", "currency": "USD", "impact": true}]', "event 1, impact: '<bool>' is none"),
        ('[{"time": ["x"], "currency": "USD", "impact": 3}]', "event 1, time: '<list>' is no time"),
        (b"\0" * 100, "the header has"),
        (b"\xff\xfe\x00", "the header has"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str | bytes, words: str) -> None:
    """The whole file is, with the line and the field, what stands there, and what may be written instead."""
    assert words in fault(text)
    assert len(fault(text)) < 400


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither more bytes nor more events than are read."""
    assert f"at most {MAX_BYTES} are read" in fault(b" " * (MAX_BYTES + 1))
    monkeypatch.setattr(calendar_text, "MAX_EVENTS", 3)
    assert len(read(HEADER + ROW * 3)) == 3
    assert "line 5: more than 3 events" in fault(HEADER + ROW * 4)


# --- any bytes -----------------------------------------------------------------------------------------------------

PIECES = [
    b"\n", b"\r", b",", b";", b'"', b"#", b"[", b"{", b"}", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b" " * 300, b"9" * 30,
    b"2026-11-23", b"0000-00-00", b"9999-12-31T23:59:59Z", b"T25:61", b"+99:99", b"-00:00", b"All Day", b"am", b"USD",
    b"# timezone: Europe/Prague\n", b"# dates: dmy\n", "\u0661".encode(), "\u2028".encode(), b"null", b"\\ud800",
]  # fmt: skip
SAMPLES = [
    (HEADER + ROW * 2).encode(),
    b'# timezone: America/New_York\nDate;Time;Currency;Importance;Event\n2026/11/23;1:30pm;USD;3;"a;b"\n',
    json.dumps(WEEKLY).encode(),
    json.dumps({"timezone": "UTC", "dates": "mdy", "events": WEEKLY}).encode(),
    (HEADER + ROW).encode("utf-16"),
]


def check(data: bytes) -> None:
    """It is a sound calendar, or one sentence."""
    calendar, said = None, ""
    try:
        calendar = parse_calendar(data)
    except CalendarFault as error:
        said = str(error)
    if calendar is None:
        assert 0 < len(said) < 500
        assert said.isprintable()
        return
    assert calendar.events
    for event in calendar.events:
        assert at("1989-12-30T00:00") < event.at < at("2101-01-02T00:00")
        assert 0 <= event.lasts_s <= 50 * 3600
        assert event.currency.isascii()
        assert event.currency.isupper()
        assert len(event.title) <= 200
        assert event.title == "" or event.title.isprintable()
    view = calendar.view(("USD",), calendar.events[0].at, 60, 60)
    assert set(view.events) <= set(calendar.events)


@given(st.binary(max_size=400) | st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=30).map(b"".join))
@example(b"[[" * 50_000)
@example(b"time,currency,impact\n" + b'"' * 10_001)
def test_any_bytes(data: bytes) -> None:
    """And nothing else is raised."""
    check(data)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A calendar with pieces exchanged, doubled, cut out, or cut off."""
    data = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        piece = draw(st.one_of(st.binary(max_size=6), st.just(data[start:end] * 2), st.sampled_from(PIECES)))
        data = data[:start] + piece + data[end:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@given(spoilt())
def test_a_spoilt_calendar(data: bytes) -> None:
    """What is nearly right is read or refused."""
    check(data)


times = st.datetimes(datetime(1991, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0))  # noqa: DTZ001
rows = st.fixed_dictionaries(
    {
        "time": times.map(lambda t: f"{t.isoformat()}Z"),
        "currency": st.sampled_from(["USD", "EUR", "ALL"]),
        "impact": st.sampled_from(Impact).map(lambda i: i.value),
        "title": st.text(st.characters(codec="utf-8"), max_size=30),
    }
)


@given(st.lists(rows, min_size=1, max_size=8), st.permutations(["time", "currency", "impact", "title"]))
def test_csv_and_json_say_the_same(items: list[dict[str, str]], order: list[str]) -> None:
    """What is written in either is read back in order of time, each event once."""
    quoted = [",".join('"{}"'.format(item[name].replace('"', '""')) for name in order) for item in items]
    csv = parse_calendar("\n".join([",".join(order), *quoted]).encode())
    assert csv == parse_calendar(json.dumps(items).encode())
    assert [event.at for event in csv.events] == sorted(at(item["time"][:-1]) for item in items)


def test_a_view_of_many() -> None:
    """However many events there are, a decision sees those that are near, and only of its currencies."""
    many = Calendar([NewsEvent(float(n * 60), "USD" if n % 2 else "EUR", Impact.LOW, "") for n in range(100_000)], 1.0)
    shown: Any = many.view(("USD",), 3_000_000.0, 90, 90)
    assert {event.currency for event in shown.events} == {"USD"}
    assert len(shown.events) < 600
    assert shown.refreshed_at == 1.0
    assert many.view(("USD",), 3_000_000.0, 10, 10).events == ()


def test_what_the_documentation_shows() -> None:
    """Each calendar in docs/news.md can be read as it stands."""
    text = (Path(__file__).parents[4] / "docs" / "news.md").read_text(encoding="utf-8")
    shown = re.findall(r"```(?:csv|json)\n([^\"].*?)```", text, re.DOTALL)
    assert len(shown) == 2
    for block in shown:
        assert read(block)[0].title == "GDP q/q"
