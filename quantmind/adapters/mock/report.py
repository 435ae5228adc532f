"""What the account does by itself, in the log: closes, fills, expirations, rejections, margin call and stop out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.history import OrderState
from quantmind.adapters.mock.margin_level import MarginState
from quantmind.domain.accounts import Cause, Deal

_log = logging.getLogger(__name__)

_LEVELS = {OrderState.REJECTED: logging.WARNING, OrderState.EXPIRED: logging.INFO}
"""A fill is logged as its deal, and a cancellation by whoever asked for it."""


class Reporter:
    """Writes what is new since it looked last; what was there when it was made is old."""

    def __init__(self, broker: str, account: PaperAccount) -> None:
        self._broker = broker
        self._account = account
        self._ended = len(account.records)
        self._margin_state = account.margin_state

    def report_deals(self, deals: Sequence[Deal]) -> None:
        """Log the deals that ticks or time made."""
        for deal in deals:
            _log.log(
                logging.WARNING if deal.cause is Cause.STOP_OUT else logging.INFO,
                "%s broker=%s ticket=%d order=%d cause=%s symbol=%s side=%s volume=%s price=%s profit=%s",
                "fill.order" if deal.cause is Cause.CLIENT else "close.position",
                self._broker,
                deal.position,
                deal.order,
                deal.cause.value,
                deal.symbol,
                deal.side.value,
                deal.volume,
                deal.price,
                deal.profit,
            )

    def report(self) -> None:
        """Log the orders that ended and how the margin level changed."""
        account = self._account
        new = len(account.records) - self._ended
        if new > 0:
            self._ended += new
            for record in account.latest_records(new):
                level = _LEVELS.get(record.state)
                if level is not None:
                    _log.log(
                        level,
                        "end.order broker=%s ticket=%d symbol=%s state=%s reason=%r",
                        self._broker,
                        record.order.ticket,
                        record.order.symbol,
                        record.state.value,
                        record.comment,
                    )
        if account.margin_state is not self._margin_state:
            self._margin_state = account.margin_state
            state = account.state()
            _log.log(
                logging.INFO if account.margin_state is MarginState.SOUND else logging.WARNING,
                "change.margin_state broker=%s state=%s equity=%s margin=%s level_percent=%s",
                self._broker,
                account.margin_state.value,
                state.equity,
                state.margin,
                "none" if state.margin_level is None else f"{state.margin_level:.2f}",
            )
