"""What is asked for over HTTP as pure functions: queries and pages; bodies are in `rest_bodies`.

Nothing here does I/O. Every decoder gives a value or raises `HttpProblem`, whatever was sent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from quantmind.domain.bars import Timeframe
from quantmind.wire.fields import MAX_ID, MAX_TICKET, valid_id
from quantmind.wire.problems import HttpProblem

T = TypeVar("T")

PROTOCOL: Final = 1
DEFAULT_PAGE: Final = 200
MAX_PAGE: Final = 1000
MAX_PARAMETERS: Final = 32
_SHOWN: Final = 40

TOKEN_PARAMETERS: Final = frozenset({"token", "x-token", "x_token", "access_token", "api_key", "apikey", "bearer"})

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode(value: Any) -> bytes:
    """JSON; Decimals as exact numbers."""
    return _encoder.encode(value)


def shown(text: str) -> str:
    """A client's text as an error may repeat it."""
    return repr(text[:_SHOWN])


def near(name: str, known: Iterable[str]) -> str:
    """What a misspelt name may have meant, as the end of an error's sentence."""
    known = sorted(known)
    hint = difflib.get_close_matches(name[:64], known, 1)
    if hint:
        return f"; did you mean {hint[0]}?"
    return f"; known are {', '.join(known)}" if known else "; none is taken here"


# --- queries ---------------------------------------------------------------------------------------------------------


def refuse_token(raw: bytes) -> None:
    """Look for a token in a query string.

    Raises:
        HttpProblem: 400, there is one.
    """
    for part in raw.split(b"&"):
        name = unquote_plus(part.partition(b"=")[0].decode("latin-1")).strip().lower()
        if name in TOKEN_PARAMETERS:
            raise HttpProblem(
                400,
                "token_in_url",
                "a URL ends up in logs and histories; send the token as the header X-Token or as Authorization: Bearer",
                field=name,
            )


