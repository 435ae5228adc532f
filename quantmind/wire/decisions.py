"""A recorded decision, read back so that it can be judged again, and what is different when it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs
import msgspec

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Origin, Proposal
from quantmind.domain.risk import MandateMode, Situation, TradingState, Verdict
from quantmind.records import Entry
from quantmind.wire import proposals, replies

FLATTEN: Final = "flatten"
"""The door of the gateway's own steps that make an account flat."""
OVERTAKEN: Final = frozenset({"governor_restarted", "trading_state", "mandate"})
"""Rules by which an executor refuses what was approved a moment before."""


class _Body(msgspec.Struct, frozen=True):
    approved: bool
    magic: int
    command: dict[str, Any]
    reply: dict[str, Any]
    inputs: msgspec.Raw = msgspec.Raw(b"null")
    via: str = ""


_decode: Final = msgspec.json.Decoder(_Body, float_hook=Decimal).decode
_situation: Final = msgspec.json.Decoder(Situation).decode
_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@attrs.frozen
class Recorded:
    """A decision as the log has it. `situation` None: the record has not kept what it was made from."""

    line: Entry
    proposal: Proposal
    approved: bool
    reply: Mapping[str, Any]
    via: str
    situation: Situation | None

    @property
    def flattens(self) -> bool:
        """It is one of the gateway's own steps that make an account flat."""
        return self.via == FLATTEN

    @property
    def at(self) -> float:
        """When it was made, in Unix seconds."""
        return self.line.at_us / 1e6

    @property
    def ea_name(self) -> str:
        return self.proposal.origin.ea_name

    @property
    def volume(self) -> Decimal:
        """The lots that were approved; 0 of what opens nothing."""
        return Decimal(self.reply.get("approved_volume") or 0) if self.approved else Decimal(0)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that spoke, each once."""
        return rules_in(self.reply)

    @property
    def overtaken(self) -> bool:
        """It was approved, and refused on its way to the broker by what came in between and its inputs don't show.

        Whoever judges it again gets the approval, of which there is no record.
        """
        if self.approved or self.situation is None or len(self.rules) != 1:
            return False
        shows = {
            "trading_state": self.situation.state is not TradingState.ACTIVE,
            "mandate": self.situation.mandate.mode is MandateMode.NONE,
        }
        return self.rules[0] in OVERTAKEN and not shows.get(self.rules[0], False)


@attrs.frozen
class Difference:
    """One thing that is not as it was."""

    field: str
    was: Any
    now: Any


def recorded(line: Entry) -> Recorded:
    """The decision in a line of the log. What an earlier version did not write has its default.

    Raises:
        ValueError: it can't be read.
    """
    try:
        body = _decode(line.body)
        situation = None if bytes(body.inputs) == b"null" else _situation(_whole(bytes(body.inputs)))
    except (msgspec.DecodeError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from None
    origin = Origin(line.ea_name or "", body.magic, line.request_id)
    proposal = proposals.proposal_of(body.command, line.broker or "", origin)
    return Recorded(line, proposal, body.approved, body.reply, body.via, situation)


# --- what is kept of a situation -----------------------------------------------------------------------------------

_HELD: Final = ("positions", "orders")


def inputs_of(situation: Situation) -> dict[str, Any]:
    """A situation as the log keeps it: of positions and pending orders only what a rule may look at.

    Their tickets are their keys; comments, tags, times and targets change no verdict, and there may be many of them.
    """
    inputs = {name: getattr(situation, name) for name in _FIELDS}
    inputs["positions"] = {ticket: _position(item) for ticket, item in situation.positions.items()}
    inputs["orders"] = {ticket: _order(item) for ticket, item in situation.orders.items()}
    return inputs


_FIELDS: Final = tuple(field.name for field in attrs.fields(Situation) if field.name not in _HELD)


def _position(item: Position) -> dict[str, Any]:
    kept = {
        "symbol": item.symbol,
        "side": item.side,
        "volume": item.volume,
        "price_open": item.price_open,
        "price_current": item.price_current,
        "profit": item.profit,
    }
    if item.swap:
        kept["swap"] = item.swap
    return _with_stop(kept, item)


def _order(item: PendingOrder) -> dict[str, Any]:
    kept = {
        "symbol": item.symbol,
        "side": item.side,
        "order_type": item.order_type,
        "volume": item.volume,
        "price": item.price,
    }
    return _with_stop(kept, item)


def _with_stop(kept: dict[str, Any], item: Position | PendingOrder) -> dict[str, Any]:
    if item.sl is not None:
        kept["sl"] = item.sl
    if item.magic:
        kept["magic"] = item.magic
    return kept


def _whole(inputs: bytes) -> bytes:
    """The same with what is not kept of positions and orders; what a record has of it comes later, and counts."""
    parts = _parts(inputs)
    for name in _HELD:
        if name in parts:
            held = ((ticket, bytes(item).lstrip()[1:]) for ticket, item in _parts(parts[name]).items())
            items = b",".join(b'"%s":{"ticket":%s,"time_msc":0,%s' % (t.encode(), t.encode(), rest) for t, rest in held)
            parts[name] = msgspec.Raw(b"{%s}" % items)
    return _encode(parts)


_encode: Final = msgspec.json.Encoder().encode


def rules_in(reply: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules that stand in an answer, each once."""
    return tuple(dict.fromkeys(str(reason.get("rule")) for reason in _reasons(reply)))


# --- what is different ---------------------------------------------------------------------------------------------


def differences(was: Recorded, verdict: Verdict) -> list[Difference]:
    """What of a verdict is not as it was recorded; empty: all of it is the same."""
    now = replies.stored(replies.verdict(verdict))
    found = [
        Difference(name, was.reply.get(name), now.get(name))
        for name in ("approved_volume", "max_volume", "risk_multiplier")
        if was.reply.get(name) != now.get(name)
    ]
    if was.approved != now["approved"]:
        found.insert(0, Difference("approved", was.approved, now["approved"]))
    return found + _differing_reasons(_reasons(was.reply), _reasons(now))


def _differing_reasons(was: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[Difference]:
    names = ([str(each.get("rule")) for each in was], [str(each.get("rule")) for each in now])
    if names[0] != names[1]:
        return [Difference("reasons", names[0], names[1])]
    return [
        Difference(f"{before.get('rule')}.{name}", before.get(name), after.get(name))
        for before, after in zip(was, now, strict=True)
        for name in ("limit", "value", "observed", "message")
        if _plain(name, before.get(name)) != _plain(name, after.get(name))
    ]


def _reasons(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = reply.get("reasons")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:E[+-]?\d+)?")


def _plain(name: str, value: Any) -> Any:
    """A message with each number in its plainest form: 0.10 was asked for, and the record of the order says 0.1."""
    if name != "message" or not isinstance(value, str):
        return value
    return _NUMBER.sub(_plainest, value)


def _plainest(found: re.Match[str]) -> str:
    try:
        return format(Decimal(found.group()).normalize(), "f")
    except InvalidOperation:
        return found.group()
