"""What may be traded, and when: symbols, hours of the day, the weekend, economic events.

All of them are about positions that are opened. A pending order counts when it is placed and no later: one that waits
may fill in hours, at a weekend or at an event that nothing would be opened in. Let it expire before, or take it back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from quantmind.domain import sessions as weekly
from quantmind.domain.orders import Open, Proposal
from quantmind.domain.risk.news import Impact, NewsEvent, currencies_of
from quantmind.domain.risk.policy import News, Policy, Sessions, Weekend
from quantmind.domain.risk.resets import Reset
from quantmind.domain.risk.rules.finding import Finding, no
from quantmind.domain.risk.state import Situation

_DAY_MIN = 24 * 60
_AHEAD_S = 300.0
"""By so much the clock that dates the calendar's file may be ahead of ours."""


def symbol_allowed(situation: Situation, proposal: Proposal) -> Finding:
    """The symbol is denied, or not among those that are allowed; as `symbols`. Letters count alike in either case."""
    rule = situation.policy.rules.symbols
    if rule is None or not isinstance(proposal, Open):
        return None
    name = proposal.symbol
    denied = next((pattern for pattern in rule.deny if _matches(name, pattern)), None)
    if denied is not None:
        return no("symbols", f"{name} may not be traded here: {denied} is denied")
    if rule.allow and not any(_matches(name, pattern) for pattern in rule.allow):
        named = ", ".join(rule.allow[:10]) + (" …" if len(rule.allow) > 10 else "")
        return no("symbols", f"{name} may not be traded here: allowed are {named}")
    return None


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.casefold(), pattern.casefold()
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


# --- hours ---------------------------------------------------------------------------------------------------------


def sessions(situation: Situation, proposal: Proposal) -> Finding:
    """It is outside the hours in which positions may be opened.

    Hours are those that clocks in their zone show, from the first minute of a range until, but without, its end. An
    hour that is shown twice is in it twice, and one that is skipped never. A pending order counts when it is placed.
    """
    rule = situation.policy.rules.sessions
    if rule is None or not isinstance(proposal, Open):
        return None
    if not _known(situation.wall):
        return no("sessions", "the time is not known")
    hours = _week(rule)
    if not hours.ranges:
        return no("sessions", "no hours are set in which positions may be opened")
    msc = math.floor(situation.wall * 1000)
    if hours.is_open(msc):
        return None
    named = ", ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in rule.hours)
    opens = _utc(hours.opens_at(msc) / 1000)
    return no("sessions", f"positions are opened at {named} {rule.zone} only; the next time begins at {opens}")


