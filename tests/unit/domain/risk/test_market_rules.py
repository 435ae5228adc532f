"""Symbols, hours, weekends and events: when nothing is opened, to the second, on both edges of daylight saving."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, Sample
from quantmind.domain.orders import Close, Modify, Open, OrderType, Origin, Side
from quantmind.domain.risk import Denied, Market, Policy, Situation, TradingState, judge
from quantmind.domain.risk.news import Calendar, Impact, NewsEvent, NewsView, currencies_of
from quantmind.domain.risk.policy import News, Rules, Sessions, Symbols, Weekend
from quantmind.domain.risk.rules import ADDING, Refusal, Rule, market
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("alpha", 7)
ACCOUNT = Account(1, "s", "USD", 100, "hedging", *[Decimal(1000)] * 5)
SPEC = usual_spec("EURUSD")
RULES = {
    "symbols": market.symbol_allowed,
    "sessions": market.sessions,
    "weekend": market.weekend,
    "news": market.news,
}


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


NOW = at("2026-11-25T12:00")  # a Wednesday


def situation(wall: float = NOW, **more: Any) -> Situation:
    rules = {name: more.pop(name) for name in ("symbols", "sessions", "weekend") if name in more}
    if "rule" in more:
        rules["news"] = more.pop("rule")
    given_: dict[str, Any] = {
        "now": 100.0,
        "incarnation": 1,
        "policy": Policy(rules=Rules(**rules)),
        "state": TradingState.ACTIVE,
        "state_cause": "",
        "sample": Sample("demo", ACCOUNT, (), (), 99.5),
        "positions": {},
        "market": Market(SPEC, Decimal("1.1"), Decimal("1.2"), 0.1),
        "wall": wall,
    }
    return Situation(**{**given_, **more})


def opening(symbol: str = "EURUSD", **more: Any) -> Open:
    return Open(ORIGIN, "demo", symbol, Decimal("0.1"), Side.BUY, **more)


def said(rule: Rule, there: Situation, symbol: str = "EURUSD") -> str | None:
    """The refusal's message; None: nothing was said."""
    finding = rule(there, opening(symbol))
    assert finding is None or isinstance(finding, Refusal)
    return None if finding is None else finding.reason.message


def test_they_are_among_the_rules() -> None:
    """All four are applied, under the names that people set them by, and none speaks until it is set."""
    assert set(RULES.values()) <= set(ADDING)
    for rule in RULES.values():
        assert rule(situation(wall=0.0), opening()) is None


@pytest.mark.parametrize("name", RULES)
def test_only_what_opens_is_refused(name: str) -> None:
    """Closes and changes pass each of them."""
    there = situation(
        at("2026-11-28T12:00"),
        symbols=Symbols(deny=("*",)),
        sessions=hours(),
        weekend=Weekend(),
        rule=News(),
    )
    finding = RULES[name](there, opening())
    assert isinstance(finding, Refusal)
    assert finding.reason.rule == name
    for proposal in (Close(ORIGIN, "demo", "EURUSD", 1), Modify(ORIGIN, "demo", 1, new_sl=Decimal(0))):
        assert RULES[name](there, proposal) is None


# --- symbols -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "allow", "deny", "passes"),
    [
        ("EURUSD", (), (), True),
        ("EURUSD", ("EURUSD",), (), True),
        ("EURUSD", ("eurusd",), (), True),
        ("EURUSD.r", ("EURUSD",), (), False),
        ("EURUSD.r", ("EURUSD*",), (), True),
        ("XAUUSD", ("EUR*", "XAU*"), (), True),
        ("XAUUSD", ("EUR*",), (), False),
        ("XAUUSD", (), ("XAU*",), False),
        ("XAUUSD", ("XAUUSD",), ("xau*",), False),
        ("XAUUSD", (), ("*USD",), True),
        ("XAUUSD", ("*",), (), True),
        ("XAUUSD", (), ("*",), False),
    ],
)
def test_symbols(symbol: str, allow: tuple[str, ...], deny: tuple[str, ...], passes: bool) -> None:
    """What is denied is denied even if it is allowed; `*` counts at the end of a name only."""
    message = said(market.symbol_allowed, situation(symbols=Symbols(allow=allow, deny=deny)), symbol)
    assert (message is None) is passes
    assert message is None or symbol in message


