"""What a client wants of the hub, and what the hub was asked for it and has not answered. Outlives hubs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import attrs

from actors.boards import Catalog
from quantmind.wire.ws_messages import SubscribeMessage, UnsubscribeMessage

Wish = SubscribeMessage | UnsubscribeMessage


@attrs.define(eq=False)
class Wishes:
    """One client's. Each question has a ticket, a number that grows; a hub answers in the order it was asked."""

    catalog: Catalog
    _unanswered: dict[int, Wish] = attrs.field(factory=dict, init=False)
    _wanted: dict[str, int] = attrs.field(factory=dict, init=False)
    """Names, with the ticket that asked for each last."""
    _tickets: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _restoring: int = attrs.field(default=0, init=False)

    @property
    def unanswered(self) -> int:
        """How many questions have no answer."""
        return len(self._unanswered)

    @property
    def about_channels(self) -> bool:
        """One of them begins channels, too."""
        return any(isinstance(message, SubscribeMessage) and message.channels for message in self._unanswered.values())

    @property
    def names(self) -> Iterable[str]:
        """The names that are wanted, in the order of asking."""
        return self._wanted.keys()

    def ask(self, message: Wish) -> int:
        """Note what a client asks; the question's ticket."""
        ticket = next(self._tickets)
        self._unanswered[ticket] = message
        if isinstance(message, SubscribeMessage):
            self._wanted.update(dict.fromkeys(message.symbols, ticket))
        else:
            self._unwant(message.symbols)
        return ticket

    # Also by another spelling: `EURUSD@demo` ends what `EURUSD` began.
    def _unwant(self, names: Sequence[str] | None) -> None:
        if names is None:
            self._wanted.clear()
            return
        ended = set(names)
        meant = {self.catalog.resolve(name) for name in ended} - {None}
        self._wanted = {
            name: ticket
            for name, ticket in self._wanted.items()
            if name not in ended and self.catalog.resolve(name) not in meant
        }

    def still_wanted(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that nothing has ended since they were asked for."""
        return tuple(name for name in names if name in self._wanted)

    def restore(self) -> tuple[int, SubscribeMessage] | None:
        """What to ask a new hub, which knows nobody; None: nothing is wanted.

        Whatever is still in its mailbox comes before this, so when this is answered, what was asked earlier and has no
        answer was lost with the hub before.
        """
        if not self._wanted and not self._unanswered:
            return None
        self._restoring = next(self._tickets)
        return self._restoring, SubscribeMessage(tuple(self._wanted))

    def lost(self) -> list[int]:
        """Tickets that have to be asked again, once what `restore` gave was answered."""
        return [ticket for ticket in self._unanswered if ticket < self._restoring]

    def get(self, ticket: int) -> Wish | None:
        """What has no answer yet under this ticket."""
        return self._unanswered.get(ticket)

    def welcomed(self, ticket: int, rejected: Iterable[str]) -> tuple[Wish | None, bool]:
        """A subscription was answered: what it was (None: a restoration), and whether the newest restoration was."""
        message = self._unanswered.pop(ticket, None)
        for name in rejected:
            if self._wanted.get(name, ticket + 1) <= ticket:
                del self._wanted[name]
        return message, ticket == self._restoring

    def answered(self, ticket: int) -> Wish | None:
        """Another question was answered: what it was."""
        return self._unanswered.pop(ticket, None)
