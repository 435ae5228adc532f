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
from collections.abc import AsyncIterator
from typing import Final, cast

import trio

from quantmind.client import requests
from quantmind.client.exchange import (
    BUSY_PAUSE_S,
    LONGEST_EXPIRY_S,
    MOST_PAUSE_S,
    CommandSettings,
    CommandStatistics,
    Exchange,
)
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
from quantmind.client.requests import CancelRequest, CloseRequest, Command, ModifyRequest, Number, OpenRequest, Request
from quantmind.client.waiting import Question, Waiting
from quantmind.domain.clock import Clock
from quantmind.net.nursery import background
from quantmind.net.zmq import Login, ZmqContext

logger: Final = logging.getLogger("quantmind.client")

MAX_UNSETTLED: Final = 1_000
"""Unknown orders that are kept for the caller; beyond them the oldest is forgotten, and logged."""


class SystemClock:
    """The computer's clock."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()


class CommandClient:
    """Commands of one EA; made by `open_commands`. Any number of tasks may use it.

    Every method that trades returns an outcome to match on, see `quantmind.client.outcomes`; wrong arguments are a
    ValueError before anything is sent. Cancelled while an order is in flight, its outcome is unknown: it is then
    among `unsettled`.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        ea_name: str,
        token: str | None,
        broker: str | None,
        magic: int,
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._ea_name = ea_name
        self._token = token
        self._broker = broker
        self._magic = magic
        self._clock = clock
        self._unsettled: OrderedDict[str, Unknown] = OrderedDict()
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
        outcome = await self._exchange.carry(Question(kept), raw)
        self._note(outcome)
        return cast("OrderOutcome", outcome)

    async def settle(self, unknown: Unknown | Command) -> OrderOutcome:
        """Ask again until the outcome is known; callers bound it."""
        pause_s = BUSY_PAUSE_S
        while True:
            outcome = await self.ask_again(unknown)
            if not isinstance(outcome, Unknown):
                return outcome
            await trio.sleep(random.uniform(pause_s / 2, pause_s))
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
        return self._exchange.statistics()

    # ------------------------------------------------------------------ one command

    async def _trade(self, request: Request, request_id: str | None, *, execute: bool) -> AnyOutcome:
        _, left_s = self._exchange.deadline()
        command = requests.trade(
            request,
            ea_name=self._ea_name,
            magic=self._magic,
            broker=self._broker,
            request_id=requests.check_id(request_id),
            execute=execute,
            expires_at=round(self._clock.now() + min(left_s, LONGEST_EXPIRY_S), 3),
        )
        outcome = await self._run(Waiting(command, fresh=self._exchange.is_new(command.request_id)))
        self._note(outcome)
        return outcome

    async def _run(self, waiting: Waiting) -> AnyOutcome:
        try:
            return await self._exchange.carry(waiting, waiting.command.encode(self._token))
        except BaseException:
            if waiting.command.execute and waiting.sent and waiting.outcome is None:
                reason = "the call was ended while the order was in flight"
                self._note(Unknown(waiting.command.request_id, reason, waiting.command))
            raise

    def _note(self, outcome: AnyOutcome) -> None:
        if not isinstance(outcome, Unknown):
            self._unsettled.pop(outcome.request_id, None)
            return
        self._unsettled[outcome.request_id] = outcome
        logger.warning("unknown.order request_id=%s reason=%s", outcome.request_id, outcome.reason)
        if len(self._unsettled) > MAX_UNSETTLED:
            forgotten, _ = self._unsettled.popitem(last=False)
            logger.error("forget.order request_id=%s limit=%d", forgotten, MAX_UNSETTLED)


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
    login: Login | None = None,
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
        login: what an endpoint under `secure` asks for: a `PlainLogin` or a `CurveLogin`.

    Raises:
        quantmind.net.errors.NetError: `url` is no address of the form tcp://host:port.
        ValueError: `ea_name` or `broker` can't be one.
    """
    with ZmqContext() as context:
        exchange = Exchange(context, url, settings or CommandSettings(), login)
        client = CommandClient(
            exchange,
            ea_name=ea_name,
            token=token,
            broker=broker,
            magic=magic,
            clock=clock or SystemClock(),
        )
        async with background() as nursery:
            nursery.start_soon(exchange.run)
            try:
                yield client
            finally:
                exchange.close()