# --- sessions ------------------------------------------------------------------------------------------------------


def hours(*ranges: tuple[int, int], zone: str = "UTC") -> Sessions:
    return Sessions(hours=ranges, zone=zone)


DAY = hours((9 * 60, 17 * 60 + 30))
NIGHT = hours((22 * 60, 2 * 60))
BERLIN = hours((2 * 60 + 30, 4 * 60), zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("rule", "wall", "opens"),
    [
        (DAY, at("2026-11-25T09:00"), None),
        (DAY, at("2026-11-25T08:59:59.999"), "2026-11-25T09:00:00Z"),
        (DAY, at("2026-11-25T17:29:59.999"), None),
        (DAY, at("2026-11-25T17:30"), "2026-11-26T09:00:00Z"),
        (NIGHT, at("2026-11-25T21:59"), "2026-11-25T22:00:00Z"),
        (NIGHT, at("2026-11-25T22:00"), None),
        (NIGHT, at("2026-11-26T00:00"), None),
        (NIGHT, at("2026-11-30T01:59:59"), None),
        (NIGHT, at("2026-11-30T02:00"), "2026-11-30T22:00:00Z"),
        (hours((0, 1440)), at("2026-11-25T23:59:59"), None),
        (hours((0, 720), (720, 1440)), NOW, None),
        (hours((0, 800), (700, 900)), NOW, None),
        (hours((9 * 60, 17 * 60), zone="America/New_York"), at("2026-11-25T14:00"), None),
        (hours((9 * 60, 17 * 60), zone="America/New_York"), at("2026-11-25T13:59"), "2026-11-25T14:00:00Z"),
        (hours((9 * 60, 17 * 60), zone="America/New_York"), at("2026-07-25T13:00"), None),
        # Berlin's clocks go from 02:00 to 03:00 (01:00 UTC): the range begins where clocks first show it.
        (BERLIN, at("2026-03-29T00:59:59"), "2026-03-29T01:00:00Z"),
        (BERLIN, at("2026-03-29T01:00"), None),
        (BERLIN, at("2026-03-29T02:00"), "2026-03-30T00:30:00Z"),
        # They go back from 03:00 to 02:00 (01:00 UTC): 02:30 is twice, and so is what is after it.
        (BERLIN, at("2026-10-25T00:29:59"), "2026-10-25T00:30:00Z"),
        (BERLIN, at("2026-10-25T00:59:59"), None),
        (BERLIN, at("2026-10-25T01:00"), "2026-10-25T01:30:00Z"),
        (BERLIN, at("2026-10-25T01:30"), None),
        (BERLIN, at("2026-10-25T03:00"), "2026-10-26T01:30:00Z"),
    ],
)
def test_sessions(rule: Sessions, wall: float, opens: str | None) -> None:
    """Its first moment is in a range, its last is not; a refusal says when the next begins."""
    message = said(market.sessions, situation(wall, sessions=rule))
    assert (message is None) is (opens is None), message
    assert opens is None or (message or "").endswith(opens)


@pytest.mark.parametrize("rule", [hours(), hours((600, 600))])
def test_no_hours_are_no_permission(rule: Sessions) -> None:
    """Where no hours are set, or none that have a length, nothing is opened."""
    assert said(market.sessions, situation(sessions=rule)) is not None


minutes = st.integers(0, 1439)
walls = st.integers(int(at("2026-01-01T00:00")), int(at("2028-01-01T00:00"))).map(float)
zones = st.sampled_from(["UTC", "Europe/Prague", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])


