"""Errors over HTTP: RFC 9457 problem details, each with the protocol's code and the way out."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from quantmind.wire import commands

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:quantmind:problem:"

TITLES: Final[dict[str, str]] = {
    "ambiguous_body": "The end of the body is told in two ways",
    "baseline_known": "Nothing is missing",
    "body_too_large": "The body is too large",
    "body_too_slow": "The body did not come in time",
    "broker_contradicts": "The broker says otherwise",
    "broker_refused": "The broker refused the order",
    "broker_required": "Several brokers are enabled: name one",
    "broker_unavailable": "The broker can't be reached",
    "cause_stands": "What holds the account still stands",
    "busy": "The gateway is busy",
    "content_type": "The body is not JSON",
    "ea_name_required": "Several EAs used this request_id: name one",
    "expired": "The request came too late",
    "forbidden": "The token may not do this",
    "host_not_allowed": "The request is for another host",
    "http_error": "The request can't be answered",
    "in_hand": "The order is on its way to the broker",
    "internal": "Something broke inside the gateway",
    "invalid_json": "The body is not valid JSON",
    "invalid_message": "The body is not valid",
    "invalid_query": "The query is not valid",
    "invalid_target": "The request's target is not a path",
    "journal_down": "The journal can't be written now",
    "method_not_allowed": "The method is not allowed here",
    "no_account": "The account is not known yet",
    "no_deals": "The deals are not known yet",
    "no_journal": "The record can't be read now",
    "no_tick": "There is no live tick",
    "not_durable": "It can't be kept now",
    "not_found": "There is nothing here",
    "origin_not_allowed": "The web page may not call this gateway",
    "rejected": "The risk governor refused the order",
    "request_id_conflict": "The Idempotency-Key was used for another order",
    "revision_conflict": "Something else holds by now",
    "settled": "What became of the order is known already",
    "token_in_url": "A token must not be in the URL",
    "unauthorized": "A token is needed",
    "unknown": "The outcome is not known yet",
    "unknown_broker": "There is no such broker",
    "unknown_command": "No such command is remembered",
    "unknown_field": "There is no such field",
    "unknown_order": "There is no such order",
    "unknown_symbol": "There is no such symbol",
    "unknown_ticket": "There is no such position or pending order",
    "unknown_type": "There is no such message type",
}
"""One line for each code; `detail` says what it was this time."""

_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class HttpProblem(Exception):
    """An error as its client gets it.

    Args:
        status: the HTTP status code.
        code: what went wrong, for programs; the protocol's where it has one.
        detail: what it was this time and what to do, for people. Never a secret, never a traceback.
        headers: further headers of the response.
        fields: further members of the body (`field`, `reasons`, `retcode` and so on).
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: tuple[tuple[str, str], ...] = (), **fields: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.fields = fields

    def with_headers(self, *headers: tuple[str, str]) -> HttpProblem:
        """The same problem with further headers."""
        return HttpProblem(self.status, self.code, self.detail, headers=(*self.headers, *headers), **self.fields)

    def encode(self) -> bytes:
        """The body: one JSON object."""
        return _encoder.encode(
            {
                "type": TYPE_PREFIX + self.code,
                "title": TITLES.get(self.code, TITLES["http_error"]),
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                **self.fields,
            }
        )


def unauthorized(detail: str, **fields: Any) -> HttpProblem:
    """401, with the header that says how to authenticate."""
    challenge = ("WWW-Authenticate", 'Bearer realm="quantmind"')
    return HttpProblem(401, "unauthorized", detail, headers=(challenge,), **fields)


def busy(detail: str, *, retry_after_s: int | None = None, **fields: Any) -> HttpProblem:
    """429: nothing was done, the same request may be sent again."""
    return HttpProblem(429, "busy", detail, headers=(("Retry-After", str(retry_after_s or 1)),), **fields)


def internal(incident: str) -> HttpProblem:
    """500: `incident` is what the log names it by, and all that a client hears."""
    return HttpProblem(
        500, "internal", f"something broke inside the gateway; its log says what, under the id {incident}", id=incident
    )


# --- answers to commands ------------------------------------------------------------------------------------------

_COMMAND_FIELDS: Final = frozenset(
    field
    for kind in (commands.Envelope, commands.Trade, commands.TradeResult, commands.Heartbeat, commands.RiskUpdate)
    for field in kind.__struct_fields__
) | {"stop_loss", "take_profit"}


def command_problem(fault: commands.CommandFault) -> HttpProblem:
    """A command that can't be understood, as a problem."""
    fields: dict[str, Any] = {} if fault.request_id is None else {"request_id": fault.request_id}
    word = re.match(r"[a-z_]+", fault.message)
    if fault.code == "invalid_message" and word is not None and word.group() in _COMMAND_FIELDS:
        fields["field"] = word.group()
    return HttpProblem(422, fault.code, fault.message, **fields)


_STATUS_OF: Final = {
    "broker_refused": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_symbol": 404,
    "unknown_broker": 404,
    "unknown_ticket": 404,
    "request_id_conflict": 409,
    "busy": 429,
    "internal": 500,
    "broker_unavailable": 503,
}
_NOT_REPEATED: Final = frozenset({"status", "code", "message", "timestamp"})


def trade_problem(reply: dict[str, Any]) -> HttpProblem | None:
    """What POST /trade answers for a command's reply, or None when the order was carried out."""
    status = reply["status"]
    if status == "success":
        return None
    fields = {key: value for key, value in reply.items() if key not in _NOT_REPEATED}
    if status == "rejected":
        # Two floors may say the same word for word; each still has its own entry in `reasons`.
        reasons = list(dict.fromkeys(str(reason["message"]) for reason in reply.get("reasons", ())))
        return HttpProblem(422, "rejected", "; ".join(reasons) or "the risk governor refused the order", **fields)
    detail = str(reply.get("message", ""))
    if status == "unknown":
        return HttpProblem(504, "unknown", detail, **fields)
    code = reply["code"]
    if code == "broker_refused":
        fields["comment"] = detail
        detail = detail or str(reply.get("retcode_text", ""))
    if code == "busy":
        return busy(detail, **fields)
    if code == "unauthorized":
        return unauthorized(detail, **fields)
    headers = (("Retry-After", "1"),) if code == "broker_unavailable" else ()
    return HttpProblem(_STATUS_OF.get(code, 422), code, detail, headers=headers, **fields)
