"""The actor `tokens`: looks at the file of tokens, ends what revoked and expired ones opened, and tells the record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs
import trio

from actors.looking import look_every
from actors.runtime import Inbox
from actors.token_board import TokenBoard
from quantmind.domain.clock import Clock, iso
from quantmind.ports import TokenSource
from quantmind.records import Event, Record
from quantmind.wire.auth import Identity

logger: Final = logging.getLogger("quantmind.tokens")

LOOK_EVERY_S: Final = 1.0
LOOK_WITHIN_S: Final = 5.0
"""Below what an actor has to become ready: a disk that hangs is a state here, not a crash."""
TELL_EVERY_S: Final = 60.0
"""Denials are told at once, then at most so often: whoever tries tokens must not fill the journal."""


@attrs.define
class TokenKeeper:
    """Looks once a second. What can't be read now leaves the tokens as they are, with the reason beside it.

    Ready after the first look, before a door opens.

    Args:
        source: the file; None: there is none, and only time changes anything.
        taken: names of the configuration, which the file may not have too.
        note: writes lines of the journal, never waiting.
        recheck: has every session end whose token no longer holds.
    """

    board: TokenBoard
    source: TokenSource | None
    taken: frozenset[str]
    note: Callable[[Sequence[Record]], None]
    recheck: Callable[[], None]
    clock: Clock

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Look until asked to stop."""
        self.board.file = "" if self.source is None else self.source.name
        await look_every(inbox, LOOK_EVERY_S, self._look)

    async def _look(self) -> None:
        if self.source is not None:
            await self._read(self.source)
        self._say_expired()
        self._say_denied()
        self.recheck()

    async def _read(self, source: TokenSource) -> None:
        board, before = self.board, self.board.error
        with trio.move_on_after(LOOK_WITHIN_S) as scope:
            reading = await source.look()
            board.looked_at = self.clock.now()
            board.error = reading.error
            self._take(reading.identities)
        if scope.cancelled_caught:
            board.error = f"the file has not answered for {LOOK_WITHIN_S:g} s"
        if board.error is not None and board.error != before:
            logger.error("fail.tokens file=%s reason=%s", board.file, board.error)
            self._note("tokens_unreadable", {"file": board.file, "reason": board.error})

    def _take(self, found: Iterable[Identity]) -> None:
        """Let the tokens of the file be these, but for those that the configuration has under the same name or hash."""
        board, authenticator = self.board, self.board.authenticator
        hashes = {identity.digest for identity in authenticator.given}
        wanted, twice = {}, []
        for identity in found:
            if identity.name in self.taken or identity.digest in hashes:
                twice.append(identity.name)
            else:
                wanted[identity.name] = identity
        if twice:
            also = f"{', '.join(sorted(twice))} also stands in the configuration, whose token holds"
            board.error = also if board.error is None else f"{board.error}; {also}"
        given = len(authenticator.given)
        had = {identity.name: identity for identity in authenticator.known[given:]}
        if not board.seen:
            board.seen = True
            authenticator.replace(wanted.values())
            names = sorted(identity.name for identity in authenticator.known)
            self._note("tokens_known", {"names": names})
            return
        if _digests(had) == _digests(wanted):
            return
        authenticator.replace(wanted.values())
        board.changed_at = self.clock.now()
        for name in sorted(had.keys() | wanted.keys()):
            old, new = had.get(name), wanted.get(name)
            if new is None:
                logger.warning("revoke.token name=%s", name)
                self._note("token_revoked", {"token": name})
            elif old is None or (old, old.digest) != (new, new.digest):
                logger.info("%s.token name=%s", "add" if old is None else "change", name)
                self._note("token_added" if old is None else "token_changed", _shown(new))

    def _say_expired(self) -> None:
        board = self.board
        for identity in board.authenticator.known:
            if board.authenticator.expired(identity) and identity.key not in board.told:
                board.told.add(identity.key)
                logger.warning("expire.token name=%s", identity.name)
                self._note("token_expired", _shown(identity))
        board.told &= {identity.key for identity in board.authenticator.known}

    def _say_denied(self) -> None:
        board, now, denials = self.board, trio.current_time(), self.board.authenticator.denials
        before = board.told_denials
        if before == denials or (board.told_at is not None and now - board.told_at < TELL_EVERY_S):
            return
        rows = [
            {"via": key[0], "reason": key[1], "token": key[2] or None, "count": count - before.get(key, 0)}
            for key, count in sorted(denials.items())
            if count != before.get(key, 0)
        ]
        board.told_denials, board.told_at = dict(denials), now
        self._note("token_denied", {"denied": rows})

    def _note(self, name: str, data: dict[str, Any]) -> None:
        self.note([Event(name, None, data, self.clock.now())])


def _digests(tokens: dict[str, Identity]) -> dict[str, tuple[Identity, bytes]]:
    return {name: (identity, identity.digest) for name, identity in tokens.items()}


def _shown(identity: Identity) -> dict[str, Any]:
    return {
        "token": identity.name,
        "scopes": sorted(identity.scopes),
        "eas": sorted(identity.eas),
        "brokers": sorted(identity.brokers),
        "expires": None if identity.expires is None else iso(identity.expires),
    }
