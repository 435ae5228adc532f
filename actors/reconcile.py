"""An order that was found again: the proposal and the answer, rebuilt from its durable intent."""

from __future__ import annotations

from decimal import Decimal

from actors.messages import Reply
from quantmind.domain.orders import Absent, Open, Origin, Placed, Proposal
from quantmind.records import Intent
from quantmind.wire import proposals, replies


def proposal_of(intent: Intent) -> Proposal:
    """What was asked for, as the intent's body has it."""
    origin = Origin(intent.ea_name, intent.magic, intent.request_id)
    return proposals.proposal_of(intent.body, intent.broker, origin)


def found_reply(intent: Intent, found: Placed | Absent) -> Reply:
    """The answer that a repeat gets from now on."""
    if isinstance(found, Absent):
        message = (
            "the broker has never had it; nothing was done. Send it again with a new request_id if it is still wanted"
        )
        return replies.error("broker_unavailable", message, order_id=intent.order_id)
    body, proposal = intent.body, proposal_of(intent)
    reply: Reply = {"status": "success", "approved": True, "reasons": body.get("reasons", [])}
    reply["order_id"] = intent.order_id
    if isinstance(proposal, Open):
        for name in ("risk_multiplier", "approved_volume", "max_volume"):
            if body.get(name) is not None:
                reply[name] = Decimal(body[name])
    else:
        reply["ticket"] = proposal.ticket
    return {**reply, **replies.carried_out(proposal, found)}
