"""ZAP (RFC 27): libzmq asks who may connect to the sockets of a context, and here the answers are given on Trio.

libzmq asks for sockets with a mechanism (PLAIN, CURVE) and for NULL sockets that name a domain; ours of NULL live in a
context apart, where there is no handler (`ZmqContext`), and are never asked about. It waits for the answer before the
peer's first message, and lets nobody in without one: a handler that is gone, stuck or crashed closes the doors that ask
who comes and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, NoReturn, Self

import attrs
import trio

from quantmind.domain.crash import place_of
from quantmind.domain.rarely import Rarely
from quantmind.net.zmq import DRAIN_LIMIT, RouterSocket, ZmqContext

logger: Final = logging.getLogger("quantmind.zap")

ENDPOINT: Final = "inproc://zeromq.zap.01"
VERSION: Final = b"1.0"
LOG_EVERY_S: Final = 10.0

OK: Final = b"200"
TRY_AGAIN: Final = b"300"
"""The peer is dropped without a word and tries again after a while."""
REFUSED: Final = b"400"
"""The peer is told, and a peer that is libzmq tries no more."""

_HEAD: Final = 6
"""Version, request id, domain, address, routing id, mechanism; credentials follow."""


@attrs.frozen
class ZapRequest:
    """Somebody wants to connect. `credentials`: of PLAIN the user and the password, of CURVE the public key."""

    domain: str
    address: str
    mechanism: str
    credentials: tuple[bytes, ...] = attrs.field(repr=False)


@attrs.frozen
class Granted:
    """Let in. Each message that the peer sends carries `user`, which must not be empty."""

    user: str = attrs.field(validator=attrs.validators.min_len(1))


@attrs.frozen
class Denied:
    """Not let in. `reason` is one word of few: it is counted and logged, so nothing of what was sent is in it."""

    reason: str
    again: bool = False
    """It may be let in later: a peer that is libzmq tries again by itself."""


Judge = Callable[[ZapRequest], Granted | Denied]


def read_request(frames: Sequence[bytes]) -> ZapRequest | None:
    """Return the request in the frames that follow the delimiter, or None when they are none of version 1.0."""
    if len(frames) < _HEAD or frames[0] != VERSION:
        return None
    domain, address, mechanism = (frames[at].decode("utf-8", "replace") for at in (2, 3, 5))
    return ZapRequest(domain, address, mechanism, tuple(frames[_HEAD:]))


def make_reply(request_id: bytes, status: bytes, user: str = "") -> tuple[bytes, ...]:
    """Return the frames of an answer: version, request id, status, its text, user, and no metadata."""
    text = {OK: b"OK", TRY_AGAIN: b"try again later"}.get(status, b"not allowed")
    return (VERSION, request_id, status, text, user.encode(), b"")


class ZapSocket(RouterSocket):
    """Where libzmq asks. Opened before the sockets that it is asked about; it outlives whoever answers.

    The queue is bounded by the connections that wait for an answer: one request each, gone with the connection.
    """

    most_frames: ClassVar[int] = 16

    @classmethod
    def open(cls, context: ZmqContext) -> Self:
        """Take the questions of this context. Raises NetError when somebody does already."""
        return cls.bind_inproc(context, ENDPOINT)

    def drain_requests(self, limit: int = DRAIN_LIMIT) -> Iterator[tuple[bytes, list[bytes]]]:
        """What was asked, without waiting: who to answer, and the frames after the delimiter. Take them all."""
        for frames in self._take(limit):
            if len(frames) > 1 and not frames[1]:
                yield frames[0], frames[2:]
            else:
                self._malformed += 1

    def answer(self, peer: bytes, frames: tuple[bytes, ...]) -> bool:
        """Give an answer; False: the connection has gone meanwhile."""
        return self._send((peer, b"", *frames))


@attrs.define(eq=False)
class ZapStatistics:
    """For /status: connections let in and turned away, by reason."""

    granted: int = 0
    denied: dict[str, int] = attrs.field(factory=dict)

    def count(self, verdict: Granted | Denied) -> None:
        """Count one more."""
        if isinstance(verdict, Granted):
            self.granted += 1
        else:
            self.denied[verdict.reason] = self.denied.get(verdict.reason, 0) + 1


@attrs.define(eq=False)
class ZapHandler:
    """Answers every question with what the judge of its domain says.

    Fails closed: an unknown domain, a request that can't be read and a judge that raises let nobody in. Statistics
    outlive a run, and so do the questions that came while nobody ran it.
    """

    socket: ZapSocket
    judges: Mapping[str, Judge]
    statistics: ZapStatistics = attrs.field(factory=ZapStatistics)
    by_domain: dict[str, ZapStatistics] = attrs.field(factory=dict)
    """Those of each domain that has a judge."""
    _rarely: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S), init=False)

    def of(self, domain: str) -> ZapStatistics:
        """The statistics of one domain."""
        return self.by_domain.setdefault(domain, ZapStatistics())

    async def run(self) -> NoReturn:
        """Answer for ever. Cancelled, it leaves the questions that it has not taken to the next run."""
        while True:
            await self.socket.wait_incoming()
            for peer, frames in self.socket.drain_requests():
                self._answer(peer, frames)

    def _answer(self, peer: bytes, frames: list[bytes]) -> None:
        request_id = frames[1] if len(frames) > 1 else b""
        request = read_request(frames)
        verdict = Denied("malformed") if request is None else self._judge(request)
        self.statistics.count(verdict)
        if request is not None and request.domain in self.judges:
            self.of(request.domain).count(verdict)
        if isinstance(verdict, Granted):
            self.socket.answer(peer, make_reply(request_id, OK, verdict.user))
            return
        again = verdict.again or verdict.reason in ("crashed", "malformed")
        self.socket.answer(peer, make_reply(request_id, TRY_AGAIN if again else REFUSED))
        count = self._rarely.due(verdict.reason, trio.current_time())
        if count:
            logger.warning(
                "deny.peer domain=%s address=%s mechanism=%s reason=%s count=%d",
                *("-", "-", "-") if request is None else (request.domain, request.address, request.mechanism),
                verdict.reason,
                count,
            )

    def _judge(self, request: ZapRequest) -> Granted | Denied:
        judge = self.judges.get(request.domain)
        if judge is None:
            return Denied("unknown_domain")
        # A bug in one judge must not leave the peers of all others without an answer.
        try:
            return judge(request)
        except Exception as error:  # noqa: BLE001
            # Not its text, which may quote a password.
            logger.error("fail.judge domain=%s error=%s", request.domain, place_of(error))
            return Denied("crashed")
