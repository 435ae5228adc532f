"""The routes of the record: what became of a command or an order, what nobody knows yet, and a person who does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec
import trio

from actors.known import Entry, as_before
from actors.messages import SettleOrder
from quantmind.edges.rest import views
from quantmind.edges.rest.asking import asked
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import READ_WITHIN_S, must_reach, read, which_broker
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery, OpenOrders
from quantmind.records import Known, OrderRecord
from quantmind.wire import problems
from quantmind.wire.problems import HttpProblem
from quantmind.wire.replies import Reply
from quantmind.wire.rest import open_state_of, order_after, page_limit, request_id_in_path, shown
from quantmind.wire.rest_bodies import decode_settlement

SETTLE_WITHIN_S: Final = 28.0
"""An order may be at a broker that does not answer for 20 s; then the broker is asked, and the record written."""
MOST_NAMES: Final = 20
"""Names of EAs that a problem lists."""
HISTORY: Final = 200
"""Lines of an order's history."""
_HISTORY_KINDS: Final = frozenset({"decision", "intent", "outcome", "released", "deal", "event"})


async def command_status(context: RestContext, ask: Ask) -> Answer:
    """What became of a command, by its request id."""
    request_id, ea_name = request_id_in_path(ask.path["request_id"]), ask.query.get("ea_name")
    # Memory first: what ends between the two is shown as in flight, and never as if it had not been.
    if ea_name is None:
        remembered = context.known.of_id(request_id)
    else:
        entry = context.known.get((ea_name, request_id))
        remembered = {} if entry is None else {ea_name: entry}
    found = await read(context.journal.remembered(request_id, ea_name, MOST_NAMES + 1))
    records = {record.ea_name: record for record in found}
    here = {name: entry for name, entry in remembered.items() if entry.in_flight or entry.reply is not None}
    names = sorted(records.keys() | here.keys())
    if ask.identity.brokers and len(names) > 1:
        # What is of other brokers is neither counted nor named.
        names = [name for name in names if ask.identity.reaches(_broker_of(name, records, here))]
    if len(names) > 1:
        more = len(names) - MOST_NAMES
        listed = ", ".join(shown(name) for name in names[:MOST_NAMES]) + (" and others" if more > 0 else "")
        detail = f"{listed} have used the request_id {shown(request_id)}; name one as ea_name"
        raise HttpProblem(422, "ea_name_required", detail, field="ea_name", ea_names=names[:MOST_NAMES])
    if not names:
        raise _not_remembered(context, request_id, ea_name)
    name = names[0]
    must_reach(context, ask, _broker_of(name, records, here))
    record = records.get(name)
    if record is not None:
        return Answer(_view(context, record))
    return Answer(views.command_in_memory(name, request_id, here[name]))


def _broker_of(name: str, records: Mapping[str, OrderRecord], here: Mapping[str, Entry]) -> str | None:
    if name in records:
        return records[name].broker
    asked = here[name].asked
    return None if asked is None else asked.broker


async def open_commands(context: RestContext, ask: Ask) -> Answer:
    """Orders of which more is to come, by the time they came: unknown ones, and those in the broker's book."""
    state, limit, after = open_state_of(ask.query), page_limit(ask.query), order_after(ask.query)
    named = ask.query.get("broker")
    broker = None if named is None else which_broker(context, ask, named)
    query = OpenOrders(broker, state != "placed", state != "unknown", after, limit + 1)
    found = await read(context.journal.open_orders(query))
    taken = found[:limit]
    following = f"{taken[-1].at!r}@{taken[-1].order_id}" if len(found) > limit else None
    # Cut after the page was made: it may have fewer items than asked for, or none, and still a next one.
    seen = [record for record in taken if ask.identity.reaches(record.broker)]
    return Answer({"items": [_view(context, record) for record in seen], "next": following})


async def order(context: RestContext, ask: Ask) -> Answer:
    """One order of ours by its order_id, and how it came to be what it is."""
    record = await _order_in_path(context, ask)
    return Answer({**_view(context, record), "history": await _history(context, record.order_id)})


