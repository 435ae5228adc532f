"""The routes that only look: status, account, positions, symbols, ticks, actors."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import trio

from quantmind.domain.clock import iso
from quantmind.domain.symbols import SymbolSpec
from quantmind.edges.rest import views
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import brokers_of, of_symbol, sample_of, which_broker, which_symbol, why_of
from quantmind.wire import holdings
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import PROTOCOL, magic_of, page, page_limit, ticket_after

logger: Final = logging.getLogger("quantmind.rest")

LIVE_WITHIN_S: Final = 10.0
"""A price that the feed has not confirmed for so long is not live, whatever its poller last said of itself."""

MAX_PATTERN: Final = 64
_NOT_LIVE: Final = frozenset({"connecting", "degraded", "failed", "stale", "closed"})


async def health(_context: RestContext, _ask: Ask) -> Answer:
    """The gateway answers."""
    return Answer({"status": "ok"})


async def service(context: RestContext, _ask: Ask) -> Answer:
    """What this is; an EA's test of its connection."""
    return Answer(
        {
            "name": "quantmind",
            "version": context.version,
            "protocol": PROTOCOL,
            "time": iso(context.clock.now()),
            "addresses": dict(context.addresses()),
        }
    )


async def status(context: RestContext, ask: Ask) -> Answer:
    """How everything is."""
    return Answer(status_of(context, ask))


def status_of(context: RestContext, ask: Ask) -> views.View:
    """How everything is, as far as the token may see it."""
    now = trio.current_time()
    boards = context.boards
    return {
        "version": context.version,
        "protocol": PROTOCOL,
        "time": iso(context.clock.now()),
        "brokers": [views.broker(name, boards, now=now) for name in brokers_of(context, ask)],
        "actors": views.actors_summary(context.snapshot()),
        "latency": context.latencies.snapshot(),
        "commands": views.door(context.door.statistics, context.door.in_flight),
        "eas": sum(ask.identity.reaches(ea.broker) for ea in boards.eas.all()),
        **{name: _seen(name, _part(name, part), ask) for name, part in context.parts.items() if _shown(name, ask)},
    }


# What came in by each broker's feed is of nobody who is bound to another one.
def _shown(part: str, ask: Ask) -> bool:
    return part != "ingest" or not ask.identity.brokers


# How the connections of a broker are is for whoever reaches it.
def _seen(name: str, part: Mapping[str, Any], ask: Ask) -> Mapping[str, Any]:
    if name != "exchanges" or "error" in part:
        return part
    return {broker: status for broker, status in part.items() if ask.identity.reaches(broker)}


def _part(name: str, part: Any) -> Mapping[str, Any]:
    # The page that people open when something is broken must not break with it.
    try:
        return dict(part())
    except Exception as error:
        logger.exception("fail.status part=%s", name)
        return {"error": type(error).__name__}


async def account(context: RestContext, ask: Ask) -> Answer:
    """Balance, equity, margin and so on."""
    return Answer(holdings.account(sample_of(context, which_broker(context, ask, ask.query.get("broker"))), now=_now()))


async def positions(context: RestContext, ask: Ask) -> Answer:
    """Open positions by ticket."""
    broker = which_broker(context, ask, ask.query.get("broker"))
    limit, after = page_limit(ask.query), ticket_after(ask.query)
    items = of_symbol(context, broker, ask.query.get("symbol"), sample_of(context, broker).positions)
    magic = magic_of(ask.query)
    items = [item for item in items if magic in (None, item.magic)]
    taken, following = page(items, lambda item: item.ticket, after, limit)
    return Answer(
        {
            "items": [holdings.position(item, broker) for item in taken],
            "next": None if following is None else str(following),
        }
    )


async def symbols(context: RestContext, ask: Ask) -> Answer:
    """What can be traded, by name; of every broker where none is named."""
    catalog = context.boards.catalog
    named = ask.query.get("broker")
    brokers = brokers_of(context, ask) if named is None else (which_broker(context, ask, named),)
    limit, pattern = page_limit(ask.query), ask.query.get("match", "*")
    if len(pattern) > MAX_PATTERN:
        detail = f"match has {len(pattern)} characters, at most {MAX_PATTERN} are taken"
        raise HttpProblem(422, "invalid_query", detail, field="match")
    matches = re.compile(fnmatch.translate(pattern.upper())).match
    items: list[tuple[SymbolSpec, str]] = [
        (spec, broker)
        for broker in brokers
        for name, spec in catalog.symbols(broker).items()
        if matches(name.upper()) is not None
    ]
    after = ask.query.get("after")
    start = None if after is None else tuple(after.rpartition("@")[::2]) if "@" in after else (after, "")
    taken, following = page(items, lambda item: (item[0].name, item[1]), start, limit)
    return Answer(
        {
            "items": [views.symbol(spec, broker) for spec, broker in taken],
            "next": None if following is None else "@".join(following),
        }
    )


async def tick(context: RestContext, ask: Ask) -> Answer:
    """The newest tick of one symbol, if it is live."""
    name = ask.path["symbol"]
    now = _now()
    broker, symbol = which_symbol(context, ask, name)
    state, priced = context.boards.links.of(broker), context.boards.prices.read(broker, symbol)
    newest = context.ticks.last_tick(broker, symbol)
    why = None
    if newest is None:
        why = f"{broker} has sent no tick of {symbol} yet; its feed is {state.feed}{why_of(state.feed_error)}"
    elif state.feed in _NOT_LIVE:
        why = f"the feed of {broker} is {state.feed}{why_of(state.feed_error)}"
    elif (silent := state.silent.get(symbol)) is not None:
        why = f"the feed of {symbol} is {silent.state} since {iso(silent.since)}"
    elif priced is not None and now - priced.confirmed_at > LIVE_WITHIN_S:
        why = f"the last price of {symbol} was confirmed {now - priced.confirmed_at:.0f} s ago"
    if why is not None:
        raise HttpProblem(503, "no_tick", why, headers=(("Retry-After", "1"),), broker=broker, symbol=symbol)
    confirmed_at = None if priced is None else priced.confirmed_at
    value = msgspec.to_builtins(newest)
    return Answer(views.tick(value, epoch=context.ticks.epoch, confirmed_at=confirmed_at, now=now))


async def actors(context: RestContext, _ask: Ask) -> Answer:
    """The tree of actors."""
    return Answer(views.actor(context.snapshot()))


def _now() -> float:
    return trio.current_time()
