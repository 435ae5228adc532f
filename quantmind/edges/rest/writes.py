"""The routes that act: orders, positions, commands, trading states. Everything that trades goes through the door."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from actors.messages import AdoptDrift
from quantmind.edges.rest.asking import asked
from quantmind.edges.rest.context import Answer, Ask, RestContext
from quantmind.edges.rest.lookups import remembered_symbol, symbol_of, wait_for_ticket, which_broker
from quantmind.wire.commands import MAX_EA_NAME, MAX_ID
from quantmind.wire.problems import HttpProblem, trade_problem
from quantmind.wire.rest import ticket_in_path
from quantmind.wire.rest_bodies import (
    Fields,
    cancel_command,
    check_command,
    close_command,
    decode_close,
    decode_order_change,
    decode_position_change,
    decode_reason,
    decode_trade,
    modify_command,
    refuse_body,
)

STATE_WITHIN_S: Final = 5.0
KEY_HEADER: Final = "Idempotency-Key"


async def trade(context: RestContext, ask: Ask) -> Answer:
    """Place an order, once for each Idempotency-Key; one that is absent is made and returned."""

    async def make(ea_name: str, key: str) -> bytes:
        return decode_trade(ask.body, ea_name=ea_name, request_id=key)

    return await _once(context, ask, make)


async def close_position(context: RestContext, ask: Ask) -> Answer:
    """Close a position, a part of it, or it and an opposite one against each other."""

    async def make(ea_name: str, key: str) -> bytes:
        broker, ticket = _target(context, ask)
        fields = decode_close(ask.body)
        symbol = await _symbol_to_close(context, ask, broker, ticket, ea_name, key)
        return close_command(fields, ea_name=ea_name, request_id=key, broker=broker, ticket=ticket, symbol=symbol)

    return await _once(context, ask, make)


async def change_position(context: RestContext, ask: Ask) -> Answer:
    """Change a position's stops."""
    return await _change(context, ask, decode_position_change)


async def change_order(context: RestContext, ask: Ask) -> Answer:
    """Change a pending order's price, stops or expiration."""
    return await _change(context, ask, decode_order_change)


async def cancel_order(context: RestContext, ask: Ask) -> Answer:
    """Take a pending order back."""

    async def make(ea_name: str, key: str) -> bytes:
        broker, ticket = _target(context, ask)
        refuse_body(ask.body)
        if context.known.get((ea_name, key)) is None:
            await wait_for_ticket(context, broker, ticket)
        return cancel_command(ea_name=ea_name, request_id=key, broker=broker, ticket=ticket)

    return await _once(context, ask, make)


async def _change(context: RestContext, ask: Ask, decode: Callable[[bytes], Fields]) -> Answer:
    async def make(ea_name: str, key: str) -> bytes:
        broker, ticket = _target(context, ask)
        fields = decode(ask.body)
        if context.known.get((ea_name, key)) is None:
            await wait_for_ticket(context, broker, ticket)
        return modify_command(fields, ea_name=ea_name, request_id=key, broker=broker, ticket=ticket)

    return await _once(context, ask, make)


# A repeat must name the symbol that the first named, wherever the position is by now. What is on record comes first; a
# record that can't be read holds up no close of a position that is there.
async def _symbol_to_close(context: RestContext, ask: Ask, broker: str, ticket: int, ea_name: str, key: str) -> str:
    unread: HttpProblem | None = None
    if ask.header(KEY_HEADER.lower()):
        try:
            symbol = await remembered_symbol(context, ea_name, key)
        except HttpProblem as problem:
            if problem.status != 503:
                raise
            unread = problem
        else:
            if symbol is not None:
                return symbol
    try:
        return await symbol_of(context, broker, ticket)
    except HttpProblem:
        # "There is no such position" is no answer to what may be the repeat of the request that closed it.
        if unread is not None:
            raise unread from None
        raise


async def _once(context: RestContext, ask: Ask, make: Callable[[str, str], Awaitable[bytes]]) -> Answer:
    """Carry out what `make` (EA name, key) gives as a command; whatever the answer, it has the key."""
    key = _idempotency_key(ask)
    header = (KEY_HEADER, key)
    try:
        command = await make(ea_name_of(ask.identity.name), key)
        reply = await context.door.request(command, identity=ask.identity)
        problem = trade_problem(reply)
        if problem is not None:
            raise problem
    except HttpProblem as problem:
        raise problem.with_headers(header) from None
    return Answer(reply, headers=(header,))


def _target(context: RestContext, ask: Ask) -> tuple[str, int]:
    return which_broker(context, ask, ask.path["broker"]), ticket_in_path(ask.path["ticket"])


async def command(context: RestContext, ask: Ask) -> Answer:
    """Any message of the command protocol; the reply says what became of it."""
    try:
        check_command(ask.body)
    except HttpProblem:
        context.door.count_malformed()
        raise
    return Answer(await context.door.request(ask.body, identity=ask.identity))


async def adopt_drift(context: RestContext, ask: Ask) -> Answer:
    """Take over what is flagged: from now on the books say what the broker says."""
    broker, reason = which_broker(context, ask, ask.path["broker"]), decode_reason(ask.body)
    reply = await asked(
        context.bookkeepers[broker],
        AdoptDrift(broker, reason, ask.identity.name),
        STATE_WITHIN_S,
        who="the bookkeeper",
        done="adopted",
        look="it may have been adopted or not: look at /status, then send it again",
        about=lambda: {"broker": broker},
    )
    if reply["status"] != "success":
        status = 409 if reply["code"] == "invalid_message" else 503
        code = "nothing_flagged" if status == 409 else "journal_down"
        raise HttpProblem(status, code, str(reply["message"]), broker=broker)
    return Answer(reply)


def ea_name_of(token_name: str) -> str:
    """The EA name of orders that a token places over HTTP; a name that is too long ends in a hash of itself."""
    name = f"rest:{token_name}"
    if len(name) <= MAX_EA_NAME:
        return name
    return f"{name[: MAX_EA_NAME - 17]}~{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"


def _idempotency_key(ask: Ask) -> str:
    given = ask.header(KEY_HEADER.lower())
    if not given:
        return uuid.uuid4().hex
    if len(given) > 1:
        detail = f"{KEY_HEADER} is given {len(given)} times; send it once"
    elif not 1 <= len(given[0]) <= MAX_ID:
        detail = f"{KEY_HEADER} has {len(given[0])} characters, it must have 1 to {MAX_ID}"
    elif not (given[0].isascii() and given[0].isprintable()):
        detail = f"{KEY_HEADER} has characters other than printable ASCII"
    else:
        return given[0]
    raise HttpProblem(422, "invalid_message", detail, field=KEY_HEADER)