async def settle(context: RestContext, ask: Ask) -> Answer:
    """A person's word on an order of which nobody knows what became of it. Nothing is sent."""
    word = decode_settlement(ask.body)
    record = await _order_in_path(context, ask)
    executor = context.executors.get(record.broker)
    if executor is None:
        detail = (
            f"order {record.order_id} is of the broker {record.broker}, which is not enabled; enable it to settle it"
        )
        raise HttpProblem(404, "unknown_broker", detail, broker=record.broker)
    message = SettleOrder(record.order_id, by=ask.identity.name, **attrs.asdict(word, recurse=False))
    reply = await asked(
        executor,
        message,
        SETTLE_WITHIN_S,
        who=f"the executor of {record.broker}",
        done="settled",
        look=f"see at /orders/{record.order_id} whether it was settled",
        order_id=record.order_id,
    )
    problem = settle_problem(reply, record.order_id)
    if problem is not None:
        raise problem
    return Answer(_view(context, reply["record"]))


def settle_problem(reply: Reply, order_id: str) -> HttpProblem | None:
    """What an executor's answer to `SettleOrder` is over HTTP; None when the order was settled."""
    if reply["status"] == "success":
        return None
    fields = {name: value for name, value in reply.items() if name in ("state", "broker_says", "field")}
    if reply["status"] == "unknown":
        detail = f"{reply['message']}; see /orders/{order_id}"
        return HttpProblem(504, "unknown", detail, order_id=order_id)
    code, detail = str(reply["code"]), str(reply["message"])
    if code in ("busy", "expired"):
        return problems.busy(detail, order_id=order_id)
    headers = (("Retry-After", "1"),) if code in ("in_hand", "no_journal") else ()
    return HttpProblem(_STATUS_OF[code], code, detail, headers=headers, order_id=order_id, **fields)


_STATUS_OF: Final = {
    "broker_contradicts": 409,
    "in_hand": 409,
    "invalid_message": 422,
    "no_journal": 503,
    "settled": 409,
    "unknown_order": 404,
}


def _not_remembered(context: RestContext, request_id: str, ea_name: str | None) -> HttpProblem:
    of = "" if ea_name is None else f" of {shown(ea_name)}"
    kept = f"ids are kept for {context.keep_days} days, or at least a day where the journal's size does not allow it"
    detail = f"no order and no decision{of} with the request_id {shown(request_id)} is on record ({kept})"
    if context.journal.down is None:
        detail += "; if it is not older than that, nothing was sent under it"
    fields: dict[str, Any] = {} if ea_name is None else {"ea_name": ea_name[:64]}
    return HttpProblem(404, "unknown_command", detail, request_id=request_id, **fields)


async def _order_in_path(context: RestContext, ask: Ask) -> OrderRecord:
    order_id = ask.path["order_id"]
    record = await read(context.journal.order(order_id))
    if record is None:
        detail = (
            f"there is no order {shown(order_id)} of ours on record; this takes an order_id, as answers to orders and "
            "/commands have it, and no ticket"
        )
        raise HttpProblem(404, "unknown_order", detail)
    must_reach(context, ask, record.broker)
    return record


def _view(context: RestContext, record: OrderRecord) -> views.View:
    request_id = record.request_id
    entry = None if request_id is None else context.known.get((record.ea_name, request_id))
    return views.command(record, _heard_now(context, record), in_flight=entry is not None and entry.in_flight)


def _heard_now(context: RestContext, record: OrderRecord) -> Reply:
    """What a repeat of it hears now."""
    reply = None if record.settled_at is None else record.reply
    request_id, fingerprint = record.request_id or "", record.fingerprint
    known = Known(record.ea_name, request_id, fingerprint, record.order_id, record.kind, reply, record.at)
    first = as_before(known, fingerprint)
    return context.known.repeated(first, context.boards.halts.read(record.broker), context.clock.now())


async def _history(context: RestContext, order_id: str) -> Sequence[views.View] | None:
    """The lines of the log that are about an order, oldest first; None where they can't be read."""
    query = LogQuery(limit=HISTORY, kinds=_HISTORY_KINDS, order_id=order_id)
    try:
        with trio.move_on_after(READ_WITHIN_S):
            lines = await context.log.entries(query)
            return [views.history(line, msgspec.json.decode(line.body)) for line in lines]
    except JournalDown:
        pass
    return None
