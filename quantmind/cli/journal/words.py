"""A line of the log in words: for people, one line or a paragraph. Never fails, whatever a body holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from quantmind.adapters.journal.exports import time_of
from quantmind.cli.gateway import as_json
from quantmind.cli.output import printable
from quantmind.domain.visible import json_visible
from quantmind.records import Entry
from quantmind.wire.replies import from_store

Body = Mapping[str, Any]

MOST: Final = 300
"""So long may the words of one line be in a list; `show SEQ` has all of it."""


def header(line: Entry) -> str:
    """Number, time, kind, and whose it is."""
    who = "  ".join(each for each in (line.broker, line.ea_name) if each)
    return printable(f"{line.seq:>7}  {time_of(line)}  {line.kind:<8}" + (f"  {who}" if who else ""))


def one_line(line: Entry) -> str:
    """A line of a list."""
    words = printable(summary(line))
    return f"{header(line)}  {words if len(words) <= MOST else words[: MOST - 1] + '…'}"


def paragraph(line: Entry) -> str:
    """A line of a story: what happened, and its reasons each on a line of its own."""
    told = [f"{header(line)}  {printable(summary(line))}"]
    body = _body(line)
    for reason in _dicts(_dict(body, "reply").get("reasons")):
        limit = f" (limit {reason['limit']}, value {reason.get('value')})" if reason.get("limit") is not None else ""
        words = f"{reason.get('rule')}: {reason.get('message')}{limit}"
        told.append(f"           {printable(words)}")
    return "\n".join(told)


def everything(line: Entry) -> str:
    """All of a line, its body as indented JSON."""
    fields = {
        "seq": line.seq,
        "time": time_of(line),
        "kind": line.kind,
        "broker": line.broker,
        "EA": line.ea_name,
        "request": line.request_id,
        "order": line.order_id,
        "hash": line.hash.hex() or None,
    }
    head = [f"{name:<8} {printable(str(value))}" for name, value in fields.items() if value is not None]
    return "\n".join([*head, f"{'says':<8} {printable(summary(line))}", indented(line.body)])


def indented(body: str) -> str:
    """A body for reading: digits as they stand, nothing that a terminal obeys."""
    text = json_visible(body)
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return printable(body)


# --- what each kind says -------------------------------------------------------------------------------------------


def summary(line: Entry) -> str:
    """What happened, in one sentence; the body as it stands where that can't be told."""
    body = _body(line)
    say = _SUMMARIES.get(line.kind)
    if say is None or not body:
        return line.body
    return say(body)


def _body(line: Entry) -> Body:
    found: Any
    try:
        found = from_store(line.body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _journal(body: Body) -> str:
    taken = [f"{count} {table}" for table, count in _dict(body, "taken_over").items() if count]
    over = f"; of an earlier one were taken over: {', '.join(taken)}" if taken else ""
    return f"the log begins (version {body.get('version')}){over}"


def _command(body: Body) -> str:
    return f"{body.get('type')} {_by(body)}: {_answer(_dict(body, 'reply'))}"


def _decision(body: Body) -> str:
    verdict = "approved" if body.get("approved") else "refused"
    rules = [str(reason.get("rule")) for reason in _dicts(_dict(body, "reply").get("reasons"))]
    # An approval has reasons where limits are only observed, or where it is for less than was asked for.
    why = " by " if verdict == "refused" else ", with reasons of "
    return f"{verdict} {_order(_dict(body, 'command'))} {_by(body)}{why if rules else ''}{', '.join(rules)}"


def _intent(body: Body) -> str:
    return f"about to send {_order(_dict(body, 'order'))}"


def _outcome(body: Body) -> str:
    known = {"answer": "", "reconciliation": ", found at the broker", "person": ", decided by a person"}
    how = known.get(str(body.get("known_by")), f", known by {body.get('known_by')}")
    return f"{body.get('state')}{how}: {_order(_dict(body, 'order'))}; {_answer(_dict(body, 'reply'))}"


def _released(body: Body) -> str:
    return f"nothing is held back for it any more: {body.get('reason')}"


def _setting(body: Body) -> str:
    value = body.get("value")
    return f"{body.get('key')} is forgotten" if value is None else f"{body.get('key')} = {_json(value)}"


def _holding(body: Body) -> str:
    data, cause = _dict(body, "data"), body.get("cause")
    why = f" ({cause})" if cause else ""
    if not data:
        return f"{body.get('ticket')} is gone{why}"
    price = next((data[name] for name in ("price_open", "price") if data.get(name) is not None), None)
    parts = (data.get("symbol"), data.get("entry"), data.get("side"), data.get("volume"))
    words = " ".join(str(part) for part in parts if part is not None)
    profit = data.get("profit")
    return f"{body.get('ticket')}{why}: {words}{_at(price)}{'' if profit is None else f', profit {profit}'}"


def _event(body: Body) -> str:
    rest = ", ".join(f"{name} {_json(value)}" for name, value in body.items() if name != "name" and value is not None)
    return f"{body.get('name')}{': ' if rest else ''}{rest}"


def _pruned(body: Body) -> str:
    return f"lines {body.get('first')} to {body.get('through')} went by {body.get('why')}"


_SUMMARIES: Final[Mapping[str, Callable[[Body], str]]] = {
    "journal": _journal,
    "command": _command,
    "decision": _decision,
    "intent": _intent,
    "outcome": _outcome,
    "released": _released,
    "setting": _setting,
    "order": _holding,
    "position": _holding,
    "deal": _holding,
    "event": _event,
    "pruned": _pruned,
}


# --- parts of them -------------------------------------------------------------------------------------------------


def _order(order: Body) -> str:
    volume = order.get("approved_volume") or order.get("volume")
    kind = order.get("order_type")
    ticket = order.get("ticket")
    parts = [
        order.get("type"),
        order.get("symbol"),
        order.get("side"),
        volume,
        None if kind == "market" else kind,
        None if order.get("price") is None else f"at {order['price']}",
        f"ticket {ticket}" if ticket else None,
        *(f"{name} {order[name]}" for name in ("sl", "tp") if order.get(name) is not None),
    ]
    return " ".join(str(part) for part in parts if part not in (None, ""))


def _answer(reply: Body) -> str:
    parts = [
        reply.get("code") or reply.get("status"),
        f"retcode {reply['retcode']}" if reply.get("retcode") is not None else None,
        f"ticket {reply['ticket']}" if reply.get("ticket") else None,
        f"volume {reply['volume']}" if reply.get("volume") is not None else None,
        f"at {reply['price']}" if reply.get("price") is not None else None,
        f"({reply['message']})" if reply.get("message") else None,
    ]
    return " ".join(str(part) for part in parts if part is not None) or "no answer"


def _by(body: Body) -> str:
    by, via = body.get("by"), body.get("via")
    return f"from {by or 'somebody'} over {via}" if via else f"from {by or 'somebody'}"


def _at(price: Any) -> str:
    return "" if price is None else f" at {price}"


def _dict(body: Body, name: str) -> Body:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _dicts(value: Any) -> list[Body]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _json(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)
