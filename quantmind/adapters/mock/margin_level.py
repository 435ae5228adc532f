"""Margin call and stop out: what the margin level says, and which position a server closes first."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

from quantmind.adapters.mock.terms import Terms


class MarginState(enum.Enum):
    """Where the margin level stands: above the margin call, below it, or at the stop out."""

    SOUND = "sound"
    MARGIN_CALL = "margin_call"
    STOP_OUT = "stop_out"


def margin_state(equity: Decimal, margin: Decimal, terms: Terms) -> MarginState:
    """The state at this equity and margin: below the call's level, and at or below the stop out's.

    Without margin there is no level, and nothing to close.
    """
    if margin <= 0:
        return MarginState.SOUND
    if equity * 100 <= margin * terms.stop_out_percent:
        return MarginState.STOP_OUT
    if equity * 100 < margin * terms.margin_call_percent:
        return MarginState.MARGIN_CALL
    return MarginState.SOUND


def first_to_close(results: Mapping[int, Decimal]) -> int:
    """The position (by ticket) that a stop out closes first: the one with the worst profit and swap, then the oldest.

    MetaTrader 5 deletes pending orders that hold margin before; on this account they hold none, so they stay.
    """
    return min(results, key=lambda ticket: (results[ticket], ticket))
