"""Connections, limits and prices under strain: what must hold when they are short, late or gone."""

from __future__ import annotations

from pathlib import Path

import trio
from binance_desk import BTC, KINDS, D, opened
from conformance.desk import ORIGIN

from quantmind.domain.orders import Modify, Placed


@KINDS
async def test_equity_after_an_outage_is_of_now(kind: str, tmp_path: Path) -> None:
    """Though the streams have told no price since, and the last one that they told is of before."""
    async with opened(kind, tmp_path) as desk:
        await desk.buy("1")
        desk.sim.quote(BTC, "60000", "60001")
        await trio.sleep(0.2)
        before = (await desk.broker.sample()).account.equity
        await desk.broker.aclose()
        await trio.sleep(0.2)
        desk.sim.quote(BTC, "50000", "50001")
        await desk.broker.connect()
        sample = await desk.broker.sample()
        assert sample.account.equity == before - 10_000


async def test_without_streams_stops_are_judged_by_the_last_price(tmp_path: Path) -> None:
    """Not by the one that was read when the broker was connected."""
    async with opened("futures", tmp_path) as desk:
        desk.sim.quote(BTC, "70000", "70001")
        await trio.sleep(0.2)
        held = await desk.buy("0.01")
        assert isinstance(held, Placed)
        for line in desk.broker.feed._lines.values():
            line.lost = "for a moment"
        said = await desk.place(Modify(ORIGIN, "c", held.ticket, new_sl=D(69000)))
        assert isinstance(said, Placed), said
