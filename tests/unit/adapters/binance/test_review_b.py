"""What an account tells when something happened that the gateway did not do, or did not see."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import trio
from binance_desk import BTC, KINDS, D, opened


@KINDS
async def test_what_is_told_while_a_reading_begins_anew_is_not_lost(kind: str, tmp_path: Path) -> None:
    """A reading of the account that was begun before its stream began anew counts for nothing."""
    last, path = ("account", "/api/v3/order") if kind == "spot" else ("/fapi/v3/positionRisk", "/fapi/v1/order")
    by_hand = {"symbol": BTC, "side": "BUY", "type": "MARKET", "quantity": "0.02"}
    async with opened(kind, tmp_path) as desk:
        await desk.buy("0.01")
        venue = type(desk.broker.venue)
        ask: Any = venue._signed  # type: ignore[attr-defined]
        done = []

        async def asked(self: Any, what: str, *more: Any, **params: Any) -> bytes:
            body: bytes = await ask(self, what, *more, **params)
            if what == last and not done:
                done.append(desk.sim.engine.handle("POST", path, by_hand))
                await trio.sleep(0.3)
                desk.broker.book.begin_stream()
            return body

        with patch.object(venue, "_signed", asked):
            await desk.broker.reread()
            position = await desk.position()
        assert done
        assert position is not None
        assert position.volume == D("0.03")
        assert [deal.volume for deal in await desk.broker.deals(0)] == [D("0.01"), D("0.02")]
