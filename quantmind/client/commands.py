"""Trade commands over ZeroMQ: many in flight, each with one outcome, and none carried out twice.

    async with open_commands("tcp://127.0.0.1:5555", ea_name="Scalper", token=token) as gateway:
        outcome = await gateway.open_position("EURUSD", "0.10", "buy", sl="1.0800")

A command that is not answered is repeated with the same id and the same bytes, which the gateway answers as it
answered the first; so an outage is waited out until the deadline, and never doubles an order.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import Final, cast
from urllib.parse import urlsplit

import attrs
import trio

from quantmind.client import requests
from quantmind.client.outcomes import (
    AnyOutcome,
    Beat,
    ChangeOutcome,
    CloseOutcome,
    Failed,
    MultiplierSet,
    OpenOutcome,
    OrderOutcome,
    Reported,
    Unknown,
    VerdictOutcome,
)
from quantmind.client.replies import Reply, UnreadableReply, read_reply
from quantmind.client.requests import CancelRequest, CloseRequest, Command, ModifyRequest, Number, OpenRequest, Request
from quantmind.client.waiting import Question, Waiting
from quantmind.domain.clock import Clock
from quantmind.net.errors import NetError
from quantmind.net.nursery import background
from quantmind.net.zmq import DealerSocket, ZmqContext

logger: Final = logging.getLogger("quantmind.client")

LONGEST_EXPIRY_S: Final = 50.0
"""The gateway takes at most 60 s ahead by its own clock, which may be behind ours."""

MARGIN_S: Final = 0.05
"""An outcome comes so much before the caller's own deadline, which would otherwise cancel it away."""

BUSY_PAUSE_S: Final = 0.2
MOST_PAUSE_S: Final = 4.0
REMEMBERED_IDS: Final = 10_000
MAX_UNSETTLED: Final = 1_000
COPIES: Final = 8
"""Room in the socket's queue for copies of each command in flight: about what a minute's outage makes."""


