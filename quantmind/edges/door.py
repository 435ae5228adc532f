"""The way in for commands, whatever socket they came by: exactly one answer for each, in bounded time.

A door decodes, finds out who asks, hands the command to the commands actor and keeps the asker's place until
the answer comes. It outlives the incarnations of the edge that uses it, so a crash there loses no answer.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors.messages import HandleCommand, Reply
from actors.runtime import ActorError, Call, NotDelivered, Ref, ReplyLost
from quantmind.domain.clock import Clock
from quantmind.domain.stopwatch import Stopwatch
from quantmind.edges.latency import Latencies
from quantmind.wire import replies
from quantmind.wire.auth import NOBODY, Authenticator, Identity
from quantmind.wire.commands import Command, decode, kind_of
from quantmind.wire.guards import CommandFault

logger = logging.getLogger("quantmind.door")

Answer = Callable[[Reply], None]

ANSWER_WITHIN_S = 5.0
"""After this long without an outcome the asker hears so: `unknown` once an intent is durable, else not approved."""


@attrs.define(eq=False)
class DoorStatistics:
    """For /status: commands that came, answers by status, and why some were turned away."""

    received: int = 0
    malformed: int = 0
    unauthorized: int = 0
    busy: int = 0
    timed_out: int = 0
    lost: int = 0
    by_status: dict[str, int] = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Pending:
    """One command in flight."""

    number: int
    call: Call[Reply]
    request_id: str | None
    kind: str
    watch: Stopwatch
    answer: Answer
    deadline: float


@attrs.define(eq=False)
class Door:
    """Where commands come in by one kind of socket (`via`).

    Args:
        commands: the commands actor.
        require_token: a command without a token is `unauthorized`.
        max_in_flight: further ones are `busy`.
    """

    via: str
    commands: Ref[Any]
    authenticator: Authenticator
    clock: Clock
    latencies: Latencies
    max_in_flight: int
    require_token: bool
    statistics: DoorStatistics = attrs.field(factory=DoorStatistics)
    _pending: dict[int, _Pending] = attrs.field(factory=dict, init=False)
    _deadlines: list[tuple[float, int]] = attrs.field(factory=list, init=False)
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    @property
    def in_flight(self) -> int:
        """Commands that wait for their answer."""
        return len(self._pending)

    def submit(self, raw: bytes, answer: Answer, *, identity: Identity | None = None) -> None:
        """Take one message in. `answer` is called exactly once, at once or later, and must not raise.

        Args:
            raw: the JSON text as it came.
            identity: who sent it, where the socket already knows; else the message's own `token` counts.
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
        except Exception:
            logger.exception("fail.decode via=%s bytes=%d", self.via, len(raw))
            self.statistics.malformed += 1
            self._finish(replies.error("internal", "the message could not be read; nothing was done"), None, answer)
            return
        envelope = command.envelope
        if identity is None:
            identity = self._identify(command, answer)
            if identity is None:
                return
        if len(self._pending) >= self.max_in_flight:
            self.statistics.busy += 1
            message = f"{self.max_in_flight} commands are in flight already; nothing was done, send it again later"
            self._finish(replies.error("busy", message), envelope.request_id, answer)
            return
        watch.mark("decode", time.perf_counter())
        self._start(command, identity, watch, answer)

    def refuse(self, code: str, message: str, answer: Answer) -> None:
        """Answer something that is no message at all."""
        self.statistics.received += 1
        self.statistics.malformed += 1
        self._finish(replies.error(code, message), None, answer)

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

    async def sweep(self) -> None:
        """Answer what has waited too long; runs for ever beside whoever uses the door."""
        while True:
            await trio.sleep(0.1)
            self.expire(trio.current_time())

    def expire(self, now: float) -> None:
        """Give everything whose time is over its answer."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, number = heapq.heappop(self._deadlines)
            pending = self._pending.pop(number, None)
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
                    f"no outcome within {ANSWER_WITHIN_S:g} s; it is being reconciled, do not send it again"
                )
            self._finish(reply, pending.request_id, pending.answer)

    def _identify(self, command: Command, answer: Answer) -> Identity | None:
        token = command.envelope.token
        identity = NOBODY if token is None else self.authenticator.identify(token)
        if identity is None or (identity is NOBODY and self.require_token):
            self.statistics.unauthorized += 1
            message = (
                "the token is not known; check it against the gateway's"
                if token is not None
                else "a token is needed here; send it as `token`"
            )
            self._finish(replies.error("unauthorized", message), command.envelope.request_id, answer)
            return None
        return identity

    def _start(self, command: Command, identity: Identity, watch: Stopwatch, answer: Answer) -> None:
        number = next(self._numbers)
        deadline = trio.current_time() + ANSWER_WITHIN_S
        request = HandleCommand(command, identity, self.via, self.clock.now(), watch)
        call: Call[Reply] = Call.open(
            request, deadline=deadline, on_reply=lambda outcome: self._answered(number, outcome)
        )
        kind = kind_of(command)
        self._pending[number] = _Pending(number, call, command.envelope.request_id, kind, watch, answer, deadline)
        heapq.heappush(self._deadlines, (deadline, number))
        self.commands.pass_on_nowait(call)

    def _answered(self, number: int, outcome: Reply | ActorError) -> None:
        pending = self._pending.pop(number, None)
        if pending is None:
            return
        if isinstance(outcome, NotDelivered):
            self.statistics.busy += 1
            reply = replies.error("busy", "the gateway is busy or restarting; nothing was done, send it again later")
        elif isinstance(outcome, ReplyLost | ActorError):
            self.statistics.lost += 1
            if pending.call.committed:
                reply = replies.unknown(
                    "the gateway lost track of the order; it is being reconciled, do not send it again"
                )
            else:
                reply = replies.error("internal", "something broke inside the gateway; nothing was sent to the broker")
        else:
            reply = outcome
        now = time.perf_counter()
        pending.watch.mark("answer", now)
        self.latencies.record(pending.kind, pending.watch, now)
        self._finish(reply, pending.request_id, pending.answer)

    def _finish(self, reply: Reply, request_id: str | None, answer: Answer) -> None:
        status = reply["status"]
        self.statistics.by_status[status] = self.statistics.by_status.get(status, 0) + 1
        full = {**reply, "timestamp": round(self.clock.now(), 3), "request_id": request_id}
        # The edge's own trouble with one answer must not end whoever gave it.
        try:
            answer(full)
        except Exception:
            logger.exception("fail.answer via=%s", self.via)
