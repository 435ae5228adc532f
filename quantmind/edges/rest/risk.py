"""How each account stands to its limits over HTTP, what it may do, and what only a person knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Final

from actors.messages import SetTradingState, SupplyBaseline
from actors.risk_board import Flattening, RiskStatus
from actors.valuer import Valuer
from quantmind.domain.accounts import Account, Sample
from quantmind.domain.clock import iso
from quantmind.domain.orders import Side
from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.floors import CENT
from quantmind.domain.risk.rules.money import reached_target, share_of_best_day
from quantmind.domain.risk.rules.throttles import tier
from quantmind.domain.risk.stops import HUNDRED, loss_of_a_lot
from quantmind.domain.risk.watch import Standing
from quantmind.domain.risk.worst import WorstCase
from quantmind.edges.rest import views
from quantmind.edges.rest.asking import asked, must_succeed
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import brokers_of, must_be_free, which_broker
from quantmind.edges.rest.views import View
from quantmind.wire.rest import percent_in
from quantmind.wire.rest_bodies import decode_baseline, decode_state

SET_WITHIN_S: Final = 5.0
STOP_PERCENT: Final = Decimal(1)
"""How far from its price a stop is taken to be where nobody says, in percent: for what the room is in lots."""
_STATUS_OF: Final = {"cause_stands": 409, "baseline_known": 409, "unknown_broker": 404}


async def show(context: RestContext, ask: Ask) -> Answer:
    """The limits of each account, or of one: floors, what is left to lose, what the next reset would do."""
    named = ask.query.get("broker")
    brokers = brokers_of(context, ask) if named is None else (which_broker(context, ask, named),)
    percent = percent_in(ask.query, "stop_percent")
    return Answer({"items": [account(context, broker, percent) for broker in brokers], "next": None})


async def set_state(context: RestContext, ask: Ask) -> Answer:
    """Set what an account, or every account, may do."""
    change = decode_state(ask.body)
    boards = context.boards
    if change.broker is None:
        must_be_free(context, ask)
    brokers = boards.catalog.brokers if change.broker is None else (which_broker(context, ask, change.broker),)
    message = SetTradingState(change.broker, change.state, change.reason, ask.identity.name, change.flatten)

    def states() -> View:
        return {"states": [views.trading(name, boards) for name in brokers]}

    look = "the state may have been set or not: look at /status, then send it again"
    reply = await asked(
        context.governor, message, SET_WITHIN_S, who="the governor", done="set", look=look, about=states
    )
    must_succeed(reply, _STATUS_OF, states)
    flattening = {"flatten": True} if change.flatten else {}
    return Answer({"status": "success", **flattening, **states()})


async def supply_baseline(context: RestContext, ask: Ask) -> Answer:
    """Say what an account had when its day began, where the gateway was not there to see it."""
    said = decode_baseline(ask.body)
    broker = which_broker(context, ask, said.broker)
    message = SupplyBaseline(
        broker,
        said.balance,
        said.equity,
        said.highest_balance,
        said.highest_equity,
        said.reason,
        ask.identity.name,
    )

    def about() -> View:
        return {"broker": broker}

    look = "it may have been taken or not: look at GET /risk, then send it again"
    reply = await asked(
        context.governor, message, SET_WITHIN_S, who="the governor", done="taken", look=look, about=about
    )
    must_succeed(reply, _STATUS_OF, about)
    return Answer({"status": "success", "missing": reply["missing"], **account(context, broker, None)})


# --- an account ------------------------------------------------------------------------------------------------------


def account(context: RestContext, broker: str, stop_percent: Decimal | None) -> View:
    """An account's limits; nulls before it was looked at."""
    boards, now = context.boards, context.clock.now()
    status, sample = boards.risk.read(broker), boards.links.of(broker).sample
    shown: View = {
        "broker": broker,
        "trading": views.trading(broker, boards),
        "flattening": [_flattening(item) for item in boards.risk.flattenings(broker).values()],
        "at": None,
    }
    if status is None or sample is None:
        return shown
    held: Account = sample.account
    left, binding, when = _room(status)
    return {
        **shown,
        "at": iso(status.at),
        "currency": held.currency,
        "preset": status.policy.preset,
        "observe_only": status.policy.observe_only,
        "on_breach": status.policy.on_breach.value,
        "reset": {
            "at": str(status.policy.reset),
            "next": iso(status.next_reset),
            "seconds_left": max(0, round(status.next_reset - now)),
        },
        "balance": held.balance,
        "equity": held.equity,
        "initial_capital": status.policy.initial_capital,
        "lacks": status.lacks,
        "day": _day(status.book, held),
        "goals": _goals(status, sample),
        "floors": [_floor(each) for each in status.standings],
        "worst_case": _worst(status.worst, status.promised),
        "room": {
            "money": left,
            "percent_of_equity": None if left is None or held.equity <= 0 else _cents(left / held.equity * HUNDRED),
            "binds": binding,
            "binds_from": when,
            "lots": _lots(context, broker, status, held, left, stop_percent),
        },
        "risk_multiplier": status.multiplier,
        "tier": tier(status.policy, sample),
        "trades_today": status.trades_today,
    }


