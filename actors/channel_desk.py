"""What a session does about private channels: who may have them, and how they share one answer with symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import attrs

from actors.channel_reader import ChannelReader
from actors.wishes import Wishes
from quantmind.net.frames import text_frame
from quantmind.wire.auth import Identity
from quantmind.wire.ws_messages import ChannelPart, Resume, SubscribeMessage, UnsubscribeMessage

Refusal = tuple[str, str]
"""The code and the text of an error."""


class Answer(Protocol):
    """Makes `subscribed` without symbols, with what else holds of the client now."""

    def __call__(
        self, message_id: str | None = None, *, part: ChannelPart | None = None, recovered: bool | None = None
    ) -> bytes: ...


def why_not(identity: Identity | None) -> Refusal | None:
    """Why somebody may have no channel; None: he may."""
    if identity is None:
        return "unauthorized", "private channels need a token with the scope read; send auth first"
    if not identity.may("read"):
        return "forbidden", f"the token {identity.name} lacks the scope read, which private channels need"
    return None


@attrs.define(eq=False)
class ChannelDesk:
    """One client's. A message that names symbols, too, is answered when the hub has answered for those."""

    reader: ChannelReader
    wishes: Wishes
    answer: Answer

    async def subscribe(
        self, message: SubscribeMessage, identity: Identity | None
    ) -> Refusal | SubscribeMessage | None:
        """Answer a subscription, or say why not; a message: the hub is to be asked this first."""
        refusal = why_not(identity) or self._unanswered()
        if refusal is not None:
            return refusal
        assert identity is not None, "nobody has channels"
        nothing = await self.reader.why_not()
        if nothing is not None:
            return "internal", f"{nothing}; not done, send it again later"
        self.reader.brokers = identity.brokers
        can = None
        if message.resume is not None:
            can = await self.reader.can_go_on(message.channels, message.resume.journal_seq)
            if not can:
                message = attrs.evolve(message, resume=Resume())  # all of it or nothing: no ticks are recovered either
        if message.symbols:
            return message
        answer = partial(self.answer, message.id, recovered=can)
        self.welcome(message, bool(can), lambda part: [text_frame(answer(part=part))])
        return None

    def welcome(
        self, message: SubscribeMessage, recovered: bool, say: Callable[[ChannelPart], Sequence[bytes]]
    ) -> None:
        """Begin with a message's channels: after the line that it names, or with what holds. `say`: its answer."""
        after = message.resume.journal_seq if recovered and message.resume is not None else None
        self.reader.subscribe(message.channels, after, say)

    # Two at once would each be answered for what the other has changed.
    def _unanswered(self) -> Refusal | None:
        if not self.wishes.about_channels:
            return None
        return "internal", "a message about channels that came before has no answer yet; not done, send it again"

    def unsubscribe(self, message: UnsubscribeMessage) -> Refusal | UnsubscribeMessage:
        """End channels at once, or say why not; the message with those that the answer is to name.

        Those are what was asked for, or where nothing was named what there was.
        """
        refusal = self._unanswered()
        if refusal is not None:
            return refusal
        ended = self.reader.unsubscribe(message.channels)
        return attrs.evolve(message, channels=message.channels or ended)

    def take_from(self, identity: Identity | None) -> tuple[str, ...]:
        """Who goes on as somebody else keeps no channels that he may not have now: those that end."""
        if not self.reader.wanted or identity is None:
            return ()
        ends = why_not(identity) is not None or self.reader.brokers != identity.brokers
        return self.reader.unsubscribe(None) if ends else ()