@given(st.lists(st.tuples(minutes, minutes), min_size=1, max_size=4), walls, zones)
def test_sessions_are_what_the_clock_shows(ranges: list[tuple[int, int]], wall: float, zone: str) -> None:
    """Open exactly where the clock's minute is in a range; and when it says that it opens, it is open."""
    there = datetime.fromtimestamp(wall, ZoneInfo(zone))
    minute = there.hour * 60 + there.minute
    inside = any(b <= minute < e if b < e else b != e and (minute >= b or minute < e) for b, e in ranges)
    rule = hours(*ranges, zone=zone)
    message = said(market.sessions, situation(wall, sessions=rule))
    assert (message is None) is inside
    if message is not None and not message.startswith("no hours"):
        opens = datetime.fromisoformat(message.rpartition(" ")[2]).timestamp()
        assert opens > wall
        assert said(market.sessions, situation(opens, sessions=rule)) is None
        assert said(market.sessions, situation(opens - 1, sessions=rule)) is not None


# --- weekend -------------------------------------------------------------------------------------------------------

NEW_YORK = Weekend(close_minute=17 * 60, open_minute=17 * 60, zone="America/New_York")
SUNDAY_CLOSE = Weekend(
    close_day=6, close_minute=4 * 60, open_day=6, open_minute=6 * 60, before_min=180, zone="Europe/Berlin"
)


@pytest.mark.parametrize(
    ("rule", "wall", "opens"),
    [
        (Weekend(), at("2026-11-27T20:59:59.999"), None),
        (Weekend(), at("2026-11-27T21:00"), "2026-11-29T22:00:00Z"),
        (Weekend(), at("2026-11-28T12:00"), "2026-11-29T22:00:00Z"),
        (Weekend(), at("2026-11-29T21:59:59.999"), "2026-11-29T22:00:00Z"),
        (Weekend(), at("2026-11-29T22:00"), None),
        (Weekend(before_min=0), at("2026-11-27T21:59:59"), None),
        (Weekend(before_min=0), at("2026-11-27T22:00"), "2026-11-29T22:00:00Z"),
        (Weekend(before_min=3 * 1440), at("2026-11-24T21:59:59"), None),
        (Weekend(before_min=3 * 1440), at("2026-11-24T22:00"), "2026-11-29T22:00:00Z"),
        (Weekend(close_minute=1440, open_minute=1440), at("2026-11-27T22:59:59"), None),
        (Weekend(close_minute=1440, open_minute=1440), at("2026-11-27T23:00"), "2026-11-30T00:00:00Z"),
        # Over the end of a year, and one that ends in the next week.
        (Weekend(), at("2027-01-01T21:00"), "2027-01-03T22:00:00Z"),
        (Weekend(open_day=1, open_minute=60), at("2026-12-01T00:59"), "2026-12-01T01:00:00Z"),
        # Closed for a part of one day.
        (Weekend(open_minute=23 * 60, open_day=4), at("2026-11-27T22:30"), "2026-11-27T23:00:00Z"),
        (Weekend(open_minute=23 * 60, open_day=4), at("2026-11-27T23:00"), None),
        # New York's clocks go forward on 2026-03-08 and back on 2026-11-01, both on the Sunday of such a weekend.
        (NEW_YORK, at("2026-03-06T20:59"), None),
        (NEW_YORK, at("2026-03-06T21:00"), "2026-03-08T21:00:00Z"),
        (NEW_YORK, at("2026-03-08T20:59:59"), "2026-03-08T21:00:00Z"),
        (NEW_YORK, at("2026-03-08T21:00"), None),
        (NEW_YORK, at("2026-10-30T19:59"), None),
        (NEW_YORK, at("2026-10-30T20:00"), "2026-11-01T22:00:00Z"),
        (NEW_YORK, at("2026-11-01T21:59:59"), "2026-11-01T22:00:00Z"),
        (NEW_YORK, at("2026-11-01T22:00"), None),
        # Three real hours before 04:00 on the days that have 23 and 25: 00:00, and the first 02:00.
        (SUNDAY_CLOSE, at("2026-03-29T00:00", "Europe/Berlin") - 1, None),
        (SUNDAY_CLOSE, at("2026-03-29T00:00", "Europe/Berlin"), "2026-03-29T04:00:00Z"),
        (SUNDAY_CLOSE, at("2026-10-25T02:00", "Europe/Berlin") - 1, None),
        (SUNDAY_CLOSE, at("2026-10-25T02:00", "Europe/Berlin"), "2026-10-25T05:00:00Z"),
    ],
)
def test_weekend(rule: Weekend, wall: float, opens: str | None) -> None:
    """From some real minutes before the close, which count, until the opening, which does not."""
    message = said(market.weekend, situation(wall, weekend=rule))
    assert (message is None) is (opens is None), message
    assert opens is None or (message or "").endswith(opens)


