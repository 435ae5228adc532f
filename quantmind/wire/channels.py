"""Private channels: which line of the log goes out on which, what it then says, and what holds after it. Pure.

A channel's message is `{"type","journal_seq","broker","time","data"}`, see docs/protocol.md section 1. Whoever folds
the lines after a snapshot into it has what the next snapshot would have: that is what `fold` does, here and at clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs
import msgspec

from quantmind.domain.clock import iso, iso_from_msc
from quantmind.domain.order_life import OrderState
from quantmind.records import Entry, OrderRecord, Setting, Standing
from quantmind.wire.replies import from_store

CHANNELS: Final = ("account", "orders", "risk", "events")

RECORDED: Final = frozenset({"orders", "risk", "events"})
"""Channels that are made of lines of the log, and so can be resumed; `account` is made of samples."""

KINDS: Final = frozenset({"intent", "outcome", "order", "position", "deal", "setting", "event"})
"""Lines of the log that may go out on a channel."""

OF_RISK: Final = frozenset(
    {
        "limit.warning",
        "limit.broken",
        "reset.warning",
        "hold.over",
        "flatten.begin",
        "flatten.done",
        "ea.silent",
    }
)
"""Events that go out on `risk`; all others on `events`."""

_ROUTERS: Final = frozenset({"router:regime", "router:mandate"})
"""What people set of the router's state; the rest of it changes all the time."""

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_GONE: Final = {"position": "closed", "order": "gone"}
_HERE: Final = {"position": "open", "order": "placed"}
_OF_REPLY: Final = ("price", "volume", "sl", "tp", "profit", "retcode", "message")

Key = tuple[str, ...]
"""What a message is about: its kind, then a broker and a ticket, an order's id, or a name."""


