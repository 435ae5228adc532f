"""Settling an order by hand: what a person says of it, held against the record and against what the broker can tell.

Pure; the executor of the order's broker does what it says. Nothing here ever sends anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import attrs

from actors.messages import Reply, SettleOrder
from actors.reconcile import found_reply, proposal_of
from quantmind.domain.order_life import OrderState, found_state
from quantmind.domain.orders import Absent, Close, Ending, Open, OrderType, Placed, Proposal
from quantmind.domain.retcodes import Retcode
from quantmind.records import OrderRecord
from quantmind.wire import replies

_S = OrderState
OPEN_STATES: Final = frozenset({_S.INTENT, _S.UNKNOWN})
"""Orders in these wait for somebody who knows what became of them."""

_FILLS: Final = frozenset({_S.FILLED, _S.PARTLY_FILLED})
_NOTHING: Final = frozenset({_S.REFUSED, _S.NOT_SENT})
_ENDINGS: Final = {_S.CANCELLED: Ending.CANCELLED, _S.EXPIRED: Ending.EXPIRED}


@attrs.frozen
class Settlement:
    """What is written down and told: `placed` None, nothing was done."""

    proposal: Proposal
    reply: Reply
    placed: Placed | None


def refusal(record: OrderRecord, word: SettleOrder) -> Reply | None:
    """Why it can't be settled as this, whatever the broker says; None if it can."""
    if record.state not in OPEN_STATES:
        by = "" if record.known_by is None else f" (known by {record.known_by.value})"
        message = f"order {record.order_id} is {record.state.value}{by} already; only an unknown one can be settled"
        return replies.error("settled", message, state=record.state.value)
    proposal = proposal_of(record.intent)
    possible = possible_states(proposal)
    if word.state not in possible:
        names = ", ".join(sorted(state.value for state in possible))
        return _wrong("outcome", f"a {record.body['type']} can't have become {word.state.value}; it may be {names}")
    if isinstance(proposal, Open) and word.ticket is None and word.state in _FILLS | {_S.PLACED}:
        return _wrong("ticket", f"ticket is missing: which one did the broker give the order that was {_said(word)}?")
    asked = getattr(proposal, "volume", None)
    if asked is None or word.volume is None:
        if word.state is _S.PARTLY_FILLED and word.volume is None:
            return _wrong("volume", "volume is missing: how much of it was filled, in lots?")
    elif word.volume > asked:
        return _wrong("volume", f"volume is {word.volume}, but no more than {asked} was asked for")
    elif word.state is _S.FILLED and word.volume < asked:
        return _wrong("volume", f"volume is {word.volume} of the {asked} asked for: that is partly_filled")
    elif word.state is _S.PARTLY_FILLED and word.volume == asked:
        return _wrong("volume", f"volume is {word.volume}, all that was asked for: that is filled")
    return None


def possible_states(proposal: Proposal) -> frozenset[OrderState]:
    """What an order of this kind may have become, once nobody knows."""
    if not isinstance(proposal, Open | Close):
        return _NOTHING | {_S.DONE}
    if isinstance(proposal, Open) and proposal.order_type is not OrderType.MARKET:
        return _NOTHING | _FILLS | {_S.PLACED, *_ENDINGS}
    return _NOTHING | _FILLS


def contradiction(record: OrderRecord, word: SettleOrder, found: Placed | Absent | None) -> Reply | None:
    """What the broker says of the order where that is not what the person says; None: it agrees, or can't tell."""
    if found is None:
        return None
    if isinstance(found, Absent):
        if word.state in _NOTHING:
            return None
        says: dict[str, Any] = {"state": _S.NOT_SENT.value}
        told = "it has never had it"
    else:
        state = found_state(proposal_of(record.intent), found)
        says = {
            "state": state.value,
            "ticket": found.ticket or record.body.get("ticket"),
            "price": found.price,
            "volume": found.volume,
            "profit": found.profit,
        }
        differs = [
            name
            for name in ("ticket", "price", "volume", "profit")
            if (said := getattr(word, name)) is not None and said != says[name]
        ]
        if state is word.state and not differs:
            return None
        details = ", ".join(f"{name} {value}" for name, value in says.items() if value is not None and name != "state")
        told = f"it is {state.value}" + (f" ({details})" if details else "")
    message = (
        f"{record.broker} says of order {record.order_id} that {told}; that is what it will be settled as by itself. "
        "Settle it as that, or send force: true if the broker is wrong"
    )
    return replies.error("broker_contradicts", message, broker_says=says)


def settlement(record: OrderRecord, word: SettleOrder, found: Placed | Absent | None) -> Settlement:
    """The order as the person says it is; what the broker says, where both agree, fills in what was left out."""
    proposal = proposal_of(record.intent)
    if word.state in _NOTHING:
        code = "broker_refused" if word.state is _S.REFUSED else "broker_unavailable"
        message = f"settled by {word.by} as {word.state.value}: nothing was done ({word.reason})"
        reply = replies.error(code, message, order_id=record.order_id)
        return Settlement(proposal, {**reply, "known_by": "person"}, None)
    agreed = isinstance(found, Placed) and contradiction(record, word, found) is None
    placed = found if agreed and isinstance(found, Placed) else _placed(proposal, word)
    reply = found_reply(record.intent, placed)
    if not agreed:  # a code that no broker gave would be a lie
        reply.update(retcode=None, retcode_text=f"settled by {word.by}: {word.reason}")
    return Settlement(proposal, {**reply, "known_by": "person"}, placed)


def _placed(proposal: Proposal, word: SettleOrder) -> Placed:
    asked: Decimal | None = getattr(proposal, "volume", None)
    ended = _ENDINGS.get(word.state)
    volume = Decimal(0) if ended is not None else asked if word.volume is None else word.volume
    if word.state is _S.DONE:
        volume = None
    return Placed(
        retcode=Retcode.DONE,
        ticket=word.ticket or 0,
        price=word.price,
        volume=volume,
        profit=word.profit,
        sl=_stop(proposal, "sl"),
        tp=_stop(proposal, "tp"),
        pending=word.state is _S.PLACED,
        ended=ended,
    )


# The stops that were asked for; 0 removed them.
def _stop(proposal: Proposal, name: str) -> Decimal | None:
    return getattr(proposal, name, None) or getattr(proposal, f"new_{name}", None) or None


def _said(word: SettleOrder) -> str:
    return word.state.value.replace("_", " ")


def _wrong(field: str, message: str) -> Reply:
    return replies.error("invalid_message", message, field=field)
