"""Commands over a DEALER socket: copies out, replies in, until each has its outcome or no time is left."""

from __future__ import annotations

import contextlib
import logging
import random
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import attrs
import trio

from quantmind.client.outcomes import AnyOutcome
from quantmind.client.replies import Reply, UnreadableReply, read_reply
from quantmind.client.waiting import Question, Waiting
from quantmind.net.errors import NetError
from quantmind.net.zmq import DealerSocket, Login, ZmqContext

logger: Final = logging.getLogger("quantmind.client")

LONGEST_EXPIRY_S: Final = 50.0
"""The gateway takes at most 60 s ahead by its own clock, which may be behind ours."""

MARGIN_S: Final = 0.05
"""An outcome comes so much before the caller's own deadline, which would otherwise cancel it away."""

BUSY_PAUSE_S: Final = 0.2
MOST_PAUSE_S: Final = 4.0
REMEMBERED_IDS: Final = 10_000
COPIES: Final = 8
"""Room in the socket's queue for copies of each command in flight: about what a minute's outage makes."""


@attrs.frozen
class CommandSettings:
    """How patient a client is. Durations in seconds."""

    answer_within_s: float = attrs.field(
        default=10.0, validator=[attrs.validators.gt(0), attrs.validators.le(LONGEST_EXPIRY_S)]
    )
    """How long a command may take, and how long it may wait in an outage before it is not started any more. A nearer
    deadline of the caller (`trio.fail_after` and the like) counts instead."""
    repeat_after_s: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    """The pause before an unanswered command is repeated; it doubles up to 4 s, and is drawn from its upper half."""
    reopen_after_s: float = attrs.field(default=2.0, validator=attrs.validators.gt(0))
    """After so long without a word the socket is opened anew: a half-open connection would take everything and
    answer nothing."""
    max_in_flight: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    """Further commands wait, within their deadlines, for one of these to end."""


@attrs.frozen
class CommandStatistics:
    """What a client has done so far."""

    in_flight: int
    sent: int
    """Copies handed to the socket."""
    repeated: int
    """Of these, repeats."""
    late: int
    """Replies that nobody waited for any more."""
    unreadable: int
    reopened: int
    """How often the socket was opened anew."""


@attrs.define(eq=False)
class _Seat:
    """Who waits for a command's answers."""

    waiting: Waiting | Question
    changed: trio.Event = attrs.field(factory=trio.Event)
    answered: bool = False