def _flattening(item: Flattening) -> View:
    return {
        "cause": item.cause,
        "since": iso(item.since),
        "magic": item.magic,
        "positions": item.positions,
        "orders": item.orders,
    }


def _day(book: RiskBook | None, held: Account) -> View | None:
    if book is None:
        return None
    baseline = book.began_with
    return {
        "began": iso(book.day),
        "balance": None if baseline is None else baseline.balance,
        "equity": None if baseline is None else baseline.equity,
        "known_by": None if baseline is None else baseline.source,
        "made": None if baseline is None else held.equity - baseline.balance,
        "highest_balance": book.highest_balance,
        "highest_equity": book.highest_equity,
        "trading_days": book.trading_days,
        "best_day": book.best_day,
    }


def _goals(status: RiskStatus, sample: Sample) -> View:
    """What a firm wants to see before it pays; null where no rule asks for it."""
    policy, book = status.policy, status.book
    target, days, best = policy.rules.profit_target, policy.rules.min_trading_days, policy.rules.best_day
    initial, done = policy.initial_capital, 0 if book is None else book.trading_days
    return {
        "profit_target": None
        if target is None or initial is None
        else {
            "percent": target.percent,
            "balance": _cents(initial * (1 + target.percent / HUNDRED)),
            "reached": reached_target(policy, sample),
        },
        "trading_days": None if days is None else {"done": done, "needed": days.days},
        "best_day": None if best is None else {"percent": _best_day(book, sample), "at_most_percent": best.percent},
    }


def _best_day(book: RiskBook | None, sample: Sample) -> Decimal | None:
    share = None if book is None else share_of_best_day(book, sample.account.balance)
    return None if share is None else _cents(share)


def _floor(standing: Standing) -> View:
    floor = standing.floor
    return {
        "rule": floor.rule,
        "measure": floor.measure.value,
        "value": standing.value,
        "floor": _cents(floor.now),
        "next_floor": _cents(floor.next),
        "inclusive": floor.inclusive,
        "amount": _cents(floor.amount),
        "room": _cents(standing.room),
        "used_percent": _cents(standing.used_percent),
        "broken": standing.broken,
        "broken_by_reset": standing.broken_by_reset,
    }


def _worst(worst: WorstCase | None, promised: Decimal | None) -> View | None:
    if worst is None:
        return None
    known = not worst.unknown and promised is not None
    return {
        "equity": _cents(worst.equity + promised) if known and promised is not None else None,
        "equity_at_reset": _cents(worst.equity_of_losers + promised) if known and promised is not None else None,
        "promised": None if promised is None else _cents(promised),
        "unknown": list(worst.unknown),
    }


def _room(status: RiskStatus) -> tuple[Decimal | None, str | None, str | None]:
    """What may still be risked with new orders, which rule binds, and whether now or from the next reset on."""
    worst, promised = status.worst, status.promised
    if status.lacks is not None or worst is None or promised is None or worst.unknown or not status.standings:
        return None, None, None
    found = min(_rooms(status.standings, worst.equity + promised, worst.equity_of_losers + promised))
    return max(Decimal(0), found[0].quantize(CENT, ROUND_DOWN)), found[1], found[2]


def _rooms(standings: tuple[Standing, ...], now: Decimal, later: Decimal) -> Iterator[tuple[Decimal, str, str]]:
    for each in standings:
        yield now - each.floor.least, each.floor.rule, "now"
        yield later - each.floor.least_next, each.floor.rule, "reset"


def _lots(
    context: RestContext,
    broker: str,
    status: RiskStatus,
    held: Account,
    left: Decimal | None,
    stop_percent: Decimal | None,
) -> View | None:
    """How many lots of each priced symbol the room is, with a stop so far away."""
    if left is None:
        return None
    percent = stop_percent or status.policy.allowances.assumed_stop_percent or STOP_PERCENT
    valuer, found = Valuer(context.boards), {}
    for symbol, spec in context.boards.catalog.symbols(broker).items():
        price, worth = valuer.price(broker, symbol), valuer.worth(broker, symbol, held.currency)
        if price is None or worth is None:
            continue
        entry = price[1]
        lot = loss_of_a_lot(Side.BUY, entry, entry * (1 - percent / HUNDRED), worth, status.policy.allowances)
        if lot:
            found[symbol] = spec.floor_volume(min(left / lot, status.policy.max_volume))
    return {"stop_percent": percent, "symbols": found}


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT)
