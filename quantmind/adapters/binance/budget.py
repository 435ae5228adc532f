"""How many requests may still go out: the exchange's limits, kept here, so that it never has to enforce them.

Binance counts in windows that begin with the interval (each full minute of its clock, each full 10 s, each UTC day):
weight of requests by IP address, orders by account. A request that would go beyond a limit is not sent. Whoever is told
429 and goes on is banned for 2 minutes to 3 days (418), so after either nothing goes out until the exchange says so.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

import attrs

from quantmind.adapters.binance.errors import NotSent

WEIGHT: Final = "REQUEST_WEIGHT"
ORDERS: Final = "ORDERS"
RAW: Final = "RAW_REQUESTS"

QUERY_SHARE: Final = 0.8
"""Of the weight, for questions: the rest is there for orders, closes and look-ups of outcomes that nobody knows. At
6,000 a minute that is 1,200, and one of these weighs 1 to 20."""
OPEN_SHARE: Final = 0.9
"""Of the orders, for those without `reserve`: closing never waits for a window to end."""
THROTTLED_S: Final = 60.0
"""After a 429 that does not say how long: the windows of weight are a minute."""
BANNED_S: Final = 120.0
"""After a 418 that does not say how long: the shortest ban."""
LONGEST_S: Final = 4 * 86_400.0
"""Bans go up to 3 days; what says more is wrong."""
LONGEST_THROTTLED_S: Final = 300.0
"""A 429 is over with its window, the longest of which is five minutes; closes must not wait for days for what says
more. Too many orders may be those of a day."""
TOO_MANY_ORDERS: Final = -1015

_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400}
_KINDS: Final = {"used-weight": WEIGHT, "order-count": ORDERS}
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HEADER: Final = re.compile(r"x-mbx-(used-weight|order-count)-([0-9]{1,4})([smhd])", re.IGNORECASE)
_UNTIL: Final = re.compile(r"banned until ([0-9]{13})\b")
_NAMES: Final = {WEIGHT: "request weight", ORDERS: "orders", RAW: "requests"}


@attrs.frozen
class Limit:
    """One of exchangeInfo's `rateLimits`."""

    kind: str
    """REQUEST_WEIGHT, ORDERS or RAW_REQUESTS."""
    interval: str
    """SECOND, MINUTE, HOUR or DAY."""
    number: int
    """Of intervals in one window."""
    limit: int


SPOT: Final = (
    Limit(WEIGHT, "MINUTE", 1, 6000),
    Limit(ORDERS, "SECOND", 10, 100),
    Limit(ORDERS, "DAY", 1, 200_000),
    Limit(RAW, "MINUTE", 5, 300_000),
)
"""Of spot, until the exchange has told its own."""
FUTURES: Final = (
    Limit(WEIGHT, "MINUTE", 1, 2400),
    Limit(ORDERS, "SECOND", 10, 300),
    Limit(ORDERS, "MINUTE", 1, 1200),
)
"""Of USD-M futures, until the exchange has told its own."""


