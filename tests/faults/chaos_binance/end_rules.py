"""Rules of what there is in the end: the account, and the gateway's own record. For `check`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from faults.chaos_binance.evidence import NOUGHT, OWN, Exchange, Order, Whole, exact, kind_of

from quantmind.adapters.binance.names import Role, name_of, tag_number

STEP: Final = Decimal("0.00001")
OPEN: Final = frozenset({"intent", "sent", "unknown"})
OVER_AND_DONE: Final = frozenset({"filled", "partly_filled", "done", "placed", "cancelled", "expired"})


def stops_never_stand_twice(whole: Whole) -> Iterator[str]:
    """At the end no two stop losses wait, and no two take profits."""
    for role in (Role.STOP_LOSS, Role.TAKE_PROFIT):
        waiting = _waiting(whole.exchange, role)
        if len(waiting) > 1:
            yield f"{len(waiting)} orders wait as {role.name}: {', '.join(order.client_id for order in waiting)}"


def _waiting(exchange: Exchange, role: Role) -> list[Order]:
    return [order for order in exchange.orders.values() if order.is_open and order.name and order.name.role is role]


# --- the account ---------------------------------------------------------------------------------------------------


def the_account_agrees(whole: Whole) -> Iterator[str]:
    """At the end the gateway shows what the exchange has: positions, stops, waiting orders, deals, money."""
    view, exchange = whole.gateway.view, whole.exchange
    if view is None or "account" not in view:
        yield "the gateway told nothing of its account at the end"
        return
    shown = sum((exact(item["volume"]) for item in view["positions"]), NOUGHT)
    held = exchange.balances.get("BTC", NOUGHT)
    if abs(held - shown) >= STEP:
        yield f"the exchange holds {held} and the gateway shows {shown}"
    waiting = {
        (tag_number(order.name.tag), order.price, order.quantity - order.filled)
        for order in _waiting(exchange, Role.ORDER)
        if order.name
    }
    told = {(item["ticket"], exact(item["price"]), exact(item["volume"])) for item in view["orders"]}
    if waiting != told:
        yield f"orders that wait only at the exchange: {waiting - told}, only in the gateway: {told - waiting}"
    for position in view["positions"]:
        for name, role in (("sl", Role.STOP_LOSS), ("tp", Role.TAKE_PROFIT)):
            there = [(order.stop, order.quantity) for order in _waiting(exchange, role)]
            wanted = [] if position[name] is None else [(exact(position[name]), exact(position["volume"]))]
            if there != wanted:
                yield f"the {name} of the position is {wanted}, and at the exchange {there}"
    deals = {item["ticket"]: exact(item["volume"]) for item in view["deals"]}
    traded = {ticket: exact(trade["qty"]) for ticket, trade in exchange.trades.items()}
    if deals != traded:
        lacks, more = dict(traded.items() - deals.items()), dict(deals.items() - traded.items())
        yield f"the gateway lacks the deals {list(lacks.items())[:5]} and has {list(more.items())[:5]} too many"
    cash = exchange.balances.get("USDT", NOUGHT)
    if abs(exact(view["account"]["free_margin"]) - cash) > Decimal("0.001"):
        yield f"the exchange has {cash} USDT, and the gateway shows {view['account']['free_margin']}"
    status = view["status"]
    if (status["orders"], status["trading"]["state"], status["books"]["state"]) != ("ready", "active", "agreed"):
        yield f"at the end orders are {status['orders']}, trading {status['trading']}, books {status['books']}"
    if view["exchange"]["stops"]["missing"]:
        yield f"stops are missing: {view['exchange']['stops']}"


# --- the record ----------------------------------------------------------------------------------------------------


def no_intent_is_without_an_outcome(whole: Whole) -> Iterator[str]:
    """Every intent of the journal has an outcome, and one that says done has an order, a change or a cancellation."""
    recorded = whole.gateway.recorded
    if recorded is None:
        return
    kinds = {tag: kind_of(asked) for asked in whole.gateway.asked.values() for tag in asked.order_ids}
    for order_id, states in recorded.states.items():
        if states[-1] in OPEN:
            yield f"order {order_id} ends in the journal as {states}"
        places = kinds.get(order_id) in ("trade_open", "trade_close")
        if states[-1] in OVER_AND_DONE and places and not whole.exchange.of_tag(order_id):
            yield f"order {order_id} is {states} by the journal, and the exchange has none"


def every_order_has_an_intent(whole: Whole) -> Iterator[str]:
    """Nothing was sent before its intent was in the journal; every trade is in it, by the order that made it."""
    recorded, exchange = whole.gateway.recorded, whole.exchange
    if recorded is None:
        return
    for said, _ in exchange.placed:
        name = name_of(said)
        for tag in () if name is None or name.role not in OWN else filter(None, (name.tag, name.by)):
            if recorded.states.get(tag, [""])[0] != "intent":
                yield f"{said} was placed, and the journal has no intent of {tag}"
    for ticket, trade in exchange.trades.items():
        name = exchange.orders[trade["orderId"]].name
        if ticket not in recorded.deals:
            yield f"the journal lacks the deal {ticket} of {name}"
        elif name is not None and name.role in OWN and recorded.deals[ticket] != name.tag:
            yield f"the deal {ticket} was made by {name}, and by the journal by {recorded.deals[ticket]}"
