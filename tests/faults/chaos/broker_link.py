"""`BrokerLink`: the Broker port over a connection to the ledger broker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs
import trio
from faults.chaos.lines import BROKEN, Lines

from quantmind.domain.accounts import Account, Cause, Deal, Entry, Position, Sample
from quantmind.domain.orders import (
    Absent,
    Cancel,
    Close,
    Modify,
    Open,
    OrderType,
    Outcome,
    Placed,
    Refused,
    Side,
    Unknown,
)
from quantmind.domain.quotes import Quote
from quantmind.domain.risk.approval import Approved
from quantmind.domain.sessions import ALWAYS, Sessions
from quantmind.domain.symbols import SymbolSpec, usual_spec
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Poll, Recovery

Message = dict[str, Any]

ANSWER_WITHIN_S = 0.3
"""An order that is not answered in this time is unknown."""
READ_WITHIN_S = 1.0
CONNECT_WITHIN_S = 2.0
AGAIN_AFTER_S = 0.05
SPREAD = 0.0001
REQUEST_INVALID = 10013


class Lost(Exception):
    """It may have been sent, and no answer will come."""


@attrs.define(eq=False)
class _Question:
    """A message that was sent, and its first answer: None when the connection ended before one came."""

    answered: trio.Event = attrs.field(factory=trio.Event)
    answer: Message | None = None


@attrs.define(eq=False)
class BrokerLink:
    """One account at a ledger broker. `run` must be running: it connects, again whenever the connection is lost.

    Prices are quiet: those of the moment of connecting, confirmed by every poll as long as it is connected.
    """

    name: str
    port: int
    events: int = 0
    events_again: int = 0
    """Of these, deals that were told before."""
    unasked: int = 0
    """Answers to nothing that waits: late ones, and second ones."""
    _lines: Lines | None = attrs.field(default=None, init=False)
    _up: trio.Event = attrs.field(factory=trio.Event, init=False)
    _questions: dict[int, _Question] = attrs.field(factory=dict, init=False)
    _numbers: int = attrs.field(default=0, init=False)
    _prices: dict[str, float] = attrs.field(factory=dict, init=False)
    _deals_told: set[int] = attrs.field(factory=set, init=False)

    @property
    def paced(self) -> bool:
        """It is a live account."""
        return True

    def start_feed(self) -> None:
        """It waits for nobody."""

    # --- the connection ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", self.port)
            except OSError:
                await trio.sleep(AGAIN_AFTER_S)
                continue
            lines = self._lines = Lines(stream)
            self._up.set()
            try:
                while (batch := await lines.receive()) is not None:
                    for message in batch:
                        self._take(message)
            finally:
                self._down()
            await trio.sleep(AGAIN_AFTER_S)

    def _down(self) -> None:
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
        self._up = trio.Event()
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.answered.set()

    def _take(self, message: Message) -> None:
        if "event" in message:
            self.events += 1
            self.events_again += message["deal"] in self._deals_told
            self._deals_told.add(message["deal"])
            return
        question = self._questions.pop(message["id"], None)
        if question is None:
            self.unasked += 1
            return
        question.answer = message
        question.answered.set()

    async def _ask(self, op: str, within_s: float, **fields: Any) -> Message:
        """The answer to a question.

        Raises:
            BrokerUnavailable: nothing was sent.
            Lost: it may have been sent.
        """
        lines = self._lines
        if lines is None:
            await trio.lowlevel.checkpoint()
            raise BrokerUnavailable(f"{self.name} is not connected")
        self._numbers += 1
        number, question = self._numbers, _Question()
        self._questions[number] = question
        try:
            with trio.move_on_after(within_s):
                await lines.send({"op": op, "id": number, **fields})
                await question.answered.wait()
        except BROKEN:
            raise Lost(f"the connection to {self.name} was lost") from None
        finally:
            self._questions.pop(number, None)
        if question.answer is None:
            raise Lost(f"{self.name} has not answered {op} within {within_s:g} s")
        return question.answer

    async def _read(self, op: str, **fields: Any) -> Message:
        try:
            return await self._ask(op, READ_WITHIN_S, **fields)
        except Lost as exc:
            raise BrokerUnavailable(str(exc)) from None

    # --- the port ------------------------------------------------------------------------------------------------

    def sessions(self, symbol: str) -> Sessions:
        """See `quantmind.ports.Broker`."""
        return ALWAYS

    async def connect(self) -> Sequence[SymbolSpec]:
        """See `quantmind.ports.Broker`."""
        with trio.move_on_after(CONNECT_WITHIN_S):
            await self._up.wait()
        symbols = (await self._read("symbols"))["symbols"]
        self._prices = {name: float(price) for name, price in symbols.items()}
        return tuple(usual_spec(name) for name in symbols)

    async def poll(self) -> Poll:
        """See `quantmind.ports.Broker`."""
        await trio.lowlevel.checkpoint()
        if self._lines is None:
            raise BrokerUnavailable(f"{self.name} is not connected")
        now_msc = round(time.time() * 1000)
        return Poll([Quote(name, price, price + SPREAD, now_msc) for name, price in self._prices.items()])

    async def sample(self) -> Sample:
        """See `quantmind.ports.Broker`. It is as old as the question: the answer may have lain about."""
        asked_at = trio.current_time()
        answer = await self._read("account")
        balance = Decimal(answer["balance"])
        account = Account(
            login=1,
            server="ledger",
            currency="USD",
            leverage=100,
            margin_mode="hedging",
            balance=balance,
            equity=balance,
            margin=Decimal(0),
            margin_free=balance,
            profit=Decimal(0),
        )
        return Sample(self.name, account, [_position(item) for item in answer["positions"]], (), asked_at)

    async def deals(self, since_msc: int) -> Sequence[Deal]:
        """See `quantmind.ports.Broker`."""
        return [_deal(item) for item in (await self._read("deals", since_msc=since_msc))["deals"]]

    async def place(self, order: Approved, tag: str) -> Outcome:
        """See `quantmind.ports.Broker`."""
        proposal = order.proposal
        if isinstance(proposal, Cancel) or (isinstance(proposal, Close) and proposal.by is not None):
            await trio.lowlevel.checkpoint()
            return Refused(REQUEST_INVALID, "this broker keeps no orders, and closes nothing by another")
        if isinstance(proposal, Open) and proposal.order_type is not OrderType.MARKET:
            await trio.lowlevel.checkpoint()
            return Refused(REQUEST_INVALID, "this broker takes market orders only")
        try:
            answer = await self._ask("order_send", ANSWER_WITHIN_S, tag=tag, **_order(proposal))
        except Lost as exc:
            return Unknown(str(exc))
        match answer["result"]:
            case "filled":
                return _placed(answer)
            case "refused":
                return Refused(answer["retcode"], answer["comment"])
            case _:  # another order with its tag is open, and that can only be itself
                return Unknown(answer["comment"])

    async def find(self, tag: str) -> Placed | Absent | None:
        """See `quantmind.ports.Broker`."""
        found = (await self._read("find", tag=tag))["found"]
        if found is None:
            return None
        return Absent() if found == "absent" else _placed(found)

    async def recover(self, step: Recovery, symbols: Sequence[str]) -> None:
        """See `quantmind.ports.Broker`. There is nothing to subscribe to; else `run` makes another connection."""
        await trio.lowlevel.checkpoint()
        if step is not Recovery.RESUBSCRIBE:
            self._down()

    async def aclose(self) -> None:
        """See `quantmind.ports.Broker`. Whoever runs `run` ends that."""
        await trio.lowlevel.checkpoint()
        self._down()


# --- both languages ------------------------------------------------------------------------------------------------


def _order(proposal: Open | Close | Modify) -> Message:
    order: Message = {"magic": proposal.origin.magic}
    match proposal:
        case Open():
            assert proposal.side is not None
            order |= {"action": "open", "symbol": proposal.symbol, "side": proposal.side.value}
            order |= {"volume": str(proposal.volume), "sl": _text(proposal.sl), "tp": _text(proposal.tp)}
        case Close():
            order |= {"action": "close", "ticket": proposal.ticket, "volume": _text(proposal.volume)}
        case Modify():
            order |= {"action": "modify", "ticket": proposal.ticket}
            order |= {"sl": _text(proposal.new_sl), "tp": _text(proposal.new_tp)}
    return order


def _placed(fill: Message) -> Placed:
    closes = fill["entry"] == "out"
    return Placed(
        retcode=fill["retcode"],
        order=fill["order"],
        deal=fill["deal"],
        ticket=fill["ticket"],
        price=_decimal(fill["price"]),
        volume=Decimal(fill["volume"]),
        profit=Decimal(fill["profit"]) if closes else None,
        sl=_decimal(fill["sl"]),
        tp=_decimal(fill["tp"]),
    )


def _position(item: Message) -> Position:
    return Position(
        ticket=item["ticket"],
        symbol=item["symbol"],
        side=Side(item["side"]),
        volume=Decimal(item["volume"]),
        price_open=Decimal(item["price"]),
        price_current=Decimal(item["price"]),
        profit=Decimal(0),
        time_msc=item["time_msc"],
        sl=_decimal(item["sl"]),
        tp=_decimal(item["tp"]),
        magic=item["magic"],
        comment=item["tag"],
        tag=item["tag"],
    )


def _deal(item: Message) -> Deal:
    return Deal(
        ticket=item["deal"],
        order=item["order"],
        position=item["ticket"],
        symbol=item["symbol"],
        side=Side(item["side"]),
        entry=Entry(item["entry"]),
        volume=Decimal(item["volume"]),
        price=Decimal(item["price"]),
        profit=Decimal(item["profit"]),
        cause=Cause.CLIENT,
        time_msc=item["time_msc"],
        magic=item["magic"],
        comment=item["tag"],
        tag=item["tag"],
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
