"""`TerminalView`: a paper account to trade and to read as through the MetaTrader5 package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

import attrs

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.money import WIDE, cents
from quantmind.adapters.mock.positions import margin_per_lot
from quantmind.adapters.mock.terminal_view.constants import CHECKED, COMMENTS, EXECUTED, ORDER_TYPES, Action
from quantmind.adapters.mock.terminal_view.numbers import price_of, shown_price, volume_of
from quantmind.adapters.mock.terminal_view.request import TradeRequest, parse, proposal_of
from quantmind.adapters.mock.terminal_view.shapes import (
    account_shape,
    deal_shape,
    order_shape,
    position_shape,
    tick_shape,
)
from quantmind.adapters.mock.terminal_view.symbol_shape import symbol_shape
from quantmind.domain.orders import OrderType, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec

Shape = dict[str, Any]


@attrs.define(eq=False)
class TerminalView:
    """One paper account in MetaTrader 5's shapes: plain dicts, doubles, the field order of the package's structures.

    Synchronous and pure, as the account is. Where the package returns None on failure this does too, except for a
    malformed request, which is an `InvalidRequest`.

    Args:
        offset_s: how far the server's clock is ahead of UTC: a terminal's times are that clock's, written as if UTC.
        next_request_id: number of the next request.

    Attributes:
        reason: why the last request was refused, with the numbers; a terminal has a few words only. None: it was not.
    """

    account: PaperAccount
    offset_s: int = 0
    next_request_id: int = 1
    reason: str | None = None

    # --- requests ----------------------------------------------------------------------------------------------

    def order_send(self, request: Mapping[str, Any]) -> Shape:
        """Carry out a request (OrderSendResult); a refusal is a result, too.

        Raises:
            InvalidRequest: a field is unknown or of the wrong type; nothing was sent.
        """
        asked = parse(request)
        number = self.next_request_id
        self.next_request_id += 1
        # The prices that a requote or a result names are those that the request met.
        quote = self.account.market.quotes.get(asked.symbol)
        proposal = proposal_of(asked, self.account, self.offset_s)
        outcome = proposal if isinstance(proposal, Refused) else self.account.carry_out(proposal, "")
        self.reason = outcome.comment if isinstance(outcome, Refused) else None
        return {
            **_result(asked, outcome, quote),
            "request_id": number,
            "retcode_external": 0,
            "request": attrs.asdict(asked),
        }

    def order_check(self, request: Mapping[str, Any]) -> Shape:
        """What a request would come to (OrderCheckResult); its retcode is 0 when it would be carried out.

        Raises:
            InvalidRequest: a field is unknown or of the wrong type.
        """
        asked = parse(request)
        proposal = proposal_of(asked, self.account, self.offset_s)
        if isinstance(proposal, Refused):
            state = self.account.state()
            retcode, self.reason = proposal.retcode, proposal.comment
            money = (state.balance, state.equity, state.profit, state.margin, state.margin_free, state.margin_level)
        else:
            check = self.account.check(proposal)
            retcode, self.reason = check.retcode, check.comment if check.retcode else None
            money = (check.balance, check.equity, check.profit, check.margin, check.margin_free, check.margin_level)
        names = ("balance", "equity", "profit", "margin", "margin_free", "margin_level")
        return {
            "retcode": retcode,
            **{name: 0.0 if amount is None else float(amount) for name, amount in zip(names, money, strict=True)},
            "comment": COMMENTS.get(retcode, "Error") if retcode else CHECKED,
            "request": attrs.asdict(asked),
        }

    # --- what there is -----------------------------------------------------------------------------------------

    def account_info(self) -> Shape:
        """AccountInfo."""
        return account_shape(self.account)

    def symbol_info(self, symbol: str) -> Shape | None:
        """SymbolInfo; None when there is no such symbol."""
        spec = self.account.market.specs.get(symbol)
        return None if spec is None else symbol_shape(self.account, spec, self.offset_s)

    def symbol_info_tick(self, symbol: str) -> Shape | None:
        """Tick; None when there is no such symbol, or no price of it yet."""
        quote = self.account.market.quotes.get(symbol)
        return None if quote is None else tick_shape(quote, self.offset_s)

    def symbols_get(self, group: str | None = None) -> tuple[Shape, ...]:
        """SymbolInfo of all symbols, or of those whose names a group such as `*USD*,!GBP*` takes in."""
        specs = _in_group(self.account.market.specs.values(), group, lambda spec: spec.name)
        return tuple(symbol_shape(self.account, spec, self.offset_s) for spec in specs)

    def positions_get(
        self, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[Shape, ...]:
        """TradePosition of the open positions: of a symbol, else of a ticket, else of a group, else all."""
        found = _select(self.account.positions(), symbol, ticket, group)
        return tuple(position_shape(each, self.offset_s) for each in found)

    def orders_get(
        self, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[Shape, ...]:
        """TradeOrder of the limit and stop orders that wait, selected as positions are."""
        found = _select(self.account.orders(), symbol, ticket, group)
        return tuple(order_shape(each, self.account.market.price(each.symbol), self.offset_s) for each in found)

    def history_deals_get(
        self,
        date_from: float | None = None,
        date_to: float | None = None,
        *,
        group: str | None = None,
        ticket: int | None = None,
        position: int | None = None,
    ) -> tuple[Shape, ...] | None:
        """TradeDeal of an order's `ticket`, else of a position, else of a time (server's clock, both ends included).

        None without any of these, as in the package. The opening balance is no deal here.
        """
        deals = self.account.deals
        if ticket is not None:
            deals = [deal for deal in deals if deal.order == ticket]
        elif position is not None:
            deals = [deal for deal in deals if deal.position == position]
        elif date_from is None or date_to is None:
            return None
        else:
            first, last = (date_from - self.offset_s) * 1000, (date_to - self.offset_s) * 1000
            within = [deal for deal in deals if first <= deal.time_msc <= last]
            deals = _in_group(within, group, lambda deal: deal.symbol)
        return tuple(deal_shape(deal, self.offset_s) for deal in deals)

    # --- what would be -----------------------------------------------------------------------------------------

    def order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> float | None:
        """The margin of a market order in the account currency; None when a rate is missing or an argument wrong."""
        found = self._to_calculate(action, symbol, volume, price)
        if found is None:
            return None
        spec, side, lots, (level,) = found
        account = self.account
        per_lot = margin_per_lot(spec, side, level, account.terms.leverage, account.market, account.terms.currency)
        return None if per_lot is None else float(cents(WIDE.multiply(per_lot, lots)))

    def order_calc_profit(
        self, action: int, symbol: str, volume: float, price_open: float, price_close: float
    ) -> float | None:
        """The profit between two prices in the account currency at today's rate; None as for the margin."""
        found = self._to_calculate(action, symbol, volume, price_open, price_close)
        if found is None:
            return None
        spec, side, lots, (opened, closed) = found
        made = WIDE.multiply(WIDE.multiply(closed - opened, lots), spec.contract_size) * side.sign
        converted = self.account.market.convert(
            made, spec.currency_profit, self.account.terms.currency, paying=made < 0
        )
        return None if converted is None else float(cents(converted))

    # --- inside ------------------------------------------------------------------------------------------------

    def _to_calculate(
        self, action: int, symbol: str, volume: float, *prices: float
    ) -> tuple[SymbolSpec, Side, Decimal, Sequence[Decimal]] | None:
        spec = self.account.market.specs.get(symbol)
        side, order_type = ORDER_TYPES.get(action, (None, None))
        if spec is None or side is None or order_type is not OrderType.MARKET:
            return None
        lots, levels = volume_of(volume), [price_of(price, spec) for price in prices]
        if not all(each.is_finite() and 0 < each <= 10**12 for each in (lots, *levels)):
            return None
        return spec, side, lots, levels


