"""Answers of the WebSocket APIs, which are the same on spot and futures."""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from quantmind.adapters.binance.faults import decoded


@attrs.frozen
class Used:
    """How much of a limit is used; see `budget.Limit`."""

    kind: str
    interval: str
    number: int
    limit: int
    count: int


@attrs.frozen
class WsReply:
    """An answer. `result`, and `data` of an error, are raw JSON, empty where there is none.

    `id` None: it answers no request, as when an API key was withdrawn. `code` 0: no error was said.
    """

    id: str | int | None
    status: int
    result: bytes
    code: int
    said: str
    data: bytes
    used: tuple[Used, ...]


class _Error(msgspec.Struct):
    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class _Used(msgspec.Struct, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int = 0


class _Reply(msgspec.Struct, rename="camel"):
    status: int | None = None
    id: str | int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Error | None = None
    rate_limits: list[_Used] = []


class _Subscription(msgspec.Struct, rename="camel"):
    subscription_id: int


_reply: Final = msgspec.json.Decoder(_Reply)
_subscription: Final = msgspec.json.Decoder(_Subscription)


def ws_reply(body: bytes) -> WsReply | None:
    """An answer of the WebSocket API; None: it is an event. Raises WireFault."""
    said = decoded(_reply, body, "answer of the WebSocket API")
    if said.status is None:
        return None
    error = said.error
    return WsReply(
        id=said.id,
        status=said.status,
        result=bytes(said.result),
        code=0 if error is None else error.code,
        said="" if error is None else error.msg,
        data=b"" if error is None else bytes(error.data),
        used=tuple(
            Used(each.rate_limit_type, each.interval, each.interval_num, each.limit, each.count)
            for each in said.rate_limits
        ),
    )


def subscription_id(result: bytes) -> int:
    """The number of a subscription, of the result of userDataStream.subscribe(.signature). Raises WireFault."""
    return decoded(_subscription, result, "subscription").subscription_id
