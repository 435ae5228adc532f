"""Carries out orders at a terminal, each once: what is written down before it goes is never sent again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.mt5.terminal.calls import NoAnswer
from quantmind.adapters.mt5.terminal.constants import Action
from quantmind.adapters.mt5.terminal.numbers import level, lots
from quantmind.adapters.mt5.terminal.outcomes import (
    EXECUTED,
    cancelled,
    changed,
    check_of,
    ended,
    verdict_of,
    waiting,
)
from quantmind.adapters.mt5.terminal.requests import (
    Market,
    Request,
    cancel_request,
    close_by_request,
    close_request,
    modify_request,
    open_request,
    refuse,
    stops_request,
)
from quantmind.adapters.mt5.worker.desk import Unavailable
from quantmind.adapters.mt5.worker.world import World
from quantmind.adapters.sent_file import SentFile, SentFileError
from quantmind.domain.orders import Cancel, Close, Modify, Open, Outcome, Placed, Proposal, Refused, Unknown
from quantmind.domain.retcodes import Retcode
from quantmind.wire import bridge

logger: Final = logging.getLogger("quantmind.mt5.worker")


@attrs.define(eq=False)
class Trader:
    """Makes a request of an order, has it checked, sends it once, and says what became of it.

    Before each order it is made sure that terminal and account are the right ones and can trade.
    """

    world: World
    sent: SentFile

    def place(self, message: bridge.Trading) -> Outcome:
        """Carry out an order.

        Raises:
            Unavailable: nothing was sent.
            NoAnswer: nothing was sent, since the terminal does not answer.
        """
        world = self.world
        before = self.sent.get(message.tag)
        if before is not None and before.answer.get("refused") is None:
            return refuse(Retcode.INVALID, f"the tag {message.tag} was sent already; nothing is sent twice")
        world.account()
        refused = self._cant_trade()
        if refused is not None:
            return refused
        request = self._request(bridge.proposal_of(message, ""), message.tag)
        if isinstance(request, Refused):
            return request
        if isinstance(message, bridge.OrderSend):
            refused = check_of(world.calls.order_check(request))
            if refused is not None:
                return refused
        return self._send(message, request)

    def _cant_trade(self) -> Refused | None:
        terminal = self.world.calls.terminal_info()
        if not terminal.connected:
            raise Unavailable("the terminal has no connection to the trade server; nothing was sent")
        if terminal.tradeapi_disabled:
            return refuse(
                Retcode.CLIENT_DISABLES_AT,
                "the terminal refuses trades of programs: allow the Python API under Tools, Options, Expert Advisors",
            )
        if not terminal.trade_allowed:
            return refuse(Retcode.CLIENT_DISABLES_AT, "Algo Trading is switched off in the terminal; press its button")
        return None

    # --- what is sent ------------------------------------------------------------------------------------------

    def _request(self, order: Proposal, tag: str) -> Request | Refused:
        world = self.world
        match order:
            case Open():
                market = world.market(order.symbol)
                if market is None:
                    return refuse(Retcode.INVALID, f"symbol {order.symbol} is not followed; list it under `symbols`")
                return open_request(order, market, tag, world.clock)
            case Close():
                return self._close(order, tag)
            case Modify():
                return self._modify(order)
            case Cancel():
                waits = world.waiting(order.ticket)
                return cancel_request(order, waits, None if waits is None else world.market(waits.symbol))

    def _close(self, order: Close, tag: str) -> Request | Refused:
        world, position = self.world, self.world.position(order.ticket)
        if order.by is None:
            market = None if position is None else self._market_of(position.symbol)
            return close_request(order, position, market, tag)
        other = world.position(order.by)
        named = None if position is None else world.symbols.get(position.symbol)
        name = "" if position is None else position.symbol if named is None else named.terminal_name
        return close_by_request(order, position, other, hedging=world.hedging, terminal_name=name, tag=tag)

    def _modify(self, order: Modify) -> Request | Refused:
        world, position = self.world, self.world.position(order.ticket)
        if position is not None:
            market = self._market_of(position.symbol)
            if market is None:
                return refuse(Retcode.INVALID, f"symbol {position.symbol} is not known at the terminal")
            return stops_request(order, position, market)
        waits = world.waiting(order.ticket)
        if waits is None:
            return refuse(Retcode.POSITION_CLOSED, f"there is no open position or pending order {order.ticket}")
        market = self._market_of(waits.symbol)
        if market is None:
            return refuse(Retcode.INVALID, f"symbol {waits.symbol} is not known at the terminal")
        return modify_request(order, waits, market, world.clock)

    # What is open may be of a symbol that nobody follows: it can be closed all the same.
    def _market_of(self, symbol: str) -> Market | None:
        market = self.world.market(symbol)
        return self.world.unfollowed(symbol) if market is None else market

    # --- sending -----------------------------------------------------------------------------------------------

    def _send(self, message: bridge.Trading, request: Request) -> Outcome:
        try:
            what = {"type": type(message).__name__, "request": request}
            self.sent.going(message.tag, what, whatever=message.reduces)
        except SentFileError as exc:
            if not message.reduces:
                raise Unavailable(f"what is sent can't be written down ({exc}); nothing new is opened") from exc
            logger.error("send.unwritten tag=%s reason=%s", message.tag, exc)
        try:
            result = self.world.calls.order_send(request)
            verdict = verdict_of(result)
        except NoAnswer as exc:
            return Unknown(f"{exc}; the order may have been carried out")
        except ValueError as exc:
            return Unknown(f"the terminal's answer can't be read: {exc}")
        if isinstance(verdict, Unknown):
            return verdict
        if verdict is not None:
            self.sent.answered(message.tag, {"refused": verdict.retcode})
            return verdict
        placed = self._placed(request, result)
        if placed is None:
            return Unknown("the server has taken the order and not yet said what came of it")
        if isinstance(placed, Placed):
            self.sent.answered(message.tag, {"placed": msgspec.to_builtins(placed)})
        return placed

    # It was carried out: whatever is read now only says how, and can't undo it.
    # None: it was not yet, though the server has it (10008 to a market order).
    def _placed(self, request: Request, result: Any) -> Placed | Unknown | None:
        try:
            found = self._as_history_says(request, int(result.order))
        except (NoAnswer, ValueError) as exc:
            logger.warning("fail.history order=%s reason=%s", result.order, exc)
            found = None
        if found is None and request["action"] == Action.DEAL and int(result.retcode) == Retcode.PLACED:
            return None
        try:
            return _as_answered(self.world, request, result) if found is None else found
        except ValueError as exc:
            return Unknown(f"it was carried out, and how can't be read yet: {exc}")

    def _as_history_says(self, request: Request, order: int) -> Placed | None:
        world, action = self.world, request["action"]
        if action == Action.SLTP:
            position = world.position(request["position"])
            return None if position is None else changed(position.ticket, position.sl, position.tp)
        if action == Action.REMOVE:
            row = world.order_row(request["order"])
            return None if row is None else cancelled(request["order"], lots(row.volume_initial, "volume_initial"))
        ticket = order or int(request.get("order", 0))
        if action in (Action.PENDING, Action.MODIFY):
            waits = world.waiting(ticket)
            if waits is not None:
                return waiting(waits)
        row = world.order_row(ticket)
        deals = world.deals_of_order(ticket)
        return None if row is None or not deals else ended(row, deals, world.digits_of(row))


def _as_answered(world: World, request: Mapping[str, Any], result: Any) -> Placed:
    """What an answer itself says, where history does not have it yet."""
    digits = world.names.of(request.get("symbol", ""))[1]
    action, order = request["action"], int(result.order) or int(request.get("order", 0))
    if action == Action.SLTP:
        return changed(request["position"], level(request["sl"], "sl", digits), level(request["tp"], "tp", digits))
    if action == Action.REMOVE:
        return cancelled(order, lots(result.volume, "volume"))
    waits = action in (Action.PENDING, Action.MODIFY)
    volume = lots(result.volume or request.get("volume", 0), "volume")
    return Placed(
        retcode=int(result.retcode),
        order=order,
        deal=int(result.deal),
        ticket=int(request.get("position", 0)) or order,
        price=None if waits else level(result.price, "price", digits),
        volume=volume,
        sl=level(request.get("sl", 0), "sl", digits),
        tp=level(request.get("tp", 0), "tp", digits),
        comment=EXECUTED,
        pending=waits,
    )
