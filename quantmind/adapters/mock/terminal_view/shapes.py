"""Positions, orders, deals, the account and ticks as a terminal's structures, field by field in the package's order."""

from __future__ import annotations

from typing import Any

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.terminal_view.constants import (
    DEAL_REASONS,
    ENTRIES,
    FILLING_NUMBERS,
    MARGIN_MODES,
    ORDER_STATE_PLACED,
    ORDER_TYPE_NUMBERS,
    REASON_CLIENT,
    REASON_EXPERT,
    SIDES,
    TypeTime,
)
from quantmind.adapters.mock.terminal_view.numbers import shown_price
from quantmind.domain.accounts import Deal, PendingOrder, Position
from quantmind.domain.orders import Filling
from quantmind.domain.quotes import Quote

_BID_AND_ASK = 6
"""TICK_FLAG_BID and TICK_FLAG_ASK."""


def reason_of(magic: int) -> int:
    """Who asked: a magic number stands for a program. An account does not keep more than that."""
    return REASON_EXPERT if magic else REASON_CLIENT


def position_shape(position: Position, offset_s: int) -> dict[str, Any]:
    """TradePosition. `time_update` is that of the opening: an account does not keep when stops were changed."""
    time_msc = position.time_msc + offset_s * 1000
    return {
        "ticket": position.ticket,
        "time": time_msc // 1000,
        "time_msc": time_msc,
        "time_update": time_msc // 1000,
        "time_update_msc": time_msc,
        "type": SIDES[position.side],
        "magic": position.magic,
        "identifier": position.ticket,
        "reason": reason_of(position.magic),
        "volume": float(position.volume),
        "price_open": shown_price(position.price_open),
        "sl": shown_price(position.sl),
        "tp": shown_price(position.tp),
        "price_current": shown_price(position.price_current),
        "swap": float(position.swap),
        "profit": float(position.profit),
        "symbol": position.symbol,
        "comment": position.comment,
        "external_id": "",
    }


def order_shape(order: PendingOrder, price: Price | None, offset_s: int) -> dict[str, Any]:
    """TradeOrder of a limit or stop order that waits; all of them are filled as ORDER_FILLING_RETURN."""
    time_msc = order.time_msc + offset_s * 1000
    expires = order.expiration_msc
    return {
        "ticket": order.ticket,
        "time_setup": time_msc // 1000,
        "time_setup_msc": time_msc,
        "time_done": 0,
        "time_done_msc": 0,
        "time_expiration": 0 if expires is None else expires // 1000 + offset_s,
        "type": ORDER_TYPE_NUMBERS[order.side, order.order_type],
        "type_time": int(TypeTime.GTC if expires is None else TypeTime.SPECIFIED),
        "type_filling": FILLING_NUMBERS[Filling.RETURN],
        "state": ORDER_STATE_PLACED,
        "magic": order.magic,
        "position_id": 0,
        "position_by_id": 0,
        "reason": reason_of(order.magic),
        "volume_initial": float(order.volume),
        "volume_current": float(order.volume),
        "price_open": shown_price(order.price),
        "sl": shown_price(order.sl),
        "tp": shown_price(order.tp),
        "price_current": shown_price(None if price is None else price.fill(order.side)),
        "price_stoplimit": 0.0,
        "symbol": order.symbol,
        "comment": order.comment,
        "external_id": "",
    }


def deal_shape(deal: Deal, offset_s: int) -> dict[str, Any]:
    """TradeDeal."""
    time_msc = deal.time_msc + offset_s * 1000
    return {
        "ticket": deal.ticket,
        "order": deal.order,
        "time": time_msc // 1000,
        "time_msc": time_msc,
        "type": SIDES[deal.side],
        "entry": ENTRIES[deal.entry],
        "magic": deal.magic,
        "position_id": deal.position,
        "reason": DEAL_REASONS.get(deal.cause, reason_of(deal.magic)),
        "volume": float(deal.volume),
        "price": shown_price(deal.price),
        "commission": float(deal.commission),
        "swap": float(deal.swap),
        "profit": float(deal.profit),
        "fee": 0.0,
        "symbol": deal.symbol,
        "comment": deal.comment,
        "external_id": "",
    }


def account_shape(account: PaperAccount) -> dict[str, Any]:
    """AccountInfo of a demo account."""
    state, terms = account.state(), account.terms
    level = state.margin_level
    return {
        "login": state.login,
        "trade_mode": 0,
        "leverage": state.leverage,
        "limit_orders": terms.max_pending_orders,
        "margin_so_mode": 0,
        "trade_allowed": state.trade_allowed,
        "trade_expert": True,
        "margin_mode": MARGIN_MODES[state.margin_mode],
        "currency_digits": 2,
        "fifo_close": False,
        "balance": float(state.balance),
        "credit": 0.0,
        "profit": float(state.profit),
        "equity": float(state.equity),
        "margin": float(state.margin),
        "margin_free": float(state.margin_free),
        "margin_level": 0.0 if level is None else float(level),
        "margin_so_call": float(terms.margin_call_percent),
        "margin_so_so": float(terms.stop_out_percent),
        "margin_initial": 0.0,
        "margin_maintenance": 0.0,
        "assets": 0.0,
        "liabilities": 0.0,
        "commission_blocked": 0.0,
        "name": "Paper account",
        "server": state.server,
        "currency": state.currency,
        "company": "QuantMind",
    }


def tick_shape(quote: Quote, offset_s: int) -> dict[str, Any]:
    """Tick; prices are the doubles of the feed."""
    time_msc = quote.time_msc + offset_s * 1000
    return {
        "time": time_msc // 1000,
        "bid": quote.bid,
        "ask": quote.ask,
        "last": quote.last,
        "volume": int(quote.volume),
        "time_msc": time_msc,
        "flags": _BID_AND_ASK,
        "volume_real": quote.volume,
    }
