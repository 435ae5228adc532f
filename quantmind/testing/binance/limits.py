"""What the exchange counts by address and account, and how it answers those who ask too much."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.settings import Settings

_MINUTE: Final = 60
_FIVE_MINUTES_S: Final = 300.0
_LONGEST_BAN_S: Final = 3 * 86_400.0
_UNITS: Final = ((86_400, "D", "DAY"), (3600, "H", "HOUR"), (60, "M", "MINUTE"), (1, "S", "SECOND"))


@attrs.define(eq=False)
class _Window:
    seconds: int
    limit: int
    used: int = 0
    index: int = -1

    def turn(self, now: float) -> None:
        index = int(now // self.seconds)
        if index != self.index:
            self.index, self.used = index, 0

    def left_s(self, now: float) -> int:
        return max(1, math.ceil((int(now // self.seconds) + 1) * self.seconds - now))

    @property
    def unit(self) -> tuple[int, str, str]:
        size, letter, word = next(each for each in _UNITS if self.seconds % each[0] == 0)
        return self.seconds // size, letter, word


class OverLimit(Exception):
    """A request that is one too many: the refusal, and when another one may come."""

    def __init__(self, fault: ApiFault, retry_after_s: int) -> None:
        super().__init__(str(fault))
        self.fault, self.retry_after_s = fault, retry_after_s


@attrs.define(eq=False)
class Limits:
    """Windows begin with their interval on the exchange's clock. One client is there, so one address and one account.

    Args:
        settings: the limits.
        clock: the exchange's, in Unix seconds.
        banned_until: a ban that a fault asks for, or None.
    """

    settings: Settings
    clock: Callable[[], float]
    banned_until: Callable[[], float | None]
    throttled: int = attrs.field(default=0, init=False)
    """Answers with 429."""
    bans: int = attrs.field(default=0, init=False)
    """How often it has banned by itself."""
    _weight: _Window = attrs.field(init=False)
    _orders: tuple[_Window, ...] = attrs.field(init=False)
    _ignored: int = attrs.field(default=0, init=False)
    _own_ban_until: float = attrs.field(default=-math.inf, init=False)
    _connects: deque[float] = attrs.field(factory=deque, init=False)

    def __attrs_post_init__(self) -> None:
        self._weight = _Window(_MINUTE, self.settings.weight_1m)
        self._orders = tuple(_Window(seconds, limit) for seconds, limit in self.settings.orders)

    def charge(self, weight: int, orders: int) -> None:
        """Count a request before it is carried out.

        Raises:
            OverLimit: 418 while banned; 429 -1003 with the weight beyond its limit, -1015 with orders beyond theirs.
        """
        now = self.clock()
        if self.is_banned():
            raise self._banned(self._ban_until(), now)
        self._turn(now)
        if self._weight.used + weight > self._weight.limit:
            self._ignored += 1
            if self._ignored > self.settings.ignored_429s:
                self._own_ban_until = now + min(self.settings.first_ban_s * 2**self.bans, _LONGEST_BAN_S)
                self.bans += 1
                self._ignored = 0
                raise self._banned(self._own_ban_until, now)
            self.throttled += 1
            text = (
                f"Too much request weight used; current limit is {self._weight.limit} request weight per 1 MINUTE. "
                "Please use WebSocket Streams for live updates to avoid polling the API."
            )
            raise OverLimit(ApiFault(429, -1003, text), self._weight.left_s(now))
        full = next((each for each in self._orders if orders and each.used + orders > each.limit), None)
        if full is not None:
            self.throttled += 1
            number, _, word = full.unit
            text = f"Too many new orders; current limit is {full.limit} orders per {number} {word}."
            raise OverLimit(ApiFault(429, -1015, text), full.left_s(now))
        self._weight.used += weight
        for each in self._orders:
            each.used += orders

    def give_back(self, weight: int, orders: int) -> None:
        """Orders that were refused do not count, and on spot the weight of those that were accepted does not."""
        self._turn(self.clock())
        self._weight.used = max(0, self._weight.used - weight)
        for each in self._orders:
            each.used = max(0, each.used - orders)

    def is_banned(self) -> bool:
        """Whether nothing is answered now."""
        return self.clock() < self._ban_until()

    def connect(self) -> bool:
        """Count a WebSocket connection; False: it is one too many."""
        now = self.clock()
        while self._connects and self._connects[0] <= now - _FIVE_MINUTES_S:
            self._connects.popleft()
        if len(self._connects) >= self.settings.connects_5m:
            return False
        self._connects.append(now)
        return True

    def headers(self, with_orders: bool) -> list[tuple[str, str]]:
        """What each answer of REST says of the limits."""
        self._turn(self.clock())
        said = [("X-MBX-USED-WEIGHT-1M", str(self._weight.used))]
        if self.settings.kind == "spot":
            said.append(("X-MBX-USED-WEIGHT", str(self._weight.used)))
        if with_orders:
            for each in self._orders:
                number, letter, _ = each.unit
                said.append((f"X-MBX-ORDER-COUNT-{number}{letter}", str(each.used)))
        return said

    def told(self, *, counts: bool, orders: bool = True, weight: bool = True) -> list[dict[str, Any]]:
        """As `rateLimits` say it, in exchangeInfo without counts, in answers of the WebSocket API with them."""
        self._turn(self.clock())
        windows = [("REQUEST_WEIGHT", self._weight)] if weight else []
        windows += [("ORDERS", each) for each in self._orders] if orders else []
        return [
            {
                "rateLimitType": name,
                "interval": each.unit[2],
                "intervalNum": each.unit[0],
                "limit": each.limit,
            }
            | ({"count": each.used} if counts else {})
            for name, each in windows
        ]

    def _ban_until(self) -> float:
        return max(self._own_ban_until, self.banned_until() or -math.inf)

    def _turn(self, now: float) -> None:
        before = self._weight.index
        self._weight.turn(now)
        if self._weight.index != before:
            self._ignored = 0
        for each in self._orders:
            each.turn(now)

    def _banned(self, until: float, now: float) -> OverLimit:
        until_ms = math.ceil(until * 1000)
        text = (
            f"Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live "
            "updates to avoid bans."
        )
        data = {"serverTime": int(now * 1000), "retryAfter": until_ms}
        return OverLimit(ApiFault(418, -1003, text, data), max(1, math.ceil(until - now)))
