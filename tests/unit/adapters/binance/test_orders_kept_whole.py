"""What is asked of an order is done once, wholly, or told: changes, closes and limits in the worst moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import trio
from binance_desk import BTC, KINDS, D, opened
from conformance.desk import ORIGIN, new_tag

from quantmind.adapters.binance.errors import NotSent, Refusal
from quantmind.adapters.binance.futures_venue import FuturesVenue
from quantmind.domain.orders import Modify, Open, OrderType, Placed, Side, Unknown


@KINDS
async def test_a_move_orders_no_more_than_is_left(kind: str, tmp_path: Path) -> None:
    """Though the order has filled further since it was told of last."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.01")
        placed = await desk.buy("0.02", price=D(59000))
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.005")
        await trio.sleep(0.2)
        desk.sim.faults.events_delayed_s = 0.5
        desk.sim.quote(BTC, "58999", "59000", ask_qty="0.005")
        desk.sim.quote(BTC, "60000", "60001")
        moved = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(58000)))
        await trio.sleep(0.6)
        desk.sim.faults.events_delayed_s = 0.0
        sample = await desk.broker.sample()
        held = sample.positions[0].volume
        assert held == D("0.02")
        assert held + sum(order.volume for order in sample.orders) == D("0.03")
        assert isinstance(moved, Placed)


NO_LOOK: Any = pytest.mark.parametrize("error", [NotSent("no connection"), Refusal(-1003, "too many", 429)])


@NO_LOOK
async def test_an_order_that_was_taken_back_is_not_told_as_untouched(error: Exception, tmp_path: Path) -> None:
    """How it ended can't be asked for after that: what became of the change is not known."""
    async with opened("futures", tmp_path) as desk:
        stop = Open(ORIGIN, "c", BTC, D("0.01"), Side.BUY, OrderType.STOP, price=D(61000))
        placed = await desk.place(stop)

        async def look_again(venue: Any, order: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise error

        tag = new_tag()
        with patch.object(FuturesVenue, "look_again", look_again):
            said = await desk.place(Modify(ORIGIN, "c", placed.ticket, new_price=D(61500)), tag)
        assert isinstance(said, Unknown)
        found = await desk.until(lambda: desk.broker.find(tag))
        assert isinstance(found, Placed)
        assert found.ended is not None
