"""A feed of made-up prices: the same seed and the same steps make the same ticks, on every platform."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.mock.feed import FeedStep
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import SymbolSpec

_TRADING_SECONDS_A_YEAR = 252 * 86_400
_POLL_S = 0.1
"""How long one step is taken for when there is one in each poll: the usual poll interval."""
_MOST_STEPS = 600
"""In one `advance`. After a longer pause (a laptop that slept) the rest is left out, so that a batch stays bounded."""
_CHANGED = 0.4
"""The share of steps in which a symbol has a new price; in the others the market is quiet."""
_WIDER = 0.1
"""The share of changes with a spread half as wide again."""

_START_PRICES = {
    "EURUSD": "1.08500",
    "GBPUSD": "1.27000",
    "AUDUSD": "0.65500",
    "NZDUSD": "0.60000",
    "USDCAD": "1.36500",
    "USDCHF": "0.88000",
    "USDJPY": "150.000",
    "EURGBP": "0.85400",
    "EURJPY": "162.750",
    "GBPJPY": "190.500",
    "XAUUSD": "2650.00",
    "XAGUSD": "31.000",
    "BTCUSD": "65000.00",
}
_VOLATILITY = {"XAU": 0.15, "XAG": 0.28, "BTC": 0.6}


@attrs.frozen
class WalkSymbol:
    """One symbol of the walk. `spread` in points, `volatility` a year as a fraction (0.1 is 10 %)."""

    spec: SymbolSpec
    start_price: Decimal = attrs.field()
    spread: int = 10
    volatility: float = 0.08

    @start_price.validator
    def _check_start_price(self, _attribute: object, value: Decimal) -> None:
        if not value.is_finite() or self.spec.round_price(value) <= 0:
            raise ValueError(f"{self.spec.name}: start_price {value} is not a price above 0; give one tick or more")


def usual_walk(
    spec: SymbolSpec, *, start_price: Decimal | None = None, spread: int | None = None, volatility: float | None = None
) -> WalkSymbol:
    """The walk of a symbol with what is usual for it where nothing is said."""
    pair = spec.name[:6].upper()
    if start_price is None:
        known = _START_PRICES.get(pair)
        usual = "150" if spec.currency_profit == "JPY" else "1"
        if spec.currency_base == spec.currency_profit:
            usual = "5000"
        start_price = Decimal(known or usual)
    if spread is None:
        spread = 10 if spec.digits in (3, 5) else 20
    if volatility is None:
        volatility = _VOLATILITY.get(pair[:3], 0.16 if spec.currency_base == spec.currency_profit else 0.08)
    return WalkSymbol(spec, start_price, spread, volatility)


class _Walker:
    """One symbol's walk, in whole ticks. Each step draws the same number of random numbers, changed or not."""

    def __init__(self, symbol: WalkSymbol, seed: int, step_s: float) -> None:
        spec = symbol.spec
        # A stream of its own: another symbol beside it changes nothing.
        self._random = random.Random(f"{seed}:{spec.name}")
        self._name, self._digits, self._tick = spec.name, spec.digits, spec.tick_size
        start = spec.round_price(symbol.start_price)
        self._at = int(start / spec.tick_size)
        # A long demonstration stays near where it began: it is turned back at half and at twice the start.
        self._lowest, self._highest = max(1, self._at // 2), self._at * 2
        self._spread = int(symbol.spread * spec.point / spec.tick_size)
        self._wider = max(1, self._spread // 2)
        a_step = symbol.volatility * math.sqrt(step_s / _TRADING_SECONDS_A_YEAR) * self._at
        self._deviation = a_step / math.sqrt(_CHANGED)
        self.quote: Quote | None = None

    def step(self, time_msc: int) -> Quote:
        """The next tick; in a quiet step the one before."""
        draw = self._random.random
        # Three uniform numbers make a bell near enough, from nothing but what is alike on every platform.
        bell = draw() + draw() + draw() - 1.5
        quiet, wider = draw() >= _CHANGED, draw() < _WIDER
        if self.quote is not None:
            if quiet:
                return self.quote
            moved = round(bell * 2.0 * self._deviation)
            self._at += moved or (1 if bell > 0 else -1)
            if self._at < self._lowest:
                self._at = min(2 * self._lowest - self._at, self._highest)
            elif self._at > self._highest:
                self._at = max(2 * self._highest - self._at, self._lowest)
        spread = self._spread + (self._wider if wider and self.quote is not None else 0)
        bid, ask = self._at * self._tick, (self._at + spread) * self._tick
        self.quote = Quote(self._name, float(bid), float(ask), time_msc)
        return self.quote


class RandomWalk:
    """Made-up prices of several symbols.

    With `ticks_per_s` the steps lie on a grid of that many a second, so that the ticks do not depend on when they
    are asked for; without it each `advance` is one step. Some steps leave a symbol as it was: it is then given again
    unchanged, which confirms its price. Prices never reach 0 and are always on the tick grid.

    Args:
        wall: Unix seconds, for the time of ticks.
    """

    paced = True

    def __init__(
        self,
        symbols: Sequence[WalkSymbol],
        *,
        seed: int,
        wall: Callable[[], float],
        ticks_per_s: float | None = None,
    ) -> None:
        self._step_s = _POLL_S if ticks_per_s is None else 1.0 / ticks_per_s
        self._on_grid = ticks_per_s is not None
        self._walkers = [_Walker(symbol, seed, self._step_s) for symbol in symbols]
        self._wall = wall
        self._began: float | None = None
        self._steps = 0
        self._newest_msc = 0

    def open(self) -> None:
        """Nothing to open."""

    def start(self) -> None:
        """Nothing to wait for."""

    def close(self) -> None:
        """Nothing to close."""

    def advance(self, now: float) -> FeedStep:
        """Each symbol's ticks up to `now`, at most one minute's at 10 a second."""
        if not self._on_grid:
            return FeedStep(self._step_all(self._wall()))
        if self._began is None:
            self._began = now
        due = int((now - self._began) / self._step_s + 1e-9) + 1
        if due - self._steps > _MOST_STEPS:
            # The time that is left out never was: the grid moves to now.
            self._began += (due - self._steps - _MOST_STEPS) * self._step_s
            due = self._steps + _MOST_STEPS
        if due <= self._steps:
            return FeedStep([walker.quote for walker in self._walkers if walker.quote is not None])
        wall = self._wall() - now + self._began
        quotes: list[Quote] = []
        while self._steps < due:
            quotes += self._step_all(wall + self._steps * self._step_s)
            self._steps += 1
        return FeedStep(quotes)

    def _step_all(self, wall: float) -> list[Quote]:
        # A wall clock that is set back must not make time run backwards in the ticks.
        self._newest_msc = max(self._newest_msc, round(wall * 1000))
        return [walker.step(self._newest_msc) for walker in self._walkers]
