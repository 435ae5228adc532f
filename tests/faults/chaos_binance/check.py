"""Checks a campaign on Binance: what was answered and recorded against what the exchange has carried out.

It believes the exchange alone. Exit code 0: every rule holds. 1: it printed what does not. 2: a file can't be read.

    python -m faults.chaos_binance.check FOLDER
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

from faults.chaos.answers import Reply, Said, expired
from faults.chaos.check_history import (
    SHOWN,
    Violation,
    answers_belong_to_questions,
    nothing_stays_unknown,
)
from faults.chaos.evidence import Answer, Asked
from faults.chaos.record_rules import nothing_strange_is_recorded, the_record_is_whole
from faults.chaos.records import Unreadable
from faults.chaos_binance.end_rules import (
    every_order_has_an_intent,
    no_intent_is_without_an_outcome,
    stops_never_stand_twice,
    the_account_agrees,
)
from faults.chaos_binance.evidence import OWN, Exchange, Order, Whole, answered, exact, gathered, kind_of

from quantmind.adapters.binance.names import name_of, tag_number

CLOSE_ENOUGH: Final = Decimal("1E-6")
"""A mean price is told in so many digits, and the exchange's worth is cut to eight."""
LASTING: Final = ("status", "code", "order_id", "ticket", "price", "volume")
Rule = Callable[[Whole], Iterator[str]]


# --- once ----------------------------------------------------------------------------------------------------------


def nothing_is_placed_twice(whole: Whole) -> Iterator[str]:
    """Each client order id of a request is placed at most once, and at most one order of each request is new."""
    counts = Counter(said for said, _ in whole.exchange.placed if _is_own(said))
    for said, count in counts.items():
        if count > 1:
            yield f"{said} was placed {count} times"
    first = Counter(name.tag for said in counts if (name := name_of(said)) is not None and not name.by)
    for tag, count in first.items():
        if count > 1:
            yield f"the request {tag} was placed as an order and as a close"
    for asked in whole.gateway.asked.values():
        placed = sorted(tag for tag in asked.order_ids if tag in first)
        if len(placed) > 1:
            yield f"{asked.request_id} was placed as order {' and as '.join(placed)}"


def _is_own(said: str) -> bool:
    name = name_of(said)
    return name is not None and name.role in OWN


# --- what was acknowledged -----------------------------------------------------------------------------------------


def done_is_in_the_ledger(whole: Whole) -> Iterator[str]:
    """What was answered as done is at the exchange, with the volume and the price that were told."""
    for asked in whole.gateway.asked.values():
        for answer in answered(asked, Said.DONE):
            wrong = _wrong(whole.exchange, asked, answer)
            if wrong:
                yield f"{asked.request_id} ({kind_of(asked)}, {answer.order_id}) was acknowledged, and {wrong}"


def _wrong(exchange: Exchange, asked: Asked, answer: Answer) -> str:
    reply, tag = answer.reply, answer.order_id or ""
    orders = exchange.of_tag(tag)
    match kind_of(asked):
        case "trade_open" | "trade_close" if not orders:
            return "the exchange has no such order"
        case "trade_open" if reply.get("pending"):
            told, has = exact(reply["volume"]), orders[0].quantity
            return "" if told == has else f"{told} was told and {has} asked of the exchange"
        case "trade_open" | "trade_close":
            waited = "price" in asked.body
            return _wrong_fill(exact(reply["volume"]), exact(reply["price"]), orders[-1], waited=waited)
        case "trade_cancel":
            return _wrong_cancel(exchange, asked, exact(reply["volume"]))
        case _:
            return _wrong_change(exchange, asked, reply, tag)


def _wrong_fill(volume: Decimal, price: Decimal, order: Order, *, waited: bool) -> str:
    # Of an order that waits more may fill after the answer; one that was found when it was over has no fill.
    if volume > order.filled or (volume < order.filled and not waited):
        return f"{volume} was told and {order.filled} filled"
    if volume == order.filled > 0 and abs(price - order.mean_price) > CLOSE_ENOUGH * price:
        return f"{price} was told and {order.mean_price} paid"
    return ""


