"""Checks a history, and the gateway's log, against the broker's ledger: nothing lost, nothing twice.

A program of its own, which knows neither the gateway nor how the history was made, and believes the ledger alone.
Exit code 0: every rule holds. 1: it printed what does not. 2: a file can't be read.

    python -m faults.chaos.check_history history.jsonl ledger.jsonl record.jsonl
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs
from faults.chaos.answers import Said, expired
from faults.chaos.evidence import Answer, Asked, Evidence, Filled, gather, number
from faults.chaos.record_rules import (
    every_fill_is_recorded,
    every_order_ends_in_the_record,
    nothing_strange_is_recorded,
    the_record_is_whole,
    the_record_says_what_is_answered,
)
from faults.chaos.records import Unreadable, read

SHOWN: Final = 20
"""Of each rule."""


@attrs.frozen
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    message: str


Rule = Callable[[Evidence], Iterator[str]]


# --- what was acknowledged -----------------------------------------------------------------------------------------


def acknowledged_is_in_the_ledger(evidence: Evidence) -> Iterator[str]:
    """Every order that was said to be carried out is in the ledger, with the told ticket, price and volume."""
    by_tag = evidence.by_tag
    for asked, answer in _answers(evidence, Said.DONE):
        fills = by_tag.get(answer.order_id or "")
        if not fills:
            yield f"{asked.request_id} was acknowledged as order {answer.order_id}, and the ledger has no such order"
        elif not any(_told_rightly(answer, fill) for fill in fills):
            yield f"{asked.request_id} was acknowledged as {_short(answer)}, and the ledger has {fills[0]}"


def _told_rightly(answer: Answer, fill: Filled) -> bool:
    reply = answer.reply
    told = (reply.get("ticket"), number(reply.get("price")), number(reply.get("volume")))
    # An order that changes stops has no price, and its volume is the position's.
    price, volume = (None, told[2]) if fill.entry == "change" else (fill.price, fill.volume)
    return told == (fill.ticket, price, volume)


def answers_do_not_change(evidence: Evidence) -> Iterator[str]:
    """What was said of an order for good is said again: what was carried out stays so, and what was not, too."""
    for asked in evidence.asked.values():
        done = [answer for answer in asked.answers if answer.said is Said.DONE]
        nothing = [answer for answer in asked.answers if answer.said is Said.NOTHING]
        if done and nothing:
            yield f"{asked.request_id} was answered {_short(done[0])}, and {_short(nothing[0])}"
        for same in (done, nothing):
            told = {_short(answer) for answer in same}
            if len(told) > 1:
                yield f"{asked.request_id} was answered {' and '.join(sorted(told))}"
        if asked.final is not None and expired(asked.final.reply) and done:
            yield f"{asked.request_id} was answered {_short(done[0])}, and at the end as never started"


def answers_belong_to_questions(evidence: Evidence) -> Iterator[str]:
    """Nothing is answered that was not asked."""
    for request_id in evidence.unasked:
        yield f"there is an answer for {request_id}, which was never asked"


# --- once ----------------------------------------------------------------------------------------------------------


def no_request_is_filled_twice(evidence: Evidence) -> Iterator[str]:
    """The ledger has at most one fill of each tag, and of all orders of a request together."""
    for tag, fills in evidence.by_tag.items():
        if len(fills) > 1:
            yield f"order {tag} was filled {len(fills)} times: {', '.join(str(fill.ticket) for fill in fills)}"
    by_tag = evidence.by_tag
    for asked in evidence.asked.values():
        filled = sorted(tag for tag in asked.order_ids if tag in by_tag)
        if len(filled) > 1:
            yield f"{asked.request_id} was filled as order {' and as '.join(filled)}"


def nothing_is_sent_again(evidence: Evidence) -> Iterator[str]:
    """At most one order of each tag is ever sent to the broker, and at most one for each request."""
    for tag, times in evidence.arrivals.items():
        if len(times) > 1:
            yield f"order {tag} was sent {len(times)} times, the last {times[-1] - times[0]:.3f} s after the first"
        absent = evidence.absents.get(tag)
        if absent is not None and max(times) > absent:
            yield f"order {tag} was sent after the broker had said that it never had it"
    for asked in evidence.asked.values():
        sent = sorted(tag for tag in asked.order_ids if tag in evidence.arrivals)
        if len(sent) > 1:
            yield f"{asked.request_id} was sent as order {' and as '.join(sent)}"


def what_came_to_nothing_has_no_fill(evidence: Evidence) -> Iterator[str]:
    """A request that was rejected, or answered that nothing was done, has no fill."""
    by_tag = evidence.by_tag
    for asked in evidence.asked.values():
        came_to_nothing = [answer for answer in asked.answers if answer.said is Said.NOTHING]
        if asked.final is not None and expired(asked.final.reply):
            came_to_nothing.append(asked.final)
        filled = sorted(tag for tag in asked.order_ids if tag in by_tag)
        if came_to_nothing and filled:
            yield f"{asked.request_id} was answered {_short(came_to_nothing[0])}, and order {filled[0]} was filled"


# --- nothing lost --------------------------------------------------------------------------------------------------


def every_fill_is_known(evidence: Evidence) -> Iterator[str]:
    """After reconciling, every fill of the ledger is what its request is answered with."""
    known = {asked.final.order_id for asked in evidence.asked.values() if asked.final and asked.final.said is Said.DONE}
    for fill in evidence.fills:
        if fill.tag not in known:
            yield f"order {fill.tag} was filled (ticket {fill.ticket}), and no request is answered with it at the end"


def every_order_sent_is_known(evidence: Evidence) -> Iterator[str]:
    """After reconciling, every order that ever left is what became of some request."""
    known = {asked.final.order_id for asked in evidence.asked.values() if asked.final is not None}
    for tag in evidence.arrivals:
        if tag not in known:
            yield f"order {tag} was sent to the broker, and no request is answered with it at the end"


def nothing_stays_unknown(evidence: Evidence) -> Iterator[str]:
    """At the end every request has a definite answer."""
    for asked in evidence.asked.values():
        if asked.final is None:
            if not asked.given_up:
                yield f"{asked.request_id} has no answer at the end"
        elif asked.final.said is Said.UNKNOWN:
            yield f"{asked.request_id} is unknown at the end: {_short(asked.final)}"
        elif asked.final.said is Said.NOT_THIS_COPY and not expired(asked.final.reply):
            yield f"{asked.request_id} has no definite answer at the end: {_short(asked.final)}"


# --- while it is unknown -------------------------------------------------------------------------------------------


def nothing_is_opened_beside_an_unknown(evidence: Evidence) -> Iterator[str]:
    """While an order is unknown, no new one of its EA, magic and symbol goes out.

    Counted are orders that were asked for after the answer `unknown` was there, and were sent before another such
    answer was given: in between it was unknown all the time.
    """
    sent = {
        asked.request_id: min(evidence.arrivals[tag][0] for tag in asked.order_ids if tag in evidence.arrivals)
        for asked in evidence.asked.values()
        if asked.opens and any(tag in evidence.arrivals for tag in asked.order_ids)
    }
    for unknown in evidence.asked.values():
        # Without an order's id it only says that the answer takes long.
        answers = [answer for answer in unknown.answers if answer.said is Said.UNKNOWN and answer.order_id]
        if not unknown.opens or len(answers) < 2:
            continue
        since, until = answers[0].at, max(answer.reply["timestamp"] for answer in answers)
        for other in evidence.asked.values():
            at = sent.get(other.request_id)
            if at is None or other is unknown or other.group != unknown.group:
                continue
            if since < other.first_asked_at and at < until:
                yield (
                    f"{other.request_id} was sent while {unknown.request_id} was unknown, both of {unknown.group}: "
                    f"asked {other.first_asked_at - since:.3f} s after it was told, sent {until - at:.3f} s before it "
                    "was told again"
                )


# --- the account ---------------------------------------------------------------------------------------------------


def the_account_agrees(evidence: Evidence) -> Iterator[str]:
    """At the end the gateway shows the positions, the deals and the balance of the ledger, and that all is well."""
    view = evidence.view
    if view is None or "account" not in view:
        yield "the gateway told nothing of its account at the end"
        return
    held, balance = _account_of(evidence)
    shown = {item["ticket"]: (item["symbol"], item["side"], Decimal(str(item["volume"]))) for item in view["positions"]}
    for ticket in sorted(held.keys() | shown.keys()):
        if held.get(ticket) != shown.get(ticket):
            yield f"position {ticket} is {held.get(ticket)} in the ledger and {shown.get(ticket)} in the gateway"
    if balance is not None and number(view["account"]["balance"]) != balance:
        yield f"the balance is {balance} in the ledger and {view['account']['balance']} in the gateway"
    deals, told = {fill.deal for fill in evidence.fills if fill.deal}, {item["ticket"] for item in view["deals"]}
    if deals != told:
        yield f"the gateway lacks the deals {sorted(deals - told)[:5]} and has {sorted(told - deals)[:5]} too many"
    status = view["status"]
    if (status["orders"], status["trading"]["state"], status["books"]["state"]) != ("ready", "active", "agreed"):
        yield (
            f"at the end orders are {status['orders']}, trading is {status['trading']}, and the books are "
            f"{status['books']}"
        )


def _account_of(evidence: Evidence) -> tuple[dict[int, tuple[str, str, Decimal]], Decimal | None]:
    """Positions and balance that the fills make."""
    held: dict[int, tuple[str, str, Decimal]] = {}
    for fill in evidence.fills:
        if fill.entry == "in":
            held[fill.ticket] = (fill.symbol, fill.side, fill.volume)
        elif fill.entry == "out" and fill.ticket in held:
            symbol, side, volume = held.pop(fill.ticket)
            if volume > fill.volume:
                held[fill.ticket] = (symbol, side, volume - fill.volume)
    return held, evidence.fills[-1].balance if evidence.fills else None


# --- all of them ---------------------------------------------------------------------------------------------------

RULES: Final[tuple[Rule, ...]] = (
    acknowledged_is_in_the_ledger,
    answers_do_not_change,
    answers_belong_to_questions,
    no_request_is_filled_twice,
    nothing_is_sent_again,
    what_came_to_nothing_has_no_fill,
    every_fill_is_known,
    every_order_sent_is_known,
    nothing_stays_unknown,
    nothing_is_opened_beside_an_unknown,
    the_account_agrees,
    the_record_is_whole,
    every_fill_is_recorded,
    every_order_ends_in_the_record,
    nothing_strange_is_recorded,
    the_record_says_what_is_answered,
)


def check(evidence: Evidence) -> list[Violation]:
    """Everything that does not hold."""
    return [Violation(rule.__name__, message) for rule in RULES for message in rule(evidence)]


def _answers(evidence: Evidence, wanted: Said) -> Iterator[tuple[Asked, Answer]]:
    for asked in evidence.asked.values():
        for answer in asked.answers:
            if answer.said is wanted:
                yield asked, answer


def _short(answer: Answer) -> str:
    names = ("status", "code", "order_id", "ticket", "price", "volume")
    told = ", ".join(f"{name} {answer.reply[name]}" for name in names if answer.reply.get(name) is not None)
    rules = ", ".join(str(reason["rule"]) for reason in answer.reply.get("reasons") or ())
    return f"({told}{f', by {rules}' if rules else ''})"


def main(history: str, ledger: str, record: str) -> int:
    try:
        evidence = gather(read(Path(history)), read(Path(ledger)), read(Path(record)))
    except Unreadable as error:
        print(f"can't be read: {error}")
        return 2
    violations = check(evidence)
    shown: Counter[str] = Counter()
    for violation in violations:
        shown[violation.rule] += 1
        if shown[violation.rule] <= SHOWN:
            print(f"{violation.rule}: {violation.message}")
    finals = Counter(
        asked.final.said.value if asked.final else "given up" if asked.given_up else "none"
        for asked in evidence.asked.values()
    )
    print(
        f"requests={len(evidence.asked)} answers={sum(len(asked.answers) for asked in evidence.asked.values())} "
        f"kills={len(evidence.kills)} fills={len(evidence.fills)} sent={len(evidence.arrivals)} "
        f"finals={dict(finals)} violations={dict(shown)}"
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