class SystemClock:
    """The computer's clock."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()


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


class CommandClient:
    """Commands of one EA; made by `open_commands`. Any number of tasks may use it.

    Every method that trades returns an outcome to match on, see `quantmind.client.outcomes`; wrong arguments are a
    ValueError before anything is sent. Cancelled while an order is in flight, its outcome is unknown: it is then
    among `unsettled`.
    """

    def __init__(
        self,
        context: ZmqContext,
        url: str,
        *,
        ea_name: str,
        token: str | None,
        broker: str | None,
        magic: int,
        settings: CommandSettings,
        clock: Clock,
    ) -> None:
        self._context = context
        self._host, self._port = _address(url)
        self._url = url
        self._ea_name = ea_name
        self._token = token
        self._broker = broker
        self._magic = magic
        self._settings = settings
        self._clock = clock
        self._rng = random.Random()
        self._seats: dict[str, _Seat] = {}
        self._slots = trio.Semaphore(settings.max_in_flight)
        self._used: OrderedDict[str, None] = OrderedDict()
        self._unsettled: OrderedDict[str, Unknown] = OrderedDict()
        self._closing = trio.Event()
        self._sent = self._repeated = self._late = self._unreadable = self._reopened = 0
        self._socket = self._open()
        self._heard_at = self._opened_at = trio.current_time()
        requests.message("heartbeat", ea_name, broker)  # a wrong name is told here, and not at the first order

    # ------------------------------------------------------------------ orders

    async def open_position(
        self,
        symbol: str,
        volume: Number,
        side: str,
        *,
        sl: Number | None = None,
        tp: Number | None = None,
        order_type: str = "market",
        price: Number | None = None,
        expiration: float | None = None,
        deviation: int | None = None,
        filling: str | None = None,
        comment: str = "",
        reduce: bool = False,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> OpenOutcome:
        """Open a position, or place a limit or stop order; the fields are those of `OpenRequest`."""
        request = OpenRequest(
            symbol,
            volume,
            side,
            order_type,
            price,
            sl,
            tp,
            expiration,
            deviation,
            filling,
            comment,
            reduce,
            magic,
            broker,
        )
        return cast("OpenOutcome", await self.execute(request, request_id=request_id))

    async def close_position(
        self,
        symbol: str,
        ticket: int,
        *,
        volume: Number | None = None,
        close_by: int | None = None,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> CloseOutcome:
        """Close a position or a part of it; the fields are those of `CloseRequest`."""
        request = CloseRequest(symbol, ticket, volume, close_by, magic, broker)
        return cast("CloseOutcome", await self.execute(request, request_id=request_id))

    async def modify(
        self,
        ticket: int,
        *,
        sl: Number | None = None,
        tp: Number | None = None,
        price: Number | None = None,
        expiration: float | None = None,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> ChangeOutcome:
        """Change a position's stops or a pending order; the fields are those of `ModifyRequest`."""
        request = ModifyRequest(ticket, sl, tp, price, expiration, magic, broker)
        return cast("ChangeOutcome", await self.execute(request, request_id=request_id))

    async def cancel(
        self, ticket: int, *, magic: int | None = None, broker: str | None = None, request_id: str | None = None
    ) -> ChangeOutcome:
        """Take back a pending order."""
        return cast("ChangeOutcome", await self.execute(CancelRequest(ticket, magic, broker), request_id=request_id))

    async def execute(self, request: Request, *, request_id: str | None = None) -> OrderOutcome:
        """Carry out a request through the gateway, within the deadline.

        Args:
            request: what is to be done.
            request_id: yours, to recognise the order by after a restart of this program; made when absent.

        Raises:
            ValueError: a field is wrong, or a command with this id is in flight; nothing was sent.
            trio.ClosedResourceError: the client was closed.
        """
        return cast("OrderOutcome", await self._trade(request, request_id, execute=True))

    async def ask(self, request: Request, *, request_id: str | None = None) -> VerdictOutcome:
        """Ask whether you may trade this yourself. No answer in time is a `Failed`: not approved."""
        return cast("VerdictOutcome", await self._trade(request, request_id, execute=False))

    # ------------------------------------------------------------------ what is not known yet

    @property
    def unsettled(self) -> tuple[Unknown, ...]:
        """Orders of this client whose outcome is unknown, also of cancelled calls; at most the newest 1000."""
        return tuple(self._unsettled.values())

    async def ask_again(self, unknown: Unknown | Command) -> OrderOutcome:
        """Ask what became of an order. Never places it; the answer may be `Unknown` again.

        Raises:
            ValueError: the command is no order.
        """
        command = unknown if isinstance(unknown, Command) else unknown.command
        if not command.execute:
            raise ValueError(f"request_id {command.request_id} is a question and no order; ask it anew")
        kept = unknown if isinstance(unknown, Unknown) else Unknown(command.request_id, "not asked yet", command)
        raw = command.encode(self._token, only_ask=True)
        outcome = await self._exchange(Question(kept), raw)
        self._note(outcome)
        return cast("OrderOutcome", outcome)

    async def settle(self, unknown: Unknown | Command) -> OrderOutcome:
        """Ask again until the outcome is known; callers bound it."""
        pause_s = BUSY_PAUSE_S
        while True:
            outcome = await self.ask_again(unknown)
            if not isinstance(outcome, Unknown):
                return outcome
            await trio.sleep(self._rng.uniform(pause_s / 2, pause_s))
            pause_s = min(2 * pause_s, MOST_PAUSE_S)

    # ------------------------------------------------------------------ what an EA tells

    async def report_result(
        self,
        approval_id: str,
        volume: Number,
        *,
        ticket: int | None = None,
        price: Number | None = None,
        retcode: int | None = None,
    ) -> Reported | Failed:
        """Tell how an approved trade came out; `volume` in lots, 0: not placed. Safe to repeat."""
        command = requests.message(
            "trade_result",
            self._ea_name,
            self._broker,
            approval_id=approval_id,
            volume=requests.to_decimal("volume", volume),
            ticket=ticket,
            price=requests.to_decimal("price", price),
            retcode=retcode,
        )
        return cast("Reported | Failed", await self._run(Waiting(command)))

    async def heartbeat(
        self,
        *,
        symbol: str | None = None,
        magic: int | None = None,
        balance: Number | None = None,
        equity: Number | None = None,
        version: str | None = None,
    ) -> Beat | Failed:
        """Say that the EA lives, and hear its multiplier and the trading state."""
        command = requests.message(
            "heartbeat",
            self._ea_name,
            self._broker,
            symbol=symbol,
            magic=self._magic if magic is None else magic,
            balance=requests.to_decimal("balance", balance),
            equity=requests.to_decimal("equity", equity),
            version=version,
        )
        return cast("Beat | Failed", await self._run(Waiting(command)))

    async def risk_update(self, risk_multiplier: Number) -> MultiplierSet | Failed:
        """Set the EA's own multiplier, 0 to 1. Raising it needs a token with the scope admin."""
        multiplier = requests.to_decimal("risk_multiplier", risk_multiplier)
        command = requests.message("risk_update", self._ea_name, self._broker, risk_multiplier=multiplier)
        return cast("MultiplierSet | Failed", await self._run(Waiting(command)))

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

    # ------------------------------------------------------------------ one command

    async def _trade(self, request: Request, request_id: str | None, *, execute: bool) -> AnyOutcome:
        deadline, _ = self._deadline()
        left_s = min(max(0.0, deadline - trio.current_time()), LONGEST_EXPIRY_S)
        command = requests.trade(
            request,
            ea_name=self._ea_name,
            magic=self._magic,
            broker=self._broker,
            request_id=requests.check_id(request_id),
            execute=execute,
            expires_at=round(self._clock.now() + left_s, 3),
        )
        outcome = await self._run(Waiting(command, fresh=command.request_id not in self._used))
        self._note(outcome)
        return outcome

    async def _run(self, waiting: Waiting) -> AnyOutcome:
        try:
            return await self._exchange(waiting, waiting.command.encode(self._token))
        except BaseException:
            if waiting.command.execute and waiting.sent and waiting.outcome is None:
                reason = "the call was ended while the order was in flight"
                self._note(Unknown(waiting.command.request_id, reason, waiting.command))
            raise

    # Sends copies until there is an outcome, or no time.
    async def _exchange(self, waiting: Waiting | Question, raw: bytes) -> AnyOutcome:
        deadline, within_s = self._deadline()
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

    def _deadline(self) -> tuple[float, float]:
        now = trio.current_time()
        own, callers = now + self._settings.answer_within_s, trio.current_effective_deadline() - MARGIN_S
        deadline = min(own, callers)
        return deadline, max(0.0, deadline - now)

    def _note(self, outcome: AnyOutcome) -> None:
        if not isinstance(outcome, Unknown):
            self._unsettled.pop(outcome.request_id, None)
            return
        self._unsettled[outcome.request_id] = outcome
        logger.warning("unknown.order request_id=%s reason=%s", outcome.request_id, outcome.reason)
        if len(self._unsettled) > MAX_UNSETTLED:
            forgotten, _ = self._unsettled.popitem(last=False)
            logger.error("forget.order request_id=%s limit=%d", forgotten, MAX_UNSETTLED)

    # ------------------------------------------------------------------ the socket

    def _open(self) -> DealerSocket:
        high_water = COPIES * self._settings.max_in_flight
        return DealerSocket.connect(self._context, self._host, self._port, high_water=high_water)

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
        """Read replies until `close`. `open_commands` runs it."""
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

    def close(self) -> None:
        """Close at once; whoever waits gets `ClosedResourceError`. Closing twice is harmless."""
        self._closing.set()
        self._socket.close()
        for seat in self._seats.values():
            seat.changed.set()


