"""The way in for commands, whatever socket they came by: exactly one answer for each, in bounded time.

A door decodes, finds out who asks, hands the command to the commands actor and keeps the asker's place until
the answer comes. It outlives the incarnations of the edge that uses it, so a crash there loses no answer.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable, Hashable
from typing import Any

import attrs
import trio

from actors.messages import HandleCommand, Reply, Trail
from actors.runtime import ActorError, Call, NotDelivered, Ref, ReplyLost
from quantmind.domain.clock import Clock
from quantmind.domain.crash import place_of
from quantmind.domain.stopwatch import Stopwatch
from quantmind.edges.bulkheads import Bulkheads, Claim
from quantmind.edges.command_log import CommandLog
from quantmind.edges.latency import Latencies
from quantmind.wire import replies
from quantmind.wire.auth import NOBODY, Authenticator, Denial, Identity
from quantmind.wire.commands import Command, Heartbeat, Trade, decode, kind_of
from quantmind.wire.guards import CommandFault

logger = logging.getLogger("quantmind.door")

Answer = Callable[[Reply], None]

REDUCING = frozenset({"trade_close", "trade_cancel"})
"""Kinds of trade that take risk away."""


def _as_named(_ea_name: str, broker: str | None) -> str | None:
    return broker


ANSWER_WITHIN_S = 5.0
"""After this long without an outcome the asker hears so: `unknown` once an intent is durable, else not approved."""


@attrs.define(eq=False)
class DoorStatistics:
    """For /status: commands that came, answers by status, and why some were turned away."""

    received: int = 0
    heartbeats: int = 0
    malformed: int = 0
    unauthorized: int = 0
    busy: int = 0
    timed_out: int = 0
    lost: int = 0
    unnoted: int = 0
    """Commands without a line of their own in the log, because there were too many."""
    no_place: dict[str, int] = attrs.field(factory=dict)
    """Those of the `busy` that found no place: of the door, of their sender or of their broker."""
    by_status: dict[str, int] = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Asked:
    """One command that was understood, and who waits for its answer."""

    command: Command
    answer: Answer
    identity: Identity = NOBODY
    trail: Trail = attrs.field(factory=Trail)
    claim: Claim = attrs.field(factory=Claim)


@attrs.define(eq=False)
class _Pending:
    """One command in flight."""

    asked: _Asked
    call: Call[Reply]
    watch: Stopwatch


@attrs.define(eq=False)
class Door:
    """Where commands come in by one kind of socket (`via`).

    Args:
        commands: the commands actor.
        log: writes the lines of commands that leave none by themselves.
        require_token: a command without a token is `unauthorized`.
        max_in_flight: further ones are `busy`; see `Bulkheads` for who has which of these places.
        brokers: how many there are.
        broker_of: the broker that a command of an EA goes to, from the EA's name and the broker that is named.
    """

    via: str
    commands: Ref[Any]
    authenticator: Authenticator
    clock: Clock
    latencies: Latencies
    max_in_flight: int
    require_token: bool
    log: CommandLog
    brokers: int = 1
    broker_of: Callable[[str, str | None], str | None] = _as_named
    statistics: DoorStatistics = attrs.field(factory=DoorStatistics)
    _pending: dict[int, _Pending] = attrs.field(factory=dict, init=False)
    _deadlines: list[tuple[float, int]] = attrs.field(factory=list, init=False)
    _bulkheads: Bulkheads = attrs.field(init=False)
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    _fewer: trio.Event | None = attrs.field(default=None, init=False)
    """Set with the next answer, for who waits for that."""

    def __attrs_post_init__(self) -> None:
        self._bulkheads = Bulkheads(self.max_in_flight, self.brokers)

    @property
    def in_flight(self) -> int:
        """Commands that wait for their answer."""
        return len(self._pending)

    def submit(
        self,
        raw: bytes,
        answer: Answer,
        *,
        identity: Identity | None = None,
        token: str | None = None,
        sender: Hashable = None,
    ) -> None:
        """Take one message in. `answer` is called exactly once, at once or later, and must not raise.

        Args:
            raw: the JSON text as it came.
            identity: who sent it, where the socket already knows; else the message's own `token` counts.
            token: counts where the message has none: what its connection was let in with.
            sender: tells the connection from others; None: the token's name and the EA do.
        """
        watch = Stopwatch(time.perf_counter())
        self.statistics.received += 1
        try:
            command = decode(raw)
        except CommandFault as fault:
            self.statistics.malformed += 1
            self._finish(replies.error(fault.code, fault.message), fault.request_id, answer)
            return
        # A bug here must not end the socket for everyone, and the sender must not wait in silence.
        except Exception as error:  # noqa: BLE001
            # Not its text, which may quote the message, and so a token.
            logger.error("fail.decode via=%s bytes=%d error=%s", self.via, len(raw), place_of(error))
            self.statistics.malformed += 1
            self._finish(replies.error("internal", "the message could not be read; nothing was done"), None, answer)
            return
        asked = _Asked(command, answer)
        if isinstance(command, Heartbeat):
            self.statistics.heartbeats += 1
        if identity is None:
            identity = self._identify(asked, token)
            if identity is None:
                return
            if identity is not NOBODY and not self.authenticator.in_rate(identity):
                asked.identity = identity
                self._refuse_pace(asked)
                return
        asked.identity = identity
        asked.claim = self._claim(command, identity, sender)
        refusal = self._bulkheads.refusal(asked.claim)
        if refusal is not None:
            which, why = refusal
            self.statistics.busy += 1
            self.statistics.no_place[which] = self.statistics.no_place.get(which, 0) + 1
            self._conclude(replies.error("busy", f"{why}; nothing was done, send it again later"), asked)
            return
        watch.mark("decode", time.perf_counter())
        self._start(asked, watch)

    def refuse(self, code: str, message: str, answer: Answer) -> None:
        """Answer something that is no message at all."""
        self.count_malformed()
        self._finish(replies.error(code, message), None, answer)

    def count_malformed(self) -> None:
        """Something came that is no command, and was answered elsewhere."""
        self.statistics.received += 1
        self.statistics.malformed += 1

    async def request(self, raw: bytes, *, identity: Identity) -> Reply:
        """`submit` for a caller that waits. Cancelled, it leaves the command going on; its answer is dropped."""
        done = trio.Event()
        answers: list[Reply] = []

        def keep(reply: Reply) -> None:
            answers.append(reply)
            done.set()

        self.submit(raw, keep, identity=identity)
        await done.wait()
        return answers[0]

    def _refuse_pace(self, asked: _Asked) -> None:
        self.statistics.busy += 1
        identity = asked.identity
        self.authenticator.count_denied(self.via, "rate_limit", identity.name)
        self._conclude(replies.error("busy", over_rate(identity)), asked)

    def has_undecided(self, most: int) -> bool:
        """Whether so many commands wait for a decision or for the record.

        Those that wait for a broker don't count: one that does not answer keeps them for seconds.
        """
        if len(self._pending) < most:
            return False
        left = most
        for pending in self._pending.values():
            left -= not pending.call.committed
            if left <= 0:
                return True
        return False

    async def wait_below(self, most: int) -> None:
        """Wait until fewer than `most` commands wait for a decision or for the record; callers bound it."""
        while self.has_undecided(most):
            if self._fewer is None:
                self._fewer = trio.Event()
            await self._fewer.wait()

    async def sweep(self) -> None:
        """Answer what has waited too long, and say what was not written; runs for ever beside who uses the door."""
        while True:
            await trio.sleep(0.1)
            now = trio.current_time()
            self.expire(now)
            self.log.report(now)

    def expire(self, now: float) -> None:
        """Give everything whose time is over its answer."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            pending = self._leave(number)
            if pending is None:
                continue
            self.statistics.timed_out += 1
            if pending.call.abandon() and not pending.call.committed:
                message = (
                    f"nothing was decided within {ANSWER_WITHIN_S:g} s and nothing was sent; you may send it again"
                )
                reply = replies.error("busy", message)
            else:
                reply = replies.unknown(
                    f"no outcome within {ANSWER_WITHIN_S:g} s; do not send it as a new order: {_ask(pending)}"
                )
            self._conclude(reply, pending.asked)

    def _identify(self, asked: _Asked, fallback: str | None) -> Identity | None:
        token = asked.command.envelope.token
        if token is None:
            token = fallback
        found: Identity | Denial
        if token is not None:
            found = self.authenticator.admit(token, peer=self.via, via=self.via)
        elif self.require_token:
            found = Denial("unauthorized", "no_token", "a token is needed here; send it as `token`")
        else:
            return NOBODY
        if isinstance(found, Identity):
            return found
        self.statistics.unauthorized += 1
        self._conclude(replies.error(found.code, found.message), asked)
        return None

    def _claim(self, command: Command, identity: Identity, sender: Hashable) -> Claim:
        envelope = command.envelope
        if sender is None:
            sender = (identity.name, envelope.ea_name)
        if not isinstance(command, Trade):
            return Claim(sender)
        broker = self.broker_of(envelope.ea_name, envelope.broker) if command.execute else None
        return Claim(sender, broker, command.kind in REDUCING)

    def _leave(self, number: int) -> _Pending | None:
        pending = self._pending.pop(number, None)
        if pending is not None:
            self._bulkheads.leave(pending.asked.claim)
        return pending

    def _start(self, asked: _Asked, watch: Stopwatch) -> None:
        number = next(self._numbers)
        deadline = trio.current_time() + ANSWER_WITHIN_S
        request = HandleCommand(asked.command, asked.identity, self.via, self.clock.now(), watch, asked.trail)
        call: Call[Reply] = Call.open(
            request, deadline=deadline, on_reply=lambda outcome: self._answered(number, outcome)
        )
        self._pending[number] = _Pending(asked, call, watch)
        self._bulkheads.take(asked.claim)
        heapq.heappush(self._deadlines, (deadline, number))
        self.commands.pass_on_nowait(call)

    def _answered(self, number: int, outcome: Reply | ActorError) -> None:
        pending = self._leave(number)
        if pending is None:
            return
        if isinstance(outcome, NotDelivered):
            self.statistics.busy += 1
            reply = replies.error("busy", "the gateway is busy or restarting; nothing was done, send it again later")
        elif isinstance(outcome, ReplyLost | ActorError):
            self.statistics.lost += 1
            if pending.call.committed:
                reply = replies.unknown(
                    f"the gateway lost track of the order; do not send it as a new one: {_ask(pending)}"
                )
            else:
                reply = replies.error("internal", "something broke inside the gateway; nothing was sent to the broker")
        else:
            reply = outcome
        now = time.perf_counter()
        pending.watch.mark("answer", now)
        self.latencies.record(kind_of(pending.asked.command), pending.watch, now)
        self._conclude(reply, pending.asked)

    def _conclude(self, reply: Reply, asked: _Asked) -> None:
        if reply.get("code") == "forbidden":
            self.authenticator.count_denied(self.via, "forbidden", asked.identity.name)
        self.log.conclude(asked.command, asked.identity, asked.trail, reply)
        self.statistics.unnoted = self.log.unnoted
        self._finish(reply, asked.command.envelope.request_id, asked.answer)

    def _finish(self, reply: Reply, request_id: str | None, answer: Answer) -> None:
        if self._fewer is not None:
            self._fewer.set()
            self._fewer = None
        status = reply["status"]
        self.statistics.by_status[status] = self.statistics.by_status.get(status, 0) + 1
        full = {**reply, "timestamp": round(self.clock.now(), 3), "request_id": request_id}
        # The edge's own trouble with one answer must not end whoever gave it.
        try:
            answer(full)
        except Exception:
            logger.exception("fail.answer via=%s", self.via)


def over_rate(identity: Identity) -> str:
    """Why a token's request was turned away for its pace."""
    per_s = identity.rate_limit_per_s
    return (
        f"the token {identity.name} sends more than {per_s:g} requests a second; nothing was done, send it again later"
    )


def _ask(pending: _Pending) -> str:
    request_id = pending.asked.command.envelope.request_id
    asked = f"the same request with the same request_id, or GET /commands/{request_id}, tells what became of it"
    return asked if request_id is not None else "it is being reconciled"
