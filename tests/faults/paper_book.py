"""What traders know of their orders, and whether the gateway's books say the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio

from quantmind.client import CommandClient, Failed, Filled, Rejected, Tick

VOLUME = "0.01"
STOP_POINTS = 150


@attrs.define(eq=False)
class Book:
    """Positions that were opened and closed, and what was refused."""

    opened: dict[int, Filled] = attrs.field(factory=dict)
    closed: dict[int, Filled] = attrs.field(factory=dict)
    with_stops: set[int] = attrs.field(factory=set)
    refused: list[Failed | Rejected] = attrs.field(factory=list)


def check_deals(book: Book, deals: Sequence[dict[str, Any]]) -> None:
    """Each fill that was told is one deal, and each deal was told or is of a stop."""
    ins = {deal["position"]: deal for deal in deals if deal["entry"] == "in"}
    outs = {deal["position"]: deal for deal in deals if deal["entry"] == "out"}
    assert len(ins) + len(outs) == len(deals), "one deal in and one out for a position"
    assert ins.keys() == book.opened.keys()
    assert {position for position, deal in outs.items() if deal["cause"] == "client"} == book.closed.keys()
    assert outs.keys() - book.closed.keys() <= book.with_stops
    for position, fill in book.opened.items():
        assert (Decimal(str(ins[position]["price"])), fill.volume) == (fill.price, Decimal(VOLUME))
    for position, fill in book.closed.items():
        assert fill.profit is not None
        assert Decimal(str(outs[position]["profit"])) == fill.profit


def balance_of(initial: Decimal, deals: Sequence[dict[str, Any]]) -> Decimal:
    """What the deals make of a balance, exactly."""
    money = (Decimal(str(deal[kind])) for deal in deals for kind in ("profit", "commission", "swap"))
    return initial + sum(money, Decimal(0))


async def trade(
    client: CommandClient,
    book: Book,
    newest: dict[tuple[str, str], Tick],
    rng: random.Random,
    stopping: trio.Event,
    *,
    pause_s: float,
    most: int,
) -> None:
    """Open and close small positions now and then; some get stops and are left to them, some are held to the end.

    Args:
        newest: the last tick of each symbol, for stops.
        pause_s: between two trades, on average.
        most: positions to open at most.
    """
    for _ in range(most):
        if stopping.is_set():
            return
        _, symbol = key = rng.choice(list(newest))
        side, fate = rng.choice(("buy", "sell")), rng.choice(("closed", "closed", "closed", "stops", "held"))
        stops = _stops(newest[key], side) if fate == "stops" else {}
        opened = await client.open_position(symbol, VOLUME, side, **stops)
        if isinstance(opened, Failed | Rejected):
            book.refused.append(opened)
        else:
            assert isinstance(opened, Filled), opened
            assert opened.ticket is not None
            assert opened.ticket not in book.opened, "one order, one position"
            book.opened[opened.ticket] = opened
            if fate == "stops":
                book.with_stops.add(opened.ticket)
        with trio.move_on_after(rng.uniform(0, 2 * pause_s)):
            await stopping.wait()
        if isinstance(opened, Filled) and fate == "closed":
            assert opened.ticket is not None
            closed = await client.close_position(symbol, opened.ticket)
            assert isinstance(closed, Filled), closed
            book.closed[opened.ticket] = closed


# Far enough that a price which moves meanwhile is no reason to refuse them.
def _stops(tick: Tick, side: str) -> dict[str, Any]:
    digits = {"USDJPY": 3, "EURJPY": 3, "XAUUSD": 2}.get(tick.symbol, 5)
    away = Decimal(STOP_POINTS).scaleb(-digits)
    bid, sign = Decimal(str(tick.bid)), 1 if side == "buy" else -1
    return {"sl": str(bid - sign * away), "tp": str(bid + sign * away)}