@lru_cache(maxsize=64)
def _week(rule: Sessions) -> weekly.Sessions:
    ranges: list[weekly.Range] = []
    for begin, end in rule.hours:
        length = end - begin if end > begin else end + _DAY_MIN - begin if end < begin else 0
        for day in range(7):
            start = day * _DAY_MIN + begin
            ranges += _in_week(start, start + length)
    merged: list[weekly.Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return weekly.Sessions(tuple(merged), ZoneInfo(rule.zone))


def _in_week(start: int, end: int) -> Iterable[weekly.Range]:
    week = 7 * _DAY_MIN
    return [(start, end)] if end <= week else [(start, week), (0, end - week)]


# --- the weekend ---------------------------------------------------------------------------------------------------


def weekend(situation: Situation, proposal: Proposal) -> Finding:
    """It is so near to the weekend that a position would stay open over it, or it is the weekend.

    From `before_min` real minutes before the close, which counts already, until the opening, which does no more. A
    pending order counts when it is placed: one from before may fill in that time.
    """
    rule = situation.policy.rules.weekend
    if rule is None or not isinstance(proposal, Open):
        return None
    if not _known(situation.wall):
        return no("weekend", "the time is not known")
    span = _weekend_at(rule, situation.wall)
    if span is None:
        return None
    return no(
        "weekend",
        f"nothing is opened that would stay open over the weekend, from {_utc(span[0])} on; trading resumes at "
        f"{_utc(span[1])}",
        rule.before_min,
    )


def weekend_due(policy: Policy, wall: float) -> bool:
    """Whether positions must be closed by now, or stay closed: it is the weekend or near to it, and `flatten` is set.

    `wall` is Unix seconds.
    """
    rule = policy.rules.weekend
    return rule is not None and rule.flatten and _weekend_at(rule, wall) is not None


def _weekend_at(rule: Weekend, wall: float) -> tuple[float, float] | None:
    """The weekend that a time is in, from when on nothing is opened until when it opens (Unix seconds)."""
    today = datetime.fromtimestamp(wall, ZoneInfo(rule.zone)).date()
    return next((span for span in _weekends(rule, today) if span[0] <= wall < span[1]), None)


@lru_cache(maxsize=64)
def _weekends(rule: Weekend, today: date) -> tuple[tuple[float, float], ...]:
    """Those that a time of a day can be in."""
    close, opening = _minute_of(rule.close_minute, rule.zone), _minute_of(rule.open_minute, rule.zone)
    length = (rule.open_day - rule.close_day) % 7
    if length == 0 and rule.open_minute <= rule.close_minute:
        length = 7
    found = []
    for offset in range(-length - 1, rule.before_min // _DAY_MIN + 3):
        day = today + timedelta(days=offset)
        if day.weekday() == rule.close_day:
            begin = close.on(day + timedelta(days=rule.close_minute // _DAY_MIN)) - rule.before_min * 60
            found.append((begin, opening.on(day + timedelta(days=length + rule.open_minute // _DAY_MIN))))
    return tuple(found)


def _minute_of(minute: int, zone: str) -> Reset:
    return Reset(minute % _DAY_MIN, zone)  # 24:00 is the next day's midnight


# --- events --------------------------------------------------------------------------------------------------------


def news(situation: Situation, proposal: Proposal) -> Finding:
    """An event of one of the symbol's currencies is near, or nobody can tell whether one is.

    From `before_min` before an event on, that moment included, until `after_min` after it, when trading goes on. The
    time of the decision counts, and of a pending order that at which it is placed: it may fill at an event.
    """
    rule = situation.policy.rules.news
    if rule is None or not isinstance(proposal, Open):
        return None
    unknown = _calendar_unknown(situation, rule)
    if unknown is not None:
        return no("news", unknown)
    spec, view, wall = situation.market.spec, situation.news, situation.wall
    currencies = () if spec is None else currencies_of(spec)
    if view is None or not currencies:
        return no("news", f"of which currencies {proposal.symbol} is, is not known")
    before_s, after_s, least = rule.before_min * 60, rule.after_min * 60, Impact(rule.impact)
    now: NewsEvent | None = None
    resumes = wall
    for event in sorted(view.events, key=lambda each: each.at):
        if not event.touches(currencies) or not event.impact.at_least(least) or event.until + after_s <= wall:
            continue
        if event.at - before_s > resumes:
            break
        now = now or event
        resumes = max(resumes, event.until + after_s)
    if now is None:
        return None
    minutes = round((now.at - wall) / 60, 2)
    lasts = f" until {_utc(now.until)}" if now.lasts_s else ""
    return no(
        "news",
        f"{now.currency} {now.title or 'event'} ({now.impact.value}) is at {_utc(now.at)}{lasts}: nothing is opened "
        f"from {rule.before_min} min before until {rule.after_min} min after it; trading resumes at {_utc(resumes)}",
        rule.before_min if minutes >= 0 else rule.after_min,
        minutes,
    )


def _calendar_unknown(situation: Situation, rule: News) -> str | None:
    view, wall = situation.news, situation.wall
    if not _known(wall):
        return "the time is not known"
    if view is None:
        return "there is no calendar of events: set risk.news_file"
    if view.refreshed_at is None:
        return f"the calendar of events was never read ({view.error or 'not yet'})"
    age_h = (wall - view.refreshed_at) / 3600
    trouble = "" if view.error is None else f" (the newest can't be used: {view.error})"
    if not math.isfinite(age_h) or age_h * 3600 < -_AHEAD_S:
        return (
            f"the calendar of events is dated {_utc(view.refreshed_at)}, which is still to come: set its time{trouble}"
        )
    if age_h > rule.stale_h:
        return (
            f"the calendar of events was last refreshed {age_h:.1f} h ago, at most {rule.stale_h:g} h count: refresh "
            f"the file{trouble}"
        )
    return None


# --- times ---------------------------------------------------------------------------------------------------------


def _known(wall: float) -> bool:
    return math.isfinite(wall) and wall > 0


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _utc(at: float) -> str:
    """To the second, and never before it is."""
    return f"{datetime.fromtimestamp(math.ceil(at), UTC):%Y-%m-%dT%H:%M:%SZ}"
