"""The routes that list what trades and who asks: pending orders, deals, bars, EAs, WebSocket clients."""

from __future__ import annotations

from quantmind.edges.rest import views
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import of_symbol, sample_of, which_broker, which_symbol, why_of
from quantmind.wire import holdings
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import (
    deal_after,
    ea_after,
    magic_of,
    moment_of,
    page,
    page_limit,
    ticket_after,
    timeframe_of,
)


async def orders(context: RestContext, ask: Ask) -> Answer:
    """Pending orders by ticket."""
    broker = which_broker(context, ask, ask.query.get("broker"))
    limit, after, magic = page_limit(ask.query), ticket_after(ask.query), magic_of(ask.query)
    items = of_symbol(context, broker, ask.query.get("symbol"), sample_of(context, broker).orders)
    items = [item for item in items if magic in (None, item.magic)]
    taken, following = page(items, lambda item: item.ticket, after, limit)
    return Answer(
        {
            "items": [holdings.order(item, broker) for item in taken],
            "next": None if following is None else str(following),
        }
    )


async def deals(context: RestContext, ask: Ask) -> Answer:
    """The newest deals of an account, oldest first: by time and then by ticket."""
    broker = which_broker(context, ask, ask.query.get("broker"))
    limit, after, magic = page_limit(ask.query), deal_after(ask.query), magic_of(ask.query)
    since = moment_of(ask.query, "since")
    book, link = context.boards.deals.of(broker), context.boards.links.of(broker)
    if book.read_at is None:
        cause = f": {link.deals_error}" if link.deals_error else f": its feed is {link.feed}{why_of(link.feed_error)}"
        detail = f"{broker} has not reported its deals yet{cause}"
        raise HttpProblem(503, "no_deals", detail, headers=(("Retry-After", "1"),), broker=broker)
    found = of_symbol(context, broker, ask.query.get("symbol"), book.all())
    items = [item for item in found if magic in (None, item.magic) and (since is None or item.time_msc >= since)]
    taken, following = page(items, lambda item: (item.time_msc, item.ticket), after, limit)
    return Answer(
        {
            "items": [holdings.deal(item, broker) for item in taken],
            "next": None if following is None else f"{following[0]}.{following[1]}",
        }
    )


async def bars(context: RestContext, ask: Ask) -> Answer:
    """The bars of a symbol, oldest first: the newest ones, or with `after` those that follow a moment."""
    broker, symbol = which_symbol(context, ask, ask.path["symbol"])
    timeframe, limit = timeframe_of(ask.query), page_limit(ask.query)
    after = moment_of(ask.query, "after")
    spec = context.boards.catalog.spec(broker, symbol)
    assert spec is not None, "which_symbol found it in the catalog"
    series = context.boards.bars.read(broker, symbol)
    items, more = ([], False) if series is None else series.read(timeframe, after=after, limit=limit)
    return Answer(
        {
            "broker": broker,
            "timeframe": timeframe.value,
            "items": [views.bar(item, spec) for item in items],
            "next": str(items[-1].time_msc) if more else None,
        }
    )


async def eas(context: RestContext, ask: Ask) -> Answer:
    """Who has sent commands since the start, by name and magic."""
    named, symbol = ask.query.get("broker"), ask.query.get("symbol")
    broker = None if named is None else which_broker(context, ask, named)
    limit, after, magic = page_limit(ask.query), ea_after(ask.query), magic_of(ask.query)
    items = [
        item
        for item in context.boards.eas.all()
        if ask.identity.reaches(item.broker)
        and broker in (None, item.broker)
        and magic in (None, item.magic)
        and symbol in (None, item.symbol)
    ]
    taken, following = page(items, lambda item: (item.ea_name, item.magic), after, limit)
    return Answer(
        {
            "items": [views.ea(item, context.boards) for item in taken],
            "next": None if following is None else f"{following[1]}@{following[0]}",
        }
    )


async def clients(context: RestContext, ask: Ask) -> Answer:
    """The WebSocket clients, the longest connected first."""
    limit, after = page_limit(ask.query), ticket_after(ask.query)
    taken, following = page(context.clients(), lambda item: item.number, after, limit)
    return Answer(
        {
            "items": [views.client(item) for item in taken],
            "next": None if following is None else str(following),
        }
    )