class Exchange:
    """The socket of one client and everything in flight on it. `run` reads; any number of tasks may `carry`.

    Raises:
        quantmind.net.errors.NetError: `url` is no address of the form tcp://host:port.
    """

    def __init__(self, context: ZmqContext, url: str, settings: CommandSettings, login: Login | None = None) -> None:
        self._context = context
        self._host, self._port = _address(url)
        self._url = url
        self._settings = settings
        self._login = login
        self._rng = random.Random()
        self._seats: dict[str, _Seat] = {}
        self._used: OrderedDict[str, None] = OrderedDict()
        self._slots = trio.Semaphore(settings.max_in_flight)
        self._closing = trio.Event()
        self._sent = self._repeated = self._late = self._unreadable = self._reopened = 0
        self._socket = self._open()
        self._heard_at = self._opened_at = trio.current_time()

    # ------------------------------------------------------------------ one command

    async def carry(self, waiting: Waiting | Question, raw: bytes) -> AnyOutcome:
        """Send copies of `raw` until there is an outcome, or no time: then it is what `waiting` makes of that.

        Raises:
            ValueError: a command with this id is in flight.
            trio.ClosedResourceError: the client was closed.
        """
        deadline, within_s = self.deadline()
        pause_s = self._settings.repeat_after_s
        with self._seat(waiting) as seat, trio.move_on_at(deadline):
            async with self._slots:
                while waiting.outcome is None:
                    self._send(waiting, raw)
                    with trio.move_on_after(self._rng.uniform(pause_s / 2, pause_s)):
                        await seat.changed.wait()
                    seat.changed = trio.Event()
                    pause_s = await self._look(seat, pause_s)
        return waiting.give_up(within_s)

    # After a wait: whether it goes on, and how long the next one is.
    async def _look(self, seat: _Seat, pause_s: float) -> float:
        if self._closing.is_set():
            raise trio.ClosedResourceError
        if seat.waiting.outcome is not None:
            return pause_s
        if seat.answered:
            seat.answered = False
            await trio.sleep(self._rng.uniform(BUSY_PAUSE_S / 2, BUSY_PAUSE_S))
            return pause_s
        self._reopen_if_silent()
        return min(2 * pause_s, MOST_PAUSE_S)

    @contextlib.contextmanager
    def _seat(self, waiting: Waiting | Question) -> Iterator[_Seat]:
        request_id = waiting.command.request_id
        if self._closing.is_set():
            raise trio.ClosedResourceError
        if request_id in self._seats:
            raise ValueError(f"a command with request_id {request_id!r} is in flight; wait for it, or take another id")
        seat = self._seats[request_id] = _Seat(waiting)
        self._used[request_id] = None
        if len(self._used) > REMEMBERED_IDS:
            self._used.popitem(last=False)
        try:
            yield seat
        finally:
            del self._seats[request_id]

    def is_new(self, request_id: str) -> bool:
        """Whether no copy under this id went out from here, of the newest 10,000."""
        return request_id not in self._used

    def deadline(self) -> tuple[float, float]:
        """Trio's time until which a command that begins now may take, and how many seconds that is."""
        now = trio.current_time()
        own, callers = now + self._settings.answer_within_s, trio.current_effective_deadline() - MARGIN_S
        deadline = min(own, callers)
        return deadline, max(0.0, deadline - now)

    # ------------------------------------------------------------------ the socket

    def _open(self) -> DealerSocket:
        high_water = COPIES * self._settings.max_in_flight
        return DealerSocket.connect(self._context, self._host, self._port, high_water=high_water, login=self._login)

    def _send(self, waiting: Waiting | Question, raw: bytes) -> None:
        if not self._socket.send(raw):
            return  # its queue is full of what an outage left; the next try, or a new socket, finds room
        self._sent += 1
        self._repeated += waiting.sent > 0
        waiting.was_sent()

    # Everybody's copies go with the old socket, so everybody repeats at once.
    def _reopen_if_silent(self) -> None:
        now, after_s = trio.current_time(), self._settings.reopen_after_s
        if now - max(self._heard_at, self._opened_at) < after_s:
            return
        logger.info("reopen.commands url=%s silent_s=%.1f", self._url, now - self._heard_at)
        old, self._socket = self._socket, self._open()
        self._opened_at = now
        self._reopened += 1
        old.close()
        for seat in self._seats.values():
            seat.changed.set()

    async def run(self) -> None:
        """Read replies until `close`."""
        while not self._closing.is_set():
            socket = self._socket
            try:
                batch = await socket.receive_batch()
            except trio.ClosedResourceError:
                continue  # there is a new one, or it is over
            self._heard_at = trio.current_time()
            for incoming in batch:
                self._take(incoming.body)

    def _take(self, body: bytes | None) -> None:
        reply: Reply | UnreadableReply
        try:
            reply = read_reply(body or b"")
        except UnreadableReply as noise:
            self._unreadable += 1
            logger.warning("skip.reply url=%s reason=%s", self._url, noise)
            reply = noise
        seat = self._seats.get(reply.request_id or "")
        if seat is None:
            self._late += 1
            return
        if isinstance(reply, UnreadableReply):
            seat.waiting.hear_noise(reply)
        else:
            seat.waiting.hear(reply)
        seat.answered = True
        seat.changed.set()

    def statistics(self) -> CommandStatistics:
        """Return what it has done so far."""
        return CommandStatistics(
            in_flight=len(self._seats),
            sent=self._sent,
            repeated=self._repeated,
            late=self._late,
            unreadable=self._unreadable,
            reopened=self._reopened,
        )

    def close(self) -> None:
        """Close at once; whoever waits gets `ClosedResourceError`. Closing twice is harmless."""
        self._closing.set()
        self._socket.close()
        for seat in self._seats.values():
            seat.changed.set()


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme != "tcp" or host is None or not port or parts.path not in ("", "/"):
            raise ValueError(url)
    except ValueError:
        raise NetError(f"{url[:80]!r} is not an address of the form tcp://host:port") from None
    return host, port
