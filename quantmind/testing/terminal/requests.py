"""What became of a request at the server: carried out, or refused for a fault's sake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.mock.terminal_view.constants import COMMENTS
from quantmind.domain.accounts import Cause, Deal

_REQUOTE: Final = 10004
_EMPTY: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("action", "magic", "order"), 0),
    "symbol": "",
    **dict.fromkeys(("volume", "price", "stoplimit", "sl", "tp"), 0.0),
    **dict.fromkeys(("deviation", "type", "type_filling", "type_time", "expiration"), 0),
    "comment": "",
    **dict.fromkeys(("position", "position_by"), 0),
}


@attrs.frozen
class Done:
    """One request that the server carried out: what was asked for, and the numbers that it got."""

    request: Mapping[str, Any]
    result: Mapping[str, Any]
    ticket: int
    """Of the position, or of the order that waits."""
    volume: Decimal | None
    waits: bool


def refused(request: Mapping[str, Any], code: int, tick: Mapping[str, Any] | None) -> dict[str, Any]:
    """OrderSendResult of a request that was not carried out; a requote says the symbol's prices."""
    prices = {side: tick[side] if tick is not None and code == _REQUOTE else 0.0 for side in ("bid", "ask")}
    return {
        "retcode": code,
        "deal": 0,
        "order": 0,
        "volume": 0.0,
        "price": 0.0,
        **prices,
        "comment": COMMENTS.get(code, "Error"),
        "request_id": 0,
        "retcode_external": 0,
        "request": {**_EMPTY, **request},
    }


def done(
    request: Mapping[str, Any], result: Mapping[str, Any], deals: Sequence[Deal], waiting: Mapping[int, Any]
) -> Done:
    """What a request was carried out as, by the deals that it made and the orders that waited before."""
    if deals and deals[0].cause is Cause.CLIENT:
        first = next((deal for deal in deals if deal.position == request.get("position")), deals[0])
        same = [deal for deal in deals if deal.position == first.position]
        volume = first.volume if len(same) < len(deals) else sum((deal.volume for deal in deals), Decimal(0))
        return Done(dict(request), dict(result), first.position, volume, waits=False)
    action = request.get("action")
    if action == 6:  # SLTP
        return Done(dict(request), dict(result), int(request.get("position", 0)), None, waits=False)
    if action == 8:  # REMOVE
        ticket = int(request.get("order", 0))
        return Done(dict(request), dict(result), ticket, waiting[ticket].volume, waits=False)
    ticket = int(result["order"]) or int(request.get("order", 0))
    # A program in MQL5 names every field: 0 where it changes none.
    volume = Decimal(repr(float(request["volume"]))) if request.get("volume") else waiting[ticket].volume
    return Done(dict(request), dict(result), ticket, volume, waits=True)
