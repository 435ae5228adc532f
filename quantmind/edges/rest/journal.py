"""GET /journal: lines of the log as they stand, in pages of bounded work."""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from quantmind.domain.clock import iso_from_msc
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import must_reach
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import KINDS, Entry
from quantmind.wire.problems import HttpProblem
from quantmind.wire.rest import flag_of, kinds_of, moment_of, page_limit, seq_of

QUERY: Final = frozenset(
    {"after", "before", "limit", "newest", "kind", "since", "broker", "ea_name", "request_id", "order_id"}
)


async def journal(context: RestContext, ask: Ask) -> Answer:
    """The lines after one of them, oldest first; with `newest` the last ones.

    A page may have few items, or none, and still a `next`: a search ends after some time, and goes on from there.
    """
    asked = attrs.evolve(_asked(ask.query), broker=_broker(context, ask))
    try:
        page = await context.log.page(asked)
    except JournalDown as error:
        detail = f"{error}; orders don't wait for this, see `journal` in /status for whether it can be written"
        raise HttpProblem(503, "no_journal", detail, headers=(("Retry-After", "1"),)) from None
    further = str(page.through) if page.more else None
    return Answer(
        {
            "items": [_view(line) for line in page.entries],
            **({"next": None, "previous": further} if asked.newest else {"next": further}),
            "head": {"seq": page.extent.last, "hash": page.extent.hash.hex()},
        }
    )


# A bound token sees the lines of one of its brokers at a time, and none that are of no broker.
def _broker(context: RestContext, ask: Ask) -> str | None:
    named, bound = ask.query.get("broker"), ask.identity.brokers
    if not bound:
        return named
    if named is None and len(bound) == 1:
        return next(iter(bound))
    if named is None:
        detail = f"the token {ask.identity.name} is bound to {', '.join(sorted(bound))}; name one as `broker`"
        raise HttpProblem(422, "broker_required", detail, field="broker")
    must_reach(context, ask, named)
    return named


def _asked(query: dict[str, str]) -> LogQuery:
    since = moment_of(query, "since")
    return LogQuery(
        after=seq_of(query, "after") or 0,
        before=seq_of(query, "before"),
        limit=page_limit(query),
        newest=flag_of(query, "newest"),
        kinds=kinds_of(query, KINDS),
        since_us=None if since is None else since * 1000,
        broker=query.get("broker"),
        ea_name=query.get("ea_name"),
        request_id=query.get("request_id"),
        order_id=query.get("order_id"),
    )


def _view(line: Entry) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "time": iso_from_msc(line.at_us // 1000),
        "kind": line.kind,
        "broker": line.broker,
        "ea_name": line.ea_name,
        "request_id": line.request_id,
        "order_id": line.order_id,
        "body": msgspec.Raw(line.body.encode()),  # as it stands: its digits are what was hashed
        "hash": line.hash.hex(),
    }
