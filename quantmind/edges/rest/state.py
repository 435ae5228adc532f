"""The router's state over HTTP: regime, risk mandate, the EAs and the ticks that there were."""

from __future__ import annotations

from functools import partial
from typing import Final

from actors.messages import SetRouterState
from actors.router_board import RouterBoard
from quantmind.domain.clock import iso, iso_from_msc
from quantmind.domain.risk import Mandate
from quantmind.domain.router_state import KnownEa, Regime, TickMark
from quantmind.edges.rest import views
from quantmind.edges.rest.asking import asked, must_succeed
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import brokers_of, must_be_free, which_broker, which_symbol
from quantmind.edges.rest.views import View
from quantmind.wire.rest import ea_after, page, page_limit
from quantmind.wire.rest_bodies import decode_router_state

SET_WITHIN_S: Final = 5.0
_STATUS_OF: Final = {"revision_conflict": 409}


async def show(context: RestContext, ask: Ask) -> Answer:
    """All that the router knows; of one account where one is named."""
    named = ask.query.get("broker")
    broker = None if named is None else which_broker(context, ask, named)
    limit, after = page_limit(ask.query), ea_after(ask.query)
    boards, now = context.boards, context.clock.now()
    board = boards.router
    eas = [ea for ea in board.eas.values() if broker in (None, ea.broker) and ask.identity.reaches(ea.broker)]
    taken, following = page(eas, lambda ea: ea.key, after, limit)
    brokers = brokers_of(context, ask) if broker is None else (broker,)
    return Answer(
        {
            **_said(board),
            "started_at": None if board.started_at is None else iso(board.started_at),
            "trading": [views.trading(name, boards) for name in brokers],
            "last_ticks": [
                _tick(*place, mark, now) for place, mark in sorted(board.ticks.items()) if place[0] in brokers
            ],
            "eas": [{**_ea(ea), **_standing(context, ea)} for ea in taken],
            "next": None if following is None else f"{following[1]}@{following[0]}",
        }
    )


async def change(context: RestContext, ask: Ask) -> Answer:
    """Set regime, mandate or both."""
    must_be_free(context, ask)
    wanted = decode_router_state(ask.body, by=ask.identity.name, now=context.clock.now())
    for symbol in () if wanted.regime is None else wanted.regime.symbols:
        which_symbol(context, ask, symbol)  # a label for a symbol that is misspelt would never be read
    board = context.boards.router
    message = SetRouterState(wanted.regime, wanted.mandate, wanted.revision)
    about = partial(_said, board)
    look = "it may have been set or not: look at GET /state, then send it again"
    reply = await asked(context.router, message, SET_WITHIN_S, who="the router", done="set", look=look, about=about)
    must_succeed(reply, _STATUS_OF, about)
    return Answer({"status": "success", **_said(board)})


def _said(board: RouterBoard) -> View:
    state = board.state
    return {
        "revision": None if state is None else state.revision,
        "durable": board.durable,
        "error": board.error,
        "regime": None if state is None else _regime(state.regime),
        "mandate": _mandate(board.mandate),
    }


def _regime(regime: Regime) -> View:
    return {"label": regime.label, "symbols": dict(regime.symbols), **_who(regime)}


def _mandate(mandate: Mandate) -> View:
    return {"mode": mandate.mode.value, "max_multiplier": mandate.cap, **_who(mandate)}


def _who(item: Regime | Mandate) -> View:
    return {
        "reason": item.reason or None,
        "by": item.by or None,
        "since": iso(item.since) if item.since > 0 else None,
    }


def _ea(ea: KnownEa) -> View:
    return {
        "ea_name": ea.ea_name,
        "magic": ea.magic,
        "symbol": ea.symbol or None,
        "broker": ea.broker,
        "version": ea.version or None,
        "first_seen": iso(ea.first_seen),
        "last_seen": iso(ea.last_seen),
    }


def _standing(context: RestContext, ea: KnownEa) -> View:
    boards = context.boards
    return {"missing": ea.key not in boards.router.heard, "risk_multiplier": boards.multiplier(ea.ea_name, ea.broker)}


def _tick(broker: str, symbol: str, mark: TickMark, now: float) -> View:
    last, away_s = mark.last, mark.away_s
    return {
        "symbol": symbol,
        "broker": broker,
        "time": None if last is None else iso_from_msc(last[0]),
        "time_msc": None if last is None else last[0],
        "age_ms": None if last is None else views.age_ms(last[1], now),
        "since_start": mark.time_msc is not None,
        "away_ms": None if away_s is None else round(away_s * 1000),
    }
