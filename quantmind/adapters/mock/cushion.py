"""How far prices may move before the margin level can matter: what spares nearly every tick the look at equity.

Floats, and always on the safe side: within the zones the exact margin state surely stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from quantmind.adapters.mock.margin_level import MarginState
from quantmind.adapters.mock.market import Market
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.terms import Terms
from quantmind.adapters.mock.triggers import ALWAYS_LOOK, Guard

_WIDEST = 0.25
_HALVINGS = 17
"""From a quarter of the price down to 2 millionths of it; nearer to a limit each tick is looked at."""
_PROFIT_CENTS = 0.02
"""Profit is rounded to cents for each position; and a float's own noise."""
_NOISE = 1e-9


@attrs.frozen
class _Stake:
    # One position in floats: what it makes in its profit currency is (exit x lots - cost) x sign x contract.
    exit: float
    lots: float
    cost: float
    size: float
    pay: float
    gain: float
    hops: int

    def low(self, move: float) -> float:
        made = (self.exit - math.copysign(move * self.exit, self.size)) * self.lots - self.cost
        return self._converted(made * self.size, (1 - move) ** -self.hops, (1 - move) ** self.hops)

    def high(self, move: float) -> float:
        made = (self.exit + math.copysign(move * self.exit, self.size)) * self.lots - self.cost
        return self._converted(made * self.size, (1 - move) ** self.hops, (1 - move) ** -self.hops)

    def _converted(self, made: float, paying: float, gaining: float) -> float:
        return made * self.pay * paying if made < 0 else made * self.gain * gaining


def zones_of(
    positions: Iterable[OpenPosition],
    market: Market,
    terms: Terms,
    cash: Decimal,
    margin: Decimal,
    state: MarginState,
) -> Mapping[str, Guard]:
    """For each symbol that moves equity the prices between which the margin state stays; none where nothing
    holds margin.

    All of them together: as long as each symbol is within its zone, equity is between the limits of the state. Rates of
    account currency count as prices do. At the stop out no price is spared.

    Args:
        cash: balance and swap, which no tick changes.
        margin: what the positions hold, which no tick changes either.
    """
    stakes, symbols = _stakes(positions, market, terms.currency)
    if not stakes or margin <= 0:
        return {}
    limit = float(margin) / 100
    call, out = limit * float(terms.margin_call_percent), limit * float(terms.stop_out_percent)
    lowest, highest = {
        MarginState.SOUND: (call, math.inf),
        MarginState.MARGIN_CALL: (out, call),
        MarginState.STOP_OUT: (math.inf, -math.inf),
    }[state]
    scale = abs(float(cash)) + abs(call) + sum(abs(stake.low(0.0)) + abs(stake.cost * stake.size) for stake in stakes)
    slack = _PROFIT_CENTS * (len(stakes) + 1) + _NOISE * scale
    base = float(cash)

    def holds(move: float) -> bool:
        if base + sum(stake.low(move) for stake in stakes) <= lowest + slack:
            return False
        return highest == math.inf or base + sum(stake.high(move) for stake in stakes) < highest - slack

    # The widest move of _WIDEST / 2^n that holds: by halves, for each try looks at each position.
    narrow, wide = _HALVINGS, 0
    if not holds(_WIDEST / 2**narrow):
        return dict.fromkeys(symbols, ALWAYS_LOOK)
    while wide < narrow:
        middle = (wide + narrow) // 2
        if holds(_WIDEST / 2**middle):
            narrow = middle
        else:
            wide = middle + 1
    return {symbol: _zone(market, symbol, _WIDEST / 2**narrow) for symbol in symbols}


def _stakes(positions: Iterable[OpenPosition], market: Market, currency: str) -> tuple[list[_Stake], list[str]]:
    stakes: list[_Stake] = []
    symbols: dict[str, None] = {}
    rates: dict[str, tuple[float, float, int]] = {}
    for position in positions:
        spec = market.specs[position.symbol]
        price = market.price(position.symbol)
        assert price is not None
        source = spec.currency_profit
        if source not in rates:
            pay, gain = (market.convert(Decimal(1), source, currency, paying=paying) for paying in (True, False))
            assert pay is not None
            assert gain is not None
            route = market.route(source, currency)
            symbols.update(dict.fromkeys(route))
            rates[source] = float(pay), float(gain), len(route)
        symbols[position.symbol] = None
        size = float(spec.contract_size) * position.side.sign
        exits = float(price.exit(position.side))
        stakes.append(_Stake(exits, float(position.volume), float(position.cost), size, *rates[source]))
    return stakes, list(symbols)


def _zone(market: Market, symbol: str, move: float) -> Guard:
    price = market.price(symbol)
    assert price is not None
    # A tick is rounded to the symbol's digits before it counts.
    bid, ask, slack = float(price.bid), float(price.ask), float(market.specs[symbol].point)
    return Guard(bid * (1 - move) + slack, bid * (1 + move) - slack, ask * (1 - move) + slack, ask * (1 + move) - slack)
