"""What a request names (a broker, a symbol, a ticket), looked up; a problem with the way out where it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import trio

from quantmind.domain.accounts import Sample
from quantmind.edges.rest.context import RestContext
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import shown

SAMPLE_WITHIN_S: Final = 2.0
"""A ticket that an account does not show may be younger than its last sample: the next one is waited for so long."""
LOOK_EVERY_S: Final = 0.05
TELLS_FOR_S: Final = 5.0
"""What an account lacked that was last read longer ago, counting the wait for a newer sample, it may have by now."""
DEALS_AFTER_S: Final = 0.5
"""A position's last deal is known so long after the sample that lacks the position, or it is not ours to know."""


class _OfSymbol(Protocol):
    @property
    def symbol(self) -> str: ...


Item = TypeVar("Item", bound=_OfSymbol)


def which_broker(context: RestContext, named: str | None) -> str:
    """The account that is meant: the one that is named, else the only one.

    Raises:
        HttpProblem: 404, there is no such broker; 422, several are enabled and none is named.
    """
    brokers = context.boards.catalog.brokers
    if named is None:
        if len(brokers) == 1:
            return brokers[0]
        detail = f"several brokers are enabled ({', '.join(brokers)}); name one as `broker`"
        raise HttpProblem(422, "broker_required", detail, field="broker")
    if named not in brokers:
        detail = f"there is no enabled broker {shown(named)}; there are {', '.join(brokers)}"
        raise HttpProblem(404, "unknown_broker", detail, field="broker")
    return named


def sample_of(context: RestContext, broker: str) -> Sample:
    state = context.boards.links.of(broker)
    if state.sample is None:
        detail = f"{broker} has not reported its account yet: its feed is {state.feed}{why_of(state.feed_error)}"
        raise HttpProblem(503, "no_account", detail, headers=(("Retry-After", "1"),), broker=broker)
    sample: Sample = state.sample
    return sample


def unknown_symbol(symbol: str, why: str) -> HttpProblem:
    return HttpProblem(404, "unknown_symbol", f"{why}; see /symbols", symbol=symbol[:64])


def why_of(error: str | None) -> str:
    """The cause of a state, to be put behind it."""
    return f" ({error})" if error else ""


def which_symbol(context: RestContext, name: str) -> tuple[str, str]:
    """(broker, symbol) that `NAME` or `NAME@broker` means.

    Raises:
        HttpProblem: 404, no enabled broker has it; 503, one that may have it has not said yet.
    """
    catalog = context.boards.catalog
    found = catalog.resolve(name)
    if found is not None:
        return found
    _, at, named = name.rpartition("@")
    if at:
        which_broker(context, named)
    missing = [each for each in ((named,) if at else catalog.brokers) if not catalog.symbols(each)]
    if missing:
        state = context.boards.links.of(missing[0])
        detail = f"{missing[0]} has not said yet what it trades: its feed is {state.feed}{why_of(state.feed_error)}"
        raise HttpProblem(503, "broker_unavailable", detail, headers=(("Retry-After", "1"),), broker=missing[0])
    raise unknown_symbol(name, f"no enabled broker has a symbol {shown(name)}")


def of_symbol(context: RestContext, broker: str, symbol: str | None, items: Sequence[Item]) -> Sequence[Item]:
    """Those of a symbol; all where none is named.

    Raises:
        HttpProblem: 404, there is none and the broker does not trade such a symbol.
    """
    if symbol is None:
        return items
    found = [item for item in items if item.symbol == symbol]
    if not found and context.boards.catalog.spec(broker, symbol) is None:
        raise unknown_symbol(symbol, f"{broker} has no symbol {shown(symbol)}")
    return found


async def wait_for_ticket(context: RestContext, broker: str, ticket: int) -> None:
    """Return once a sample shows the ticket, or was taken after now; after `SAMPLE_WITHIN_S` in any case.

    An order that was carried out a moment ago can so be changed or cancelled at once.
    """
    asked_at = trio.current_time()
    link = context.boards.links.of(broker)
    with trio.move_on_after(SAMPLE_WITHIN_S):
        while True:
            sample: Sample | None = link.sample
            if sample is not None and (sample.taken_at > asked_at or _shows(sample, ticket)):
                return
            await trio.sleep(LOOK_EVERY_S)


async def symbol_of(context: RestContext, broker: str, ticket: int) -> str:
    """The symbol of a position: an open one, one that was opened just now, or one that has been closed.

    The last is for the repeat of a close with its Idempotency-Key, which must name the same symbol again; its deal
    may be read a moment after the sample that lacks the position.

    Raises:
        HttpProblem: 404, there is no such position; 503, the account is not known yet, or is not told of any more.
    """
    asked_at = trio.current_time()
    link, book = context.boards.links.of(broker), context.boards.deals.of(broker)
    with trio.move_on_after(SAMPLE_WITHIN_S):
        while True:
            sample: Sample | None = link.sample
            for position in () if sample is None else sample.positions:
                if position.ticket == ticket:
                    return position.symbol
            for deal in reversed(book.all()):
                if deal.position == ticket:
                    return deal.symbol
            if sample is not None and sample.taken_at > asked_at + DEALS_AFTER_S:
                break
            await trio.sleep(LOOK_EVERY_S)
    # What it had some time ago does not tell what it lacks now.
    age_s = trio.current_time() - sample_of(context, broker).taken_at
    if age_s > TELLS_FOR_S:
        detail = (
            f"whether {broker} has a position {ticket} is not known: its account was last read {age_s:.0f} s ago, and "
            f"its feed is {link.feed}{why_of(link.feed_error)}; nothing was sent"
        )
        raise HttpProblem(503, "broker_unavailable", detail, headers=(("Retry-After", "1"),), broker=broker)
    detail = f"{broker} has no open position {ticket}; see /positions"
    raise HttpProblem(404, "unknown_ticket", detail, broker=broker, ticket=ticket)


def _shows(sample: Sample, ticket: int) -> bool:
    return any(item.ticket == ticket for item in sample.positions) or any(
        item.ticket == ticket for item in sample.orders
    )
