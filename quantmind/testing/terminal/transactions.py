"""What changed on an account, as the trade transactions that a terminal tells its MQL5 programs of."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Self

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.history import OrderRecord, OrderState
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.adapters.mock.terminal_view.constants import ORDER_TYPE_NUMBERS, SIDES, TypeTime
from quantmind.adapters.mock.terminal_view.numbers import shown_price
from quantmind.domain.accounts import Deal, Entry, PendingOrder


class Kind(enum.IntEnum):
    """TRADE_TRANSACTION_*."""

    ORDER_ADD = 0
    ORDER_UPDATE = 1
    ORDER_DELETE = 2
    DEAL_ADD = 6
    HISTORY_ADD = 3
    POSITION = 9
    REQUEST = 10


STARTED: Final = 0
PLACED: Final = 1
FILLED: Final = 4
STATES: Final[Mapping[OrderState, int]] = {
    OrderState.CANCELED: 2,
    OrderState.FILLED: FILLED,
    OrderState.REJECTED: 5,
    OrderState.EXPIRED: 6,
}
CLOSE_BY: Final = 8
_NOTHING: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("type", "order", "deal"), 0),
    "symbol": "",
    **dict.fromkeys(("order_type", "order_state", "deal_type", "time_type", "time_expiration"), 0),
    **dict.fromkeys(("price", "price_trigger", "price_sl", "price_tp", "volume"), 0.0),
    **dict.fromkeys(("position", "position_by"), 0),
}
Transaction = dict[str, Any]


@attrs.frozen
class State:
    """What of an account a transaction can be about, at one moment."""

    positions: Mapping[int, OpenPosition]
    orders: Mapping[int, PendingOrder]
    deals: int
    """How many there are."""

    @classmethod
    def of(cls, account: PaperAccount) -> Self:
        """That of now."""
        books = account.books
        return cls(dict(books.positions), dict(books.orders), books.ledger.deal_count)


def request_transaction() -> Transaction:
    """Of a request that was answered: request and result tell everything, so all but the type is empty."""
    return {**_NOTHING, "type": int(Kind.REQUEST)}


def transactions(before: State, account: PaperAccount, offset_s: int) -> Sequence[Transaction]:
    """What has happened since, in the order in which a terminal tells it.

    Of a market order: it is added, its deals are, it is deleted, and goes to history. A waiting order ends like that,
    and was added before. A position is told only where no deal explains its change: stops that were moved, and what two
    positions that closed each other left. The price of a deal's order is that of its deal.
    """
    books = account.books
    deals = books.ledger.latest(books.ledger.deal_count - before.deals)
    ended = [ticket for ticket in before.orders if ticket not in books.orders]
    by_order: dict[int, list[Deal]] = {}
    for deal in deals:
        by_order.setdefault(deal.order, []).append(deal)
    found: list[Transaction] = []
    for ticket in ended:
        if ticket not in by_order:
            found += _ended(books.ledger.records[ticket], offset_s)
    for order, made in by_order.items():
        record = books.ledger.record_of(order)
        found += _of_market(made, before) if record is None else _filled(record, made, before, offset_s)
    for ticket, order_now in books.orders.items():
        order_then = before.orders.get(ticket)
        if order_then is None:
            found.append(_order(Kind.ORDER_ADD, order_now, STARTED, offset_s))
        if order_then is not order_now and order_then != order_now:
            found.append(_order(Kind.ORDER_UPDATE, order_now, PLACED, offset_s))
    touched = {deal.position for deal in deals}
    for ticket, now in books.positions.items():
        then = before.positions.get(ticket)
        if then is not None and ticket not in touched and (then.sl, then.tp) != (now.sl, now.tp):
            found.append(_position(now))
    return found


def _of_market(deals: Sequence[Deal], before: State) -> Iterable[Transaction]:
    first = deals[0]
    by = deals[1].position if first.entry is Entry.OUT_BY and len(deals) > 1 else 0
    closes = first.entry in (Entry.OUT, Entry.OUT_BY)
    volume = first.volume if by else sum((deal.volume for deal in deals), Decimal(0))
    order = {
        **_NOTHING,
        "order": first.order,
        "symbol": first.symbol,
        "order_type": CLOSE_BY if by else SIDES[first.side],
        "price": shown_price(first.price),
        "position_by": by,
    }
    yield {
        **order,
        "type": int(Kind.ORDER_ADD),
        "order_state": STARTED,
        "volume": float(volume),
        "position": first.position if closes else 0,
    }
    yield from _deals(deals, before)
    for kind in (Kind.ORDER_DELETE, Kind.HISTORY_ADD):
        yield {**order, "type": int(kind), "order_state": FILLED, "position": first.position}


def _filled(record: OrderRecord, deals: Sequence[Deal], before: State, offset_s: int) -> Iterable[Transaction]:
    yield from _deals(deals, before)
    yield from _ended(record, offset_s)


def _ended(record: OrderRecord, offset_s: int) -> Iterable[Transaction]:
    state = STATES[record.state]
    for kind in (Kind.ORDER_DELETE, Kind.HISTORY_ADD):
        row = _order(kind, record.order, state, offset_s)
        yield {**row, "position": record.position, "volume": 0.0 if state == FILLED else row["volume"]}


def _deals(deals: Sequence[Deal], before: State) -> Iterable[Transaction]:
    for deal in deals:
        held = before.positions.get(deal.position)
        yield {
            **_NOTHING,
            "type": int(Kind.DEAL_ADD),
            "order": deal.order,
            "deal": deal.ticket,
            "symbol": deal.symbol,
            "deal_type": SIDES[deal.side],
            "price": shown_price(deal.price),
            "price_sl": 0.0 if held is None else shown_price(held.sl),
            "price_tp": 0.0 if held is None else shown_price(held.tp),
            "volume": float(deal.volume),
            "position": deal.position,
        }
        if deal.entry is Entry.OUT_BY and held is not None and deal is deals[0]:
            left = held.volume - deal.volume
            yield {**_position(held), "volume": float(left)}


def _order(kind: Kind, order: PendingOrder, state: int, offset_s: int) -> Transaction:
    expires = order.expiration_msc
    return {
        **_NOTHING,
        "type": int(kind),
        "order": order.ticket,
        "symbol": order.symbol,
        "order_type": ORDER_TYPE_NUMBERS[order.side, order.order_type],
        "order_state": state,
        "time_type": int(TypeTime.GTC if expires is None else TypeTime.SPECIFIED),
        "time_expiration": 0 if expires is None else expires // 1000 + offset_s,
        "price": shown_price(order.price),
        "price_sl": shown_price(order.sl),
        "price_tp": shown_price(order.tp),
        "volume": float(order.volume),
    }


def _position(position: OpenPosition) -> Transaction:
    return {
        **_NOTHING,
        "type": int(Kind.POSITION),
        "symbol": position.symbol,
        "deal_type": SIDES[position.side],
        "price": float(position.price_open),
        "price_sl": shown_price(position.sl),
        "price_tp": shown_price(position.tp),
        "volume": float(position.volume),
        "position": position.ticket,
    }
