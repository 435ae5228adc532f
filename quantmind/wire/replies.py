"""Answers to commands: what the centre decided, as the fields of the protocol, and their bytes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from quantmind.domain.orders import Close, Modify, Open, Placed, Proposal, Refused, Unknown
from quantmind.domain.retcodes import sentence
from quantmind.domain.risk import Approved, Denied, Reason, Terms, Verdict

Reply = dict[str, Any]

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def encode(reply: Reply) -> bytes:
    """JSON, numbers exact."""
    return _encoder.encode(reply)


def stored(reply: Reply) -> Reply:
    """The reply as it comes back from a store: plain JSON values, numbers exact."""
    return from_store(_encoder.encode(reply))


def from_store(text: bytes | str) -> Reply:
    """A stored reply from its JSON text, numbers exact: a repeat hears the first's prices to the last digit."""
    value: Reply = _decoder.decode(text)
    return value


def error(code: str, message: str, **fields: Any) -> Reply:
    """The request was wrong, or the broker refused. Never an approval."""
    return {"status": "error", "approved": False, "code": code, "message": message, **fields}


def unknown(message: str, **fields: Any) -> Reply:
    """The order went out and its fate is not known yet. Never a reason to send again."""
    return {"status": "unknown", "message": message, **fields}


def reason(item: Reason) -> dict[str, Any]:
    """One rule that spoke; `observed` only where it refuses nothing."""
    said = {"rule": item.rule, "message": item.message, "limit": item.limit, "value": item.value}
    return {**said, "observed": True} if item.observed else said


def verdict(decision: Verdict, *, valid_until: float | None = None, valid_for_ms: int | None = None) -> Reply:
    """A verdict on a proposal; `valid_until` (Unix seconds) for an approval that the EA trades itself."""
    approved = isinstance(decision, Approved)
    proposal, terms = decision.proposal, decision.terms
    reply: Reply = {
        "status": "success" if approved else "rejected",
        "approved": approved,
        "reasons": [reason(item) for item in terms.reasons],
    }
    if isinstance(proposal, Open):
        reply["risk_multiplier"] = terms.risk_multiplier
        reply["approved_volume"] = proposal.volume if approved else Decimal(0)
        reply["max_volume"] = terms.max_volume
    else:
        reply["ticket"] = proposal.ticket
    if isinstance(decision, Approved) and valid_until is not None:
        reply["approval_id"] = decision.approval_id
        reply["valid_until"] = valid_until
        reply["valid_for_ms"] = valid_for_ms
    return reply


def expired_approval(message: str, first: Reply) -> Reply:
    """A repeat of an approval that no longer holds."""
    kept: Reply = {
        key: first[key] for key in ("risk_multiplier", "max_volume", "ticket", "approval_id") if key in first
    }
    return {
        "status": "rejected",
        "approved": False,
        "approved_volume": 0,
        "reasons": [{"rule": "approval_expired", "message": message, "limit": None, "value": None}],
        **kept,
    }


def executed(approved: Approved, outcome: Placed | Refused | Unknown, order_id: str) -> Reply:
    """What became of an order that the gateway placed."""
    reply = verdict(approved)
    reply["order_id"] = order_id
    if isinstance(outcome, Unknown):
        reply.update(unknown(f"the order went out and its outcome is not known yet: {outcome.reason}"))
        reply["approved"] = True
        return reply
    if isinstance(outcome, Refused):
        reply.update(retcode=outcome.retcode, retcode_text=sentence(outcome.retcode))
        reply.update(status="error", approved=False, code="broker_refused", message=outcome.comment)
        if "approved_volume" in reply:
            reply["approved_volume"] = Decimal(0)
        return reply
    reply.update(carried_out(approved.proposal, outcome))
    return reply


def carried_out(proposal: Proposal, placed: Placed) -> Reply:
    """What the broker made of a proposal: the fields that an answer and one that was found later have alike."""
    reply: Reply = {"retcode": placed.retcode, "retcode_text": sentence(placed.retcode)}
    if placed.ticket:
        reply["ticket"] = placed.ticket
    reply["order"] = placed.order
    reply["price"] = placed.price
    reply["volume"] = placed.volume
    if isinstance(proposal, Close):
        reply["profit"] = placed.profit
    if isinstance(proposal, Modify | Open):
        reply["sl"], reply["tp"] = placed.sl, placed.tp
    if placed.pending:
        reply["pending"] = True
    if placed.ended is not None:
        reply["ended"] = placed.ended.value
    return reply


def denied(rule: str, message: str, proposal: Any) -> Reply:
    """A refusal that no rule of the governor made (a halt that came in between, a promise that ended)."""
    return verdict(Denied(proposal, Terms(Decimal(1), Decimal(0), (Reason(rule, message),))))
