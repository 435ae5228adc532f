"""What a request names (a broker, a symbol, a ticket), looked up; a problem with the way out where it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol, TypeVar

import trio

from quantmind.domain.accounts import Sample
from quantmind.edges.rest.context import Ask, RestContext
from quantmind.errors import JournalDown
from quantmind.wire.auth import Identity, outside_brokers
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import shown

SAMPLE_WITHIN_S: Final = 2.0
"""A ticket that an account does not show may be younger than its last sample: the next one is waited for so long."""
LOOK_EVERY_S: Final = 0.05
TELLS_FOR_S: Final = 5.0
"""What an account lacked that was last read longer ago, counting the wait for a newer sample, it may have by now."""
DEALS_AFTER_S: Final = 0.5
"""A position's last deal is known so long after the sample that lacks the position, or it is not ours to know."""


READ_WITHIN_S: Final = 2.0
"""A journal that takes longer is as good as down for whoever asks it now."""


class _OfSymbol(Protocol):
    @property
    def symbol(self) -> str: ...


Item = TypeVar("Item", bound=_OfSymbol)
T = TypeVar("T")


def forbidden(context: RestContext, identity: Identity, detail: str, **fields: Any) -> HttpProblem:
    """403, counted for the record."""
    context.authenticator.count_denied("http", "forbidden", identity.name)
    return HttpProblem(403, "forbidden", detail, **fields)


def brokers_of(context: RestContext, ask: Ask) -> tuple[str, ...]:
    """The enabled brokers that the token may see, in the order of the configuration."""
    return tuple(broker for broker in context.boards.catalog.brokers if ask.identity.reaches(broker))


def must_reach(context: RestContext, ask: Ask, broker: str | None) -> None:
    """Whether the token may see what is of this broker.

    Raises:
        HttpProblem: 403, it is bound to others.
    """
    if broker is not None and not ask.identity.reaches(broker):
        raise forbidden(context, ask.identity, outside_brokers(ask.identity, broker), broker=broker)


def must_be_free(context: RestContext, ask: Ask) -> None:
    """Whether the token may do what concerns every account.

    Raises:
        HttpProblem: 403, it is bound to some.
    """
    identity = ask.identity
    if identity.bound:
        bound = ", ".join(sorted(identity.brokers or identity.eas))
        detail = f"this concerns every account, and the token {identity.name} is bound to {bound}"
        raise forbidden(context, identity, detail)


def which_broker(context: RestContext, ask: Ask, named: str | None) -> str:
    """The account that is meant: the one that is named, else the only one that the token may see.

    Raises:
        HttpProblem: 403, the token is bound to others; 404, there is no such broker; 422, there are several and none
            is named.
    """
    brokers = brokers_of(context, ask)
    if named is not None and named in context.boards.catalog.brokers:
        must_reach(context, ask, named)
    if not brokers:
        detail = f"none of the brokers that the token {ask.identity.name} is bound to is enabled"
        raise forbidden(context, ask.identity, detail)
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


def which_symbol(context: RestContext, ask: Ask, name: str) -> tuple[str, str]:
    """(broker, symbol) that `NAME` or `NAME@broker` means among the brokers that the token may see.

    Raises:
        HttpProblem: 403, the token is bound to other brokers; 404, no enabled broker has it; 503, one that may have it
            has not said yet.
    """
    catalog = context.boards.catalog
    found = catalog.resolve(name)
    _, at, named = name.rpartition("@")
    if at:
        which_broker(context, ask, named)
    brokers = brokers_of(context, ask)
    if found is not None and found[0] not in brokers:
        found = next(((each, name) for each in brokers if catalog.spec(each, name) is not None), None)
    if found is not None:
        return found
    missing = [each for each in ((named,) if at else brokers) if not catalog.symbols(each)]
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

    The last is for a close that is asked for again with another key; its deal may be read a moment after the sample
    that lacks the position.

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


async def remembered_symbol(context: RestContext, ea_name: str, key: str) -> str | None:
    """The symbol of the order that a key was used for: its repeat must name the same one. None: it was not used.

    Raises:
        HttpProblem: 409, it was used for something that names no symbol; 503, whether it was used is not known.
    """
    entry = context.known.get((ea_name, key))
    if entry is None and context.known.loaded and not context.known.forgets:
        return None
    symbol: str | None = None
    if entry is not None:
        symbol = entry.symbol
    else:
        found = await read(context.journal.lookup(ea_name, key))
        symbol = None if found is None else found.symbol
    if symbol == "":
        detail = f"{ea_name} used the key {shown(key)} for another request; use a new one"
        raise HttpProblem(409, "request_id_conflict", detail, request_id=key)
    return symbol


async def read(answer: Awaitable[T]) -> T:
    """What the journal says.

    Raises:
        HttpProblem: 503, it can't be read now.
    """
    try:
        with trio.fail_after(READ_WITHIN_S):
            return await answer
    except JournalDown as error:
        why = str(error)
    except trio.TooSlowError:
        why = f"it has not answered for {READ_WITHIN_S:g} s"
    detail = f"the record can't be read now ({why}); whether anything was done is in it"
    raise HttpProblem(503, "no_journal", detail, headers=(("Retry-After", "1"),))


def _shows(sample: Sample, ticket: int) -> bool:
    return any(item.ticket == ticket for item in sample.positions) or any(
        item.ticket == ticket for item in sample.orders
    )
