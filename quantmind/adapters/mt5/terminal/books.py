"""Rows of the package as domain values: what is open, what waits, what was done, whose account it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.comments import unpack
from quantmind.adapters.mt5.terminal.constants import (
    DealEntry,
    DealKind,
    DealReason,
    MarginMode,
    OrderKind,
    TimeKind,
)
from quantmind.adapters.mt5.terminal.numbers import level, lots, money, price, text, whole
from quantmind.adapters.mt5.terminal.server_clock import ServerClock
from quantmind.domain.accounts import Account, Cause, Deal, Entry, PendingOrder, Position
from quantmind.domain.orders import OrderType, Side

ORDER_KINDS: Final[Mapping[int, tuple[Side, OrderType]]] = {
    OrderKind.BUY: (Side.BUY, OrderType.MARKET),
    OrderKind.SELL: (Side.SELL, OrderType.MARKET),
    OrderKind.BUY_LIMIT: (Side.BUY, OrderType.LIMIT),
    OrderKind.SELL_LIMIT: (Side.SELL, OrderType.LIMIT),
    OrderKind.BUY_STOP: (Side.BUY, OrderType.STOP),
    OrderKind.SELL_STOP: (Side.SELL, OrderType.STOP),
    # What comes to wait is a limit order, and it begins by a stop: the price that counts for risk is the stop's.
    OrderKind.BUY_STOP_LIMIT: (Side.BUY, OrderType.STOP),
    OrderKind.SELL_STOP_LIMIT: (Side.SELL, OrderType.STOP),
}
_SIDES: Final = {DealKind.BUY: Side.BUY, DealKind.SELL: Side.SELL}
_ENTRIES: Final = {
    DealEntry.IN: Entry.IN,
    DealEntry.OUT: Entry.OUT,
    DealEntry.INOUT: Entry.INOUT,
    DealEntry.OUT_BY: Entry.OUT_BY,
}
_CAUSES: Final[Mapping[int, Cause]] = {DealReason.SL: Cause.SL, DealReason.TP: Cause.TP, DealReason.SO: Cause.STOP_OUT}
UNKNOWN_DIGITS: Final = 8
"""Of a symbol that is not followed: enough for any price."""


@attrs.frozen
class Names:
    """The terminal's symbols by ours, and their digits; one that is not followed keeps the terminal's name."""

    ours: Mapping[str, str]
    digits: Mapping[str, int]

    def of(self, theirs: Any) -> tuple[str, int]:
        """(our name, digits) of a symbol of the terminal."""
        name = text(theirs, "symbol", most=64)
        return self.ours.get(name, name), self.digits.get(name, UNKNOWN_DIGITS)


def account_of(row: Any) -> Account:
    """AccountInfo. Raises ValueError: a field is none."""
    digits = whole(row.currency_digits, "currency_digits", most=8)
    mode = whole(row.margin_mode, "margin_mode", most=2)
    return Account(
        login=whole(row.login, "login"),
        server=text(row.server, "server"),
        currency=text(row.currency, "currency", most=16),
        leverage=whole(row.leverage, "leverage"),
        margin_mode="hedging" if mode == MarginMode.RETAIL_HEDGING else "netting",
        balance=money(row.balance, "balance", digits),
        equity=money(row.equity, "equity", digits),
        margin=money(row.margin, "margin", digits),
        margin_free=money(row.margin_free, "margin_free", digits),
        profit=money(row.profit, "profit", digits),
        trade_allowed=bool(row.trade_allowed) and bool(row.trade_expert),
    )


def position_of(row: Any, names: Names, clock: ServerClock) -> Position:
    """TradePosition. Raises ValueError: a field is none."""
    symbol, digits = names.of(row.symbol)
    tag, comment = unpack(text(row.comment, "comment"))
    return Position(
        ticket=whole(row.ticket, "ticket"),
        symbol=symbol,
        side=_side(row.type, "type"),
        volume=lots(row.volume, "volume"),
        price_open=price(row.price_open, "price_open", digits),
        price_current=price(row.price_current, "price_current", digits),
        profit=money(row.profit, "profit"),
        time_msc=clock.to_utc_msc(whole(row.time_msc, "time_msc", most=10**15)),
        sl=level(row.sl, "sl", digits),
        tp=level(row.tp, "tp", digits),
        swap=money(row.swap, "swap"),
        magic=whole(row.magic, "magic"),
        comment=comment,
        tag=tag,
    )


def pending_of(row: Any, names: Names, clock: ServerClock) -> PendingOrder | None:
    """TradeOrder that waits; None: it is a market order on its way. Raises ValueError: a field is none."""
    kind = ORDER_KINDS.get(whole(row.type, "type"))
    if kind is None or kind[1] is OrderType.MARKET:
        return None
    symbol, digits = names.of(row.symbol)
    tag, comment = unpack(text(row.comment, "comment"))
    expires_s = whole(row.time_expiration, "time_expiration")
    ends = whole(row.type_time, "type_time") != TimeKind.GTC and expires_s > 0
    return PendingOrder(
        ticket=whole(row.ticket, "ticket"),
        symbol=symbol,
        side=kind[0],
        order_type=kind[1],
        volume=lots(row.volume_current, "volume_current"),
        price=price(row.price_open, "price_open", digits),
        time_msc=clock.to_utc_msc(whole(row.time_setup_msc, "time_setup_msc", most=10**15)),
        sl=level(row.sl, "sl", digits),
        tp=level(row.tp, "tp", digits),
        expiration_msc=clock.to_utc_msc(expires_s * 1000) if ends else None,
        magic=whole(row.magic, "magic"),
        comment=comment,
        tag=tag,
    )


def deal_of(row: Any, names: Names, clock: ServerClock) -> Deal | None:
    """TradeDeal; None: it is no trade but a deposit, a charge or the like. Raises ValueError: a field is none."""
    kind = whole(row.type, "type")
    if kind not in _SIDES:
        return None
    symbol, digits = names.of(row.symbol)
    tag, comment = unpack(text(row.comment, "comment"))
    cause = _CAUSES.get(whole(row.reason, "reason"), Cause.CLIENT)
    if cause is not Cause.CLIENT:
        tag = ""  # a server's own deal may keep the comment of the order that opened the position
    return Deal(
        ticket=whole(row.ticket, "ticket"),
        order=whole(row.order, "order"),
        position=whole(row.position_id, "position_id"),
        symbol=symbol,
        side=_SIDES[DealKind(kind)],
        entry=_entry(row.entry),
        volume=lots(row.volume, "volume"),
        price=price(row.price, "price", digits),
        profit=money(row.profit, "profit"),
        cause=cause,
        time_msc=clock.to_utc_msc(whole(row.time_msc, "time_msc", most=10**15)),
        commission=money(row.commission, "commission") + money(row.fee, "fee"),
        swap=money(row.swap, "swap"),
        magic=whole(row.magic, "magic"),
        comment=comment,
        tag=tag,
    )


def deals_of(rows: Iterable[Any], names: Names, clock: ServerClock) -> Sequence[Deal]:
    """The trades among rows of TradeDeal, oldest first. Raises ValueError: a field is none."""
    deals = [deal for row in rows if (deal := deal_of(row, names, clock)) is not None]
    deals.sort(key=lambda deal: (deal.time_msc, deal.ticket))
    return deals


def _side(value: Any, field: str) -> Side:
    kind = whole(value, field)
    if kind not in _SIDES:
        raise ValueError(f"{field} must be 0 (buy) or 1 (sell), was {kind}")
    return _SIDES[DealKind(kind)]


def _entry(value: Any) -> Entry:
    number = whole(value, "entry")
    if number not in _ENTRIES:
        raise ValueError(f"entry must be 0 to 3, was {number}")
    return _ENTRIES[DealEntry(number)]
