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
_LONGEST_PAUSE_S = 1.0
"""On a grid: of a longer pause (a laptop that slept) only so much is made up for, so that a batch stays bounded."""
_CHANGED = 0.4
"""The share of polls in which a symbol has a new price; in the others the market is quiet."""
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
    """One symbol's walk, in whole ticks. Each step draws as many random numbers, whether it changes or not.

    Only additions, products and square roots of doubles, which are the same on every platform.
    """

    def __init__(self, symbol: WalkSymbol, seed: int, step_s: float, changed: float) -> None:
        spec = symbol.spec
        # A stream of its own: another symbol beside it changes nothing.
        self._random = random.Random(f"{seed}:{spec.name}")
        self._name, self._tick, self._changed = spec.name, spec.tick_size, changed
        self._shown = int(spec.round_price(symbol.start_price) / spec.tick_size)
        self._true = float(self._shown)
        # A long demonstration stays near where it began: it is turned back at half and at twice the start.
        self._lowest, self._highest = max(1.0, self._true / 2), self._true * 2
        self._spread = int(symbol.spread * spec.point / spec.tick_size)
        self._wider = max(1, self._spread // 2)
        a_step = symbol.volatility * math.sqrt(step_s / _TRADING_SECONDS_A_YEAR) * self._true
        self._deviation = a_step / math.sqrt(changed)
        self._quote: Quote | None = None

    @property
    def quote(self) -> Quote | None:
        """The last tick."""
        return self._quote

    def step(self, time_msc: int) -> Quote:
        """The next tick; in a quiet step the one before."""
        draw = self._random.random
        # The sum of three uniform numbers is a bell near enough; its standard deviation is a half.
        bell = draw() + draw() + draw() - 1.5
        quiet, wider = draw() >= self._changed, draw() < _WIDER
        if self._quote is not None:
            if quiet:
                return self._quote
            self._move(bell)
        spread = self._spread + (self._wider if wider else 0)
        bid, ask = self._shown * self._tick, (self._shown + spread) * self._tick
        self._quote = Quote(self._name, float(bid), float(ask), time_msc)
        return self._quote

    def _move(self, bell: float) -> None:
        true = self._true + bell * 2.0 * self._deviation
        if true < self._lowest:
            true = min(2.0 * self._lowest - true, self._highest)
        elif true > self._highest:
            true = max(2.0 * self._highest - true, self._lowest)
        self._true = true
        shown = round(true)
        if shown == self._shown:
            # Many small steps: the price flickers round where it is, and its volatility stays what was asked for.
            shown += -1 if bell < 0 and shown > 1 else 1
        self._shown = shown


class RandomWalk:
    """Made-up prices of several symbols.

    With `ticks_per_s` each symbol changes that often a second, on a grid, so that the ticks do not depend on when
    they are asked for. Without it each `advance` is one step, which leaves some symbols as they were: they are then
    given again unchanged, which confirms their price. Prices never reach 0 and are always on the tick grid.

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
        changed = 1.0 if self._on_grid else _CHANGED
        self._walkers = [_Walker(symbol, seed, self._step_s, changed) for symbol in symbols]
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
        """Each symbol's ticks up to `now`."""
        if not self._on_grid:
            return FeedStep(self._step_all(self._wall()))
        if self._began is None:
            self._began = now
        due = int((now - self._began) / self._step_s + 1e-9) + 1
        most = max(1, int(_LONGEST_PAUSE_S / self._step_s))
        if due - self._steps > most:
            # The grid moves on: what is left out never was.
            self._began += (due - self._steps - most) * self._step_s
            due = self._steps + most
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