days, moments = st.integers(0, 6), st.integers(0, 1440)


@given(walls, days, moments, days, moments, st.integers(0, 4000), zones)
def test_a_weekend_comes_each_week_and_ends_when_it_says(
    wall: float, close_day: int, close: int, open_day: int, opens: int, before: int, zone: str
) -> None:
    """Whatever the days: it is closed some time each week, and where it says that trading resumes, it does."""
    length = ((open_day - close_day) * 1440 + opens - close) % 10_080
    assume(length > 0)
    assume(180 <= length + before <= 8_000)
    rule = Weekend(
        close_day=close_day, close_minute=close, open_day=open_day, open_minute=opens, before_min=before, zone=zone
    )
    messages = [said(market.weekend, situation(wall + hour * 3600, weekend=rule)) for hour in range(7 * 24 + 2)]
    assert any(messages)
    assert not all(messages)
    for message in filter(None, messages[:1]):
        resumes = datetime.fromisoformat(message.rpartition(" ")[2]).timestamp()
        assert resumes > wall
        assert said(market.weekend, situation(resumes - 1, weekend=rule)) is not None
        assert said(market.weekend, situation(resumes, weekend=rule)) is None


def test_weekend_due() -> None:
    """Positions must be flat exactly while nothing is opened, where `flatten` is set and nowhere else."""
    for text, due in (("2026-11-27T20:59:59", False), ("2026-11-27T21:00", True), ("2026-11-29T22:00", False)):
        wall = at(text)
        assert market.weekend_due(Policy(rules=Rules(weekend=Weekend(flatten=True))), wall) is due
        assert not market.weekend_due(Policy(rules=Rules(weekend=Weekend())), wall)
        assert not market.weekend_due(Policy(), wall)


# --- news ----------------------------------------------------------------------------------------------------------

NFP = NewsEvent(NOW, "USD", Impact.HIGH, "Non-Farm Payrolls")


def view(*events: NewsEvent, refreshed_at: float | None = NOW - 3600, error: str | None = None) -> NewsView:
    return NewsView(refreshed_at, error, events)


def near(wall: float, *events: NewsEvent, rule: News | None = None, **more: Any) -> str | None:
    rule = News() if rule is None else rule
    return said(market.news, situation(wall, rule=rule, news=view(*events), **more))


@pytest.mark.parametrize(
    ("offset", "refused"), [(-120.001, False), (-120, True), (0, True), (119.999, True), (120, False), (3600, False)]
)
def test_round_an_event(offset: float, refused: bool) -> None:
    """From the first moment of `before_min` on, until `after_min` is over; it says what, when, until when."""
    message = near(NOW + offset, NFP)
    assert (message is not None) is refused
    if message is not None:
        assert "USD Non-Farm Payrolls (high) is at 2026-11-25T12:00:00Z" in message
        assert message.endswith("trading resumes at 2026-11-25T12:02:00Z")