def parse_query(raw: bytes, allowed: Collection[str]) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        HttpProblem: 422 for one that is unknown, empty or repeated.
    """
    if not raw:
        return {}
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except (UnicodeError, ValueError):
        detail = f"the query is no list of at most {MAX_PARAMETERS} parameters in percent-encoded UTF-8"
        raise HttpProblem(422, "invalid_query", detail) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            detail = f"there is no query parameter {shown(name)}{near(name, allowed)}"
            raise HttpProblem(422, "invalid_query", detail, field=name[:_SHOWN])
        if name in found:
            raise HttpProblem(422, "invalid_query", f"{name} is given more than once; send it once", field=name)
        if not value:
            raise HttpProblem(422, "invalid_query", f"{name} is empty; leave it out or give it a value", field=name)
        found[name] = value
    return found


# --- pages -----------------------------------------------------------------------------------------------------------


def page_limit(query: dict[str, str]) -> int:
    """How many items a page may have.

    Raises:
        HttpProblem: 422, `limit` is no number from 1 to 1000.
    """
    text = query.get("limit")
    if text is None:
        return DEFAULT_PAGE
    if re.fullmatch(r"[0-9]{1,9}", text) is None or not 1 <= int(text) <= MAX_PAGE:
        detail = f"limit is {shown(text)}, it must be a whole number from 1 to {MAX_PAGE}"
        raise HttpProblem(422, "invalid_query", detail, field="limit")
    return int(text)


def page(items: Iterable[T], key: Callable[[T], Any], after: Any, limit: int) -> tuple[Sequence[T], Any]:
    """The items after the key `after` (None: from the start) in the keys' order, and the key for the next page.

    A page starts after a key and not at a number, so what comes or goes in between shifts nothing.
    """
    ordered = sorted((item for item in items if after is None or key(item) > after), key=key)
    taken = ordered[:limit]
    return taken, key(taken[-1]) if len(ordered) > limit else None


def ticket_after(query: dict[str, str]) -> int | None:
    """The ticket, or the number of a client, that a page starts after.

    Raises:
        HttpProblem: 422, `after` is no ticket.
    """
    text = query.get("after")
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,20}", text) is None:
        raise _no_next(text)
    return int(text)


def deal_after(query: dict[str, str]) -> tuple[int, int] | None:
    """The time and ticket of the deal that a page starts after; `next` has them as `TIME.TICKET`.

    Raises:
        HttpProblem: 422, `after` is something else.
    """
    text = query.get("after")
    if text is None:
        return None
    found = re.fullmatch(r"(-?[0-9]{1,15})\.([0-9]{1,20})", text)
    if found is None:
        raise _no_next(text)
    return int(found[1]), int(found[2])


def ea_after(query: dict[str, str]) -> tuple[str, int] | None:
    """The EA that a page starts after, by name and magic; `next` has them as `MAGIC@NAME`.

    Raises:
        HttpProblem: 422, `after` is something else.
    """
    text = query.get("after")
    if text is None:
        return None
    found = re.fullmatch(r"(-?[0-9]{1,20})@(.+)", text, re.DOTALL)
    if found is None:
        raise _no_next(text)
    return found[2], int(found[1])


def order_after(query: dict[str, str]) -> tuple[float, str] | None:
    """The time and id of the order that a page starts after; `next` has them as `TIME@ORDER_ID`.

    Raises:
        HttpProblem: 422, `after` is something else.
    """
    text = query.get("after")
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,17})?)@([!-~]{1,64})", text)
    if found is None:
        raise _no_next(text)
    return float(found[1]), found[2]


def _no_next(text: str) -> HttpProblem:
    detail = f"after is {shown(text)}, it must be the `next` of the page before"
    return HttpProblem(422, "invalid_query", detail, field="after")


# --- filters ---------------------------------------------------------------------------------------------------------


def magic_of(query: dict[str, str]) -> int | None:
    """The magic number that items must have, or None for any.

    Raises:
        HttpProblem: 422, it is no whole number.
    """
    text = query.get("magic")
    if text is None:
        return None
    if re.fullmatch(r"-?[0-9]{1,20}", text) is None:
        raise HttpProblem(422, "invalid_query", f"magic is {shown(text)}, it must be a whole number", field="magic")
    return int(text)


MAX_PERCENT: Final = Decimal(100)


def percent_in(query: dict[str, str], name: str) -> Decimal | None:
    """A percentage above 0 and below 100, or None where none is given.

    Raises:
        HttpProblem: 422, it is none.
    """
    text = query.get(name)
    if text is None:
        return None
    value = Decimal(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) else None
    if value is None or not 0 < value < MAX_PERCENT:
        detail = f"{name} is {shown(text)}, it must be a number above 0 and below 100, such as 0.5"
        raise HttpProblem(422, "invalid_query", detail, field=name)
    return value


def moment_of(query: dict[str, str], name: str) -> int | None:
    """A moment in Unix milliseconds, given as such or in ISO 8601 with its zone.

    Raises:
        HttpProblem: 422, it is neither.
    """
    text = query.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,15}", text) is not None:
        return int(text)
    found = msc_from_iso(text)
    if found is None:
        detail = f"{name} is {shown(text)}, it must be Unix milliseconds, or a time such as 2026-11-23T09:00:00Z"
        raise HttpProblem(422, "invalid_query", detail, field=name)
    return found


def msc_from_iso(text: str) -> int | None:
    """Unix milliseconds of an ISO 8601 time that says its zone (`Z` or an offset), or None."""
    if len(text) > 40:
        return None
    try:
        # A `+` that was not percent-encoded has become a space on its way.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if moment.tzinfo is None:
            return None
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def timeframe_of(query: dict[str, str]) -> Timeframe:
    """The length of bars that is asked for; a minute where none is named.

    Raises:
        HttpProblem: 422, there is no such timeframe.
    """
    text = query.get("timeframe", Timeframe.M1.value)
    try:
        return Timeframe(text.upper())
    except ValueError:
        known = ", ".join(each.value for each in Timeframe)
        detail = f"timeframe is {shown(text)}, it must be one of {known}"
        raise HttpProblem(422, "invalid_query", detail, field="timeframe") from None


def open_state_of(query: dict[str, str]) -> str:
    """Which open orders are asked for: `open` (all, also where nothing is said), `unknown` or `placed`.

    Raises:
        HttpProblem: 422, it is something else.
    """
    text = query.get("state", "open")
    if text not in ("open", "unknown", "placed"):
        detail = f"state is {shown(text)}, it must be open, unknown or placed"
        raise HttpProblem(422, "invalid_query", detail, field="state")
    return text


# --- the journal -----------------------------------------------------------------------------------------------------


def seq_of(query: dict[str, str], name: str) -> int | None:
    """The number of a line of the journal, or None where it is not given.

    Raises:
        HttpProblem: 422, it is none.
    """
    text = query.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", text) is None:
        detail = f"{name} is {shown(text)}, it must be the number of a line (`seq`, or the `next` of the page before)"
        raise HttpProblem(422, "invalid_query", detail, field=name)
    return int(text)


def kinds_of(query: dict[str, str], known: Collection[str]) -> frozenset[str] | None:
    """The kinds that items must be of, with commas between them; None for any.

    Raises:
        HttpProblem: 422, there is no such kind.
    """
    text = query.get("kind")
    if text is None:
        return None
    found = text.split(",")
    for each in found:
        if each not in known:
            detail = f"kind is {shown(text)}, and there is no kind {shown(each)}{near(each, known)}"
            raise HttpProblem(422, "invalid_query", detail, field="kind")
    return frozenset(found)


def flag_of(query: dict[str, str], name: str) -> bool:
    """Whether something is asked for; not, where it is not given.

    Raises:
        HttpProblem: 422, it is neither `true` nor `false`.
    """
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise HttpProblem(422, "invalid_query", f"{name} is {shown(text)}, it must be true or false", field=name)
    return text == "true"


# --- paths -----------------------------------------------------------------------------------------------------------


def request_id_in_path(text: str) -> str:
    """The request id that a path names.

    Raises:
        HttpProblem: 422, it is none.
    """
    if valid_id(text) is None:
        detail = f"the request_id in the path has {len(text)} characters, it must have 1 to {MAX_ID}"
        raise HttpProblem(422, "invalid_message", detail, field="request_id")
    return text


def ticket_in_path(text: str) -> int:
    """The ticket that a path names.

    Raises:
        HttpProblem: 422, it is no ticket.
    """
    if re.fullmatch(r"[0-9]{1,20}", text) is None or not 1 <= int(text) <= MAX_TICKET:
        detail = f"the ticket in the path is {shown(text)}, it must be a whole number from 1 to {MAX_TICKET}"
        raise HttpProblem(422, "invalid_message", detail, field="ticket")
    return int(text)
