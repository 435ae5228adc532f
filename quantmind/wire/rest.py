"""What comes and goes over HTTP as pure functions: queries, bodies, pages, and a command's reply as a status.

Nothing here does I/O. Every decoder gives a value or raises `HttpProblem`, whatever was sent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote_plus

import attrs
import msgspec

from quantmind.domain.risk import TradingState
from quantmind.wire import commands
from quantmind.wire.problems import HttpProblem, command_problem

T = TypeVar("T")

PROTOCOL: Final = 1
DEFAULT_PAGE: Final = 200
MAX_PAGE: Final = 1000
MAX_REASON: Final = 200
MAX_PARAMETERS: Final = 32
_SHOWN: Final = 40

TOKEN_PARAMETERS: Final = frozenset({"token", "x-token", "x_token", "access_token", "api_key", "apikey", "bearer"})

_encoder: Final = msgspec.json.Encoder(decimal_format="number")
# What decoding raises, whatever was sent. RecursionError: nesting; UnicodeError: half a surrogate pair.
_BAD = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError)


def encode(value: Any) -> bytes:
    """JSON; Decimals as exact numbers."""
    return _encoder.encode(value)


def _shown(text: str) -> str:
    return repr(text[:_SHOWN])


def _near(name: str, known: Iterable[str]) -> str:
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
            detail = f"there is no query parameter {_shown(name)}{_near(name, allowed)}"
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
        detail = f"limit is {_shown(text)}, it must be a whole number from 1 to {MAX_PAGE}"
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
    """The ticket that a page of positions starts after.

    Raises:
        HttpProblem: 422, `after` is no ticket.
    """
    text = query.get("after")
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,20}", text) is None:
        detail = f"after is {_shown(text)}, it must be the `next` of the page before"
        raise HttpProblem(422, "invalid_query", detail, field="after")
    return int(text)


# --- bodies ----------------------------------------------------------------------------------------------------------

_NULL = msgspec.Raw(b"null")


class _Trade(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    symbol: str
    action_type: str
    volume: msgspec.Raw
    stop_loss: msgspec.Raw = _NULL
    sl: msgspec.Raw = _NULL
    take_profit: msgspec.Raw = _NULL
    tp: msgspec.Raw = _NULL
    broker: str | None = None
    order_type: str | None = None
    price: msgspec.Raw = _NULL
    comment: str | None = None


class _RiskState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    state: str
    reason: str
    broker: str | None = None
    flatten: bool = False


_trade = msgspec.json.Decoder(_Trade)
_risk_state = msgspec.json.Decoder(_RiskState)
_plain = msgspec.json.Decoder()

_NUMBERS: Final = ("volume", "stop_loss", "sl", "take_profit", "tp", "price")
_UNKNOWN_FIELD: Final = re.compile(r"unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD: Final = re.compile(r"required field `([a-z_]+)`")
_AT_FIELD: Final = re.compile(r"`\$\.([a-z_]+)`")


def decode_trade(raw: bytes, *, ea_name: str, request_id: str) -> bytes:
    """The `trade_open` command that the body of POST /trade stands for; its numbers as they were written.

    Raises:
        HttpProblem: 422 with `code`, and `field` where one is at fault.
    """
    body: _Trade = _decode(_trade, raw)
    action = body.action_type.upper()
    if action not in ("BUY", "SELL"):
        raise _invalid(f"action_type is {_shown(body.action_type)}, it must be BUY or SELL", "action_type")
    command: dict[str, Any] = {
        "type": "trade_open",
        "ea_name": ea_name,
        "request_id": request_id,
        "magic": 0,
        "execute": True,
        "symbol": body.symbol,
        "side": action.lower(),
    }
    command.update((name, value) for name in _NUMBERS if bytes(value := getattr(body, name)) != b"null")
    command.update(
        (name, value) for name in ("broker", "order_type", "comment") if (value := getattr(body, name)) is not None
    )
    encoded = msgspec.json.encode(command)
    try:
        commands.decode(encoded)
    except commands.CommandFault as fault:
        raise command_problem(fault) from None
    return encoded


def check_command(raw: bytes) -> None:
    """Whether a body is a message of the command protocol.

    Raises:
        HttpProblem: 422 with the protocol's code.
    """
    try:
        commands.decode(raw)
    except commands.CommandFault as fault:
        raise command_problem(fault) from None


@attrs.frozen
class StateChange:
    """A trading state to set; `broker` None is every account."""

    state: TradingState
    reason: str
    broker: str | None


def decode_state(raw: bytes) -> StateChange:
    """The body of POST /risk/state.

    Raises:
        HttpProblem: 422 with `code`, and `field` where one is at fault.
    """
    body: _RiskState = _decode(_risk_state, raw)
    try:
        state = TradingState(body.state)
    except ValueError:
        near = _near(body.state, [state.value for state in TradingState])
        raise _invalid(f"state is {_shown(body.state)}{near}", "state") from None
    reason = body.reason.strip()
    if not 1 <= len(reason) <= MAX_REASON:
        detail = f"reason has {len(reason)} characters, it must have 1 to {MAX_REASON}: the record keeps why"
        raise _invalid(detail, "reason")
    if not reason.isprintable():
        raise _invalid("reason has characters that can't be printed", "reason")
    if body.flatten:
        detail = (
            "flatten is not implemented in this version; set the state halted or reduce_only, then close the "
            "positions with trade_close commands"
        )
        raise HttpProblem(422, "not_implemented", detail, field="flatten")
    return StateChange(state, reason, body.broker)


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    if not raw.strip():
        raise HttpProblem(422, "invalid_json", "the body is empty; send one JSON object")
    if commands.too_deep(raw):
        raise HttpProblem(422, "invalid_json", f"the body is nested deeper than {commands.MAX_DEPTH} levels")
    try:
        return decoder.decode(raw)
    except _BAD as exc:
        raise _explain(raw, exc, decoder.type) from None


def _explain(raw: bytes, exc: Exception, kind: Any) -> HttpProblem:
    """What was wrong, from a second and slower look at the body."""
    text = str(exc)[:300]
    try:
        plain = _plain.decode(raw)
    except _BAD:
        return HttpProblem(422, "invalid_json", f"the body is not JSON: {text}")
    fields = kind.__struct_fields__
    if not isinstance(plain, dict):
        return HttpProblem(422, "invalid_message", f"the body must be one JSON object with {', '.join(fields)}")
    unknown = _UNKNOWN_FIELD.search(str(exc))
    if unknown is not None:
        name = unknown.group(1)
        detail = f"there is no field {_shown(name)}{_near(name, fields)}"
        return HttpProblem(422, "unknown_field", detail, field=name[:_SHOWN])
    missing = _MISSING_FIELD.search(text)
    if missing is not None:
        return _invalid(f"{missing.group(1)} is missing", missing.group(1))
    at = _AT_FIELD.search(text)
    if at is not None:
        return _invalid(f"{at.group(1)}: {text.partition(' - at ')[0]}", at.group(1))
    return HttpProblem(422, "invalid_message", text)


def _invalid(detail: str, field: str) -> HttpProblem:
    return HttpProblem(422, "invalid_message", detail, field=field)