@pytest.mark.parametrize(
    ("symbol", "currency", "refused"),
    [
        ("EURUSD", "USD", True),
        ("EURUSD", "EUR", True),
        ("EURUSD", "GBP", False),
        ("EURUSD", "ALL", True),
        ("XAUUSD", "USD", True),
        ("XAUUSD", "EUR", False),
        ("BTCUSD", "USD", True),
        ("US500", "USD", True),
        ("US500", "EUR", False),
    ],
)
def test_whose_events(symbol: str, currency: str, refused: bool) -> None:
    """Both currencies of a pair, those of profit and margin of anything else, and what is of all."""
    there = situation(rule=News(), news=view(attrs.evolve(NFP, currency=currency)), market=Market(usual_spec(symbol)))
    assert (said(market.news, there, symbol) is not None) is refused


def test_currencies_of() -> None:
    """Each once, in capitals; the two yuans move with each other, and cents with their whole."""
    assert currencies_of(SPEC) == ("EUR", "USD")
    assert currencies_of(usual_spec("USDCNH")) == ("USD", "CNH", "CNY")
    index = attrs.evolve(usual_spec("UK100"), currency_base="", currency_profit="GBX", currency_margin="eur")
    assert currencies_of(index) == ("GBX", "EUR", "GBP")


@pytest.mark.parametrize(
    ("impact", "least", "refused"),
    [
        (impact, least, number >= limit)
        for number, impact in enumerate(Impact)
        for limit, least in enumerate(("low", "medium", "high"))
    ],
)
def test_the_least_impact(impact: Impact, least: str, refused: bool) -> None:
    """An event of less impact than the rule names does not count."""
    assert (near(NOW, attrs.evolve(NFP, impact=impact), rule=News(impact=least)) is not None) is refused


def test_events_that_follow_each_other() -> None:
    """Trading resumes after the last of those that leave no moment between them."""
    second = attrs.evolve(NFP, at=NOW + 240, title="Rates")
    third = attrs.evolve(NFP, at=NOW + 240 + 241, title="Speech")
    message = near(NOW, third, second, NFP)
    assert message is not None
    assert "Non-Farm" in message
    assert message.endswith("resumes at 2026-11-25T12:06:00Z")
    assert near(NOW + 360, NFP, second, third) is None
    assert near(NOW + 361, NFP, second, third) is not None


def test_an_event_without_a_moment() -> None:
    """One that is some time on a day is all of the day."""
    day = attrs.evolve(NFP, at=at("2026-11-25T00:00"), lasts_s=86400.0)
    message = near(NOW, day)
    assert message is not None
    assert "until 2026-11-26T00:00:00Z" in message
    assert message.endswith("resumes at 2026-11-26T00:02:00Z")
    for text, refused in (("2026-11-24T23:57:59", False), ("2026-11-24T23:58", True)):
        there = situation(at(text), rule=News(), news=view(day, refreshed_at=at(text)))
        assert (said(market.news, there) is not None) is refused


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"wall": 0.0}, "the time is not known"),
        ({"wall": float("nan")}, "the time is not known"),
        ({"news": None}, "set risk.news_file"),
        ({"news": view(refreshed_at=None)}, "never read (not yet)"),
        ({"news": view(refreshed_at=None, error="line 2: it is odd")}, "never read (line 2: it is odd)"),
        ({"news": view(refreshed_at=NOW - 24 * 3600 - 1)}, "last refreshed 24.0 h ago, at most 24 h"),
        ({"news": view(refreshed_at=NOW - 25 * 3600, error="it is odd")}, "(the newest can't be used: it is odd)"),
        ({"news": view(refreshed_at=NOW + 301)}, "still to come"),
        ({"market": Market(None)}, "is not known"),
        ({"market": Market(attrs.evolve(SPEC, currency_base="", currency_profit="", currency_margin=""))}, "not known"),
    ],
)
def test_what_is_not_known_refuses(more: dict[str, Any], words: str) -> None:
    """Without any one of time, calendar, its age or the symbol's currencies nothing is opened."""
    complete: dict[str, Any] = {"wall": NOW, "news": view(), "market": Market(SPEC)}
    assert said(market.news, situation(rule=News(), **complete)) is None
    message = said(market.news, situation(rule=News(), **{**complete, **more}))
    assert message is not None
    assert words in message