def _wrong_cancel(exchange: Exchange, asked: Asked, volume: Decimal) -> str:
    orders = exchange.of_number(asked.body["ticket"])
    if not orders or orders[-1].status != "CANCELED":
        return f"the exchange has it as {orders[-1:]}"
    left = orders[-1].quantity - orders[-1].filled
    return "" if volume == left else f"{volume} was told as taken back, and {left} was"


def _wrong_change(exchange: Exchange, asked: Asked, reply: Reply, tag: str) -> str:
    if reply.get("ended"):
        return _wrong_end(exchange, asked)
    if "new_price" in asked.body:
        wanted = exact(asked.body["new_price"])
        orders = exchange.of_number(asked.body["ticket"])
        return "" if any(order.price == wanted for order in orders) else f"no order of it ever had the price {wanted}"
    rest = exchange.of_number(asked.body["ticket"])[-1:]
    no_stops = (reply.get("sl"), reply.get("tp")) == (None, None)
    if rest and rest[0].quantity > rest[0].filled and (no_stops or reply.get("pending")):
        return ""  # the position is closed, and the rest of its order waits: stops are placed when that fills
    stops = [order.stop for order in exchange.orders.values() if order.name and order.name.tag == tag]
    missing = [wanted for wanted in _levels(asked) if wanted not in stops]
    return f"no stop was placed at {missing}" if missing else ""


# A move that took its order back, and could not place it anew.
def _wrong_end(exchange: Exchange, asked: Asked) -> str:
    orders = exchange.of_number(asked.body["ticket"])
    return "" if orders and orders[-1].status == "CANCELED" else f"the exchange has it as {orders[-1:]}"


def _levels(asked: Asked) -> list[Decimal]:
    return [exact(asked.body[name]) for name in ("new_sl", "new_tp") if name in asked.body]


def nothing_refused_is_in_the_ledger(whole: Whole) -> Iterator[str]:
    """What was answered as refused, as absent or as never started has placed nothing that traded or waits."""
    for asked in whole.gateway.asked.values():
        answers = answered(asked, Said.NOTHING)
        if asked.final is not None and expired(asked.final.reply):
            answers.append(asked.final)
        if not answers:
            continue
        for tag in asked.order_ids:
            for order in whole.exchange.of_tag(tag):
                if order.is_open or order.filled:
                    yield f"{asked.request_id} came to nothing ({answers[0].reply}), and the exchange has {order}"
            for order in whole.exchange.orders.values():
                name = order.name
                if name is None or kind_of(asked) != "trade_modify" or tag not in (name.tag, name.by):
                    continue
                if order.is_open and (
                    order.stop in _levels(asked) or order.price == exact(asked.body.get("new_price"))
                ):
                    yield f"{asked.request_id} came to nothing ({answers[0].reply}), and {order} waits"


def answers_do_not_change(whole: Whole) -> Iterator[str]:
    """What was said for good is said again; of an order that waited it may be said later what became of it."""
    for asked in whole.gateway.asked.values():
        done, nothing = answered(asked, Said.DONE), answered(asked, Said.NOTHING)
        if done and nothing:
            yield f"{asked.request_id} was answered {done[0].reply}, and {nothing[0].reply}"
        if done and asked.final is not None and expired(asked.final.reply):
            yield f"{asked.request_id} was answered {done[0].reply}, and at the end as never started"
        for kind in (
            [a for a in done if a.reply.get("pending")],
            [a for a in done if not a.reply.get("pending")],
            nothing,
        ):
            told = {tuple(str(answer.reply.get(name)) for name in LASTING) for answer in kind}
            if len(told) > 1:
                yield f"{asked.request_id} was answered {' and '.join(map(str, sorted(told)))}"


# --- nothing lost --------------------------------------------------------------------------------------------------


def every_order_is_known(whole: Whole) -> Iterator[str]:
    """Every order that a request placed is what some request is answered with at the end."""
    finals = [asked.final for asked in whole.gateway.asked.values() if asked.final is not None]
    known = {final.order_id for final in finals if final.said is Said.DONE}
    for said, order_id in whole.exchange.placed:
        name, order = name_of(said), whole.exchange.orders[order_id]
        if name is None:
            yield f"the order {said} is none of ours"
        elif name.role in OWN and not name.by and name.tag not in known and (order.filled or order.is_open):
            yield f"{order} was placed, and no request is answered with it at the end"
        elif name.role in OWN and name.by and name.by not in known and order.is_open:
            yield f"{order} was moved, and the request that did it is not answered so"


