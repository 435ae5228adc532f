"""Rules that the gateway's own record must keep, beside what it answered: for `check_history`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from faults.chaos.answers import Said, expired
from faults.chaos.evidence import Asked, Evidence

CARRIED_OUT: Final = frozenset({"filled", "partly_filled", "done"})
CAME_TO_NOTHING: Final = frozenset({"refused", "not_sent", "denied"})
OPEN: Final = frozenset({"intent", "sent", "unknown"})
STRANGE: Final = frozenset({"impossible", "outside", "drift"})
"""Events that no order of ours, and no fault but a bug, can be the cause of."""


def the_record_is_whole(evidence: Evidence) -> Iterator[str]:
    """The log has no gap, over all the kills, and whoever checks it finds no fault."""
    recorded, verdict = evidence.recorded, evidence.verdict
    if recorded is None or verdict is None or not recorded.lines:
        yield "there is no log, or nobody has checked it"
        return
    if recorded.gaps:
        yield f"the lines {recorded.gaps[:5]} of the log do not follow those before them"
    if not verdict["ok"] or verdict["lines"] != recorded.lines:
        yield f"of {recorded.lines} lines {verdict['lines']} were checked, with the faults {verdict['faults']}"


def every_fill_is_recorded(evidence: Evidence) -> Iterator[str]:
    """The log has an intent for each order that was sent, and for each fill that it was carried out, and the deal."""
    recorded = evidence.recorded
    if recorded is None:
        return
    for tag in evidence.arrivals:
        if recorded.states.get(tag, [""])[0] != "intent":
            yield f"order {tag} was sent, and the log has no intent of it"
    for fill in evidence.fills:
        states = recorded.states.get(fill.tag, [])
        if not states or states[-1] not in CARRIED_OUT:
            yield f"order {fill.tag} was filled, and ends in the log as {states}"
        if fill.deal and recorded.deals.get(fill.deal) != fill.tag:
            made_by = recorded.deals.get(fill.deal, "nobody: it is not there")
            yield f"deal {fill.deal} was made by order {fill.tag}, and in the log by {made_by}"


def every_order_ends_in_the_record(evidence: Evidence) -> Iterator[str]:
    """No order stays open in the log, and none that is said to be carried out is without a fill."""
    recorded = evidence.recorded
    if recorded is None:
        return
    filled = {fill.tag for fill in evidence.fills}
    for order_id, states in recorded.states.items():
        if states[-1] in OPEN:
            yield f"order {order_id} ends in the log as {states}"
        if states[-1] in CARRIED_OUT and order_id not in filled:
            yield f"order {order_id} was carried out by the log ({states}), and the ledger has no fill"


def nothing_strange_is_recorded(evidence: Evidence) -> Iterator[str]:
    """No transition was impossible, no deal came from outside, no position was other than its deals."""
    for body in () if evidence.recorded is None else evidence.recorded.events:
        if body["name"] in STRANGE:
            yield f"the log has the event {body}"


def the_record_says_what_is_answered(evidence: Evidence) -> Iterator[str]:
    """GET /commands says of each request what a repeat of it is answered, and knows none that was never started."""
    for asked in evidence.asked.values():
        if asked.final is not None and asked.status is not None and not _agrees(asked):
            told = {name: asked.status.get(name) for name in ("http", "code", "state", "order_id", "in_flight")}
            yield f"{asked.request_id} is answered {asked.final.said.value} ({asked.final.order_id}), and is {told}"


def _agrees(asked: Asked) -> bool:
    final, status = asked.final, asked.status
    assert final is not None
    assert status is not None
    if expired(final.reply):
        return bool(status["http"] == 404 and status["code"] == "unknown_command")
    wanted = {Said.DONE: CARRIED_OUT, Said.NOTHING: CAME_TO_NOTHING}.get(final.said, frozenset())
    same = status["order_id"] == final.order_id
    return bool(status["http"] == 200 and status["state"] in wanted and same and not status["in_flight"])