@pytest.mark.parametrize("refreshed_at", [NOW - 24 * 3600, NOW + 300])
def test_the_edges_of_freshness(refreshed_at: float) -> None:
    """A file that is exactly as old as it may be counts, and so does one whose clock is a little ahead of ours."""
    assert said(market.news, situation(rule=News(), news=view(refreshed_at=refreshed_at))) is None


def test_with_an_error_the_calendar_from_before_counts() -> None:
    """A newer file that can't be used takes nothing away while the older is fresh."""
    assert said(market.news, situation(rule=News(), news=view(error="it is odd"))) is None
    assert said(market.news, situation(rule=News(), news=view(NFP, error="it is odd"))) is not None


@pytest.mark.parametrize("name", ["sessions", "weekend", "news"])
@pytest.mark.parametrize("wall", [0.0, float("nan"), float("inf"), -1.0])
def test_without_the_time_nothing_is_opened(name: str, wall: float) -> None:
    """Each rule of a time refuses when nobody knows it."""
    there = situation(wall, sessions=hours((0, 1440)), weekend=Weekend(), rule=News(), news=view())
    assert said(RULES[name], there) == "the time is not known"


def test_a_rule_with_odd_parameters_refuses() -> None:
    """An impact or a zone that there is not is no permission."""
    for more in (
        {"rule": News(impact="huge"), "news": view(NFP)},
        {"sessions": hours((0, 1440), zone="Mars/Base")},
        {"weekend": Weekend(zone="Mars/Base")},
    ):
        there = situation(**more)  # type: ignore[arg-type]
        assert isinstance(judge(opening(), there, approval_id="x", deadline=1.0), Denied)


def test_a_pending_order_counts_when_it_is_placed() -> None:
    """It is judged as any other, by the time at which it is asked for."""
    order = opening(order_type=OrderType.LIMIT, price=Decimal("1.0"))
    assert isinstance(market.news(situation(rule=News(), news=view(NFP)), order), Refusal)
    assert market.news(situation(NOW - 121, rule=News(), news=view(NFP)), order) is None


events = st.builds(
    NewsEvent,
    st.integers(int(NOW) - 4000, int(NOW) + 4000).map(float),
    st.sampled_from(["USD", "EUR", "GBP", "ALL"]),
    st.sampled_from(Impact),
    st.just("an event"),
    st.sampled_from([0.0, 0.0, 600.0]),
)


@given(
    st.lists(events, max_size=12), st.integers(0, 20), st.integers(0, 20), st.sampled_from(["low", "medium", "high"])
)
def test_the_view_of_a_calendar_is_enough(found: list[NewsEvent], before: int, after: int, least: str) -> None:
    """What a decision sees of the calendar gives the verdict, and the end, of all of it; and then it is over."""
    rule = News(before_min=before, after_min=after, impact=least)
    calendar = Calendar(found, NOW)
    currencies = currencies_of(SPEC)

    def shown(wall: float) -> NewsView:
        return calendar.view(currencies, wall, before * 60, after * 60, Impact(least))

    def verdict(wall: float, seen: NewsView) -> str | None:
        return said(market.news, situation(wall, rule=rule, news=seen))

    message = verdict(NOW, shown(NOW))
    assert message == verdict(NOW, NewsView(NOW, None, calendar.events))
    assert message == verdict(NOW, calendar.view(currencies, NOW, before * 60, after * 60))
    counting = [
        e
        for e in found
        if e.currency in ("USD", "EUR", "ALL")
        and e.impact.at_least(Impact(least))
        and e.at - before * 60 <= NOW < e.until + after * 60
    ]
    assert (message is not None) is bool(counting)
    if message is not None:
        resumes = datetime.fromisoformat(message.rpartition(" ")[2]).timestamp()
        assert verdict(resumes, shown(resumes)) is None
        assert verdict(resumes - 1, shown(resumes - 1)) is not None