@attrs.frozen(eq=False)
class Notice:
    """What goes out of one line of the log. `time` is the line's own, ISO 8601 UTC.

    `key` None: it happened, and nothing holds from then on. With `holds` False what the key names is over.
    """

    channel: str
    type: str
    broker: str | None
    time: str
    facts: Mapping[str, Any]
    key: Key | None = None
    holds: bool = False
    _tail: bytes = attrs.field(init=False)
    """The message from its broker on: all that does not depend on when it is said."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_tail", _tail(self.broker, self.time, self.facts))

    def message(self, journal_seq: int, *, snapshot: bool = False) -> bytes:
        """The WebSocket message; `snapshot`: it held already when the channel was subscribed to."""
        return _head(self.type, journal_seq, snapshot=snapshot) + self._tail


def account_message(data: Mapping[str, Any], time: str, journal_seq: int, *, snapshot: bool = False) -> bytes:
    """The `account` message of an account as REST shows it."""
    return _head("account", journal_seq, snapshot=snapshot) + _tail(data["broker"], time, data)


def _head(kind: str, journal_seq: int, *, snapshot: bool) -> bytes:
    mark = '"snapshot":true,' if snapshot else ""
    return f'{{"type":"{kind}",{mark}"journal_seq":{journal_seq},'.encode()


def _tail(broker: str | None, time: str, facts: Mapping[str, Any]) -> bytes:
    return _encode({"broker": broker, "time": time, "data": facts})[1:]


# --- lines ---------------------------------------------------------------------------------------------------------


def notice_of(entry: Entry) -> Notice | None:
    """What a line of the log says on a channel; None: it is of no channel."""
    if entry.kind not in KINDS:
        return None
    body = from_store(entry.body)
    match entry.kind:
        case "intent" | "outcome":
            return _order_notice(
                order_id=entry.order_id or "",
                broker=entry.broker or "",
                ea_name=entry.ea_name or "",
                request_id=entry.request_id,
                magic=body["magic"],
                symbol=body["symbol"],
                asked=body["order"],
                state=body["state"],
                known_by=body.get("known_by"),
                reply=body.get("reply") or {},
                time=_iso(entry.at_us),
            )
        case "setting":
            return _setting_notice(body["key"], body["value"], _iso(entry.at_us))
        case "event":
            return _event_notice(entry, body)
        case _:
            return _holding_notice(
                kind=entry.kind,
                broker=entry.broker or "",
                ticket=body["ticket"],
                data=body["data"],
                order_id=entry.order_id,
                why=body["cause"],
                time=_iso(entry.at_us),
            )


def _event_notice(entry: Entry, body: Mapping[str, Any]) -> Notice:
    of = {"order_id": entry.order_id, "ea_name": entry.ea_name}
    facts = {**body, **{name: value for name, value in of.items() if value is not None}}
    if body.get("name") in OF_RISK:
        return Notice("risk", "risk", entry.broker, _iso(entry.at_us), {"about": "event", **_plain(facts)})
    return Notice("events", "event", entry.broker, _iso(entry.at_us), facts)


# Events keep money as text and times as Unix seconds; here they are as in the other messages.
def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: _number(facts[name]) for name in ("floor", "value") if name in facts}
    times = {name: _moment(facts[name]) for name in ("next_reset",) if name in facts}
    return {**facts, **numbers, **times}


# --- what holds ----------------------------------------------------------------------------------------------------


def standing_notices(standing: Standing) -> Iterable[Notice]:
    """What holds by the record, as if each were said by the line that made it so.

    Deals are not among them: a deal happened, and holds nothing.
    """
    for order in standing.open:
        yield order_notice(order)
    for holding in (*standing.orders, *standing.positions):
        yield _holding_notice(
            kind=holding.kind,
            broker=holding.broker,
            ticket=holding.ticket,
            data=holding.data or {},
            order_id=holding.order_id,
            why=holding.cause,
            time=_iso(_us(holding.at)),
        )
    for setting in standing.settings:
        notice = setting_notice(setting)
        if notice is not None:
            yield notice


def order_notice(order: OrderRecord) -> Notice:
    """One order of ours, as it stands."""
    return _order_notice(
        order_id=order.order_id,
        broker=order.broker,
        ea_name=order.ea_name,
        request_id=order.request_id,
        magic=order.magic,
        symbol=order.symbol,
        asked=order.body,
        state=order.state.value,
        known_by=None if order.known_by is None else order.known_by.value,
        reply=order.reply or {},
        time=_iso(_us(order.at if order.settled_at is None else order.settled_at)),
    )


def setting_notice(setting: Setting) -> Notice | None:
    """One value of `risk`; None for what is no channel's, or can't be understood: its line was not told either."""
    try:
        return _setting_notice(setting.key, setting.value, _iso(_us(setting.at)))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def fold(held: dict[Key, Notice], notice: Notice) -> None:
    """Change what holds by what a line says."""
    if notice.key is None:
        return
    if not notice.holds:
        held.pop(notice.key, None)
        return
    held[notice.key] = _standing_form(notice, held.get(notice.key))


# The record keeps less of an unknown order, and more of a holding, than the newest line says.
def _standing_form(notice: Notice, before: Notice | None) -> Notice:
    facts = notice.facts
    if facts.get("about") == "day":  # its row has the time of what tells nothing, and has no line
        return attrs.evolve(notice, time=facts["began"])
    if facts.get("state") == OrderState.UNKNOWN.value and facts.get("source") == "gateway":
        time = notice.time if before is None else before.time
        nothing = dict.fromkeys(_OF_REPLY)
        known = {**facts, **nothing, "ticket": _asked_ticket(facts), "time": time}
        return attrs.evolve(notice, facts=known, time=time)
    if before is not None and "order_id" in facts and facts["order_id"] is None:
        return attrs.evolve(notice, facts={**facts, "order_id": before.facts["order_id"]})
    return notice


def _asked_ticket(facts: Mapping[str, Any]) -> Any:
    return facts["ticket"] if facts["command"] != "trade_open" else None


# --- the kinds ------------------------------------------------------------------------------------------------


def _order_notice(
    *,
    order_id: str,
    broker: str,
    ea_name: str,
    request_id: str | None,
    magic: int,
    symbol: str,
    asked: Mapping[str, Any],
    state: str,
    known_by: str | None,
    reply: Mapping[str, Any],
    time: str,
) -> Notice:
    facts = {
        "source": "gateway",
        "order_id": order_id,
        "state": state,
        "known_by": known_by,
        "broker": broker,
        "ea_name": ea_name,
        "magic": magic,
        "request_id": request_id,
        "symbol": symbol,
        "command": asked.get("type"),
        "side": asked.get("side"),
        "order_type": asked.get("order_type"),
        "volume_asked": _number(asked.get("approved_volume") or asked.get("volume")),
        "ticket": reply.get("ticket") or asked.get("ticket") or None,
        **{name: reply.get(name) for name in _OF_REPLY},
        "time": time,
    }
    return Notice("orders", "order", broker, time, facts, ("order", order_id), OrderState(state).open)


def _holding_notice(
    *,
    kind: str,
    broker: str,
    ticket: int,
    data: Mapping[str, Any] | None,
    order_id: str | None,
    why: str,
    time: str,
) -> Notice:
    if kind == "deal":
        facts: dict[str, Any] = {**(data or {}), "order_id": order_id, "why": why}
        return Notice("orders", kind, broker, time, facts)
    state = (_HERE if data is not None else _GONE)[kind]
    facts = {**({"ticket": ticket, "broker": broker} if data is None else data), "state": state}
    if kind == "order":
        facts["source"] = "broker"
    facts |= {"order_id": order_id, "why": why}
    return Notice("orders", kind, broker, time, facts, (f"{kind}@broker", broker, str(ticket)), data is not None)


def _setting_notice(key: str, value: Mapping[str, Any] | None, time: str) -> Notice | None:
    kind, _, name = key.partition(":")
    if key in _ROUTERS:
        return _router_notice(key.partition(":")[2], value, time)
    match kind:
        case "state":
            facts: dict[str, Any] = {"about": kind, "broker": name, **_halt(value)}
            return Notice("risk", "risk", name, time, facts, (kind, name), value is not None)
        case "hold":
            broker, _, rule = name.rpartition(":")
            facts = {"about": kind, "broker": broker, "rule": rule, **_halt(value)}
            return Notice("risk", "risk", broker, time, facts, (kind, name), value is not None)
        case "flatten":
            return _flattening_notice(name, value, time)
        case "risk":
            return _day_notice(name, value, time)
        case "multiplier":
            facts = {
                "about": kind,
                "ea_name": name,
                "risk_multiplier": None if value is None else _number(value["value"]),
                "by": None if value is None else value.get("by"),
            }
            return Notice("risk", "risk", None, time, facts, (kind, name), value is not None)
    return None


def _halt(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {"state": None, "cause": None, "since": None}
    return {"state": value["state"], "cause": value.get("cause"), "since": _moment(value.get("since"))}


def _flattening_notice(name: str, value: Mapping[str, Any] | None, time: str) -> Notice:
    broker, _, magic = name.partition(":")
    facts = {
        "about": "flattening",
        "broker": broker,
        "magic": int(magic) if magic else None,
        **{each: None if value is None else value[each] for each in ("cause", "positions", "orders")},
        "since": None if value is None else _moment(value["since"]),
    }
    return Notice("risk", "risk", broker, time, facts, ("flattening", name), value is not None)


# Only what has a line each time that it changes: the rest of an account's book tells nothing, see risk_books.
def _day_notice(broker: str, value: Mapping[str, Any] | None, time: str) -> Notice:
    day = {} if value is None else value
    baseline = day.get("baseline")
    known = baseline if baseline is not None and baseline["day"] == day["day"] else {}
    facts = {
        "about": "day",
        "broker": broker,
        "began": _moment(day.get("day")),
        "balance": _number(known.get("balance")),
        "equity": _number(known.get("equity")),
        "known_by": known.get("source"),
        "highest_balance": _number(day.get("highest_balance")),
        "trading_days": day.get("trading_days"),
    }
    return Notice("risk", "risk", broker, time, facts, ("day", broker), value is not None)


def _router_notice(about: str, value: Mapping[str, Any] | None, time: str) -> Notice:
    said = {} if value is None else value
    names = ("label", "symbols") if about == "regime" else ("mode", "max_multiplier")
    facts = {
        "about": about,
        **{name: said.get(name) for name in names},
        **{name: said.get(name) for name in ("by", "reason", "revision")},
        "since": _moment(said.get("since")) if said.get("since") else None,
    }
    if about == "mandate":
        facts["max_multiplier"] = _number(facts["max_multiplier"])
    return Notice("risk", "risk", None, time, facts, (about,), value is not None)


def _moment(at: float | None) -> str | None:
    return None if at is None else iso(float(at))


# Commands keep numbers as text, exact; a client gets numbers.
def _number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, str) else value


# As lines of the log have it, so that both say the same to the millisecond.
def _us(at: float) -> int:
    return round(at * 1e6)


def _iso(at_us: int) -> str:
    return iso_from_msc(at_us // 1000)