def _result(asked: TradeRequest, outcome: Placed | Refused, quote: Quote | None) -> Shape:
    trades = asked.action in (Action.DEAL, Action.PENDING, Action.CLOSE_BY)
    bid, ask = (0.0, 0.0) if quote is None or not trades else (quote.bid, quote.ask)
    if isinstance(outcome, Refused):
        requoted = outcome.retcode == Retcode.REQUOTE
        return {
            "retcode": outcome.retcode,
            "deal": 0,
            "order": 0,
            "volume": 0.0,
            "price": 0.0,
            "bid": bid if requoted else 0.0,
            "ask": ask if requoted else 0.0,
            "comment": COMMENTS.get(outcome.retcode, "Error"),
        }
    comment = COMMENTS.get(outcome.retcode, EXECUTED)
    if asked.action == Action.PENDING and asked.comment:
        # Recorded so: of a pending order the server gives its comment back.
        comment = asked.comment
    return {
        "retcode": outcome.retcode,
        "deal": outcome.deal,
        "order": outcome.order if asked.action != Action.SLTP else 0,
        "volume": float(outcome.volume) if trades and outcome.volume is not None else 0.0,
        "price": shown_price(outcome.price),
        "bid": bid,
        "ask": ask,
        "comment": comment,
    }


def _select(items: Iterable[Any], symbol: str | None, ticket: int | None, group: str | None) -> Iterable[Any]:
    if symbol is not None:
        return [each for each in items if each.symbol == symbol]
    if ticket is not None:
        return [each for each in items if each.ticket == ticket]
    return _in_group(items, group, lambda each: each.symbol)


# Masks that take in come first, those that take out (!) after them.
def _in_group(items: Iterable[Any], group: str | None, name_of: Any) -> Sequence[Any]:
    if group is None:
        return list(items)
    masks = [mask.strip() for mask in group.split(",")]
    within = [mask for mask in masks if mask and not mask.startswith("!")]
    without = [mask[1:] for mask in masks if mask.startswith("!")]
    return [
        each
        for each in items
        if any(fnmatchcase(name_of(each), mask) for mask in within or ["*"])
        and not any(fnmatchcase(name_of(each), mask) for mask in without)
    ]
