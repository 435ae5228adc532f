"""What a trade server remembers of requests: orders that have ended, and whose comment a deal has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.history import OrderRecord, OrderState
from quantmind.adapters.mock.terminal_view.constants import DEAL_REASONS, ORDER_TYPE_NUMBERS, SIDES
from quantmind.adapters.mock.terminal_view.numbers import shown_price
from quantmind.adapters.mock.terminal_view.shapes import reason_of
from quantmind.domain.accounts import Cause, Deal
from quantmind.testing.terminal.transactions import CLOSE_BY, FILLED, STATES

_CAUSES: Final = {Cause.SL: "sl", Cause.TP: "tp", Cause.STOP_OUT: "so"}


@attrs.define(eq=False)
class History:
    """Beside a paper account, which keeps one comment for a position: a server keeps that of each request."""

    account: PaperAccount
    _requests: dict[int, Mapping[str, Any]] = attrs.field(factory=dict, init=False)
    """By the number of the order that they made."""
    _comments: dict[int, tuple[str, int]] = attrs.field(factory=dict, init=False)
    """(comment, magic) by the number of a deal."""

    def note_request(self, request: Mapping[str, Any], result: Mapping[str, Any], deals: Sequence[Deal]) -> None:
        """A request was carried out, and made these deals."""
        order = int(result["order"])
        if order:
            self._requests[order] = dict(request)
        for deal in deals:
            self._comments[deal.ticket] = (str(request.get("comment", "")), int(request.get("magic", 0)))

    def note_deals(self, deals: Iterable[Deal]) -> None:
        """The server made these deals by itself."""
        for deal in deals:
            cause = _CAUSES.get(deal.cause)
            if cause is not None:
                self._comments[deal.ticket] = (f"[{cause} {deal.price}]", deal.magic)

    def with_deal(self, row: dict[str, Any]) -> dict[str, Any]:
        """A TradeDeal with the comment and the magic number of its own request."""
        comment, magic = self._comments.get(row["ticket"], (row["comment"], row["magic"]))
        return {**row, "comment": comment, "magic": magic}

    def with_request(self, row: dict[str, Any]) -> dict[str, Any]:
        """A TradePosition as it is: it keeps the comment that it was opened with."""
        return row

    def order_rows(
        self,
        offset_s: int,
        date_from: int | None,
        date_to: int | None,
        group: str | None,
        ticket: int | None,
        position: int | None,
    ) -> list[dict[str, Any]]:
        """TradeOrder of the orders that ended: one of a ticket, those of a position, or those of a time."""
        rows = [*self._of_records(offset_s), *self._of_deals(offset_s)]
        if ticket is not None:
            rows = [row for row in rows if row["ticket"] == ticket]
        elif position is not None:
            rows = [row for row in rows if row["position_id"] == position]
        else:
            first, last = date_from or 0, date_to or 0
            rows = [row for row in rows if first <= row["time_setup"] <= last or first <= row["time_done"] <= last]
            if group is not None:
                rows = [row for row in rows if fnmatchcase(row["symbol"], group)]
        return sorted(rows, key=lambda row: (row["time_done_msc"], row["ticket"]))

    # Those that waited first: filled, cancelled, expired, rejected.
    def _of_records(self, offset_s: int) -> list[dict[str, Any]]:
        return [_record_row(record, offset_s) for record in self.account.records.values()]

    def _of_deals(self, offset_s: int) -> list[dict[str, Any]]:
        by_order: dict[int, list[Deal]] = {}
        for deal in self.account.deals:
            if deal.order not in self.account.records:
                by_order.setdefault(deal.order, []).append(deal)
        return [self._market_row(order, deals, offset_s) for order, deals in by_order.items()]

    def _market_row(self, order: int, deals: Sequence[Deal], offset_s: int) -> dict[str, Any]:
        request = self._requests.get(order, {})
        first = next((deal for deal in deals if deal.position == request.get("position")), deals[0])
        by = request.get("position_by", 0)
        volume = float(first.volume) if by else float(request.get("volume", sum(deal.volume for deal in deals)))
        filled = float(first.volume) if by else float(sum(deal.volume for deal in deals))
        comment, magic = self._comments.get(first.ticket, (first.comment, first.magic))
        time_msc = first.time_msc + offset_s * 1000
        return {
            "ticket": order,
            "time_setup": time_msc // 1000,
            "time_setup_msc": time_msc,
            "time_done": time_msc // 1000,
            "time_done_msc": time_msc,
            "time_expiration": 0,
            "type": CLOSE_BY if by else SIDES[first.side],
            "type_time": 0,
            "type_filling": request.get("type_filling", 0),
            "state": FILLED,
            "magic": magic,
            "position_id": first.position,
            "position_by_id": by,
            "reason": DEAL_REASONS.get(first.cause, reason_of(magic)),
            "volume_initial": volume,
            "volume_current": max(0.0, volume - filled),
            "price_open": float(request.get("price", 0.0)),
            "sl": float(request.get("sl", 0.0)),
            "tp": float(request.get("tp", 0.0)),
            "price_current": shown_price(first.price),
            "price_stoplimit": 0.0,
            "symbol": first.symbol,
            "comment": comment,
            "external_id": "",
        }


def _record_row(record: OrderRecord, offset_s: int) -> dict[str, Any]:
    order = record.order
    setup, done = order.time_msc + offset_s * 1000, record.done_msc + offset_s * 1000
    expires = order.expiration_msc
    filled = record.state is OrderState.FILLED
    return {
        "ticket": order.ticket,
        "time_setup": setup // 1000,
        "time_setup_msc": setup,
        "time_done": done // 1000,
        "time_done_msc": done,
        "time_expiration": 0 if expires is None else expires // 1000 + offset_s,
        "type": ORDER_TYPE_NUMBERS[order.side, order.order_type],
        "type_time": 0 if expires is None else 2,
        "type_filling": 2,
        "state": STATES[record.state],
        "magic": order.magic,
        "position_id": record.position,
        "position_by_id": 0,
        "reason": reason_of(order.magic),
        "volume_initial": float(order.volume),
        "volume_current": 0.0 if filled else float(order.volume),
        "price_open": shown_price(order.price),
        "sl": shown_price(order.sl),
        "tp": shown_price(order.tp),
        "price_current": shown_price(record.price),
        "price_stoplimit": 0.0,
        "symbol": order.symbol,
        "comment": order.comment,
        "external_id": "",
    }
