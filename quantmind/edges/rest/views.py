"""What clients see of accounts, positions, orders, deals, bars, symbols, EAs and actors: plain JSON values, pure.

Money in the account currency, volumes in lots, prices in the symbol's quote currency, times in UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from actors.boards import Boards, EaConnection, Link, Reconciliation
from actors.clients import ClientInfo
from actors.condition_board import Condition
from actors.halts import NOT_STARTED, Halt
from actors.known import Entry
from actors.messages import Reply
from actors.runtime import Snapshot, State
from quantmind.domain.bars import Bar, points
from quantmind.domain.breaker import Breaker, Path
from quantmind.domain.clock import iso, iso_from_msc
from quantmind.domain.risk import TradingState
from quantmind.domain.symbols import SymbolSpec
from quantmind.ports import Recovery
from quantmind.records import Entry as LogEntry
from quantmind.records import OrderRecord

View = dict[str, Any]


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
        "risk_multiplier": boards.multiplier(item.ea_name, item.broker),
        "trading_state": None if item.broker is None else boards.halts.shown(item.broker).state.value,
        "messages": item.messages,
        "heartbeats": item.heartbeats,
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
        "channels": item.channels,
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


def command(record: OrderRecord, reply: Reply, *, in_flight: bool) -> View:
    """An order of ours, or a verdict, as the record has it; `reply` is what a repeat of it hears now."""
    verdict = record.kind == "decision"
    return {
        "request_id": record.request_id,
        "ea_name": record.ea_name,
        "kind": record.kind,
        "state": record.state.value,
        "known_by": None if record.known_by is None else record.known_by.value,
        "order_id": None if verdict else record.order_id,
        "decision_id": record.order_id if verdict else None,
        "broker": record.broker,
        "symbol": record.symbol or None,
        "magic": record.magic,
        "received": iso(record.at),
        "settled": None if record.settled_at is None else iso(record.settled_at),
        "command": record.body,
        "reply": reply,
        "in_flight": in_flight,
    }


def command_in_memory(ea_name: str, request_id: str, entry: Entry) -> View:
    """A command that is not on record: it is on its way, or was answered while the journal could not write."""
    asked, reply = entry.asked, entry.reply
    return {
        "request_id": request_id,
        "ea_name": ea_name,
        "kind": None,
        "state": "proposed" if entry.in_flight else None,
        "known_by": None,
        "order_id": None if reply is None else reply.get("order_id"),
        "decision_id": None,
        "broker": None if asked is None else asked.broker,
        "symbol": entry.symbol or None,
        "magic": None if asked is None else asked.body["magic"],
        "received": None if asked is None else iso(asked.at),
        "settled": None,
        "command": None if asked is None else asked.body,
        "reply": reply,
        "in_flight": entry.in_flight,
    }


def history(line: LogEntry, body: Mapping[str, Any]) -> View:
    """One line of an order's history."""
    state = body.get("state")
    if line.kind == "decision":
        state = "approved" if body.get("approved") else "denied"
    told = {name: body[name] for name in ("name", "known_by", "by", "reason", "ticket") if name in body}
    return {"seq": line.seq, "time": iso(line.at_us / 1e6), "kind": line.kind, "state": state, **told}


OPERATOR = "operator"
NOBODY_YET = "not_started"


def trading(broker: str, boards: Boards) -> View:
    """What an account may do, why, and since when; and in `holds` all that keeps it from trading freely."""
    halts = boards.halts
    operator = halts.operator(broker)
    causes = {} if operator.state is TradingState.ACTIVE else {OPERATOR: operator}
    if operator is NOT_STARTED:
        causes = {NOBODY_YET: operator}
    causes |= halts.holds(broker)
    causes |= halts.clouds(broker)
    shown = halts.shown(broker)
    return {"broker": broker, **_halt(shown), "holds": [{"rule": rule, **_halt(each)} for rule, each in causes.items()]}


def _halt(halt: Halt) -> View:
    return {"state": halt.state.value, "cause": halt.cause, "since": _since(halt.since)}


def link(item: Link) -> View:
    """How a broker's connection is."""
    return {
        "feed": item.feed,
        "feed_since": _since(item.feed_since),
        "feed_error": item.feed_error,
        "orders": item.orders,
        "orders_error": item.orders_error,
        "closes_error": item.closes_error,
        "account_error": item.account_error,
        "deals_error": item.deals_error,
        "ticks_polled": item.ticks,
        "ticks_crossed": item.crossed,
        "ticks_dropped": item.dropped,
        "polls_skipped": item.overruns,
    }


def condition(item: Condition | None) -> View:
    """How an account is, and by what causes new risk is kept from it."""
    item = item or Condition()
    return {
        "state": item.state,
        "since": _since(item.since),
        "refused": item.refused,
        "causes": [{"code": cause.code, "message": cause.message} for cause in item.causes],
    }


def breaker(item: Breaker, now: float) -> View:
    """A broker's circuit breaker; `now` is monotonic seconds."""
    return {
        "state": item.state(now).value,
        "path": None if item.path is None else item.path.value,
        "reason": item.reason,
        "probe_in_s": round(item.probe_in_s(now), 3),
        "failures": item.failures,
        "in_a_row": {path.value: item.in_a_row(path) for path in Path},
        "opened": item.opened,
    }


def recoveries(item: Link) -> View:
    """What was tried with a silent feed: how often each step, and the last one."""
    last = item.recovered
    return {
        **{step.value: item.recoveries.get(step.value, 0) for step in Recovery},
        "last": None
        if last is None
        else {
            "step": last.step,
            "at": iso(last.at),
            "silent_s": last.silent_s,
            "symbols": list(last.symbols[:20]),
            "error": last.error,
        },
    }


def books(item: Reconciliation) -> View:
    """How an account's books stand: what is recorded against what the broker says."""
    return {
        "state": item.state,
        "since": _since(item.since),
        "error": item.error,
        "compared_at": None if item.compared_at is None else iso(item.compared_at),
        "recorded": item.recorded,
        "outside": item.outside,
        "drifts": item.drifts,
        "flagged": [
            {
                "ticket": drift.ticket,
                "symbol": drift.symbol,
                "ours": drift.ours,
                "theirs": drift.theirs,
                "since": iso(drift.since),
            }
            for drift in item.flagged
        ],
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
        "condition": condition(boards.conditions.of(name)),
        "breaker": breaker(state.breaker, now),
        "silent": {symbol: {"state": one.state, "since": _since(one.since)} for symbol, one in state.silent.items()},
        "recoveries": recoveries(state),
        "books": books(boards.books.of(name)),
        "account_age_ms": None if state.sample is None else age_ms(state.sample.taken_at, now),
        "trading": trading(name, boards),
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
        "heartbeats": statistics.heartbeats,
        "malformed": statistics.malformed,
        "unauthorized": statistics.unauthorized,
        "busy": statistics.busy,
        "timed_out": statistics.timed_out,
        "lost": statistics.lost,
        "unnoted": statistics.unnoted,
        "no_place": dict(statistics.no_place),
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
