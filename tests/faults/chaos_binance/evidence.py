"""What the exchange says in the end, arranged by what orders are called there. Plain data; judging is for `check`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
from faults.chaos import evidence as gateway_side
from faults.chaos.answers import Said
from faults.chaos.evidence import Answer, Asked, Evidence
from faults.chaos.records import KIND, Record, read

from quantmind.adapters.binance.names import Name, Role, name_of, number, tag_number

NOUGHT: Final = Decimal(0)
OWN: Final = (Role.ORDER, Role.CLOSE)
"""Orders that a request placed; all others are stops, which are placed as often as there is need of them."""
OVER: Final = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED"})


@attrs.frozen
class Order:
    """An order as the exchange has it."""

    order_id: int
    client_id: str
    side: str
    kind: str
    status: str
    quantity: Decimal
    filled: Decimal
    worth: Decimal
    """What was paid for it, or brought by it."""
    price: Decimal
    stop: Decimal

    @property
    def name(self) -> Name | None:
        return name_of(self.client_id)

    @property
    def is_open(self) -> bool:
        return self.status not in OVER

    @property
    def mean_price(self) -> Decimal:
        return self.worth / self.filled


@attrs.define
class Exchange:
    """All of it."""

    placed: list[tuple[str, int]] = attrs.field(factory=list)
    """Client order id and number of each order, in the order in which they were placed."""
    canceled: list[int] = attrs.field(factory=list)
    orders: dict[int, Order] = attrs.field(factory=dict)
    trades: dict[int, Record] = attrs.field(factory=dict)
    balances: dict[str, Decimal] = attrs.field(factory=dict)

    def of_tag(self, tag: str) -> list[Order]:
        """The orders that a request placed, and what they became when they were moved, oldest first."""
        return self._by_tag().get(tag, [])

    def _by_tag(self) -> dict[str, list[Order]]:
        found: dict[str, list[Order]] = defaultdict(list)
        for order in self.orders.values():
            if order.name is not None and order.name.role in OWN:
                found[order.name.tag].append(order)
        return found

    def of_number(self, ticket: int) -> list[Order]:
        """The same, by the number that the gateway gives such an order."""
        return next((orders for tag, orders in self._by_tag().items() if tag_number(tag) == ticket), [])


@attrs.define
class Whole:
    """Both sides."""

    gateway: Evidence
    exchange: Exchange


def gather(history: Iterable[Record], ledger: Iterable[Record], lines: Iterable[Record]) -> Whole:
    """Arrange a history, what the exchange has, and the gateway's own log."""
    exchange = Exchange()
    for record in ledger:
        _take(exchange, record)
    return Whole(gateway_side.gather(history, (), lines), exchange)


def gathered(folder: Path) -> Whole:
    """That of a run. Raises Unreadable."""
    return gather(*(read(folder / f"{name}.jsonl") for name in ("history", "ledger", "record")))


def _take(exchange: Exchange, record: Record) -> None:
    match record[KIND]:
        case "done" if record["done"] == "placed":
            exchange.placed.append((record["client_id"], record["order_id"]))
        case "done" if record["done"] == "canceled":
            exchange.canceled.append(record["order_id"])
        case "order":
            exchange.orders[record["orderId"]] = Order(
                record["orderId"],
                record["clientOrderId"],
                record["side"],
                record["type"],
                record["status"],
                Decimal(record["origQty"]),
                Decimal(record["executedQty"]),
                Decimal(record["cummulativeQuoteQty"]),
                Decimal(record["price"]),
                Decimal(record["stopPrice"]),
            )
        case "trade":
            exchange.trades[number("deal", record["symbol"], record["id"], record["orderId"])] = record
        case "balance":
            exchange.balances[record["asset"]] = Decimal(record["free"]) + Decimal(record["locked"])


def kind_of(asked: Asked) -> str:
    """What a request asks for."""
    found: str = asked.body["type"]
    return found


def answered(asked: Asked, what: Said) -> list[Answer]:
    """The answers that say so."""
    return [answer for answer in asked.answers if answer.said is what]


def exact(value: Any) -> Decimal:
    """A number of JSON as it was written; None counts for nothing."""
    return NOUGHT if value is None else Decimal(str(value))
