"""What clients see of accounts, positions, orders, deals, bars, symbols, EAs and actors: plain JSON values, pure.

Money in the account currency, volumes in lots, prices in the symbol's quote currency, times in UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from actors.boards import Boards, EaConnection, Halt, Link
from actors.clients import ClientInfo
from actors.runtime import Snapshot, State
from quantmind.domain.accounts import Deal, PendingOrder, Position, Sample
from quantmind.domain.bars import Bar, points
from quantmind.domain.clock import iso, iso_from_msc
from quantmind.domain.symbols import SymbolSpec

View = dict[str, Any]


def account(sample: Sample, *, now: float) -> View:
    """An account; `now` is monotonic seconds, `age_ms` how old the sample is."""
    state = sample.account
    level = state.margin_level
    return {
        "broker": sample.broker,
        "login": state.login,
        "server": state.server,
        "currency": state.currency,
        "leverage": state.leverage,
        "margin_mode": state.margin_mode,
        "balance": state.balance,
        "equity": state.equity,
        "margin": state.margin,
        "free_margin": state.margin_free,
        "margin_level": None if level is None else round(level, 2),
        "profit": state.profit,
        "trade_allowed": state.trade_allowed,
        "positions": len(sample.positions),
        "pending_orders": len(sample.orders),
        "age_ms": age_ms(sample.taken_at, now),
    }


def position(item: Position, broker: str) -> View:
    """An open position."""
    return {
        "ticket": item.ticket,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "volume": item.volume,
        "price_open": item.price_open,
        "price_current": item.price_current,
        "sl": item.sl,
        "tp": item.tp,
        "profit": item.profit,
        "swap": item.swap,
        "magic": item.magic,
        "comment": item.comment,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }


def order(item: PendingOrder, broker: str) -> View:
    """A limit or stop order that waits for its price."""
    expiration = item.expiration_msc
    return {
        "ticket": item.ticket,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "order_type": item.order_type.value,
        "volume": item.volume,
        "price": item.price,
        "sl": item.sl,
        "tp": item.tp,
        "expiration": None if expiration is None else iso_from_msc(expiration),
        "expiration_msc": expiration,
        "magic": item.magic,
        "comment": item.comment,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }


def deal(item: Deal, broker: str) -> View:
    """One execution."""
    return {
        "ticket": item.ticket,
        "order": item.order,
        "position": item.position,
        "symbol": item.symbol,
        "broker": broker,
        "side": item.side.value,
        "entry": item.entry.value,
        "cause": item.cause.value,
        "volume": item.volume,
        "price": item.price,
        "profit": item.profit,
        "commission": item.commission,
        "swap": item.swap,
        "magic": item.magic,
        "comment": item.comment,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
    }


def ea(item: EaConnection, boards: Boards) -> View:
    """An EA that has sent a command. `trading_state` is of the account that its last one went to."""
    return {
        "ea_name": item.ea_name,
        "magic": item.magic,
        "symbol": item.symbol or None,
        "broker": item.broker,
        "version": item.version or None,
        "balance": item.balance,
        "equity": item.equity,
        "risk_multiplier": boards.multipliers.read(item.ea_name),
        "trading_state": None if item.broker is None else boards.halts.shown(item.broker).state.value,
        "messages": item.messages,
        "connected_since": iso(item.connected_at),
        "last_seen": iso(item.last_seen),
        "last_heartbeat": None if item.last_heartbeat is None else iso(item.last_heartbeat),
    }


def client(item: ClientInfo) -> View:
    """A WebSocket client, without its secrets."""
    return {
        "id": item.number,
        "remote": item.remote,
        "connected_since": iso(item.connected_at),
        "authenticated_as": item.name,
        "scopes": item.scopes,
        "subscriptions": item.subscriptions,
        "symbols": item.symbols,
        "messages_received": item.messages,
        "messages_sent": item.messages_sent,
        "bytes_sent": item.bytes_sent,
        "bytes_waiting": item.queued_bytes,
        "ticks_conflated": item.conflated,
    }


def bar(item: Bar, spec: SymbolSpec) -> View:
    """A bar as MetaTrader 5 gives it in `MqlRates`: the spread in points."""
    return {
        "symbol": spec.name,
        "time": iso_from_msc(item.time_msc),
        "time_msc": item.time_msc,
        "open": item.open,
        "high": item.high,
        "low": item.low,
        "close": item.close,
        "tick_volume": item.tick_volume,
        "spread": points(item.spread, spec.digits),
        "complete": item.complete,
    }


def symbol(spec: SymbolSpec, broker: str) -> View:
    """What a broker says of a symbol."""
    return {
        "symbol": spec.name,
        "broker": broker,
        "description": spec.description,
        "digits": spec.digits,
        "point": spec.point,
        "tick_size": spec.tick_size,
        "contract_size": spec.contract_size,
        "volume_min": spec.volume_min,
        "volume_max": spec.volume_max,
        "volume_step": spec.volume_step,
        "stops_level": spec.stops_level,
        "freeze_level": spec.freeze_level,
        "currency_base": spec.currency_base,
        "currency_profit": spec.currency_profit,
        "currency_margin": spec.currency_margin,
        "trade_mode": spec.trade_mode.value,
        "execution": spec.execution.value,
        "fillings": sorted(filling.value for filling in spec.fillings),
        "swap_long": spec.swap_long,
        "swap_short": spec.swap_short,
    }


def trading_state(broker: str, halt: Halt) -> View:
    """What an account may do, why, and since when."""
    return {"broker": broker, "state": halt.state.value, "cause": halt.cause, "since": _since(halt.since)}


def link(item: Link) -> View:
    """How a broker's connection is."""
    return {
        "feed": item.feed,
        "feed_since": _since(item.feed_since),
        "feed_error": item.feed_error,
        "orders": item.orders,
        "orders_error": item.orders_error,
        "deals_error": item.deals_error,
        "ticks_polled": item.ticks,
        "ticks_crossed": item.crossed,
        "ticks_dropped": item.dropped,
        "polls_skipped": item.overruns,
    }