def no_order_is_gone(whole: Whole) -> Iterator[str]:
    """An acknowledged order waits, was filled, or was taken back by a request that is answered so."""
    finals = [(asked, asked.final) for asked in whole.gateway.asked.values() if asked.final is not None]
    done = [(asked, final) for asked, final in finals if final.said is Said.DONE]
    cancelled = {asked.body["ticket"] for asked, _ in done if kind_of(asked) == "trade_cancel"}
    moved = {asked.body["ticket"] for asked, final in done if _took_it_back(whole.exchange, asked, final)}
    for ticket in cancelled & moved:
        yield f"the order {ticket} was taken back, and another request is answered that it did that by moving it"
    for asked in whole.gateway.asked.values():
        if kind_of(asked) != "trade_open" or not any(answer.reply.get("pending") for answer in asked.answers):
            continue
        for tag in asked.order_ids:
            last = whole.exchange.of_tag(tag)[-1:]
            if last and last[0].status == "CANCELED" and tag_number(tag) not in cancelled | moved:
                yield f"{asked.request_id} waited as {last[0]}, and nobody is answered that it was taken back"
            if last and last[0].status in ("EXPIRED", "REJECTED"):
                yield f"{asked.request_id} waited, and is {last[0]}"


# A move that placed its order anew did not take it back; what became of that order later is told of both.
def _took_it_back(exchange: Exchange, asked: Asked, final: Answer) -> bool:
    if "new_price" not in asked.body or not final.reply.get("ended"):
        return False
    names = [order.name for order in exchange.of_number(asked.body["ticket"])]
    return not any(name is not None and name.by in asked.order_ids for name in names)


# --- all of them ---------------------------------------------------------------------------------------------------

ON_BOTH: Final[tuple[Rule, ...]] = (
    nothing_is_placed_twice,
    stops_never_stand_twice,
    done_is_in_the_ledger,
    nothing_refused_is_in_the_ledger,
    answers_do_not_change,
    every_order_is_known,
    no_order_is_gone,
    the_account_agrees,
    no_intent_is_without_an_outcome,
    every_order_has_an_intent,
)
ON_THE_GATEWAY: Final = (
    answers_belong_to_questions,
    nothing_stays_unknown,
    the_record_is_whole,
    nothing_strange_is_recorded,
)
"""Those that hold on any broker."""


def check(whole: Whole) -> list[Violation]:
    """Everything that does not hold."""
    found = [Violation(rule.__name__, message) for rule in ON_BOTH for message in rule(whole)]
    return found + [Violation(rule.__name__, message) for rule in ON_THE_GATEWAY for message in rule(whole.gateway)]


def summary(whole: Whole) -> str:
    """What there was to check."""
    gateway, exchange = whole.gateway, whole.exchange
    answers = Counter(answer.said.value for asked in gateway.asked.values() for answer in asked.answers)
    finals = Counter(asked.final.said.value if asked.final else "none" for asked in gateway.asked.values())
    done = Counter(kind_of(asked) for asked in gateway.asked.values() if answered(asked, Said.DONE))
    unknown = sum(bool(answered(asked, Said.UNKNOWN)) for asked in gateway.asked.values())
    return (
        f"requests={len(gateway.asked)} answers={dict(answers)} unknown_requests={unknown} finals={dict(finals)} "
        f"done={dict(done)} kills={len(gateway.kills)} placed={len(exchange.placed)} trades={len(exchange.trades)}"
    )


def main(folder: str) -> int:
    try:
        whole = gathered(Path(folder))
    except Unreadable as error:
        print(f"can't be read: {error}")
        return 2
    violations = check(whole)
    shown: Counter[str] = Counter()
    for violation in violations:
        shown[violation.rule] += 1
        if shown[violation.rule] <= SHOWN:
            print(f"{violation.rule}: {violation.message}")
    print(summary(whole), f"violations={dict(shown)}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
