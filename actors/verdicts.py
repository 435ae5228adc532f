"""Verdicts on their way to the record: what is written of each, and who hears it once it is durable."""

from __future__ import annotations

import secrets

import attrs

from actors.messages import Judge, Reply, Trail
from actors.runtime import Call
from quantmind.domain.risk import Approved, Denied, Situation
from quantmind.records import Decision, Record
from quantmind.wire import replies


@attrs.frozen
class Owed:
    """An answer that waits for its record to be durable."""

    call: Call[Reply]
    reply: Reply
    reserved: str | None = None
    """The reservation that falls if the record can't be written."""
    stands: bool = False
    """It says no, or lets risk be reduced: said also when the record can't be written."""
    trail: Trail = attrs.field(factory=Trail)
    """Of the command that the record is of."""


@attrs.define
class Verdicts:
    """Records of a batch, and beside each who hears what once it is durable."""

    records: list[Record] = attrs.field(factory=list)
    owners: list[Owed | None] = attrs.field(factory=list)

    def add(self, record: Record, owner: Owed | None = None) -> None:
        self.records.append(record)
        self.owners.append(owner)


def decision_of(
    request: Judge, verdict: Approved | Denied, reply: Reply, situation: Situation, wall: float
) -> Decision:
    """The record of a verdict, with all that it was made from."""
    proposal, origin = verdict.proposal, verdict.proposal.origin
    return Decision(
        decision_id=verdict.approval_id if isinstance(verdict, Approved) else secrets.token_hex(8),
        broker=proposal.broker,
        ea_name=origin.ea_name,
        magic=origin.magic,
        symbol=getattr(proposal, "symbol", ""),
        request_id=origin.request_id,
        fingerprint=request.fingerprint,
        approved=isinstance(verdict, Approved),
        body=request.body,
        reply=replies.stored(reply),
        at=wall,
        inputs=_inputs(situation),
        via=request.via,
        by=request.by,
    )


def _inputs(situation: Situation) -> Situation:
    """What the verdict was made from. A rule looks at positions and orders as they are by now, not at the sample's."""
    sample = situation.sample
    return (
        situation if sample is None else attrs.evolve(situation, sample=attrs.evolve(sample, positions=(), orders=()))
    )
