"""Prices that walk at random, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NoReturn

import trio

from quantmind.testing.binance.engine import Engine

EVERY_S: Final = 0.25
_FIRST: Final = {"BTC": Decimal(60000), "ETH": Decimal(3000), "BNB": Decimal(600)}
_ELSE: Final = Decimal(100)
_MOST_TICKS: Final = 20
_TRADES: Final = 0.3
"""How often a step brings a trade."""


def first_prices(engine: Engine) -> dict[str, Decimal]:
    """Where each symbol begins to walk."""
    return {name: _FIRST.get(each.base, _ELSE) for name, each in engine.symbols.items()}


def step(engine: Engine, prices: dict[str, Decimal], chance: random.Random) -> None:
    """Move each price by a few ticks, and quote it one tick wide; now and then somebody trades."""
    for name, price in prices.items():
        symbol = engine.symbols[name]
        tick = symbol.tick or Decimal("0.01")
        price = max(tick * _MOST_TICKS, symbol.min_price, price + tick * chance.randint(-_MOST_TICKS, _MOST_TICKS))
        prices[name] = price = price - price % tick
        engine.set_quote(name, price, price + tick)
        if chance.random() < _TRADES:
            size = max(symbol.min_qty, symbol.step) * chance.randint(1, 50)
            engine.trade(name, chance.choice((price, price + tick)), size)


async def walk(
    engine: Engine, *, seed: int = 1, every_s: float = EVERY_S, prices: Mapping[str, Decimal] | None = None
) -> NoReturn:
    """Walk until it is cancelled; the first step comes at once."""
    at, chance = dict(first_prices(engine) if prices is None else prices), random.Random(seed)
    while True:
        step(engine, at, chance)
        await trio.sleep(every_s)
