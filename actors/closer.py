"""A closer: sends what reduces risk at one broker, beside the executor and never behind it."""

from __future__ import annotations

import attrs
import trio

from actors.carrier import BATCH, Carrier
from actors.messages import Reply
from actors.runtime import Call, Inbox


@attrs.define
class Closer:
    """Takes `Execute` calls of orders that reduce risk, and answers them with their outcome.

    Cancelled between intent and outcome it leaves an unknown order, which the executor reconciles; what it could not
    write is in the carrier's `hands`, and the executor writes it.
    """

    carrier: Carrier

    async def __call__(self, inbox: Inbox[Call[Reply]]) -> None:
        link = self.carrier.link
        link.closes_error = None
        inbox.ready()
        try:
            async with trio.open_nursery() as nursery:
                async for batch in inbox.batches(BATCH):
                    await self.carrier.carry_out(batch, nursery)
        except BaseException:  # parked or on its way back, people must know
            link.closes_error = "its closer ended by an error; see /actors"
            raise