@contextlib.asynccontextmanager
async def open_commands(
    url: str,
    *,
    ea_name: str,
    token: str | None = None,
    broker: str | None = None,
    magic: int = 0,
    settings: CommandSettings | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[CommandClient]:
    """A client for trade commands, for the length of the block.

    It connects in the background, and again whenever the connection is lost. Leaving the block closes at once: wait
    for outcomes inside it.

    Args:
        url: as `tcp://127.0.0.1:5555`.
        ea_name: who trades; request ids are remembered by it.
        token: needed for orders.
        broker: the account, where the gateway has several.
        magic: of the EA, where a request names none.
        settings: how patient it is.
        clock: where expiry times come from; the computer's own when absent.

    Raises:
        quantmind.net.errors.NetError: `url` is no address of the form tcp://host:port.
        ValueError: `ea_name` or `broker` can't be one.
    """
    with ZmqContext() as context:
        client = CommandClient(
            context,
            url,
            ea_name=ea_name,
            token=token,
            broker=broker,
            magic=magic,
            settings=settings or CommandSettings(),
            clock=clock or SystemClock(),
        )
        async with background() as nursery:
            nursery.start_soon(client.run)
            try:
                yield client
            finally:
                client.close()


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme != "tcp" or host is None or not port or parts.path not in ("", "/"):
            raise ValueError(url)
    except ValueError:
        raise NetError(f"{url[:80]!r} is not an address of the form tcp://host:port") from None
    return host, port