@attrs.define(eq=False)
class _Window:
    kind: str
    seconds: int
    limit: int
    used: int = 0
    index: int = -1

    # A clock that was corrected by a little must not open a window for the second time.
    def turn(self, now: float) -> None:
        index = int(now // self.seconds)
        if index > self.index:
            self.index, self.used = index, 0
        elif index < self.index - 1:
            self.index = index

    @property
    def name(self) -> str:
        for unit, seconds in reversed(_UNITS.items()):
            if self.seconds % seconds == 0:
                return f"{self.kind} {self.seconds // seconds}{unit.upper()}"
        raise AssertionError(self.seconds)


@attrs.define(eq=False)
class Budget:
    """Of one account and the IP address that it is used from.

    Args:
        limits: until others are told.
        clock: the exchange's, in Unix seconds.
        monotonic: seconds that nobody sets.
    """

    limits: Iterable[Limit]
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    bans: int = attrs.field(default=0, init=False)
    """Answers with 418."""
    throttled: int = attrs.field(default=0, init=False)
    """Answers with 429."""
    held_back: int = attrs.field(default=0, init=False)
    """Requests that were not sent."""
    _windows: dict[tuple[str, int], _Window] = attrs.field(factory=dict, init=False)
    _closed_until: float = attrs.field(default=-math.inf, init=False)
    _no_orders_until: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self.set_limits(self.limits)

    def set_limits(self, limits: Iterable[Limit]) -> None:
        """Take in what the exchange says of its limits; a kind that it does not name keeps its own."""
        told: dict[tuple[str, int], _Window] = {}
        for each in limits:
            seconds = _SECONDS.get(each.interval, 0) * each.number
            if each.kind in _NAMES and seconds > 0 and each.limit > 0:
                before = self._windows.get((each.kind, seconds))
                told[each.kind, seconds] = _Window(each.kind, seconds, each.limit)
                if before is not None:
                    told[each.kind, seconds].used, told[each.kind, seconds].index = before.used, before.index
        kinds = {kind for kind, _ in told}
        self._windows = {key: window for key, window in self._windows.items() if key[0] not in kinds} | told

    # --- before a request --------------------------------------------------------------------------------------------

    def admit(self, weight: int, *, order: bool = False, reserve: bool = False) -> None:
        """Count a request that is about to go out.

        Args:
            weight: as the exchange counts it.
            order: it places one.
            reserve: it closes, or looks up an outcome that nobody knows.

        Raises:
            NotSent: it would go beyond a limit, or nothing may go out for now; it was not counted.
        """
        self._look_whether_closed(order)
        now = self.clock()
        costs: list[tuple[_Window, int]] = []
        for window in self._windows.values():
            cost = weight if window.kind == WEIGHT else 1 if window.kind == RAW or order else 0
            window.turn(now)
            most = self._most(window, order=order, reserve=reserve)
            if cost and window.used + cost > most:
                self._hold_back(window, most, cost, now)
            costs.append((window, cost))
        for window, cost in costs:
            window.used += cost

    def _most(self, window: _Window, *, order: bool, reserve: bool) -> int:
        if reserve:
            return window.limit
        if window.kind == ORDERS:
            return math.ceil(window.limit * OPEN_SHARE)
        return window.limit if order else math.floor(window.limit * QUERY_SHARE)

    def _look_whether_closed(self, order: bool) -> None:
        left = self._closed_until - self.monotonic()
        if left > 0:
            self.held_back += 1
            raise NotSent(
                f"Binance has limited our requests ({self.throttled} times 429, {self.bans} times 418); nothing is "
                f"sent for another {left:.1f} s, until {_utc(self.clock() + left)}"
            )
        left = self._no_orders_until - self.monotonic()
        if order and left > 0:
            self.held_back += 1
            raise NotSent(
                f"Binance takes no new orders of this account for another {left:.1f} s, until "
                f"{_utc(self.clock() + left)}: it has placed too many; let orders rest, or fill them"
            )

    def _hold_back(self, window: _Window, most: int, cost: int, now: float) -> NoReturn:
        self.held_back += 1
        wait = max((window.index + 1) * window.seconds - now, 0.0)
        share = "" if most == window.limit else f", of which {most} may be used for this"
        raise NotSent(
            f"the limit of {_NAMES[window.kind]} is {window.limit} in {window.seconds} s{share}; "
            f"{window.used} are used and this takes {cost}; wait {wait:.1f} s, or ask less often"
        )

    # --- after an answer ---------------------------------------------------------------------------------------------

    def heard(self, headers: Mapping[str, str], sent: float) -> None:
        """Take in what the headers of an answer say was used; others may use the same address and account.

        Args:
            sent: when the request was sent, by `clock`: what was said of a window that is over is of no use.
        """
        for name, value in headers.items():
            found = _HEADER.fullmatch(name)
            if found is None or not (value.isascii() and value.isdigit() and len(value) <= 9):
                continue
            seconds = int(found[2]) * _UNITS[found[3].lower()]
            self._said(_KINDS[found[1].lower()], seconds, int(value), sent)

    def counted(self, kind: str, interval: str, number: int, count: int, sent: float) -> None:
        """The same, as the WebSocket API says it in `rateLimits`."""
        self._said(kind, _SECONDS.get(interval, 0) * number, count, sent)

    def refused(self, status: int, code: int, retry_after: str | None, said: str = "") -> None:
        """Take in a 429 or 418: nothing more goes out until it says.

        After too many orders (-1015) only orders wait: what takes them back, closes and looks up goes on.
        """
        if status == 418:
            self.bans += 1
        else:
            self.throttled += 1
        until = self.monotonic() + self._wait_of(status, code, retry_after, said)
        if status == 429 and code == TOO_MANY_ORDERS:
            self._no_orders_until = max(self._no_orders_until, until)
        else:
            self._closed_until = max(self._closed_until, until)

    @property
    def banned_until(self) -> float | None:
        """When requests may go out again, in Unix seconds; None: they may."""
        left = self._closed_until - self.monotonic()
        return self.clock() + left if left > 0 else None

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        now = self.clock()
        for window in self._windows.values():
            window.turn(now)
        return {
            "used": {each.name: {"used": each.used, "limit": each.limit} for each in self._windows.values()},
            "banned_until": self.banned_until,
            "bans": self.bans,
            "throttled": self.throttled,
            "held_back": self.held_back,
        }

    def _said(self, kind: str, seconds: int, count: int, sent: float) -> None:
        window = self._windows.get((kind, seconds))
        if window is None:
            return
        window.turn(self.clock())
        if int(sent // seconds) == window.index:
            window.used = max(window.used, count)

    def _wait_of(self, status: int, code: int, retry_after: str | None, said: str) -> float:
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            wait = float(retry_after[:9])
        elif (found := _UNTIL.search(said)) is not None:
            wait = int(found[1]) / 1000 - self.clock()
        else:
            wait = BANNED_S if status == 418 else THROTTLED_S
        longest = LONGEST_THROTTLED_S if status == 429 and code != TOO_MANY_ORDERS else LONGEST_S
        return min(max(wait, 1.0), longest)


def _utc(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(unix_s))
