"""The actor `tokens`: the file is followed, what is wrong takes nothing away, and the record has who came and went."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs
import trio
from trio.testing import MockClock

from actors.runtime import ActorSpec, Backoff, RestartWindow, Supervisor
from actors.token_board import TokenBoard
from actors.token_keeper import LOOK_EVERY_S, LOOK_WITHIN_S, TELL_EVERY_S, TokenKeeper
from quantmind.domain.tokens import digest_of
from quantmind.ports import TokenReading
from quantmind.records import Event, Record
from quantmind.wire.auth import Authenticator, Identity


class TrioClock:
    """Wall time that goes with Trio's."""

    def now(self) -> float:
        return 1_000_000.0 + trio.current_time()


@attrs.define(eq=False)
class Source:
    """A file that says what it is told to."""

    reading: TokenReading = attrs.field(factory=TokenReading)
    hangs: bool = False
    breaks: bool = False
    name: str = "tokens.yaml"

    async def look(self) -> TokenReading:
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if self.breaks:
            raise RuntimeError("planted")
        return self.reading

    def has(self, *identities: Identity, error: str | None = None) -> None:
        self.reading = TokenReading(identities, error)


@attrs.define(eq=False)
class Kept:
    board: TokenBoard
    events: list[tuple[str, dict[str, Any]]]
    checks: list[float]

    @property
    def names(self) -> set[str]:
        return {identity.name for identity in self.board.authenticator.known}

    def told(self) -> list[tuple[str, Any]]:
        """What the record was told since it was last looked at: the event, and the token or the rows."""
        found = [(name, data.get("token", data.get("denied", data.get("names")))) for name, data in self.events]
        self.events.clear()
        return found


@contextlib.asynccontextmanager
async def keeping(source: Source, *given: Identity) -> AsyncIterator[Kept]:
    clock = TrioClock()
    authenticator = Authenticator({}, identities=given, now=clock.now, steady=trio.current_time)
    kept = Kept(TokenBoard(authenticator), [], [])

    def note(records: Sequence[Record]) -> None:
        for record in records:
            assert isinstance(record, Event)
            kept.events.append((record.name, dict(record.data)))

    def make() -> TokenKeeper:
        taken = frozenset(identity.name for identity in given)
        return TokenKeeper(
            kept.board, source, taken, note, lambda: kept.checks.append(trio.current_time()), clock
        )  # fmt: skip

    root = Supervisor(
        "root",
        [ActorSpec("tokens", make)],
        window=RestartWindow(100, 1.0),
        backoff=Backoff(first=0.01, cap=0.05),
        on_event=lambda _: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield kept
        with trio.fail_after(20):
            await root.stop()
        nursery.cancel_scope.cancel()


def token(name: str, secret: str = "", **more: Any) -> Identity:
    return Identity(name, frozenset({"read"}), digest=digest_of(secret or name), **more)


async def next_look() -> None:
    await trio.sleep(LOOK_EVERY_S * 2)


async def test_the_file_is_followed(autojump_clock: MockClock) -> None:
    """Known before it is ready; then each that comes, changes or goes is told once, and sessions are looked at."""
    source = Source()
    source.has(token("a"))
    async with keeping(source, token("config")) as kept:
        assert kept.names == {"a", "config"}
        assert kept.told() == [("tokens_known", ["a", "config"])]
        source.has(token("a"), token("b"))
        await next_look()
        assert kept.names == {"a", "b", "config"}
        source.has(token("a", "another"), token("b"))
        await next_look()
        source.has(token("b"))
        await next_look()
        assert kept.told() == [("token_added", "b"), ("token_changed", "a"), ("token_revoked", "a")]
        assert kept.names == {"b", "config"}
        assert len(kept.checks) >= 3
        assert kept.board.status()["known"] == 2


async def test_what_is_wrong_takes_nothing_away(autojump_clock: MockClock) -> None:
    """The reason is in /status and once in the record; a crash of the actor takes nothing either."""
    source = Source()
    source.has(token("a"))
    async with keeping(source) as kept:
        kept.told()
        source.has(token("a"), error="line 1: nonsense")
        await next_look()
        await next_look()
        assert kept.board.status()["error"] == "line 1: nonsense"
        assert [name for name, _ in kept.told()] == ["tokens_unreadable"]
        source.breaks = True
        await next_look()
        assert kept.names == {"a"}
        source.breaks = False
        source.has(token("a"))
        await next_look()
        assert kept.board.status()["error"] is None
        assert kept.told() == []


async def test_a_disk_that_hangs_is_a_state(autojump_clock: MockClock) -> None:
    """Tokens stay, and still end in time."""
    source = Source()
    source.has(token("a", expires=1_000_010.0))
    async with keeping(source) as kept:
        kept.told()
        source.hangs = True
        await trio.sleep(LOOK_WITHIN_S + 8)
        assert kept.board.error is not None
        assert "has not answered" in kept.board.error
        assert ("token_expired", "a") in kept.told()


async def test_expiry_is_told_once(autojump_clock: MockClock) -> None:
    """In the moment, and again only for another token of the name."""
    source = Source()
    async with keeping(source, token("config", expires=1_000_005.0)) as kept:
        await trio.sleep(3)
        assert kept.told() == [("tokens_known", ["config"])]
        await trio.sleep(10)
        assert kept.told() == [("token_expired", "config")]
        assert kept.board.status()["expired"] == ["config"]


async def test_the_configuration_goes_first(autojump_clock: MockClock) -> None:
    """A token of the file under a name or a hash of the configuration is not taken, and that is said."""
    source = Source()
    source.has(token("config", "other"), token("twin", "config"), token("fine"))
    async with keeping(source, token("config")) as kept:
        assert kept.names == {"config", "fine"}
        assert kept.board.error == "config, twin also stands in the configuration, whose token holds"
        assert kept.board.authenticator.identify("other") is None


async def test_denials_are_told_together(autojump_clock: MockClock) -> None:
    """At once, and then at most once a minute with how many there were."""
    async with keeping(Source()) as kept:
        kept.told()
        for _ in range(3):
            kept.board.authenticator.count_denied("http", "forbidden", "desk")
        await next_look()
        assert kept.told() == [
            ("token_denied", [{"via": "http", "reason": "forbidden", "token": "desk", "count": 3}])
        ]  # fmt: skip
        for _ in range(50):
            kept.board.authenticator.count_denied("zmq", "unknown_token", "")
            await trio.sleep(0.1)
        assert kept.told() == []
        await trio.sleep(TELL_EVERY_S)
        assert kept.told() == [
            ("token_denied", [{"via": "zmq", "reason": "unknown_token", "token": None, "count": 50}])
        ]  # fmt: skip
        assert kept.board.status()["denied"] == {"http.forbidden": 3, "zmq.unknown_token": 50}