def broker(name: str, boards: Boards, *, now: float) -> View:
    """A broker for /status: connectivity, account age, trading state, and each symbol's tick age."""
    state = boards.links.of(name)
    ages: dict[str, int | None] = {}
    for known in boards.catalog.symbols(name):
        priced = boards.prices.read(name, known)
        ages[known] = None if priced is None else age_ms(priced.confirmed_at, now)
    return {
        "broker": name,
        **link(state),
        "account_age_ms": None if state.sample is None else age_ms(state.sample.taken_at, now),
        "trading": trading_state(name, boards.halts.shown(name)),
        "tick_age_ms": ages,
    }


def actor(node: Snapshot) -> View:
    """One node of the tree, with all below it."""
    return {
        "name": node.name,
        "kind": node.kind.value,
        "state": node.state.value,
        "in_state_s": round(node.in_state_s, 3),
        "incarnation": node.incarnation,
        "restarts": node.restarts,
        "last_error": node.last_error,
        "mailbox": {
            "queued": node.queued,
            "capacity": node.capacity,
            "peak": node.peak,
            "dropped": node.dropped,
            "conflated": node.conflated,
            "refused": node.refused,
            "expired": node.expired,
        },
        "children": [actor(child) for child in node.children],
    }


def actors_summary(root: Snapshot) -> View:
    """The tree in a few numbers, and the name of each that does not run."""
    nodes = list(root.walk())
    return {
        "total": len(nodes),
        "by_state": dict(Counter(node.state.value for node in nodes)),
        "restarts": sum(node.restarts for node in nodes),
        "not_running": [
            {"name": node.name, "state": node.state.value, "last_error": node.last_error}
            for node in nodes
            if node.state is not State.RUNNING
        ],
    }


def door(statistics: Any, in_flight: int) -> View:
    """What came through the door for commands."""
    return {
        "in_flight": in_flight,
        "received": statistics.received,
        "malformed": statistics.malformed,
        "unauthorized": statistics.unauthorized,
        "busy": statistics.busy,
        "timed_out": statistics.timed_out,
        "lost": statistics.lost,
        "by_status": dict(statistics.by_status),
    }


def tick(value: Mapping[str, Any], *, epoch: str, confirmed_at: float | None, now: float) -> View:
    """A tick as on the WebSocket, with its epoch and how long ago the feed confirmed the price."""
    return {**value, "epoch": epoch, "age_ms": None if confirmed_at is None else age_ms(confirmed_at, now)}


def age_ms(then: float, now: float) -> int:
    """Milliseconds between two moments, never negative."""
    return max(0, round((now - then) * 1000))


def _since(at: float) -> str | None:
    return iso(at) if at > 0 else None
